/*
 * Servers: listening, a fiber a connection. Part of grove.h.
 */
#ifndef GROVE_SERVER_H
#define GROVE_SERVER_H

#include <grove/base.h>
#include <grove/tls.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* On the thread that starts it, or dealt to several; see attr.hubs. Its calls
 * are for any thread, but grove_server_release: for that one. */
typedef struct grove_server grove_server;

/* As many hubs as the processors that the thread may run on. */
#define GROVE_HUBS_ALL (~0u)
/* The most that a server can have. */
#define GROVE_SERVER_HUBS_MAX 1024

/* What a server's function is called with. */
typedef struct grove_connection {
    int fd;
    grove_tls *tls; /* its handshake is done; NULL: without TLS */
    const struct sockaddr *peer;
    socklen_t peer_size;
    grove_server *server;
    void *arg; /* of grove_server_start */
} grove_connection;

/* Zero-initialised it means the defaults, but for where to listen. */
typedef struct grove_server_attr {
    size_t size;         /* sizeof(grove_server_attr), or 0: see grove.h */
    const char *address; /* as of grove_listen: "127.0.0.1:8080", ":8080" (all
                            addresses), "unix:/path"; port 0: a free one */
    int fd;              /* without an address: a listening socket of the
                            caller's, made non-blocking and not closed */
    int backlog;         /* 0: as many as the system allows */
    bool reuse_port;     /* others may listen there too: SO_REUSEPORT */
    size_t limit;        /* connections at a time; 0: no limit */
    size_t stack_size;   /* of their fibers; 0: the default */
    const char *name;    /* of their fibers, for people */
    grove_tls_context *tls;    /* NULL: without TLS */
    int64_t handshake_timeout; /* nanoseconds; 0: 10 seconds */
    bool delay; /* small packets may wait for others; without this, connections
                   by TCP have TCP_NODELAY */
    unsigned hubs; /* that serve: the caller's, and for each further one a
                      thread of the server's; 0: 1. Each connection goes to the
                      one that has the fewest */
} grove_server_attr;

/* Listen, and call serve in a fiber of its own for each connection, which is
 * closed after serve has returned. It waits only if the address is a name, and
 * for the threads of other hubs. 0, or -EINVAL (no such address, the fd does
 * not listen, tls is not a server's or has no certificate, too many hubs),
 * -ENOMEM, -EAGAIN (no thread), or as grove_listen says: -EADDRINUSE, -EACCES
 * ... */
GROVE_API int grove_server_start(grove_server **out,
                                 const grove_server_attr *attr,
                                 void (*serve)(grove_connection *c), void *arg);
GROVE_API int grove_server_start_until(grove_server **out,
                                       const grove_server_attr *attr,
                                       void (*serve)(grove_connection *c),
                                       void *arg, int64_t deadline);

/* Stop accepting, close the socket, and wait until all connections have ended,
 * and with them the server's threads and all of their fibers:
 * those whose clients had connected by then are served, those that rest end;
 * the twin kills those that are left at deadline, and waits for their end. How
 * many were killed; or -ECANCELED, -ETIMEDOUT (an enclosing scope), -EDEADLK
 * (also: called by one of its connections); then it can be called again, and
 * kills on if some were killed. */
GROVE_API int grove_server_stop(grove_server *server);
GROVE_API int grove_server_stop_until(grove_server *server, int64_t deadline);

/* Wait until the server has stopped accepting: 0, if by grove_server_stop, or
 * the negative errno that ended it (-EBADF: its socket was closed); or
 * -ECANCELED, -ETIMEDOUT, -EDEADLK, as every wait. */
GROVE_API int grove_server_wait(grove_server *server);
GROVE_API int grove_server_wait_until(grove_server *server, int64_t deadline);

/* Give the handle back, on the thread that has started the server. It stops
 * accepting; connections that are there go on to their end. */
GROVE_API void grove_server_release(grove_server *server);

/* Whether it has been stopped: answers may say that no other follows. */
GROVE_API bool grove_server_is_stopping(const grove_server *server);

/* For serve: c waits for a request from here on (true), and works on one again
 * (false). While it rests, a stop of the server ends the wait of its fiber,
 * with ECANCELED, if nothing has come from the client. 0; -ESHUTDOWN for one
 * that would rest while nothing has come and the server stops: serve is to
 * return. */
GROVE_API int grove_connection_rest(grove_connection *c, bool rest);

/* The address it listens on, as getsockname(2). 0; -1 with errno. */
GROVE_API int grove_server_address(const grove_server *server,
                                   struct sockaddr *addr, socklen_t *size);
/* Its port; 0 if it has none. */
GROVE_API int grove_server_port(const grove_server *server);

typedef struct grove_server_stats {
    size_t size;       /* sizeof(grove_server_stats), or 0: see grove.h */
    uint64_t accepted; /* connections, those below included */
    uint64_t refused;  /* closed at once, for want of memory */
    uint64_t failed;   /* whose handshake has failed */
    uint64_t paused;   /* times it had to wait for descriptors or memory */
    size_t active;     /* connections there are now */
} grove_server_stats;

/* Fill in *stats, which must be zero but for its size. 0, or -EINVAL for a size
 * that cannot be. */
GROVE_API int grove_server_get_stats(const grove_server *server,
                                     grove_server_stats *stats);

/* How many hubs serve; the first is that of the server's start. */
GROVE_API unsigned grove_server_hubs(const grove_server *server);
/* What of these counts is one hub's; pauses are the first's. 0, or -EINVAL: a
 * size that cannot be, or there is no such hub. */
GROVE_API int grove_server_get_hub_stats(const grove_server *server,
                                         unsigned hub,
                                         grove_server_stats *stats);

/* Read from and write to a connection, by TLS where it has that: grove_recv and
 * grove_send (without SIGPIPE), or grove_tls_read and grove_tls_write. */
GROVE_API ssize_t grove_connection_read(grove_connection *c, void *buf,
                                        size_t len);
GROVE_API ssize_t grove_connection_read_until(grove_connection *c, void *buf,
                                              size_t len, int64_t deadline);
GROVE_API ssize_t grove_connection_write(grove_connection *c, const void *buf,
                                         size_t len);
GROVE_API ssize_t grove_connection_write_until(grove_connection *c,
                                               const void *buf, size_t len,
                                               int64_t deadline);
/* All or fail: as grove_send_all, or grove_tls_write_all. */
GROVE_API int grove_connection_write_all(grove_connection *c, const void *buf,
                                         size_t len, size_t *done);
GROVE_API int grove_connection_write_all_until(grove_connection *c,
                                               const void *buf, size_t len,
                                               size_t *done, int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Servers: what their files share.
 *
 *   server.c          accepting, stopping
 *   server_serve.c    a connection, from its acceptance to its end
 *
 * All on the thread that has started the server.
 */
#ifndef GROVE_NET_SERVER_H
#define GROVE_NET_SERVER_H

#include "net/net.h"

/* A connection, in the list of its server until it has ended. Allocated until
 * its fiber runs, and then on that one's stack, on the page that is there
 * anyway. */
struct server_connection {
    grove_connection public; /* what the user's function is given */
    struct server_connection *next, *prev; /* accepted before it, after it */
    grove_fiber *fiber;                    /* a reference */
    int socket;   /* its descriptor, also when a stream has it */
    bool resting; /* it waits for a request: see grove_connection_rest */
    struct sockaddr_storage peer; /* last: only what is used is moved */
};

struct grove_server {
    int fd;                 /* -1: closed */
    bool owned;             /* the server has opened it */
    bool accepting;         /* the acceptor has not ended */
    bool stopping;          /* no more connections are wanted */
    bool killing;           /* its connections have been killed */
    unsigned references;    /* the handle, the acceptor, each connection */
    size_t limit;           /* of connections at once; 0: none */
    size_t stack_size;      /* of their fibers; 0: the default */
    char name[24];          /* of their fibers */
    grove_tls_context *tls; /* a reference; NULL: no TLS */
    int64_t handshake_timeout;
    void (*serve)(grove_connection *c); /* called on a connection's fiber */
    void *arg;                          /* each connection's, at first */
    grove_fiber *acceptor;              /* a reference */
    int error;     /* what has ended it: 0 or a negative errno */
    int64_t pause; /* the last one's length, while there is no room */
    /* Set at each end of a connection, for an acceptor that waits for room; and
     * while there is no connection. */
    grove_event changed, idle;
    struct server_connection *first; /* accepted last; stats.active of them */
    grove_server_stats stats;
};

/* Have fd, just accepted, served by a fiber of its own; closed if that fails.
 * 0 or -ENOMEM. */
int server_serve(grove_server *server, int fd, const struct sockaddr *peer,
                 socklen_t peer_size);
/* The server stops: ends the wait of one that rests. */
void server_disturb(struct server_connection *c);

void server_unref(grove_server *server);

#endif

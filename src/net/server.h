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
    grove_connection public;
    struct server_connection *next, *prev;
    grove_fiber *fiber;
    bool running; /* its fiber has begun: it cleans up by itself */
    struct sockaddr_storage peer;
};

struct grove_server {
    int fd;     /* -1: closed */
    bool owned; /* the server has opened it */
    bool accepting;
    bool stopping;       /* the acceptor has been asked to end */
    unsigned references; /* the handle, the acceptor, each connection */
    size_t limit;
    size_t stack_size;
    char name[24];
    grove_tls_context *tls;
    int64_t handshake_timeout;
    void (*serve)(grove_connection *c);
    void *arg;
    grove_fiber *acceptor;
    int error;     /* what has ended it: 0 or a negative errno */
    int64_t pause; /* the last one's length, while there is no room */
    /* Set at each end of a connection, for an acceptor that waits for room; and
     * while there is no connection. */
    grove_event changed, idle;
    struct server_connection *first;
    grove_server_stats stats;
};

/* Have fd, just accepted, served by a fiber of its own; closed if that fails.
 * 0 or -ENOMEM. */
int server_serve(grove_server *server, int fd, const struct sockaddr *peer,
                 socklen_t peer_size);
/* Kill its fiber. One that has not begun is done with here. */
void server_kill(struct server_connection *c);

void server_unref(grove_server *server);

#endif

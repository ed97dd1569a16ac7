/*
 * Servers: what their files share.
 *
 *   server.c          starting, what is known of it
 *   server_accept.c   accepting
 *   server_stop.c     stopping
 *   server_serve.c    a connection, from its acceptance to its end
 *   server_hubs.c     its hubs, and which of them a connection is dealt to
 *
 * A server is of the thread that has started it, its home, where connections
 * are accepted. Each of its hubs has a share of them, the home the first:
 *
 *     home                                   another hub
 *        accepts, chooses a share
 *        dealt, disturb, kill -------------->  its connections
 *        active, changed, idle <-------------  end
 *
 * What is atomic, and the events, any of the hubs uses; the rest is the home's,
 * or set before the others are there. The members of a share say whose they
 * are.
 */
#ifndef GROVE_NET_SERVER_H
#define GROVE_NET_SERVER_H

#include <stdatomic.h>

#include "hub/mailbox.h"
#include "hub/part.h"
#include "net/net.h"

struct server_share;

/* A connection, in the list of its share until it has ended. Allocated until
 * its fiber runs, and then on that one's stack, on the page that is there
 * anyway. */
struct server_connection {
    grove_connection public;    /* what the user's function is given */
    struct server_share *share; /* it belongs to */
    struct server_connection *next, *prev; /* accepted before it, after it */
    grove_fiber *fiber;                    /* a reference */
    int socket;   /* its descriptor, also when a stream has it */
    bool resting; /* it waits for a request: see grove_connection_rest */
    struct server_reader *reader; /* reads it ahead; NULL: nobody does */
    struct sockaddr_storage peer; /* of this only what is used is moved */
    struct hub_message dealt;     /* while it is on its way to its hub */
};

/* Who reads a connection ahead of its function: a stream. */
struct server_reader {
    struct server_connection *connection; /* NULL: it has ended */
    /* Whether something is here that came and was not read yet. */
    bool (*has_more)(const struct server_reader *reader);
};

/* What a hub has of a server. */
struct server_share {
    grove_server *server;
    struct hub *hub; /* a reference; NULL: its thread is not there yet */
    struct server_connection *first; /* begun last; the hub's own */
    _Atomic size_t active;           /* those in the list or dealt to it */
    _Atomic uint64_t accepted, refused, failed; /* see grove_server_stats */
    struct hub_message disturb, kill; /* what is to be done to all of them */
};

struct grove_server {
    _Atomic int fd;         /* -1: closed */
    bool owned;             /* the server has opened it */
    bool accepting;         /* the acceptor has not ended */
    bool released;          /* its handle has been given back */
    bool killing;           /* its connections have been killed */
    _Atomic bool stopping;  /* no more connections are wanted */
    unsigned references;    /* the handle, the acceptor, the leader, each of the
                               home's connections */
    size_t limit;           /* of connections at once; 0: none */
    size_t stack_size;      /* of their fibers; 0: the default */
    char name[24];          /* of their fibers */
    grove_tls_context *tls; /* a reference; NULL: no TLS */
    int64_t handshake_timeout;
    void (*serve)(grove_connection *c); /* called on a connection's fiber */
    void *arg;                          /* each connection's, at first */
    grove_fiber *acceptor;              /* a reference */
    int error;               /* what has ended it: 0 or a negative errno */
    int64_t pause;           /* the last one's length, while there is no room */
    _Atomic uint64_t paused; /* see grove_server_stats */
    struct sockaddr_storage address; /* it listens on */
    socklen_t address_size;

    struct hub *home;     /* a reference */
    struct hub_part part; /* tells of the home's end, and of forks */
    /* Runs the other hubs until their connections have ended, a reference;
     * NULL: there are none. */
    grove_fiber *leader;
    _Atomic unsigned ready; /* hubs that the leader has brought up */
    _Atomic bool starved;   /* another hub had no memory for a connection */
    grove_event up;         /* they all are, or the leader has failed */
    grove_event no_more;    /* nothing is dealt any more */
    grove_event changed;    /* a connection has ended, for who clears it */
    grove_event idle;       /* there was none any more, likewise */
    _Atomic size_t active;  /* connections of all shares */
    unsigned next;          /* share to be looked at first */
    unsigned hubs;          /* shares */
    struct server_share shares[];
};

/* ---- server.c ------------------------------------------------------------- */

void server_unref(grove_server *server);
/* If it is the server's own. There is none afterwards. */
void server_close_socket(grove_server *server);

/* ---- server_accept.c ------------------------------------------------------ */

/* 0 or a negative errno, and then the other hubs are gone. */
int server_start_accepting(grove_server *server);

/* The connections of all hubs, once an event was cleared: who ends one later
 * than this look finds it clear. For that the clearing and the look must be in
 * one order with the end's (server_count_out), so the look is a change, too; a
 * fence would do as well, but TSan does not know of those. */
static inline size_t server_active_after_clear(grove_server *server)
{
    return atomic_fetch_add(&server->active, 0);
}

/* ---- server_serve.c ------------------------------------------------------- */

/* Have fd, just accepted, served by a fiber of one of the hubs; closed if that
 * fails. 0 or -ENOMEM. */
int server_serve(grove_server *server, int fd, const struct sockaddr *peer,
                 socklen_t peer_size);
/* On its share's hub: have c, allocated and counted, served. 0 or -ENOMEM. */
int server_begin(struct server_connection *c);
/* c, which is not served, is closed and freed. */
void server_refuse(struct server_connection *c);
/* reader, whose has_more is set, reads c ahead, or does not any more. */
void server_read_ahead(grove_connection *c, struct server_reader *reader);
void server_read_no_more(struct server_reader *reader);
/* On the hub: what the stop of a server does to a share's connections. */
void server_disturb(struct server_share *share);
void server_kill(struct server_share *share);

/* ---- server_hubs.c -------------------------------------------------------- */

/* One connection of share's has begun, has ended. */
void server_count_in(struct server_share *share);
void server_count_out(struct server_share *share);

/* The share that has the fewest. */
struct server_share *server_choose(grove_server *server);
/* Send c to its hub. 0, or -ESRCH: that has ended. */
int server_deal(struct server_connection *c);

/* Bring the other hubs up: 0 or a negative errno, and then they are gone. */
int server_open_hubs(grove_server *server, int64_t deadline);
/* Have them end when their connections have; nothing is dealt any more. */
void server_close_hubs(grove_server *server);
/* Wait for that; the deadline ends them. 0, or as every wait. */
int server_await_hubs(grove_server *server, int64_t deadline);

/* Have all connections disturbed, or killed. */
void server_disturb_all(grove_server *server);
void server_kill_all(grove_server *server);

/* That of the calling thread; NULL: it has none. */
const struct server_share *server_own_share(const grove_server *server);

#endif

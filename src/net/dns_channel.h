/*
 * Between the files that have c-ares in the hub's loop:
 *
 *   dns_question.c  what is asked: slots, lookups, the fibers that wait
 *   dns_channel.c   channels, their timer; what a hub keeps
 *   dns_socket.c    c-ares's sockets in the hub's loop
 *
 *      ask ----> waits for one of DNS_MAX slots ----> under way ----> answered
 *                          |                              |
 *                          +-- deadline, kill --> error <-+ (then the lookup is
 *                                                 abandoned: its record stays
 *                                                 until c-ares is done with it)
 *
 * Invariants:
 *   1. c-ares is entered by a fiber that asks, by the loop for a socket or the
 *      timer, and at the end; never from within its own callbacks, which only
 *      mark and wake. Whoever has entered it calls dns_channel_settle then.
 *   2. A lookup's record is the fiber's until it is done; abandoned, it is the
 *      callback's. A channel is freed only outside c-ares and without lookups.
 *   3. After a fork the child's lookups are asked anew on a fresh channel.
 *
 * All run on the hub's thread.
 */
#ifndef GROVE_NET_DNS_CHANNEL_H
#define GROVE_NET_DNS_CHANNEL_H

#include "hub/part.h"
#include "net/dns_ares.h"

struct dns_socket;

/* One of c-ares's channels, in a hub's loop. */
struct dns_channel {
    struct dns_channel *next; /* older */
    struct dns *dns;          /* of its hub */
    ares_channel ares;
    struct dns_socket *sockets; /* those that c-ares has open, newest first */
    struct timer timer;         /* for c-ares's timeouts */
    int64_t timeout;            /* nanoseconds, of a question's first try */
    size_t pending;             /* lookups */
    bool failed;                /* no memory to wait for a socket */
    int reads;                  /* left in this turn: what c-ares may receive */
};

struct dns {
    struct hub_part part; /* how the hub tells of its end and of forks */
    struct hub *hub;
    struct dns_config config;
    struct dns_channel *channels; /* the first is the present one, unless it is
                                     out of date; the others are retired */
    bool current;                 /* the first is up to date */
    bool ending;                  /* nobody waits any more */
    size_t under_way;             /* slots taken, DNS_MAX at most */
    struct slot_wait *first, **last; /* those who wait for one to end */
};

/* ---- dns_channel.c ------------------------------------------------------- */

/* The present channel, made if there is none; NULL without memory. */
struct dns_channel *dns_channel_now(struct dns *dns);

/* After c-ares was entered; ch may be gone then. */
void dns_channel_settle(struct dns_channel *ch);

/* ---- dns_question.c ------------------------------------------------------ */

/* In a forked child: those who waited for a slot and are in the parent only
 * are forgotten. */
void dns_drop_lost_waits(struct dns *dns);

/* ---- dns_socket.c -------------------------------------------------------- */

/* What c-ares calls for what it wants of a socket of channel data now, neither
 * when it is about to close it. */
void dns_on_socket_state(void *data, ares_socket_t fd, int read, int write);

/* Have ch's c-ares make and use its sockets as dns_socket.c does. A status of
 * c-ares's. */
int dns_set_socket_functions(struct dns_channel *ch);

#endif

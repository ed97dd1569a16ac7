/*
 * Waits among the fibers of one thread: rings of those who wait, first in,
 * first out. Unlike the queues of waiter.h no other thread can end such a wait,
 * so a deadlock in one is always found.
 */
#ifndef GROVE_SYNC_TURN_H
#define GROVE_SYNC_TURN_H

#include "hub/links.h"
#include "hub/wait.h"

/* One who waits, on its stack. */
struct turn {
    grove_link link; /* in the ring; arg: the fiber; next NULL: out of it */
    int result;      /* of its wait, once it was given its turn */
};

static inline struct turn *turn_of(grove_link *link)
{
    return container_of(link, struct turn, link);
}

/* Waits in ring until it is one's turn: what was given with it; or as hub_wait,
 * and then nothing was given. */
int turn_wait(struct hub *hub, grove_link *ring, int64_t deadline,
              const char *what);

/* The same for one that stands on the caller's stack, and in a ring already. */
int turn_await(struct hub *hub, struct turn *turn, int64_t deadline,
               const char *what);

/* Gives the first who waits its turn. Whether there was one. */
bool turn_give(grove_link *ring, int result);

/* Whether anybody waits. */
bool turn_any(const grove_link *ring);

#endif

/*
 * Timers: a pairing heap of intrusive nodes, earliest deadline first, equal
 * deadlines in the order they were added.
 *
 * Fredman, Sedgewick, Sleator, Tarjan: The pairing heap (Algorithmica 1,
 * 1986). Adding is O(1); removing is O(1) for a timer that never became the
 * parent of others, which is how most timers end (cancelled), and O(log n)
 * amortised otherwise. Nothing is allocated.
 */
#ifndef GROVE_HUB_TIMER_H
#define GROVE_HUB_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"

struct timer {
    int64_t deadline;    /* when it is due, by hub_clock */
    uint64_t order;      /* of adding, among equal deadlines */
    struct timer *child; /* the first of those that are not earlier */
    struct timer *next;  /* sibling */
    struct timer *prev;  /* sibling, or of the first child the parent;
                            NULL: not in a heap */
    void (*fn)(struct timer *timer); /* called when due, out of the heap */
};

struct timer_heap {
    struct timer *root; /* the earliest; NULL: there is none */
    uint64_t order;     /* of the timer that is added next */
    size_t count;       /* timers in it */
    bool expiring;      /* inside timer_expire(now) ... */
    int64_t now;        /* ... whose now it is */
};

GROVE_HOST_API void timer_add(struct timer_heap *heap, struct timer *timer,
                              int64_t deadline);
GROVE_HOST_API void timer_remove(struct timer_heap *heap, struct timer *timer);

static inline bool timer_pending(const struct timer *timer)
{
    return timer->prev != NULL;
}

/* Calls every timer due at now; one added meanwhile waits for the next call.
 * How many there were. */
size_t timer_expire(struct timer_heap *heap, int64_t now);

#endif

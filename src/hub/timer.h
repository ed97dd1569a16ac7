/*
 * Timers: earliest deadline first, equal deadlines in the order they were
 * added.
 *
 * Those that are added in the order of their deadlines are in lists, the others
 * in a heap of four children a node, all in compact memory of their own
 * (timer.c draws it): adding, removing and expiring one of a million moves some
 * ten entries of 16 bytes and touches no timer but that one, as most of them
 * lie on the stacks of fibers that sleep.
 *
 * A timer is added where nobody could be told that there is no memory. So who
 * makes something that may have a timer pending claims the room for it first,
 * and gives the claim up when that is no more. No more timers are pending than
 * are claimed.
 *
 * Who adds and removes one timer over and over, a little later each time, as
 * the fiber of a connection does by each of its waits, lets it rest in between:
 *
 *                add                  rest
 *     no entry -------> pending  <===========> resting
 *         ^    remove,  |    ^       add          |
 *         +--- expired -+    +--- put off         |
 *         +------------------- remove, expired ---+
 *
 * Its entry stays where it is, which costs nothing, and so it does when the
 * timer is added again with a deadline that is no earlier: what the entry says
 * is then too early, and it is put right once it is the first and due. Who
 * has let a timer rest removes it before it goes.
 */
#ifndef GROVE_HUB_TIMER_H
#define GROVE_HUB_TIMER_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"

/* At most so many timers are called in one timer_expire: as many as fibers run
 * between two looks (HUB_PASS), so that those they wake run while their records
 * are still in the cache, and descriptors are not forgotten over them. */
#define TIMER_BATCH 256

struct timer {
    int64_t deadline;                /* when it is due, by hub_clock */
    void (*fn)(struct timer *timer); /* called when due, out of the heap */
    uint32_t slot;   /* of the heap's, and TIMER_RESTS; 0: it has no entry */
    int64_t entered; /* the entry's deadline: no later than its own */
    uint64_t order;  /* of adding it last; the entry may have an older one */
};

/* In the slot of a timer that has an entry and is not pending. */
#define TIMER_RESTS (1u << 31)

/* What the heap has of a timer: what is needed to compare it. */
struct timer_entry {
    int64_t deadline; /* the timer's */
    uint64_t rest;    /* order of adding, and in the lowest bits the slot. The
                         order wraps around after 2^36 additions: only if that
                         happens between two of equal deadlines do they come the
                         wrong way round */
};

/* Timers that were added in the order of their deadlines, as those of equal
 * timeouts are: a list, to whose end one is added, and from whose middle one is
 * taken, at a cost that does not grow. */
struct timer_run {
    struct timer_entry first; /* unless it is empty */
    uint32_t last;            /* its slot */
    uint32_t count;
};

/* Timeouts of so many kinds are told apart. */
#define TIMER_RUNS 4

struct timer_chunk;

struct timer_heap {
    struct timer_run runs[TIMER_RUNS];
    int64_t last[TIMER_RUNS];    /* the latest deadline that joined each */
    struct timer_chunk **chunks; /* of entries and slots; timer.c */
    size_t directory;            /* chunks there is room for in ->chunks */
    size_t room;                 /* timers there is memory for */
    size_t claims;               /* of timers that may be added unasked */
    size_t others;               /* of the claims those that are no fiber's */
    size_t count;                /* of those that are pending */
    size_t heaped;               /* of those, the ones that are in no run */
    uint32_t used;               /* slots that were ever given out */
    uint32_t free;               /* the first that was given back; 0: none */
    uint64_t order;              /* of the timer that is added next */
    bool expiring;               /* inside timer_expire(now) ... */
    int64_t now;                 /* ... whose now it is */
};

/* Make room for one more. 0 or -ENOMEM. */
GROVE_HOST_API int timer_grow(struct timer_heap *heap);

/* One more timer may be pending than before, a fiber's. 0 or -ENOMEM. */
static inline int timer_claim_for_fiber(struct timer_heap *heap)
{
    if (unlikely(heap->claims == heap->room) && timer_grow(heap) < 0)
        return -ENOMEM;
    heap->claims++;
    return 0;
}

/* One fewer. */
static inline void timer_unclaim_for_fiber(struct timer_heap *heap)
{
    assert(heap->claims > heap->count && heap->claims > heap->others);
    heap->claims--;
}

/* The same for a timer that is no fiber's. */
static inline int timer_claim(struct timer_heap *heap)
{
    int r = timer_claim_for_fiber(heap);
    heap->others += r == 0;
    return r;
}

static inline void timer_unclaim(struct timer_heap *heap)
{
    assert(heap->others > 0);
    heap->others--;
    timer_unclaim_for_fiber(heap);
}

/* Gives back its memory. What is still pending never comes. */
void timer_heap_free(struct timer_heap *heap);

GROVE_HOST_API void timer_add(struct timer_heap *heap, struct timer *timer,
                              int64_t deadline);
GROVE_HOST_API void timer_remove(struct timer_heap *heap, struct timer *timer);

/* Removes all. */
void timer_remove_all(struct timer_heap *heap);

/* One that is pending and would call fn; NULL: there is none. It looks through
 * all: for the end of a thread. */
GROVE_HOST_API struct timer *timer_find(const struct timer_heap *heap,
                                        void (*fn)(struct timer *timer));

static inline bool timer_pending(const struct timer *timer)
{
    return (int32_t)timer->slot > 0; /* neither 0 nor at rest */
}

/* It is not pending any more, but likely to be again soon, and no earlier. */
static inline void timer_rest(struct timer_heap *heap, struct timer *timer)
{
    if (timer_pending(timer)) {
        assert(heap->count > 0);
        timer->slot |= TIMER_RESTS;
        heap->count--;
    }
}

/* When the first is due, or earlier, where one rests or was put off;
 * GROVE_NEVER when none is pending. */
int64_t timer_first(const struct timer_heap *heap);

/* Calls those due at now, the first TIMER_BATCH of them; one added meanwhile
 * waits for the next call. How many there were, entries of others that were
 * put right included. */
size_t timer_expire(struct timer_heap *heap, int64_t now);

#endif

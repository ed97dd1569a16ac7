/*
 * The run queue: what is due, first in, first out. Its nodes are parts of what
 * they stand for (a fiber, a callback), so that nothing is allocated to wake
 * somebody, and doubly linked, so that anything can be taken out again.
 */
#ifndef GROVE_HUB_RUN_QUEUE_H
#define GROVE_HUB_RUN_QUEUE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "fiber/visibility.h"

struct grove_fiber;

struct run {
    struct run *next; /* NULL: not queued */
    struct run *prev; /* valid while it is queued */
    /* What to do when its turn comes. All NULL: it is a fiber's (grove_fiber's
     * member run), which goes on. At most one is set otherwise. */
    void (*call)(struct run *run); /* on the hub's own stack; must not wait */
    /* Makes or chooses the fiber that is to go on now: one that is born only
     * when its turn comes; one that is parked (hub_turn_of). NULL: there is
     * none after all. Must not switch. */
    struct grove_fiber *(*birth)(struct run *run);
};

struct run_queue {
    struct run ends; /* next: the first, prev: the last; call: never called,
                        set so that the end does not look like a fiber's */
};

/* The call of every queue's ends. A host refers to it, too, by what follows. */
GROVE_HOST_API void run_queue_end(struct run *run);

static inline void run_queue_init(struct run_queue *q)
{
    q->ends.next = &q->ends;
    q->ends.prev = &q->ends;
    q->ends.call = run_queue_end;
    q->ends.birth = NULL;
}

static inline bool run_queue_empty(const struct run_queue *q)
{
    return q->ends.next == &q->ends;
}

static inline bool run_queued(const struct run *run)
{
    return run->next != NULL;
}

static inline void run_queue_push(struct run_queue *q, struct run *run)
{
    struct run *last = q->ends.prev;
    assert(!run_queued(run) && last->next == &q->ends);
    run->next = &q->ends;
    run->prev = last;
    last->next = run;
    q->ends.prev = run;
}

/* To the head: it runs next. */
static inline void run_queue_push_first(struct run_queue *q, struct run *run)
{
    struct run *first = q->ends.next;
    assert(!run_queued(run) && first->prev == &q->ends);
    run->next = first;
    run->prev = &q->ends;
    first->prev = run;
    q->ends.next = run;
}

/* next is queued, or the end. */
static inline void run_queue_push_before(struct run *next, struct run *run)
{
    assert(!run_queued(run) && run_queued(next));
    run->next = next;
    run->prev = next->prev;
    next->prev->next = run;
    next->prev = run;
}

static inline void run_queue_remove(struct run *run)
{
    assert(run_queued(run) && run->call != run_queue_end);
    assert(run->prev->next == run && run->next->prev == run);
    run->prev->next = run->next;
    run->next->prev = run->prev;
    run->next = NULL;
}

#endif

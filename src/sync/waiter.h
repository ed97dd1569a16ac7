/*
 * Who waits in a primitive: a queue, first in, first out, that fibers of any
 * hub and threads without one may work on.
 *
 * The primitive's words and its queue are changed under the queue's lock, which
 * is taken only once the process has a second thread; nothing parks or calls
 * out while holding it. A waiter's record stands on its stack:
 *
 *     q->first --> waiter <--> waiter <--> waiter <-- q->last
 *                    |            |
 *               shared_wait  shared_wait   (of a select: several share one)
 *
 * The pattern of a primitive:
 *
 *     waiting fiber                         waker, any thread
 *     waiters_lock(q)                       waiters_lock(q)
 *     nothing to wait for? unlock, done     w = waiters_take(q)
 *     waiters_push(q, &w)                   hand over to it, change the state
 *     waiters_unlock(q)                     waiters_unlock(q)
 *     r = waiter_wait(...)                  if (w) waiter_wake(w)
 *
 * waiter_wait returns 0 if and only if somebody took the waiter, so what was
 * handed over has arrived. Where those who wait want different things, one that
 * gives up may have stood in the way of others: the function `left` of its wait
 * is called then, and takes who can go on now.
 */
#ifndef GROVE_SYNC_WAITER_H
#define GROVE_SYNC_WAITER_H

#include <assert.h>

#include "hub/wait.h"
#include "hub/wait_shared.h"

/* Who waits, in one queue. */
struct waiter {
    struct waiter *next, *prev; /* in the queue; next also in a taken list */
    struct shared_wait *wait;   /* how to wake its fiber */
    bool queued;                /* it is in the queue; under its lock */
    void *value; /* what the primitive hands over, or wants handed over */
};

/* The wait of a fiber in one queue. */
struct wait_in_queue {
    struct waiter waiter;    /* what stands in the queue */
    struct shared_wait wait; /* its own: a select's waiters share one */
    grove_waiters *queue;    /* which is its own lock, too */
    /* It has left the queue, which is locked, and nobody had taken it: takes
     * those who are not held up any more. NULL: it held up nobody. */
    struct waiter *(*left)(grove_waiters *q);
};

GROVE_HOST_API void waiters_lock_slow(grove_waiters *q);
GROVE_HOST_API void waiters_unlock_slow(grove_waiters *q);

static inline void waiters_lock(grove_waiters *q)
{
    if (unlikely(!hub_single_threaded()))
        waiters_lock_slow(q);
}

static inline void waiters_unlock(grove_waiters *q)
{
    if (unlikely(!hub_single_threaded()))
        waiters_unlock_slow(q);
}

/* For assertions: whether somebody has the lock, who can only be the caller if
 * the program is right. */
static inline bool waiters_locked(const grove_waiters *q)
{
    return hub_single_threaded() || __atomic_load_n(&q->lock, __ATOMIC_RELAXED);
}

void waiters_await_unlock_slow(const grove_waiters *q);

/* For who has seen, without the lock, what was changed under it: whoever did it
 * is through with the queue when this returns, which may then be freed. */
static inline void waiters_await_unlock(const grove_waiters *q)
{
    if (unlikely(__atomic_load_n(&q->lock, __ATOMIC_ACQUIRE)))
        waiters_await_unlock_slow((grove_waiters *)q);
}

/* The following are called with the queue locked. */

static inline bool waiters_empty(const grove_waiters *q)
{
    return !q->first;
}

static inline void waiters_push(grove_waiters *q, struct waiter *w)
{
    assert(!q->first == !q->last && w->wait);
    assert(!q->last || (w->wait->fiber && !((struct waiter *)q->last)->next));
    w->queued = true;
    w->next = NULL;
    w->prev = q->last;
    if (w->prev)
        w->prev->next = w;
    else
        q->first = w;
    q->last = w;
}

static inline void waiters_remove(grove_waiters *q, struct waiter *w)
{
    assert(w->queued);
    assert(w->prev ? w->prev->next == w : q->first == w);
    assert(w->next ? w->next->prev == w : q->last == w);
    w->queued = false;
    if (w->prev)
        w->prev->next = w->next;
    else
        q->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        q->last = w->prev;
}

/* Takes w, who waits in q, out of it; whether w was still to be woken. If so
 * waiter_wake must follow. */
static inline bool waiters_claim(grove_waiters *q, struct waiter *w)
{
    waiters_remove(q, w);
    return likely(hub_claim(w->wait, w));
}

/* The first that nobody else has claimed, claimed and out of the queue; NULL:
 * there is none. waiter_wake must follow. */
static inline struct waiter *waiters_take(grove_waiters *q)
{
    struct waiter *w;
    while ((w = q->first)) {
        if (waiters_claim(q, w))
            return w;
    }
    return NULL;
}

/* Takes all, as a list by next, first to wake first. */
struct waiter *waiters_take_all(grove_waiters *q);

/* Wakes a waiter that was taken; its record may be gone then. */
static inline void waiter_wake(struct waiter *w)
{
    hub_wake_shared(w->wait);
}

/* Wakes a list from waiters_take_all. */
GROVE_HOST_API void waiters_wake(struct waiter *first);

/* Takes w out of its queue, if it is still there, and wakes those it held up.
 * Whether it was. */
GROVE_HOST_API bool waiter_leave(struct wait_in_queue *w);

GROVE_HOST_API void wait_in_queue_abandon(struct shared_wait *wait);

/* The calling fiber, of hub, to wait in q: w, and with it w->waiter, is made
 * ready to be pushed. */
static inline void wait_in_queue_init(struct wait_in_queue *w, struct hub *hub,
                                      grove_waiters *q, void *value)
{
    shared_wait_init(&w->wait, hub, wait_in_queue_abandon);
    w->waiter.wait = &w->wait;
    w->waiter.value = value;
    w->queue = q;
    w->left = NULL;
}

/* Waits, after w->waiter was pushed and the queue unlocked. 0 once it was taken
 * and woken; otherwise -ECANCELED, -ETIMEDOUT, -EDEADLK, -EINTR, and it is out
 * of the queue. */
static inline int waiter_wait(struct hub *hub, struct wait_in_queue *w,
                              int64_t deadline, const char *what)
{
    int r = hub_wait_shared(hub, GROVE_WAIT_SYNC, &w->wait, deadline, what);
    if (unlikely(r < 0))
        waiter_leave(w);
    assert(r <= 0 && !w->waiter.queued);
    return r;
}

#endif

/*
 * Locks that a fiber has to itself, mutexes and read-write locks held for
 * writing: which it holds, and what becomes of them at its end.
 */
#ifndef GROVE_SYNC_HELD_H
#define GROVE_SYNC_HELD_H

#include "hub/hub.h"
#include "sync/waiter.h"

/* Beside the identity of the fiber in a lock's word: the queue has to be looked
 * at on unlocking (mutexes); the lock is a grove_rwlock. */
#define HELD_CONTENDED ((uint64_t)1)
#define HELD_RWLOCK ((uint64_t)2)
#define HELD_FLAGS (HELD_CONTENDED | HELD_RWLOCK)

/* A lock's word without a fiber: free, but who held it has ended without
 * unlocking it; who got it after that did not put it in order. */
#define HELD_ORPHAN ((uint64_t)2)
#define HELD_LOST ((uint64_t)4)
_Static_assert(HELD_LOST < FIBER_IDENTITIES, "these are no fiber's identity");

static inline uint64_t held_owner(const grove_hold *h)
{
    return __atomic_load_n(&h->owner, __ATOMIC_RELAXED);
}

static inline bool held_by(const grove_hold *h, uint64_t self)
{
    return (held_owner(h) & ~HELD_FLAGS) == self;
}

/* f, which runs, has h: among what it holds. */
static inline void held_add(struct grove_fiber *f, grove_hold *h)
{
    h->below = f->held;
    f->held = h;
}

/* f is about to give h up. Usually it was locked last. */
static inline void held_remove(struct grove_fiber *f, grove_hold *h)
{
    grove_hold **at = &f->held;
    while (*at && *at != h)
        at = &(*at)->below;
    if (*at)
        *at = h->below;
}

/* ---- what a waiter that was woken has been given --------------------------- */

/* Its value where it was not just handed the lock. */
#define HELD_OWNER_DIED ((void *)2)
#define HELD_IS_LOST ((void *)3)

/* 0, -EOWNERDEAD: it has the lock; -ENOTRECOVERABLE. */
static inline int held_given(const struct waiter *w)
{
    return w->value == HELD_OWNER_DIED ? -EOWNERDEAD
           : w->value == HELD_IS_LOST  ? -ENOTRECOVERABLE
                                       : 0;
}

/* Under the queue's lock: all who wait will not have the lock any more. They
 * are to be woken. */
struct waiter *held_lost(grove_waiters *q);

/* ---- the end of a holder ---------------------------------------------------- */

/* It goes to the first who waits, who is told, or to who comes. mutex.c's and
 * rwlock.c's, on the thread of the fiber that ends. */
void mutex_orphan(grove_mutex *m);
void rwlock_orphan(grove_rwlock *l);

#endif

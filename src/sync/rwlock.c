/*
 * The read-write lock: held by one writer, or by any number of readers. Who
 * comes while others wait queues behind them, readers behind a writer too; an
 * unlock lets through the first, and if that is a reader all readers up to the
 * next writer. Neither side can starve the other.
 *
 * When a writer ends without unlocking it, the next, reader or writer, has it
 * alone and is told, as with mutexes (held.c); until that one comes, the lock's
 * word is HELD_ORPHAN, and HELD_LOST for good if it did not put things in
 * order. Readers are but a number: one that ends is still counted.
 */
#include <assert.h>

#include "sync/held.h"

/* The value of a waiter that wants to write; a reader's is NULL. */
#define TO_WRITE ((void *)1)

void grove_rwlock_init(grove_rwlock *l)
{
    *l = (grove_rwlock)GROVE_RWLOCK_INIT;
}

/* Under the lock: whether it may be held for that besides those who hold it. */
static bool compatible(const grove_rwlock *l, const void *use)
{
    assert(waiters_locked(&l->waiters) && !(l->hold.owner && l->readers));
    return !l->hold.owner && !(use == TO_WRITE && l->readers);
}

/* Its word while f holds it for writing. */
static uint64_t written_by(const struct grove_fiber *f)
{
    return f->identity | HELD_RWLOCK;
}

static void hold(grove_rwlock *l, const void *use, struct grove_fiber *f)
{
    assert(f && compatible(l, use) && (!use || use == TO_WRITE));
    if (use == TO_WRITE)
        l->hold.owner = written_by(f);
    else
        l->readers++;
}

/* Under the lock: lets through those who wait, as far as they go together. */
static struct waiter *serve(grove_waiters *q)
{
    grove_rwlock *l = container_of(q, grove_rwlock, waiters);
    struct waiter *w, *first = NULL, **last = &first;
    while ((w = q->first) && compatible(l, w->value)) {
        if (waiters_claim(q, w)) {
            hold(l, w->value, w->wait->fiber);
            *last = w;
            last = &w->next;
        }
    }
    *last = NULL;
    /* Who still waits first may not go yet. */
    assert(!q->first || !compatible(l, ((struct waiter *)q->first)->value));
    return first;
}

/* Under the lock: self has it for writing, after one that has ended. */
static int inherit(grove_rwlock *l, struct grove_fiber *self)
{
    assert(l->hold.owner == HELD_ORPHAN && waiters_empty(&l->waiters));
    l->hold.owner = written_by(self);
    l->inconsistent = true;
    return -EOWNERDEAD;
}

/* Under the lock: 0 or -EOWNERDEAD when it was had without waiting, -EBUSY,
 * -EDEADLK, -ENOTRECOVERABLE. */
static int take(grove_rwlock *l, const void *use, struct grove_fiber *self)
{
    if (l->hold.owner == written_by(self))
        return -EDEADLK;
    if (l->hold.owner == HELD_ORPHAN)
        return inherit(l, self);
    if (l->hold.owner == HELD_LOST)
        return -ENOTRECOVERABLE;
    if (!waiters_empty(&l->waiters) || !compatible(l, use))
        return -EBUSY;
    hold(l, use, self);
    return 0;
}

/* What r says that self has got is among what it holds, if that is alone. */
static int noted(grove_rwlock *l, const void *use, struct grove_fiber *self,
                 int r)
{
    if (r == -EOWNERDEAD || (r == 0 && use == TO_WRITE))
        held_add(self, &l->hold);
    return r;
}

static int try(grove_rwlock *l, const void *use)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    waiters_lock(&l->waiters);
    int r = take(l, use, hub->current);
    waiters_unlock(&l->waiters);
    return noted(l, use, hub->current, r);
}

/* Under the lock: whether locking it does not wait, be it in vain. */
static bool is_had_at_once(const grove_rwlock *l, const void *use,
                           const struct grove_fiber *self)
{
    uint64_t owner = l->hold.owner;
    return owner == HELD_ORPHAN || owner == HELD_LOST ||
           owner == written_by(self) ||
           (waiters_empty(&l->waiters) && compatible(l, use));
}

/* Before it is taken: others may want it, too. */
__attribute__((noinline)) static void give_turn(struct hub *hub,
                                                grove_rwlock *l, void *use)
{
    waiters_lock(&l->waiters);
    bool yields = is_had_at_once(l, use, hub->current);
    waiters_unlock(&l->waiters);
    hub_turn_slow(hub, yields);
}

static int lock(grove_rwlock *l, void *use, int64_t deadline, const char *what)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    if (unlikely(hub_turn_due(hub)))
        give_turn(hub, l, use);
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &l->waiters, use);
    w.left = serve;
    waiters_lock(&l->waiters);
    int r = take(l, use, hub->current);
    if (r == -EBUSY)
        waiters_push(&l->waiters, &w.waiter);
    waiters_unlock(&l->waiters);
    if (r == -EBUSY) {
        r = waiter_wait(hub, &w, deadline, what);
        if (r == 0)
            r = held_given(&w.waiter);
    }
    return noted(l, use, hub->current, r);
}

int grove_rwlock_rdlock_until(grove_rwlock *l, int64_t deadline)
{
    return lock(l, NULL, deadline, "rwlock (to read)");
}

int grove_rwlock_rdlock(grove_rwlock *l)
{
    return grove_rwlock_rdlock_until(l, GROVE_NEVER);
}

int grove_rwlock_wrlock_until(grove_rwlock *l, int64_t deadline)
{
    return lock(l, TO_WRITE, deadline, "rwlock (to write)");
}

int grove_rwlock_wrlock(grove_rwlock *l)
{
    return grove_rwlock_wrlock_until(l, GROVE_NEVER);
}

int grove_rwlock_tryrdlock(grove_rwlock *l)
{
    return try(l, NULL);
}

int grove_rwlock_trywrlock(grove_rwlock *l)
{
    return try(l, TO_WRITE);
}

/* Under the lock: self, NULL on a thread without fibers, gives up what it has.
 */
static int give_up(grove_rwlock *l, struct grove_fiber *self)
{
    assert(waiters_locked(&l->waiters));
    if (l->hold.owner) {
        if (!self || l->hold.owner != written_by(self))
            return -EPERM;
        held_remove(self, &l->hold);
        l->hold.owner = l->inconsistent ? HELD_LOST : 0;
    } else {
        if (!l->readers)
            return -EPERM;
        l->readers--;
    }
    return 0;
}

int grove_rwlock_unlock(grove_rwlock *l)
{
    struct waiter *woken = NULL;
    struct hub *hub = hub_of_thread;
    waiters_lock(&l->waiters);
    int r = give_up(l, hub ? hub->current : NULL);
    if (r == 0)
        woken = l->hold.owner == HELD_LOST ? held_lost(&l->waiters)
                                           : serve(&l->waiters);
    waiters_unlock(&l->waiters);
    waiters_wake(woken);
    return r;
}

/* ---- the end of a writer --------------------------------------------------- */

int grove_rwlock_consistent(grove_rwlock *l)
{
    struct hub *hub = hub_of_thread;
    waiters_lock(&l->waiters);
    bool due =
        hub && l->hold.owner == written_by(hub->current) && l->inconsistent;
    if (due)
        l->inconsistent = false;
    waiters_unlock(&l->waiters);
    return due ? 0 : -EINVAL;
}

void rwlock_orphan(grove_rwlock *l)
{
    waiters_lock(&l->waiters);
    struct waiter *w = waiters_take(&l->waiters);
    l->inconsistent = w != NULL;
    if (w)
        w->value = HELD_OWNER_DIED;
    l->hold.owner = w ? written_by(w->wait->fiber) : HELD_ORPHAN;
    waiters_unlock(&l->waiters);
    if (w)
        waiter_wake(w);
}

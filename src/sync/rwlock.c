/*
 * The read-write lock: held by one writer, or by any number of readers. Who
 * comes while others wait queues behind them, readers behind a writer too; an
 * unlock lets through the first, and if that is a reader all readers up to the
 * next writer. Neither side can starve the other.
 */
#include <assert.h>

#include "sync/waiter.h"

/* The value of a waiter that wants to write; a reader's is NULL. */
#define TO_WRITE ((void *)1)

void grove_rwlock_init(grove_rwlock *l)
{
    *l = (grove_rwlock)GROVE_RWLOCK_INIT;
}

/* Under the lock: whether it may be held for that besides those who hold it. */
static bool compatible(const grove_rwlock *l, const void *use)
{
    assert(waiters_locked(&l->waiters) && !(l->writer && l->readers));
    return !l->writer && !(use == TO_WRITE && l->readers);
}

static void hold(grove_rwlock *l, const void *use, struct grove_fiber *f)
{
    assert(f && compatible(l, use) && (!use || use == TO_WRITE));
    if (use == TO_WRITE)
        l->writer = f->identity;
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

/* Under the lock: 0 when it was had without waiting, -EBUSY, -EDEADLK. */
static int take(grove_rwlock *l, const void *use, struct grove_fiber *self)
{
    if (l->writer == self->identity)
        return -EDEADLK;
    if (!waiters_empty(&l->waiters) || !compatible(l, use))
        return -EBUSY;
    hold(l, use, self);
    return 0;
}

static int try(grove_rwlock *l, const void *use)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    waiters_lock(&l->waiters);
    int r = take(l, use, hub->current);
    waiters_unlock(&l->waiters);
    return r;
}

/* Before it is taken: others may want it, too. */
__attribute__((noinline)) static void give_turn(struct hub *hub,
                                                grove_rwlock *l, void *use)
{
    waiters_lock(&l->waiters);
    bool yields = waiters_empty(&l->waiters) && compatible(l, use);
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
    return r == -EBUSY ? waiter_wait(hub, &w, deadline, what) : r;
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

/* Under the lock. */
static int give_up(grove_rwlock *l)
{
    struct hub *hub = hub_of_thread;
    assert(waiters_locked(&l->waiters));
    if (l->writer) {
        if (!hub || l->writer != hub->current->identity)
            return -EPERM;
        l->writer = 0;
    } else {
        if (!l->readers)
            return -EPERM;
        l->readers--;
    }
    return 0;
}

int grove_rwlock_unlock(grove_rwlock *l)
{
    struct waiter *served = NULL;
    waiters_lock(&l->waiters);
    int r = give_up(l);
    if (r == 0)
        served = serve(&l->waiters);
    waiters_unlock(&l->waiters);
    waiters_wake(served);
    return r;
}

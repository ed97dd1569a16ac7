/*
 * The barrier: the last of `count` to come lets all go on, and it is as new.
 *
 * Who goes on is settled under the lock, for all at once: one that was killed
 * or timed out but still stood in the queue when the last one came has passed
 * (a kill is told later); one that had left it by then does not count.
 */
#include <assert.h>

#include "sync/waiter.h"

void grove_barrier_init(grove_barrier *b, size_t count)
{
    *b = (grove_barrier)GROVE_BARRIER_INIT(count);
}

/* Under the lock: empties the queue; those of it who are still to be woken. */
static struct waiter *release(grove_barrier *b)
{
    assert(waiters_locked(&b->waiters) && b->arrived >= b->count);
    b->arrived = 0;
    return waiters_take_all(&b->waiters);
}

static struct waiter *left(grove_waiters *q)
{
    grove_barrier *b = container_of(q, grove_barrier, waiters);
    assert(waiters_locked(q) && b->arrived > 0);
    b->arrived--;
    return NULL;
}

int grove_barrier_wait_until(grove_barrier *b, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &b->waiters, NULL);
    w.left = left;
    waiters_lock(&b->waiters);
    if (++b->arrived >= b->count) {
        struct waiter *released = release(b);
        waiters_unlock(&b->waiters);
        waiters_wake(released);
        hub_turn(hub);
        return 1;
    }
    waiters_push(&b->waiters, &w.waiter);
    waiters_unlock(&b->waiters);
    int r = hub_wait_shared(hub, GROVE_WAIT_SYNC, &w.wait, deadline, "barrier");
    if (unlikely(r < 0) && !waiter_leave(&w)) {
        hub_wait_undo(hub->current, r);
        r = 0;
    }
    return r;
}

int grove_barrier_wait(grove_barrier *b)
{
    return grove_barrier_wait_until(b, GROVE_NEVER);
}

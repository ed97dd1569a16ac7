/*
 * The event: a flag that fibers wait for. Setting takes all who wait out of the
 * queue at once; they return 0 even if the flag is cleared before their turn.
 * The flag may be read without the lock; but who finds it set may then free the
 * event, so the setter must have let go of the lock by then, its last touch.
 *
 * Invariant: under the lock, nobody is queued while the flag is set. Only those
 * who find it clear under the lock queue up, and it is set under the lock only,
 * together with taking them all; clearing needs no lock, as it wakes nobody.
 *
 * All but grove_event_init may be called on any thread, with a hub or without.
 */
#include <assert.h>

#include "sync/waiter.h"

void grove_event_init(grove_event *e)
{
    *e = (grove_event)GROVE_EVENT_INIT;
}

static bool flag(const grove_event *e)
{
    return __atomic_load_n(&e->set, __ATOMIC_ACQUIRE);
}

bool grove_event_is_set(const grove_event *e)
{
    if (!flag(e))
        return false;
    waiters_await_unlock(&e->waiters);
    return true;
}

void grove_event_clear(grove_event *e)
{
    __atomic_store_n(&e->set, false, __ATOMIC_RELEASE);
}

void grove_event_set(grove_event *e)
{
    waiters_lock(&e->waiters);
    assert(waiters_locked(&e->waiters));
    assert(waiters_empty(&e->waiters) || !flag(e));
    __atomic_store_n(&e->set, true, __ATOMIC_RELEASE);
    struct waiter *released =
        waiters_empty(&e->waiters) ? NULL : waiters_take_all(&e->waiters);
    assert(waiters_empty(&e->waiters));
    waiters_unlock(&e->waiters);
    waiters_wake(released);
}

int grove_event_wait_until(grove_event *e, int64_t deadline)
{
    if (grove_event_is_set(e))
        return hub_turn_found();
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &e->waiters, NULL);
    waiters_lock(&e->waiters);
    if (unlikely(flag(e))) {
        assert(waiters_empty(&e->waiters));
        waiters_unlock(&e->waiters);
        return 0;
    }
    waiters_push(&e->waiters, &w.waiter);
    waiters_unlock(&e->waiters);
    return waiter_wait(hub, &w, deadline, "event");
}

int grove_event_wait(grove_event *e)
{
    return grove_event_wait_until(e, GROVE_NEVER);
}

/*
 * The promise: an event that is set once and brings a value or an error. Both
 * are written before the flag, and never again.
 */
#include <assert.h>

#include "sync/waiter.h"

void grove_promise_init(grove_promise *p)
{
    *p = (grove_promise)GROVE_PROMISE_INIT;
}

static bool is_set(const grove_promise *p)
{
    if (!__atomic_load_n(&p->set, __ATOMIC_ACQUIRE))
        return false;
    waiters_await_unlock(&p->waiters);
    return true;
}

static int settle(grove_promise *p, void *value, int error)
{
    struct waiter *released = NULL;
    waiters_lock(&p->waiters);
    bool already = p->set;
    if (!already) {
        p->value = value;
        p->error = error;
        __atomic_store_n(&p->set, true, __ATOMIC_RELEASE);
        released = waiters_take_all(&p->waiters);
        assert(waiters_empty(&p->waiters));
    }
    waiters_unlock(&p->waiters);
    waiters_wake(released);
    return already ? -EALREADY : 0;
}

int grove_promise_set(grove_promise *p, void *value)
{
    return settle(p, value, 0);
}

int grove_promise_fail(grove_promise *p, int error)
{
    return error < 0 ? settle(p, NULL, error) : -EINVAL;
}

int grove_promise_result(const grove_promise *p, void **value)
{
    bool set = is_set(p);
    if (value)
        *value = set ? p->value : NULL;
    assert(!set || p->error <= 0);
    return set ? p->error : -EAGAIN;
}

int grove_promise_wait_until(grove_promise *p, int64_t deadline)
{
    if (is_set(p))
        return hub_turn_found();
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &p->waiters, NULL);
    waiters_lock(&p->waiters);
    if (p->set) {
        waiters_unlock(&p->waiters);
        return 0;
    }
    waiters_push(&p->waiters, &w.waiter);
    waiters_unlock(&p->waiters);
    return waiter_wait(hub, &w, deadline, "promise");
}

int grove_promise_wait(grove_promise *p)
{
    return grove_promise_wait_until(p, GROVE_NEVER);
}

int grove_promise_get_until(grove_promise *p, void **value, int64_t deadline)
{
    int r = grove_promise_wait_until(p, deadline);
    if (r == 0)
        return grove_promise_result(p, value);
    if (value)
        *value = NULL;
    return r;
}

int grove_promise_get(grove_promise *p, void **value)
{
    return grove_promise_get_until(p, value, GROVE_NEVER);
}

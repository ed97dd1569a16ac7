/*
 * The wait group: a count, and those who wait for it to become 0. Nobody stands
 * in its queue while it is 0. The count is changed under the queue's lock, and
 * may be read without. Any thread may call these; who waits needs a hub.
 */
#include <assert.h>

#include "sync/waiter.h"

void grove_wait_group_init(grove_wait_group *g)
{
    *g = (grove_wait_group)GROVE_WAIT_GROUP_INIT;
}

size_t grove_wait_group_count(const grove_wait_group *g)
{
    return __atomic_load_n(&g->count, __ATOMIC_RELAXED);
}

static void set_count(grove_wait_group *g, size_t count)
{
    assert(waiters_locked(&g->waiters));
    __atomic_store_n(&g->count, count, __ATOMIC_RELAXED);
}

int grove_wait_group_add(grove_wait_group *g, size_t n)
{
    waiters_lock(&g->waiters);
    bool fits = n <= SIZE_MAX - g->count;
    if (fits)
        set_count(g, g->count + n);
    waiters_unlock(&g->waiters);
    return fits ? 0 : -EOVERFLOW;
}

int grove_wait_group_done(grove_wait_group *g)
{
    struct waiter *released = NULL;
    waiters_lock(&g->waiters);
    bool any = g->count > 0;
    assert(any || waiters_empty(&g->waiters));
    if (any)
        set_count(g, g->count - 1);
    if (any && g->count == 0)
        released = waiters_take_all(&g->waiters);
    waiters_unlock(&g->waiters);
    waiters_wake(released);
    return any ? 0 : -EINVAL;
}

int grove_wait_group_wait_until(grove_wait_group *g, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &g->waiters, NULL);
    waiters_lock(&g->waiters);
    if (g->count == 0) {
        waiters_unlock(&g->waiters);
        hub_turn(hub);
        return 0;
    }
    waiters_push(&g->waiters, &w.waiter);
    waiters_unlock(&g->waiters);
    return waiter_wait(hub, &w, deadline, "wait group");
}

int grove_wait_group_wait(grove_wait_group *g)
{
    return grove_wait_group_wait_until(g, GROVE_NEVER);
}

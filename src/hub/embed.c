/*
 * A hub inside another event loop: that loop sleeps in our stead, on the epoll
 * descriptor and no longer than we say, and then has us do what is due. All
 * three calls are made on the hub's own thread.
 *
 * While the other loop sleeps the hub counts as polling, so that posts
 * interrupt it through its eventfd, which the epoll descriptor reports.
 */
#include <assert.h>

#include "hub/clock.h"
#include "hub/hooks.h"
#include "hub/hub.h"
#include "hub/numbers.h"
#include "hub/stall.h"

/* Pooled stacks looked at before a sleep. */
#define TRIM_STEP 64

int grove_hub_fd(const grove_hub *hub)
{
    return ((const struct hub *)hub)->loop.epoll;
}

int64_t grove_hub_timeout(grove_hub *handle)
{
    struct hub *hub = (struct hub *)handle;
    assert(hub == hub_of_thread);
    hub->embedded = true;
    atomic_store(&hub->polling, true);
    hub->look(hub);
    int64_t limit = hub_sleep_limit(hub);
    if (limit != 0 && stack_pool_trim(&hub->stacks, TRIM_STEP))
        return 0;
    return limit;
}

int grove_hub_run_due(grove_hub *handle)
{
    struct hub *hub = (struct hub *)handle;
    assert(hub == hub_of_thread);
    if (hub->in_callback)
        return -EBUSY;
    hub->embedded = true;
    atomic_store(&hub->polling, false);
    hub_stall_awake();
    hub_watch_look(hub);
    hub->look(hub);
    loop_poll(&hub->loop, 0);
    hub->now = hub_clock();
    hub->turned = hub->now; /* the time since the last call is nobody's */
    hub->turned_switches = hub_switches(hub);
    timer_expire(&hub->timers, hub->now);
    hub_numbers_look(hub);
    fiber_thread_refresh(&hub->thread);
    if (!run_queue_empty(&hub->queue))
        grove_yield();
    return 0;
}

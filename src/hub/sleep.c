/*
 * The calls that do nothing but let others run: yield and sleep; and the clock
 * that deadlines are told by.
 */
#include <assert.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/wait.h"

void grove_yield(void)
{
    struct hub *hub = hub_self();
    if (hub)
        hub_yield(hub);
}

/* Sleeping until now or before: the others get their turn all the same. */
static int give_turn(struct hub *hub)
{
    if (hub_take_kill(hub->current))
        return -ECANCELED;
    grove_yield();
    return 0;
}

int grove_sleep_until(int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    if (deadline <= hub_clock())
        return give_turn(hub);
    bool scoped;
    hub_effective_deadline(hub->current, deadline, &scoped);
    int r = hub_wait(hub, GROVE_WAIT_SLEEP, deadline, "sleep", -1);
    return r == -ETIMEDOUT && !scoped ? 0 : r;
}

int grove_sleep(int64_t ns)
{
    if (ns > 0)
        return grove_sleep_until(hub_deadline(ns));
    struct hub *hub = hub_self();
    return hub ? give_turn(hub) : -errno;
}

int64_t grove_now(void)
{
    return hub_clock();
}

/*
 * What a fiber may ask of what ends its waits: why the last one was ended,
 * which deadline holds, and, where it computes and does not wait, whether it is
 * to end. On the fiber itself.
 */
#include <assert.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/wait.h"

grove_ending grove_why(const void **cause)
{
    const struct hub *hub = hub_of_thread;
    const struct grove_fiber *f = hub ? hub->current : NULL;
    if (cause)
        *cause = f && f->ending ? f->ending_cause : NULL;
    return f ? (grove_ending)f->ending : GROVE_ENDED_NONE;
}

int64_t grove_deadline(void)
{
    const struct hub *hub = hub_of_thread;
    return hub && hub->current->scope ? hub->current->scope->effective
                                      : GROVE_NEVER;
}

bool grove_is_killed(void)
{
    const struct hub *hub = hub_of_thread;
    return hub && hub->current->cancelled;
}

int grove_check(void)
{
    struct hub *hub = hub_of_thread;
    if (!hub)
        return 0;
    if (hub_take_kill(hub->current))
        return -ECANCELED;
    int64_t deadline = grove_deadline();
    if (deadline == GROVE_NEVER || deadline > hub_clock())
        return 0;
    hub_scope_expired(hub->current, deadline);
    return -ETIMEDOUT;
}

/*
 * The end of a countdown of calls that could have waited: who has made the last
 * lets the others run, and the loop look around if a timer is due or the pass
 * has taken its time. With nobody to run and nothing to look for it costs no
 * look at the clock. On the hub's own thread.
 */
#include <assert.h>
#include <errno.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/pace.h"

static bool may_switch(const struct hub *hub)
{
    return hub->current != hub->loop_fiber && !hub->in_callback && !hub->ending;
}

static bool timer_is_due(const struct hub *hub, int64_t now)
{
    return timer_first(&hub->timers) <= now;
}

void hub_turn_slow(struct hub *hub, bool yields)
{
    struct pace *p = &hub->call_pace;
    assert(hub == hub_of_thread && hub->calls < 0);
    if (!may_switch(hub) ||
        (run_queue_empty(&hub->queue) && hub_awaits_nothing(hub))) {
        hub->calls = HUB_CALLS - 1;
        p->began = 0;
        return;
    }
    int64_t now = hub_clock();
    hub->calls = pace_next(p, now, p->count + (uint64_t)p->length,
                           HUB_CALLS_TIME, HUB_CALLS) -
                 1;
    if (hub_pass_is_over(hub, now) || timer_is_due(hub, now))
        hub_pass_end(hub);
    else if (run_queue_empty(&hub->queue))
        return;
    if (yields)
        hub_yield(hub);
    else
        hub->owes_turn = true;
}

bool hub_turn_on_slow(struct hub *hub, int fd)
{
    uint32_t closes = loop_closes_counted(fd);
    hub_turn_slow(hub, true);
    if (likely(closes == loop_closes(fd)))
        return true;
    errno = EBADF;
    return false;
}

void hub_turn_in_vain(struct hub *hub)
{
    assert(hub == hub_of_thread);
    if (!hub->owes_turn) {
        hub_turn(hub);
        return;
    }
    hub->owes_turn = false;
    if (may_switch(hub))
        hub_yield(hub);
}

int hub_turn_found(void)
{
    struct hub *hub = hub_of_thread;
    if (likely(hub))
        hub_turn(hub);
    return 0;
}

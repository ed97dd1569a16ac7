/*
 * Turns, by counts and by time. Reading the clock costs more than a switch or a
 * call that need not wait, so both are counted down, and the clock is read when
 * a countdown has run out:
 *
 *     switches   a pass is granted strides of them, until HUB_PASS are used up
 *                or it has taken HUB_PASS_TIME; then the loop looks around
 *     calls      at the end of a countdown who called lets the others run; and
 *                the loop, if a timer is due or the pass has taken its time
 *
 * A countdown is shorter the longer the last ones took: with fibers that work
 * 100 us between two calls the clock is read at each, with calls of 3 ns at
 * every 256th. So what is measured is what a hub has just done, and a fiber
 * that becomes slow all of a sudden is late once, by the length of a countdown.
 *
 * Invariants:
 *   1. hub->switches - hub->budget switches were made. Those granted and not
 *      made are taken back where a pass ends early.
 *   2. Between two looks of the loop there are at most HUB_PASS switches and,
 *      after a timer has become due, at most HUB_CALLS calls.
 *   3. Nobody makes more than HUB_CALLS calls while another is ready.
 *
 * All of it on the hub's own thread.
 */
#include "hub/pace.h"

#include <assert.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/stall.h"
#include "hub/wait_shared.h"

/* A pass has several strides, so that it ends not much late; and two at least,
 * or the work of a whole one would be guessed by the one before. */
#define STRIDE_TIME (HUB_PASS_TIME / 4)
#define STRIDE_MOST (HUB_PASS / 2)

_Static_assert(PACE_FIRST <= STRIDE_MOST && PACE_FIRST <= HUB_CALLS,
               "the first countdown is of a permitted length");

int pace_next(struct pace *p, int64_t now, uint64_t count, int64_t ns, int most)
{
    assert(p->length >= 1 && p->length <= most && ns >= 0);
    int64_t took = now - p->began;
    if (p->began) {
        int64_t done = (int64_t)(count - p->count);
        int64_t fit = took > 0 ? done * ns / took : most;
        if (fit > 2 * p->length)
            fit = 2 * p->length;
        p->length = fit > most ? most : fit > 0 ? (int)fit : 1;
    }
    p->began = now;
    p->count = count;
    return p->length;
}

/* ---- a pass ------------------------------------------------------------------ */

static void grant(struct hub *hub, int switches)
{
    assert(hub->budget == 0 && hub->later >= 0);
    if (hub->watched)
        switches = 1;
    if (switches > hub->later)
        switches = hub->later;
    hub->later -= switches;
    hub->budget = switches;
    hub->switches += (uint64_t)switches;
}

bool hub_pass_is_over(struct hub *hub, int64_t now)
{
    if (hub->pass_began == 0)
        hub->pass_began = now;
    return now - hub->pass_began >= HUB_PASS_TIME;
}

/* Nobody can be waiting for a look of the loop: who is not in the queue is
 * woken by who is. */
bool hub_awaits_nothing(const struct hub *hub)
{
    return hub->timers.count + hub->loop.waits + hub->holds == 0 &&
           hub_single_threaded();
}

/* Who has run last, if it was a fiber. */
static const struct grove_fiber *runner(const struct hub *hub)
{
    return hub->current == hub->loop_fiber ? NULL : hub->current;
}

bool hub_pass_extend(struct hub *hub)
{
    assert(!hub->in_callback && hub->budget == 0);
    if (hub->later == 0)
        return false;
    if (hub_awaits_nothing(hub)) {
        hub_stall_look(hub, hub_clock_coarse(), runner(hub));
        grant(hub, hub->later);
        return true;
    }
    int64_t now = hub_clock();
    hub_stall_look(hub, now, runner(hub));
    int length =
        pace_next(&hub->strides, now, hub->switches, STRIDE_TIME, STRIDE_MOST);
    if (hub_pass_is_over(hub, now))
        hub->later = 0;
    grant(hub, length);
    return hub->budget > 0;
}

void hub_pass_end(struct hub *hub)
{
    assert(hub == hub_of_thread || !hub_of_thread);
    assert(!hub->in_callback && hub->budget >= 0);
    hub->switches -= (uint64_t)hub->budget;
    hub->budget = 0;
    hub->later = 0;
}

void hub_pass_charge(struct hub *hub, int switches)
{
    assert(switches > 0);
    if (hub->in_callback)
        return; /* the pass waits for its end */
    if (hub->later >= switches)
        hub->later -= switches;
    else
        hub_pass_end(hub);
}

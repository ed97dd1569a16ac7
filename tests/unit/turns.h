/*
 * When others get their turn, for tests in which it must be at a certain place.
 * How often it comes by itself depends on the machine: on a slow one each call
 * that could have waited gives a turn, and the loop looks around at each
 * switch. The builds of tools/check turns do that always.
 */
#ifndef TESTS_UNIT_TURNS_H
#define TESTS_UNIT_TURNS_H

#include "unit.h"

#include "hub/hub.h"

/* Of the calls to come, until the hub sleeps, so many give no turn, and the
 * next does. */
HELPER void turn_after(int calls)
{
    hub_self()->calls = calls;
}

/* More calls than any test makes while none is to give a turn. */
#define TURN_NEVER 1000

/* More switches than those in which the loop is not to look around. */
#define NO_LOOK 64

/* The loop does not look around in the next NO_LOOK - 1 switches, unless nobody
 * is ready before. */
HELPER void no_look(void)
{
    struct hub *hub = hub_self();
    hub->strides.length = NO_LOOK;
    hub_pass_begin(hub, 0);
}

/* All others go on until they wait or have ended. */
HELPER void let_all_run(void)
{
    do
        grove_yield();
    while (!run_queue_empty(&hub_self()->queue));
}

/* Why tests of the pace itself are skipped where it is not the usual one. */
#define TURNS_ALWAYS \
    "with -Dturns others get their turn far more often; a build without runs " \
    "it"

#endif

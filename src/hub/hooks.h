/*
 * Who is told of events: the functions of grove_hooks_set and the probes that
 * tracers stop at. Where events happen hub_tell_... is called, if hub->watched;
 * those are in hub.h. On the hub's thread.
 */
#ifndef GROVE_HUB_HOOKS_H
#define GROVE_HUB_HOOKS_H

#include "hub/hub.h"

/* How often functions were set, in steps, and how many tracers there are, up to
 * a step: one sum is looked at. */
#define WATCH_STEP 65536
extern _Atomic unsigned hub_watch_sets __attribute__((visibility("hidden")));
extern volatile unsigned short hub_watch_tracers
    __attribute__((visibility("hidden")));

static inline unsigned hub_watch_now(void)
{
    return atomic_load_explicit(&hub_watch_sets, memory_order_relaxed) +
           hub_watch_tracers;
}

/* That is not what the hub has seen. */
void hub_watch_changed(struct hub *hub);

/* Sees whether there are others to be told now: every few milliseconds
 * (numbers.c), and after a sleep. */
static inline void hub_watch_look(struct hub *hub)
{
    if (unlikely(hub_watch_now() != hub->watch_seen))
        hub_watch_changed(hub);
}

/* Only where hub->watched: the hub is about to wait for what may come; is back
 * from it. */
void hub_tell_sleep(struct hub *hub);
void hub_tell_awake(struct hub *hub);

#endif

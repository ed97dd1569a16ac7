/*
 * The numbers of a hub that other threads may ask for (survey.c). Written by
 * the hub's own thread: about once a millisecond while it is busy, and, once
 * they were asked for, before it sleeps.
 */
#ifndef GROVE_HUB_NUMBERS_H
#define GROVE_HUB_NUMBERS_H

#include "hub/hub.h"

/* Whether anybody has asked, ever. */
extern _Atomic bool hub_numbers_wanted __attribute__((visibility("hidden")));

/* On the hub's thread, when the clock is or was a moment ago `clock`. */
void hub_numbers_publish(struct hub *hub, int64_t clock);
void hub_numbers_tick(struct hub *hub);

/* Once a pass, at its end: the clock was just looked at. */
static inline void hub_numbers_look(struct hub *hub)
{
    if (unlikely(hub->now >= hub->numbers_due))
        hub_numbers_tick(hub);
}

/* The hub is about to sleep. */
static inline void hub_numbers_sleep(struct hub *hub)
{
    if (unlikely(
            atomic_load_explicit(&hub_numbers_wanted, memory_order_relaxed)))
        hub_numbers_publish(hub, hub->now);
}

/* The hub was held up, or is: once for each stall. Any thread, while the hub
 * cannot end. */
void hub_numbers_stall(struct hub *hub);

enum hub_due {
    HUB_DUE_FIBERS, /* not those that stand for the thread and the hub */
    HUB_DUE_ALL     /* calls and births as well */
};

/* How many are due, but for what stands among them to measure their delay. On
 * the hub's thread. */
GROVE_HOST_API size_t hub_due(const struct hub *hub, enum hub_due what);

/* Somebody asks: from here on hubs publish before they sleep, and this one,
 * which may be sleeping, does so soon. Any thread, as for hub_numbers_read. */
void hub_numbers_ask(struct hub *hub);

/* Those that were published last, as of one moment but for the delays. Any
 * thread that knows the hub not to be freed. */
void hub_numbers_read(struct hub *hub, grove_hub_info *info);

#endif

/*
 * What people ask of the calling thread's hub: its fibers, and what it has done
 * and holds, in numbers. What is counted anyway is told; the rest is found out
 * here, so that no switch costs more.
 */
#include <assert.h>

#include "hub/dump.h"
#include "hub/hub.h"
#include "hub/mailbox.h"
#include "hub/numbers.h"
#include "hub/sized.h"

void grove_each_fiber(void (*fn)(const grove_fiber_info *info, void *arg),
                      void *arg)
{
    struct hub *hub = hub_self();
    if (hub)
        hub_tell_each(hub, fn, arg);
}

void grove_dump(int fd)
{
    struct hub *hub = hub_self();
    if (hub)
        hub_dump(hub, fd);
}

/* ---- in numbers --------------------------------------------------------------- */

static size_t count_cached_stacks(const struct hub *hub)
{
    size_t n = 0;
    const struct stack_class *class = &hub->stacks.classes[0][0];
    const struct stack_class *end = class + STACK_KINDS * STACK_SHIFTS;
    for (; class < end; class ++)
        n += class->fresh_count + class->clean_count + class->cold_count;
    return n;
}

int grove_hub_stats(const grove_hub *handle, grove_stats *stats)
{
    const struct hub *hub = (const struct hub *)handle;
    assert(hub == hub_of_thread);
    bool on_fiber =
        hub->current != &hub->root && hub->current != hub->loop_fiber;
    size_t running = on_fiber + hub_due(hub, HUB_DUE_FIBERS);
    assert(running <= hub_fibers(hub));
    /* Numbers begin at 1, the thread's own stack. */
    uint64_t spawned = hub->next_id - 2 - hub->loop_fibers;
    const grove_stats now = {
        .switches = hub_switches(hub),
        .spawned = spawned,
        .ended = spawned - hub_fibers(hub),
        .live = hub_fibers(hub),
        .parked = hub_fibers(hub) - running,
        .polls = hub->loop.polls,
        .posts = hub_posts(hub),
        .timers = hub->timers.count,
        .descriptors = hub->loop.waits,
        .stacks = count_cached_stacks(hub),
    };
    return sized_give(stats, &now, sizeof(now), SIZED_TO(grove_stats, stacks));
}

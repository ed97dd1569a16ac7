/*
 * Stalls, seen by the hub itself: when it turns, and reads the clock anyway or
 * is about to sleep, it compares that with when it last did so. That costs a
 * comparison, and finds a stall only when it is over; where it was is not known
 * any more. So the first one is told in a line, and from then on there is a
 * watcher, which sees them while they last (stall_watch.c):
 *
 *     turns --too late--> noted --> told, by a callback of the loop
 *                                   --> the watcher begins
 *
 * Time in which others had the processor is not the fiber's. The kernel tells
 * how much of it a thread has had in all, so it is taken off where it was asked
 * not long before: when the hub began, or noted something.
 *
 * A program that never stalls never has a second thread, which libc would make
 * it pay for, unless it has the watcher from the beginning. A hub that has not
 * turned yet does not stall: what comes before its first switch is the
 * program's beginning.
 *
 * On the hub's own thread.
 */
#include "hub/stall.h"

#include <assert.h>
#include <errno.h>

#include "hub/dump.h"
#include "hub/numbers.h"

#define LATELY (10 * GROVE_SECOND)

size_t hub_stall_offset; /* of a struct stall */

bool hub_stall_matters(const struct hub *hub, const struct grove_fiber *f)
{
    return f != &hub->root || (hub_fibers(hub) > 0 && !hub->embedded);
}

/* Timers, descriptors and other threads' work were not held up. */
static bool awaits_nothing(const struct hub *hub)
{
    return hub->timers.count + hub->loop.waits + hub->holds == 0;
}

/* The watcher has told of it while it lasted. */
static bool was_told(const struct hub *hub, const struct stall *s)
{
    return atomic_load(&s->told) > hub->turned;
}

void hub_stall_ask(struct hub *hub, int64_t now)
{
    struct stall *s = hub_stall_of(hub);
    struct frames_times times;
    int error = errno;
    frames_times(atomic_load(&s->thread), &times);
    s->preempted = times.preempted;
    s->asked = now;
    errno = error;
}

/* Nanoseconds without a processor since it was last asked, at most; 0: that is
 * too long ago to say that they were now. */
static int64_t preempted(struct hub *hub, int64_t now)
{
    const struct stall *s = hub_stall_of(hub);
    int64_t before = s->preempted;
    bool lately = now - s->asked < LATELY;
    hub_stall_ask(hub, now);
    return lately ? s->preempted - before : 0;
}

void hub_stall_note(struct hub *hub, int64_t now, const struct grove_fiber *f)
{
    struct stall *s = hub_stall_of(hub);
    assert(hub == hub_of_thread);
    if (!hub->turned || hub->told_elsewhere || run_queued(&s->tell) ||
        was_told(hub, s) || (f && !hub_stall_matters(hub, f)))
        return;
    s->turns = hub_switches(hub) - hub->turned_switches;
    s->took = now - hub->turned - preempted(hub, now);
    if (s->took < atomic_load(&hub_stall_limit))
        return;
    s->name[0] = '\0';
    s->id = 0;
    if (f && s->turns <= 1) {
        hub_fiber_name(f, s->name, sizeof(s->name));
        s->id = f == hub->loop_fiber ? 0 : f->fiber.id;
        s->turns = 1;
    } else if (s->turns > 1 && awaits_nothing(hub)) {
        return; /* each may have been short, and nobody waited for all */
    }
    hub_numbers_stall(hub);
    hub_queue(hub, &s->tell);
}

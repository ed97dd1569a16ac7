/*
 * The event: a flag that fibers of one thread wait for.
 *
 * Each waiter has a record on its own stack, linked from the event, oldest
 * first, until the event is set or the waiter gives up:
 *
 *     e->first --> record <--> record <--> record <-- e->last
 *
 * Setting unlinks all records at once. A waiter so released returns 0 even if
 * the event is cleared before its turn comes.
 */
#include <assert.h>
#include <errno.h>

#include "hub/hub.h"

struct waiter {
    struct waiter *next, *prev;
    struct grove_fiber *fiber;
    bool released; /* unlinked by a set */
};

void grove_event_init(grove_event *e)
{
    *e = (grove_event)GROVE_EVENT_INIT;
}

bool grove_event_is_set(const grove_event *e)
{
    return e->set;
}

void grove_event_clear(grove_event *e)
{
    e->set = false;
}

void grove_event_set(grove_event *e)
{
    e->set = true;
    struct waiter *w = e->first;
    e->first = NULL;
    e->last = NULL;
    for (; w; w = w->next) {
        assert(w->fiber->hub == hub_of_thread);
        w->released = true;
        hub_wake(w->fiber, 0);
    }
}

static void append(grove_event *e, struct waiter *w)
{
    w->prev = e->last;
    if (w->prev)
        w->prev->next = w;
    else
        e->first = w;
    e->last = w;
}

static void give_up(grove_event *e, struct waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        e->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        e->last = w->prev;
}

int grove_event_wait_until(grove_event *e, int64_t deadline)
{
    if (e->set)
        return 0;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct waiter w = {.fiber = hub->current};
    append(e, &w);
    int r = hub_wait(hub, deadline, "event", -1);
    if (!w.released)
        give_up(e, &w);
    return r == HUB_TRANSFERRED ? -EINTR : r;
}

int grove_event_wait(grove_event *e)
{
    return grove_event_wait_until(e, GROVE_NEVER);
}

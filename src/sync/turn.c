/*
 * Waits among the fibers of one thread. A turn is given by taking it out of its
 * ring, so that who finds it there has not had it. One that something else was
 * first with (a kill, a deadline, its end in a fork) is passed over; it takes
 * itself out, if it ever runs again.
 */
#include "sync/turn.h"

#include <assert.h>

int turn_await(struct hub *hub, struct turn *turn, int64_t deadline,
               const char *what)
{
    int r;
    assert(turn->link.next && turn->link.arg == hub->current);
    do
        r = hub_wait(hub, GROVE_WAIT_SYNC, deadline, what, -1);
    while (unlikely(r == HUB_TRANSFERRED && turn->link.next));
    if (unlikely(turn->link.next != NULL)) {
        links_remove(&turn->link);
        return r;
    }
    if (unlikely(r != 0))
        hub_wait_undo(hub->current, r);
    return turn->result;
}

int turn_wait(struct hub *hub, grove_link *ring, int64_t deadline,
              const char *what)
{
    struct turn turn = {.link.arg = hub->current};
    links_append(ring, &turn.link);
    return turn_await(hub, &turn, deadline, what);
}

bool turn_give(grove_link *ring, int result)
{
    for (grove_link *link = ring->next; link != ring; link = link->next) {
        struct grove_fiber *f = link->arg;
        assert(link->next->prev == link && f->hub == hub_of_thread);
        if (f->state != FIBER_PARKED)
            continue;
        links_remove(link);
        turn_of(link)->result = result;
        hub_wake(f, 0);
        return true;
    }
    return false;
}

bool turn_any(const grove_link *ring)
{
    for (const grove_link *link = ring->next; link != ring; link = link->next) {
        const struct grove_fiber *f = link->arg;
        if (f->state != FIBER_ENDED)
            return true;
    }
    return false;
}

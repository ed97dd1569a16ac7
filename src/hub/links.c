/*
 * Links to the ends of fibers, as users make them: called on the hub's own
 * stack. What a joiner uses is called where the fiber ends (life.c).
 *
 * When the fiber has ended its links are due: they stand in the hub's ring, and
 * each holds a reference to the fiber until it is called.
 */
#include "hub/links.h"

#include "hub/part.h"

struct due {
    grove_link links; /* ends of the ring of those that are to be called */
    struct run run;   /* queued while there are any */
};

static size_t offset;

void hub_link_due(struct hub *hub, grove_link *link)
{
    struct due *due = hub_keeps(hub, offset);
    assert(hub == hub_of_thread && link->fiber->state == FIBER_ENDED);
    hub_fiber_ref(link->fiber);
    links_append(&due->links, link);
    if (!run_queued(&due->run))
        hub_queue(hub, &due->run);
}

static void call_due(struct run *run)
{
    struct due *due = container_of(run, struct due, run);
    /* Those that are due now: one made meanwhile waits for the next pass. */
    grove_link now;
    links_init(&now);
    links_append(&due->links, &now);
    links_remove(&due->links);
    links_init(&due->links);

    grove_link *link;
    while ((link = now.next) != &now) {
        grove_fiber *f = link->fiber;
        void (*fn)(grove_fiber *, void *) = link->fn;
        void *arg = link->arg;
        links_remove(link);
        fn(f, arg);
        hub_fiber_unref(f);
    }
}

static int begin(struct hub *hub)
{
    struct due *due = hub_keeps(hub, offset);
    links_init(&due->links);
    due->run.call = call_due;
    return 0;
}

const struct hub_fixture hub_links_fixture = {
    .size = sizeof(struct due),
    .offset = &offset,
    .begin = begin,
};

/* ---- for users ---------------------------------------------------------------- */

void grove_link_end(grove_fiber *f, grove_link *link,
                    void (*fn)(grove_fiber *f, void *arg), void *arg)
{
    link->fiber = f;
    link->fn = fn;
    link->arg = arg;
    if (f->state != FIBER_ENDED)
        links_append(&f->links, link);
    else
        hub_link_due(f->hub, link);
}

void grove_unlink(grove_link *link)
{
    if (!link->next)
        return;
    bool due = link->fiber && link->fiber->state == FIBER_ENDED;
    links_remove(link);
    if (due)
        hub_fiber_unref(link->fiber);
}

/*
 * What others do about a fiber's end: join it, be called back at it.
 *
 * Both rest on one ring, grove_fiber.links. A link with a fiber set is the
 * user's and is called on the hub's own stack; one without is a joiner's and is
 * called where the fiber ends: it only wakes.
 *
 * When the fiber has ended the user's links are due: they stand in the hub's
 * ring, and each holds a reference to the fiber until it is called.
 */
#include <assert.h>
#include <stdlib.h>

#include "hub/hub.h"

/* ---- links ------------------------------------------------------------------ */

void grove_unlink(grove_link *link)
{
    if (!link->next)
        return;
    bool due = link->fiber && link->fiber->state == FIBER_ENDED;
    links_remove(link);
    if (due)
        hub_fiber_unref(link->fiber);
}

void hub_link_due(struct hub *hub, grove_link *link)
{
    grove_retain(link->fiber);
    links_append(&hub->ended_links, link);
    if (!run_queued(&hub->ended_run))
        hub_queue(hub, &hub->ended_run);
}

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

void hub_call_ended_links(struct run *run)
{
    struct hub *hub = container_of(run, struct hub, ended_run);
    /* Those that are due now: one made meanwhile waits for the next pass. */
    grove_link now;
    links_init(&now);
    links_append(&hub->ended_links, &now);
    links_remove(&hub->ended_links);
    links_init(&hub->ended_links);

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

/* ---- join -------------------------------------------------------------------- */

static void wake_joiner(grove_fiber *f, void *joiner)
{
    (void)f;
    hub_wake(joiner, 0);
}

int hub_await_end(struct hub *hub, struct grove_fiber *f, int64_t deadline,
                  const char *what)
{
    grove_link link = {.fn = wake_joiner, .arg = hub->current};
    links_append(&f->links, &link);
    f->references++; /* it may be released while we wait */
    int r = hub_wait(hub, deadline, what, -1);
    grove_unlink(&link);
    hub_fiber_unref(f);
    return r;
}

int grove_join_until(grove_fiber *f, void **value, int64_t deadline)
{
    struct hub *hub = f->hub;
    assert(hub == hub_of_thread);
    if (value)
        *value = NULL;
    if (f == hub->current)
        return -EDEADLK;
    if (f->state == FIBER_ENDED)
        return grove_result(f, value);
    f->references++;
    int r = hub_await_end(hub, f, deadline, "join");
    if (f->state == FIBER_ENDED && r == 0)
        r = grove_result(f, value);
    hub_fiber_unref(f);
    return r;
}

int grove_join(grove_fiber *f, void **value)
{
    return grove_join_until(f, value, GROVE_NEVER);
}

/* What a call of join_all waits for. */
struct gathering {
    struct grove_fiber *waiter;
    size_t missing; /* ends until it is woken */
};

static void count_end(grove_fiber *f, void *arg)
{
    (void)f;
    struct gathering *g = arg;
    if (--g->missing == 0)
        hub_wake(g->waiter, 0);
}

static size_t count_ended(grove_fiber *const *fs, size_t n)
{
    size_t ended = 0;
    for (size_t i = 0; i < n; i++)
        ended += fs[i]->state == FIBER_ENDED;
    return ended;
}

ssize_t grove_join_all_until(grove_fiber *const *fs, size_t n, size_t count,
                             int64_t deadline)
{
    if (count > n)
        return -EINVAL;
    if (n == 0)
        return 0;
    struct hub *hub = hub_of_thread;
    assert(hub);
    if (count == 0)
        count = n;
    size_t ended = count_ended(fs, n);
    if (ended >= count)
        return (ssize_t)ended;
    size_t others = 0; /* oneself does not end while one waits */
    for (size_t i = 0; i < n; i++)
        others += fs[i] != hub->current;
    if (others < count)
        return -EDEADLK;

    struct gathering g = {.waiter = hub->current, .missing = count - ended};
    grove_link *links = calloc(n, sizeof(*links));
    if (!links)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        grove_retain(fs[i]);
        links[i].fn = count_end;
        links[i].arg = &g;
        if (fs[i]->state != FIBER_ENDED)
            links_append(&fs[i]->links, &links[i]);
    }
    int r = hub_wait(hub, deadline, "join_all", -1);
    for (size_t i = 0; i < n; i++)
        grove_unlink(&links[i]);
    ended = count_ended(fs, n);
    for (size_t i = 0; i < n; i++)
        hub_fiber_unref(fs[i]);
    free(links);
    return r < 0 ? r : (ssize_t)ended;
}

ssize_t grove_join_all(grove_fiber *const *fs, size_t n, size_t count)
{
    return grove_join_all_until(fs, n, count, GROVE_NEVER);
}

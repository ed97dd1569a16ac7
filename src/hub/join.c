/*
 * Waiting for fibers' ends.
 *
 * A joiner is a link in the ring of the fiber it waits for. It has no fiber
 * set, which tells it from a user's (links.c), and is called where the fiber
 * ends: it only wakes.
 */
#include <assert.h>
#include <stdlib.h>

#include "hub/hub.h"
#include "hub/links.h"
#include "hub/wait.h"

static void wake_joiner(grove_fiber *f, void *joiner)
{
    (void)f;
    hub_wake(joiner, 0);
}

/* A joiner's, unless it was called. */
static void forget_link(grove_link *link)
{
    assert(!link->fiber);
    if (link->next)
        links_remove(link);
}

int hub_await_end(struct hub *hub, struct grove_fiber *f, int64_t deadline,
                  const char *what)
{
    assert(f->hub == hub && f != hub->current && f->state != FIBER_ENDED);
    grove_link link = {.fn = wake_joiner, .arg = hub->current};
    links_append(&f->links, &link);
    hub_fiber_ref(f); /* it may be released while we wait */
    int r = hub_wait(hub, GROVE_WAIT_END, deadline, what, -1);
    forget_link(&link);
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
    if (f->state == FIBER_ENDED) {
        int result = grove_result(f, value);
        hub_turn(hub); /* its handle may be released meanwhile */
        return result;
    }
    hub_fiber_ref(f);
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
    struct grove_fiber *waiter; /* the caller */
    size_t missing;             /* ends until it is woken; 0: it was */
};

static void count_end(grove_fiber *f, void *arg)
{
    (void)f;
    struct gathering *g = arg;
    assert(f->state == FIBER_ENDED);
    if (g->missing > 0 && --g->missing == 0)
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
    if (ended >= count) {
        hub_turn(hub);
        return (ssize_t)ended;
    }
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
        hub_fiber_ref(fs[i]);
        links[i].fn = count_end;
        links[i].arg = &g;
        if (fs[i]->state != FIBER_ENDED)
            links_append(&fs[i]->links, &links[i]);
    }
    int r = hub_wait(hub, GROVE_WAIT_END, deadline, "join_all", -1);
    for (size_t i = 0; i < n; i++)
        forget_link(&links[i]);
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

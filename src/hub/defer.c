/*
 * Cleanup handlers: what a fiber wants done at its end, whatever way its
 * function returned. Each is a small allocation, since what it belongs to has
 * left the stack by then, and the last asked for is done first. A fiber that is
 * ended by a fork does not run them: they are the parent's business.
 */
#include <assert.h>
#include <stdlib.h>

#include "hub/hub.h"

struct defer {
    struct fiber_end end; /* its place among what the fiber does at its end */
    void (*fn)(void *arg);
    void *arg;
};

/* Takes d from f, freeing it, and does what was asked. */
static void run(struct grove_fiber *f, struct defer *d)
{
    struct defer taken = *d;
    bool was_there = hub_at_end_remove(f, &d->end);
    assert(was_there);
    (void)was_there;
    free(d);
    taken.fn(taken.arg);
}

/* A kill that comes meanwhile is told later: what has begun to clean up goes on
 * to its end. */
static void run_at_end(struct grove_fiber *f, struct fiber_end *end)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    run(f, container_of(end, struct defer, end));
    grove_shield_end(&shield);
}

static void forget(struct grove_fiber *f, struct fiber_end *end)
{
    (void)f;
    free(container_of(end, struct defer, end));
}

static const struct fiber_end_kind kind = {run_at_end, forget};

int grove_defer(void (*fn)(void *arg), void *arg)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct grove_fiber *f = hub->current;
    if (!fn || f == &hub->root)
        return -EINVAL;
    struct defer *d = malloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    *d = (struct defer){.end.kind = &kind, .fn = fn, .arg = arg};
    hub_at_end(f, &d->end);
    return 0;
}

static struct defer *find(struct grove_fiber *f, void (*fn)(void *), void *arg)
{
    for (struct fiber_end *end = f->at_end; end; end = end->next) {
        struct defer *d = container_of(end, struct defer, end);
        if (end->kind == &kind && d->fn == fn && d->arg == arg)
            return d;
    }
    return NULL;
}

int grove_undefer(void (*fn)(void *arg), void *arg, bool call)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct defer *d = find(hub->current, fn, arg);
    if (!d)
        return -ENOENT;
    if (call) {
        run(hub->current, d);
        return 0;
    }
    hub_at_end_remove(hub->current, &d->end);
    free(d);
    return 0;
}

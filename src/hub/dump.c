/*
 * Walking all fibers of a hub, and telling where each is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "hub/hub.h"

/* A host's names may be longer than a fiber's own. */
#define FIBER_NAME_MOST 128

struct walk {
    struct hub *hub;
    void (*fn)(struct grove_fiber *f, void *arg);
    void *arg;
};

static void visit(struct stack *stack, void *arg)
{
    struct walk *w = arg;
    struct grove_fiber *f = (struct grove_fiber *)stack;
    if (f->state != FIBER_ENDED && f != w->hub->loop_fiber)
        w->fn(f, w->arg);
}

void hub_each(struct hub *hub, void (*fn)(struct grove_fiber *f, void *arg),
              void *arg)
{
    struct walk w = {hub, fn, arg};
    stack_each(&hub->stacks, visit, &w);
}

static const char *state_name(const struct grove_fiber *f)
{
    static const char *const names[] = {"new", "ready", "running", "parked",
                                        "ended"};
    return names[f->state];
}

struct visitor {
    void (*fn)(const grove_fiber_info *info, void *arg);
    void *arg;
};

static void tell(struct grove_fiber *f, void *arg)
{
    const struct visitor *v = arg;
    char name[FIBER_NAME_MOST];
    hub_fiber_name(f, name, sizeof(name));
    bool waits = f->state == FIBER_PARKED && f->waiting;
    grove_fiber_info info = {
        .fiber = f,
        .id = f->fiber.id,
        .name = name,
        .state = state_name(f),
        .what = waits ? f->reason.what : NULL,
        .fd = waits ? f->reason.fd : -1,
        .since = waits ? f->reason.since : 0,
    };
    v->fn(&info, v->arg);
}

void grove_each_fiber(void (*fn)(const grove_fiber_info *info, void *arg),
                      void *arg)
{
    struct hub *hub = hub_self();
    if (!hub)
        return;
    struct visitor v = {fn, arg};
    tell(&hub->root, &v);
    hub_each(hub, tell, &v);
}

struct dump {
    int fd;
    int64_t now;
};

/* The line is cut where a name of the host's is too long for it. */
static void dump_fiber(const grove_fiber_info *info, void *arg)
{
    const struct dump *d = arg;
    char where[128] = "", on[40] = "", line[384];
    if (info->what) {
        if (info->fd >= 0)
            snprintf(on, sizeof(on), " on descriptor %d", info->fd);
        snprintf(where, sizeof(where), " in %.40s%s for %.3f s", info->what, on,
                 (double)(d->now - info->since) / 1e9);
    }
    int n = snprintf(line, sizeof(line), "fiber %" PRIu64 " \"%s\" %s%s\n",
                     info->id, info->name, info->state, where);
    ssize_t written = write(d->fd, line, (size_t)n);
    (void)written;
}

void grove_dump(int fd)
{
    struct dump d = {fd, hub_clock()};
    grove_each_fiber(dump_fiber, &d);
}

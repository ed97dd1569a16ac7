/*
 * What a hub has to say when a stack of its fibers overflows: their names, and
 * what their host can do. Called in the signal handler, on the hub's thread, so
 * nothing here takes a lock or memory.
 */
#include <string.h>

#include "fiber/overflow.h"
#include "hub/dump.h"
#include "hub/part.h"

static void name(const struct fiber *f, char *text, size_t size)
{
    hub_fiber_name((const struct grove_fiber *)f, text, size);
}

static bool end(struct fiber *fiber)
{
    struct grove_fiber *f = (struct grove_fiber *)fiber;
    const struct grove_host *host = hub_host_of(f);
    return host && host->overflow(f);
}

static void trace(const struct fiber *fiber, int fd)
{
    const struct grove_fiber *f = (const struct grove_fiber *)fiber;
    const struct grove_host *host = hub_host_of(f);
    if (host)
        host->trace(f, fd);
}

static const struct overflow_hooks hooks = {end, name, trace};

static int watch(struct hub *hub)
{
    return overflow_watch(&hub->stacks, &hooks);
}

static void unwatch(struct hub *hub)
{
    (void)hub;
    overflow_unwatch();
}

const struct hub_fixture hub_overflow_fixture = {.begin = watch,
                                                 .end = unwatch};

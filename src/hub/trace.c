/*
 * The ring of a hub's events, from its making to its end. What is put there is
 * what hooks.c tells; who is traced is watched as if by the functions of
 * grove_hooks_set, all the time.
 */
#include "hub/trace.h"

#include <assert.h>

#include "hub/dump.h"
#include "hub/part.h"

void hub_trace_name(const struct grove_fiber *f)
{
    char name[TRACE_NAME_SIZE];
    hub_fiber_name(f, name, sizeof(name));
    trace_name(f->hub->trace, f->fiber.id, name);
}

/* The current fiber is the first that is known. */
static void tell_current(struct hub *hub)
{
    const struct grove_fiber *f = hub->current;
    bool is_loop = f == hub->loop_fiber;
    trace_add(hub->trace, TRACE_BEGIN, is_loop ? 0 : f->fiber.id, 0, 0);
    if (!is_loop)
        hub_trace_name(f);
}

static int begin(struct hub *hub)
{
    hub->trace = trace_ring_begin();
    if (!hub->trace)
        return 0;
    hub->watched = true;
    hub_pass_narrow(hub);
    tell_current(hub);
    return 0;
}

static void end(struct hub *hub)
{
    if (hub->trace)
        trace_ring_end(hub->trace);
    hub->trace = NULL;
}

static void forked(struct hub *hub)
{
    if (!hub->trace)
        return;
    trace_ring_forked(hub->trace);
    tell_current(hub);
}

const struct hub_fixture hub_trace_fixture = {
    .once = trace_once,
    .begin = begin,
    .end = end,
    .forked = forked,
};

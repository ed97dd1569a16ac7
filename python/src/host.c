/*
 * CPython as a host of the runtime: what it does when the hub switches and
 * sleeps.
 *
 * When the hub suspends a greenlet, the reference that the thread held to it as
 * its current one stays with the parked greenlet (green.parked) and becomes the
 * thread's again when it is resumed, so that neither costs a count. A greenlet
 * that another switched to directly finds itself already current.
 */
#include "core.h"

static void host_suspend(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    state_save(t->tstate, &g->state);
    g->parked = true;
    t->current = NULL;
}

/* Whoever resumes is current; it takes a reference if nobody left it one. */
void host_become_current(struct py_thread *t, struct green *g)
{
    if (t->current == g->self)
        return;
    if (g->parked)
        g->parked = false;
    else
        Py_INCREF(g->self);
    t->current = g->self;
}

static void host_resume(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    state_load(t->tstate, &g->state);
    host_become_current(t, g);
}

static void host_begin(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    state_begin(t->tstate, &g->state, stack_host_area(&f->fiber.stack),
                stack_size(&f->fiber.stack));
    host_become_current(t, g);
}

static struct py_thread *thread_of(struct hub *hub)
{
    return ((struct green *)hub->root.host)->thread;
}

static void host_poll_begin(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    greenlet_drop_left(t);
    PyEval_SaveThread();
}

static void host_poll_end(struct hub *hub, bool interrupted)
{
    struct py_thread *t = thread_of(hub);
    PyEval_RestoreThread(t->tstate);
    thread_cached = t;
    if (interrupted)
        hub_object_signals(t);
}

static bool host_deadlock(struct hub *hub)
{
    return hub_object_deadlock(thread_of(hub));
}

static void host_forked(struct hub *hub)
{
    hub_object_forked(thread_of(hub));
}

const struct grove_host python_host = {
    .suspend = host_suspend,
    .resume = host_resume,
    .begin = host_begin,
    .poll_begin = host_poll_begin,
    .poll_end = host_poll_end,
    .deadlock = host_deadlock,
    .forked = host_forked,
};

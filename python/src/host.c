/*
 * CPython as a host of the runtime: what it does when the hub switches and
 * sleeps.
 *
 * When the hub suspends a greenlet, the reference that the thread held to it as
 * its current one stays with the parked greenlet (green.parked) and becomes the
 * thread's again when it is resumed, so that neither costs a count. A greenlet
 * that another switched to directly finds itself already current.
 */
#include "describe.h"
#include "phases.h"
#include "switch_watch.h"

static void host_suspend(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    if (unlikely(t->watch != NULL))
        switch_watch_note(t->watch, true);
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
    state_begin(t->tstate, &g->state, &f->fiber.stack);
    host_become_current(t, g);
}

static struct py_thread *thread_of(struct hub *hub)
{
    return ((struct green *)hub->root.host)->thread;
}

/* Python runs its signal handlers in the main thread, some time after a signal
 * has come. One that came between the last look and the poll would be seen only
 * at the next event: so signals are blocked from here on, and let in by the
 * poll itself. */
static const sigset_t *host_poll_prepare(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    greenlet_drop_left(t);
    state_bury(t->tstate);
    if (unlikely(t->held))
        thread_watch_check(t);
    if (unlikely(t->phases != NULL))
        phases_before_sleep(t->phases);
    if (!t->takes_signals)
        return NULL;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &t->mask);
    hub_object_signals(t);
    return &t->mask;
}

static void host_poll_begin(struct hub *hub)
{
    thread_of(hub)->asleep = true;
    PyEval_SaveThread();
}

static void host_poll_end(struct hub *hub, bool interrupted)
{
    struct py_thread *t = thread_of(hub);
    if (t->takes_signals)
        pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
    PyEval_RestoreThread(t->tstate);
    thread_cached = t;
    t->asleep = false;
    if (unlikely(t->watch != NULL))
        switch_watch_rested(t->watch);
    if (unlikely(t->phases != NULL))
        phases_after_sleep(t->phases);
    if (interrupted)
        hub_object_signals(t);
}

static bool host_deadlock(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    return thread_watch_hold(t) || hub_object_deadlock(t);
}

static void host_forked(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    t->takes_signals = true; /* the only one there is */
    t->held = false;         /* holds were let go of by the fork */
    for (size_t i = 0; i < t->holds; i++)
        grove_hub_hold((grove_hub *)hub);
    linkable_thread_forked(t);
    if (t->phases)
        phases_forked(t->phases);
    hub_object_forked(t);
}

const struct grove_host python_host = {
    .suspend = host_suspend,
    .resume = host_resume,
    .begin = host_begin,
    .poll_prepare = host_poll_prepare,
    .poll_begin = host_poll_begin,
    .poll_end = host_poll_end,
    .deadlock = host_deadlock,
    .forked = host_forked,
    .overflow = recursion_overflow,
    .name = describe_greenlet,
    .trace = describe_trace,
};

/*
 * CPython as a host of the runtime: what it does when the hub switches and
 * sleeps.
 *
 * When the hub suspends a greenlet, the reference that the thread held to it as
 * its current one stays with the parked greenlet (green.parked) and becomes the
 * thread's again when it is resumed, so that neither costs a count. A greenlet
 * that another switched to directly finds itself already current.
 */
#include "raw/private.h"

static void host_suspend(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    if (unlikely(t->clock != NULL))
        switch_clock_note(t->clock, true);
    assert(t->current == g->self && g->fiber == f);
    assert(g->phase == GREEN_ACTIVE && !g->parked);
    state_save(t->tstate, &g->state);
    g->parked = true;
    t->current = NULL;
}

static void host_resume(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    assert(g->fiber == f && t->hub->current == f);
    load_state(t->tstate, &g->state);
    become_current(t, g);
    assert(t->current == g->self && !g->parked);
}

/* The same, while calls of C code are under way or exceptions wait. */
static void suspend_watching(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    foreign_leave(t);
    if (t->undelivered)
        undelivered_leave(t);
    host_suspend(f);
}

static void resume_watching(struct grove_fiber *f)
{
    host_resume(f);
    foreign_resumed(f->host);
}

static void host_begin(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    state_begin(t->tstate, &g->state, &f->fiber.stack);
    become_current(t, g);
}

static struct py_thread *thread_of(struct hub *hub)
{
    assert(hub->root.host && ((struct green *)hub->root.host)->is_main);
    return ((struct green *)hub->root.host)->thread;
}

static void run_signal_handlers(struct py_thread *t)
{
    if (PyErr_CheckSignals() < 0)
        raw_report(t, NULL);
    assert(!PyErr_Occurred());
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
    if (unlikely(t->tells_polls)) {
        for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
            if (h->before_poll)
                h->before_poll(t);
        }
    }
    if (!t->takes_signals)
        return NULL;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &t->mask);
    run_signal_handlers(t);
    return &t->mask;
}

static void host_poll_begin(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    assert(!t->asleep && !t->left);
    if (unlikely(t->clock != NULL))
        switch_clock_reached(t->clock);
    t->asleep = true;
    PyEval_SaveThread();
}

static void host_poll_end(struct hub *hub, bool interrupted)
{
    struct py_thread *t = thread_of(hub);
    if (t->takes_signals)
        pthread_sigmask(SIG_SETMASK, &t->mask, NULL);
    assert(t->asleep && t->hub == hub);
    PyEval_RestoreThread(t->tstate);
    thread_cached = t;
    t->asleep = false;
    if (unlikely(t->clock != NULL))
        switch_clock_rested(t->clock);
    if (unlikely(t->tells_polls)) {
        for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
            if (h->after_poll)
                h->after_poll(t);
        }
    }
    if (interrupted)
        run_signal_handlers(t);
}

static bool host_deadlock(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
        if (h->deadlock && h->deadlock(t))
            return true;
    }
    return false;
}

static void host_forked(struct hub *hub)
{
    struct py_thread *t = thread_of(hub);
    assert(t->hub == hub && !t->dead);
    t->takes_signals = true; /* the only one there is */
    t->foreign_off = true;
    for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
        if (h->forked)
            h->forked(t);
    }
}

static void host_name(const struct grove_fiber *f, char *text, size_t size)
{
    raw_describe(f, text, size);
}

/* Its Python stack, as faulthandler writes it; f runs. */
static void host_trace(const struct grove_fiber *f, int fd)
{
    const struct green *g = f->host;
    state_write_traceback(g->thread->tstate, fd);
}

#define HOST(suspend_, resume_) \
    { \
        .suspend = suspend_, .resume = resume_, .begin = host_begin, \
        .poll_prepare = host_poll_prepare, .poll_begin = host_poll_begin, \
        .poll_end = host_poll_end, .deadlock = host_deadlock, \
        .foreign_may_park = foreign_may_park, .foreign_begin = foreign_begin, \
        .foreign_end = foreign_end, .forked = host_forked, \
        .overflow = recursion_overflow, .name = host_name, \
        .trace = host_trace, \
    }

const struct grove_host python_host = HOST(host_suspend, host_resume);
const struct grove_host python_host_watching =
    HOST(suspend_watching, resume_watching);

/*
 * Calls that C code which is not ours makes, and in which its greenlet waits:
 * the patch layer's, where libc's are patched.
 *
 *           begin            the first switch away
 *    NONE ---------> BEGUN -------------------------> LEFT: it held the GIL
 *     ^                |                              TAKEN: it did not
 *     |       end      |                                |
 *     +----------------+--------------------------------+
 *
 * Such code may hold the GIL or not. A call that need not wait never asks: it
 * touches neither the interpreter nor its locks. The first switch away takes
 * the GIL, since the one that runs next is in the interpreter, and choosing it
 * may be (birth_begins); it is given back at the end of the call, with what the
 * code had as exception in flight. In between the greenlet has it whenever it
 * runs.
 *
 * What is thrown in meanwhile cannot unwind C: the wait ends with EINTR, and
 * the exception waits (undelivered.c). Until it is delivered no call of the
 * greenlet waits.
 *
 * While such calls are under way, or exceptions wait, the hub has another table
 * of its host (host.c), whose functions look for that at a switch. Everything
 * runs on the thread of the hub; without the GIL where that is said.
 */
#include "raw/private.h"

#include <errno.h>

int (*raw_after_wait)(struct py_thread *t);

/* What C code had in flight when its greenlet was switched away from. */
struct flight {
    struct flight *next; /* another greenlet's */
    const struct green *green;
    PyObject *type, *value, *tb; /* owned */
};

/* ---- a call; without the GIL, or with it ---------------------------------------- */

bool foreign_may_park(const struct grove_fiber *f)
{
    const struct green *g = f->host;
    const struct py_thread *t = g->thread;
    return t->hub_object && !t->foreign_off && g->foreign == FOREIGN_NONE &&
           !state_is_finalizing() && !state_is_anothers(t->tstate);
}

void foreign_begin(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    assert(g->foreign == FOREIGN_NONE && t->hub->current == f);
    g->foreign = FOREIGN_BEGUN;
    if (t->foreign_calls++ == 0)
        foreign_watch(t);
    if (unlikely(t->undelivered != NULL) && undelivered_has(t, g) &&
        !f->cancelled)
        g->refused = f->cancelled = true;
}

/* ---- what C code had in flight ---------------------------------------------------- */

/* Without memory it is lost. */
static void put_flight_aside(struct py_thread *t, const struct green *g)
{
    struct flight *flight = PyMem_Malloc(sizeof(*flight));
    if (!flight) {
        PyErr_Clear();
        return;
    }
    PyErr_Fetch(&flight->type, &flight->value, &flight->tb);
    flight->green = g;
    flight->next = t->flights;
    t->flights = flight;
}

static void bring_flight_back(struct py_thread *t, const struct green *g)
{
    struct flight **at = &t->flights;
    while (*at && (*at)->green != g)
        at = &(*at)->next;
    struct flight *flight = *at;
    if (!flight)
        return;
    *at = flight->next;
    PyErr_Restore(flight->type, flight->value, flight->tb);
    PyMem_Free(flight);
}

/* ---- switches within a call --------------------------------------------------------- */

static bool was_left(const struct green *g)
{
    return g->foreign == FOREIGN_LEFT || g->foreign == FOREIGN_TAKEN;
}

/* For the first time in this call. */
static void leave_first(struct py_thread *t, struct green *g)
{
    bool held = state_current_tstate() == t->tstate;
    if (!held)
        PyEval_RestoreThread(t->tstate);
    g->foreign = held ? FOREIGN_LEFT : FOREIGN_TAKEN;
    if (PyErr_Occurred())
        put_flight_aside(t, g);
}

void foreign_leave(struct py_thread *t)
{
    struct green *g = t->hub->current->host;
    if (!g)
        return;
    if (g->foreign == FOREIGN_BEGUN)
        leave_first(t, g);
    else if (was_left(g) && PyErr_Occurred())
        /* It was ended by this, and waits for something of its own yet. */
        undelivered_add(t, exception_take());
}

void foreign_resumed(struct green *g)
{
    if (was_left(g) && (g->value || PyErr_Occurred()))
        g->fiber->wake_result = -EINTR;
}

/* ---- its end -------------------------------------------------------------------------- */

static void come_back(struct py_thread *t, struct green *g, bool had_no_gil)
{
    int error = errno;
    if (raw_after_wait(t) < 0)
        undelivered_add(t, exception_take());
    bring_flight_back(t, g);
    if (t->undelivered)
        undelivered_arm(t);
    if (had_no_gil)
        PyEval_SaveThread();
    errno = error;
}

void foreign_end(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    enum green_foreign how = g->foreign;
    assert(how != FOREIGN_NONE && t->hub->current == f);
    if (unlikely(g->refused))
        g->refused = f->cancelled = false;
    g->foreign = FOREIGN_NONE;
    if (--t->foreign_calls == 0)
        foreign_watch(t);
    if (how != FOREIGN_BEGUN)
        come_back(t, g, how == FOREIGN_TAKEN);
}

/* ---- what waits, and threads that end ------------------------------------------------------ */

static void throw_in(PyGreenlet *target, PyObject *exception)
{
    if (target->green->phase != GREEN_ACTIVE)
        return;
    PyObject *result = greenlet_throw(target, exception, NULL, NULL);
    if (!result)
        raw_report(target->green->thread, NULL);
    Py_XDECREF(result);
}

/* Its greenlets never come back. */
static void thread_dead(struct py_thread *t)
{
    while (t->flights) {
        struct flight *flight = t->flights;
        t->flights = flight->next;
        Py_XDECREF(flight->type);
        Py_XDECREF(flight->value);
        Py_XDECREF(flight->tb);
        PyMem_Free(flight);
    }
    undelivered_abandon(t);
}

static struct raw_hooks hooks = {.thread_dead = thread_dead};

void foreign_init(void)
{
    undelivered_throw = throw_in;
    raw_hooks_add(&hooks);
}

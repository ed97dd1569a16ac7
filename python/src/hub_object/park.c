/*
 * Waiting: how a greenlet parks, and what it does first when it is back.
 */
#include "hub_object/private.h"

/* ---- waiting ------------------------------------------------------------ */

int core_before_wait(struct py_thread *t)
{
    assert(t->hub == hub_of_thread && t->tstate == state_current_tstate());
    if (unlikely(!t->hub_object) && !hub_object_make(t))
        return -1;
    if (unlikely((PyObject *)t->current == t->hub_object)) {
        PyErr_SetString(PyExc_BlockingSwitchOut,
                        "Impossible to call blocking function in the event "
                        "loop callback");
        return -1;
    }
    return 0;
}

/* The value that another greenlet switched in with; NULL: nobody did. */
static PyObject *take_value(struct green *g)
{
    PyObject *value = g->value;
    assert(g->phase == GREEN_ACTIVE && g->thread->current == g->self);
    g->value = NULL;
    return value;
}

/* The exception that is set, the tracer's, takes the place of what was switched
 * in. Letting go of that may run code. */
static void drop_value(struct green *g)
{
    if (likely(!g->value))
        return;
    PyObject *exception = exception_take();
    Py_CLEAR(g->value);
    exception_set(exception);
}

static int refuse_switch(struct py_thread *t, PyObject *value)
{
    PyErr_Format(PyExc_InvalidSwitch, "Invalid switch into %R: got %R",
                 (PyObject *)t->current, value);
    Py_DECREF(value);
    assert(PyErr_Occurred());
    return -1;
}

/* What every greenlet does first that comes back from a wait. */
static void resumed(struct py_thread *t)
{
    if (unlikely(t->tracer != NULL))
        greenlet_trace_arrival(t, PyErr_Occurred() != NULL);
    if (unlikely(t->left != NULL))
        greenlet_drop_left(t);
    end_doomed(t);
    assert(!t->left && t->current && t->current->green->thread == t);
}

int core_after_wait(struct py_thread *t)
{
    resumed(t);
    if (unlikely(PyErr_Occurred() != NULL)) {
        drop_value(t->current->green);
        return -1;
    }
    PyObject *value = take_value(t->current->green);
    return unlikely(value != NULL) ? refuse_switch(t, value) : 0;
}

static enum core_wait_result result_of(struct py_thread *t, int r,
                                       PyObject **switched)
{
    if (unlikely(PyErr_Occurred() != NULL)) { /* thrown in, or the tracer's */
        drop_value(t->current->green);
        return CORE_FAILED;
    }
    if (r == HUB_TRANSFERRED) {
        PyObject *value = take_value(t->current->green);
        assert(value);
        if (!switched)
            return refuse_switch(t, value);
        *switched = value;
        return CORE_WOKEN;
    }
    assert(!t->current->green->value); /* a switch would have said so */
    if (r == 0)
        return CORE_WOKEN;
    if (r == -ETIMEDOUT)
        return CORE_TIMED_OUT;
    if (r == -ECANCELED)
        PyErr_SetNone(PyExc_GreenletExit);
    else if (r == -ENOMEM)
        PyErr_NoMemory();
    else if (r == -EBADF)
        PyErr_SetNone(PyExc_ClosedElsewhere);
    else {
        assert(r < 0);
        errno = -r;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return CORE_FAILED;
}

enum core_wait_result core_wait(struct py_thread *t, int64_t deadline,
                                const char *what, int fd, PyObject **switched)
{
    if (core_before_wait(t) < 0)
        return CORE_FAILED;
    int r = hub_wait(t->hub, GROVE_WAIT_OTHER, deadline, what, fd);
    resumed(t);
    return result_of(t, r, switched);
}

enum core_wait_result core_wait_fd(struct py_thread *t, int fd,
                                   unsigned direction, int64_t deadline,
                                   const char *what)
{
    if (core_before_wait(t) < 0)
        return CORE_FAILED;
    int r = hub_wait_fd(t->hub, fd, direction, deadline, what);
    resumed(t);
    return result_of(t, r, NULL);
}

int wait_turn(struct py_thread *t)
{
    if (unlikely(core_before_wait(t) < 0))
        return -1;
    /* Others may run; that none wants to is not told of as a block. */
    if (unlikely(t->clock != NULL))
        switch_clock_note(t->clock, true);
    grove_yield();
    return core_after_wait(t);
}

int64_t deadline_in_order(int64_t deadline)
{
    assert(deadline >= 0);
    return deadline == 0 ? hub_clock() : deadline;
}

enum core_wait_result wait_until(struct py_thread *t, enum grove_wait_kind kind,
                                 int64_t deadline, const char *what)
{
    if (core_before_wait(t) < 0)
        return CORE_FAILED;
    int r = hub_wait_looking(t->hub, kind, deadline_in_order(deadline), what);
    resumed(t);
    return result_of(t, r, NULL);
}

/*
 * What a crossing leaves behind: the greenlet that was switched away from, when
 * the reference its thread held was the last. See crossing.h.
 *
 * It waits in thread->left for the one that runs next to let go of it, for
 * letting go throws GreenletExit into it, which is a switch of its own: no
 * value or exception of the first may be lost by it. On its own thread only.
 */
#include "raw/crossing.h"

PyObject *greenlet_no_args;

int greenlet_crossing_init(void)
{
    greenlet_no_args = PyTuple_New(0);
    return greenlet_no_args ? 0 : -1;
}

void crossing_alerted(struct py_thread *t, PyGreenlet *target)
{
    if (t->clock)
        switch_clock_note(t->clock, (PyObject *)target == t->hub_object);
    if (t->undelivered)
        undelivered_leave(t);
}

/* Releasing may run code: what is in flight is kept. */
static void release_left(PyGreenlet *left)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    Py_DECREF(left);
    PyErr_Restore(type, value, tb);
}

void greenlet_drop_left(struct py_thread *t)
{
    PyGreenlet *left = t->left;
    if (left) {
        assert(left != t->current && t->hub == hub_of_thread);
        t->left = NULL;
        release_left(left);
    }
}

PyObject *crossing_arrived(struct py_thread *t, PyObject *value)
{
    if (t->tracer && greenlet_trace_arrival(t, !value) < 0)
        Py_CLEAR(value);
    greenlet_drop_left(t);
    assert((value == NULL) == !!PyErr_Occurred());
    return value;
}

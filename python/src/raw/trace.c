/*
 * settrace: a callback that is told of every switch of a thread, in the
 * greenlet that was switched to. It costs a switch nothing while there is none.
 */
#include "raw/private.h"

static PyObject *str_switch, *str_throw;

int greenlet_trace_init(void)
{
    str_switch = PyUnicode_InternFromString("switch");
    str_throw = PyUnicode_InternFromString("throw");
    return str_switch && str_throw ? 0 : -1;
}

/* Calls the tracer for a switch from origin to target. -1 when it failed: it is
 * no tracer any more then, and its exception is set. */
static int tell(struct py_thread *t, PyObject *event, PyGreenlet *origin,
                PyGreenlet *target)
{
    if (!t->tracer)
        return 0;
    assert(!PyErr_Occurred() && origin && target);
    PyObject *tracer = Py_NewRef(t->tracer);
    PyThreadState_EnterTracing(t->tstate);
    PyObject *r = PyObject_CallFunction(tracer, "O(OO)", event,
                                        (PyObject *)origin, (PyObject *)target);
    PyThreadState_LeaveTracing(t->tstate);
    assert((r == NULL) == !!PyErr_Occurred());
    if (r)
        Py_DECREF(r);
    else if (t->tracer == tracer)
        greenlet_set_tracer(t, NULL);
    Py_DECREF(tracer);
    return r ? 0 : -1;
}

/* The events make a chain: the origin of each is the target of the one before.
 * A wait in the hub goes straight to whoever is due, which is told as a switch
 * to the Hub and one from it. */
int greenlet_trace_arrival(struct py_thread *t, bool thrown)
{
    PyGreenlet *here = t->current, *hub = (PyGreenlet *)t->hub_object;
    assert(t->tracer && t->traced && here);
    bool direct = t->went_directly;
    t->went_directly = false;
    if (here == t->traced)
        return 0;
    PyObject *type, *exc, *tb;
    PyErr_Fetch(&type, &exc, &tb);
    PyGreenlet *origin = t->traced;
    t->traced = (PyGreenlet *)Py_NewRef((PyObject *)here);
    int r = 0;
    if (!direct && hub && origin != hub && here != hub) {
        Py_INCREF(hub);
        r = tell(t, str_switch, origin, hub);
        Py_SETREF(origin, hub);
    }
    if (r == 0)
        r = tell(t, thrown ? str_throw : str_switch, origin, here);
    Py_DECREF(origin);
    if (r == 0) {
        PyErr_Restore(type, exc, tb);
        return 0;
    }
    assert(PyErr_Occurred());
    Py_XDECREF(type); /* the tracer's exception is raised instead */
    Py_XDECREF(exc);
    Py_XDECREF(tb);
    return -1;
}

void greenlet_set_tracer(struct py_thread *t, PyObject *tracer)
{
    PyObject *old = t->tracer;
    PyGreenlet *traced = t->traced;
    t->tracer = Py_XNewRef(tracer);
    t->traced = tracer ? (PyGreenlet *)Py_NewRef((PyObject *)t->current) : NULL;
    t->went_directly = false;
    assert(!t->tracer == !t->traced);
    Py_XDECREF(old);
    Py_XDECREF((PyObject *)traced);
}

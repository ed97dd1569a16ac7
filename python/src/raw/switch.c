/*
 * g.switch(), with greenlet's semantics (greenlet 3.5's documentation), on
 * fibers of their own stacks.
 *
 * Who owns a running greenlet: its thread holds a reference to the current one.
 * At a switch the target gets one and the origin's is given up; see crossing.h.
 * A value crosses in the target's green.value, an exception in the thread
 * state.
 */
#include "raw/crossing.h"

/* The value that switch(*args, **kwargs) delivers to a suspended greenlet.
 * Steals both; kwargs may be NULL. */
static PyObject *packed(PyObject *args, PyObject *kwargs)
{
    assert(PyTuple_Check(args) && (!kwargs || PyDict_GET_SIZE(kwargs)));
    if (!kwargs) {
        if (PyTuple_GET_SIZE(args) != 1)
            return args;
        PyObject *one = Py_NewRef(PyTuple_GET_ITEM(args, 0));
        Py_DECREF(args);
        return one;
    }
    if (PyTuple_GET_SIZE(args) == 0) {
        Py_DECREF(args);
        return kwargs;
    }
    PyObject *both = PyTuple_Pack(2, args, kwargs);
    Py_DECREF(args);
    Py_DECREF(kwargs);
    return both;
}

PyObject *greenlet_switch_with(PyGreenlet *target, PyObject *args,
                               PyObject *kwargs)
{
    struct py_thread *t = thread_self();
    if (!t)
        goto fail;
    greenlet_drop_left(t);
    end_doomed(t);
    if (unlikely(t->tracer != NULL) && greenlet_trace_arrival(t, false) < 0)
        goto fail;
    for (;;) {
        PyGreenlet *living = greenlet_first_living(target);
        if (!living) {
            greenlet_refuse_thread(t, target->green);
            goto fail;
        }
        target = living;
        struct green *g = target->green;
        if (!greenlet_check_of_thread(t, g))
            goto fail;
        if (g->phase == GREEN_ACTIVE)
            break;
        if (greenlet_fetch_run(target) < 0)
            goto fail;
        if (g->phase != GREEN_UNSTARTED)
            continue; /* looking up run has started it */
        /* It may be the first to use a C++ extension that was imported since.
         */
        fiber_thread_refresh(&t->hub->thread);
        if (!greenlet_check_of_thread(t, g) ||
            greenlet_give_fiber(t, target) < 0)
            goto fail;
        Py_XSETREF(g->start_args, args);
        Py_XSETREF(g->start_kwargs, kwargs);
        return cross_to(t, target);
    }
    PyObject *value = packed(args, kwargs);
    if (!value || target == t->current)
        return value;
    assert(t->current && target->green->phase == GREEN_ACTIVE);
    target->green->value = value;
    return cross_to(t, target);
fail:
    Py_DECREF(args);
    Py_XDECREF(kwargs);
    return NULL;
}

/* Anything but the usual case of greenlet_method_switch. */
static PyObject *__attribute__((noinline, cold))
switch_slow(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
            PyObject *names)
{
    PyObject *tuple = PyTuple_New(nargs), *kwargs = NULL;
    if (!tuple)
        return NULL;
    for (Py_ssize_t i = 0; i < nargs; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    Py_ssize_t n = names ? PyTuple_GET_SIZE(names) : 0;
    if (n && !(kwargs = PyDict_New()))
        goto fail;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i),
                           args[nargs + i]) < 0)
            goto fail;
    }
    return greenlet_switch_with((PyGreenlet *)self, tuple, kwargs);
fail:
    Py_DECREF(tuple);
    Py_XDECREF(kwargs);
    return NULL;
}

const char greenlet_switch_doc[] =
    "switch($self, /, *args, **kwargs)\n--\n\n"
    "Switch to this greenlet. An unstarted one runs run(*args, **kwargs); in "
    "a\n"
    "suspended one its own switch() returns: the empty tuple for no argument, "
    "the\n"
    "argument for one, a tuple for several, a dict for keywords only, a pair "
    "of\n"
    "both. A dead one stands for its first living ancestor. Returns what is "
    "passed\n"
    "when something switches back, and raises what is thrown in.\n"
    "Raises greenlet.error for a greenlet of another thread.\n\n"
    "    >>> from greenlet import getcurrent, greenlet\n"
    "    >>> def ask():\n"
    "    ...     return \"hello \" + getcurrent().parent.switch(\"your "
    "name?\")\n"
    "    >>> asking = greenlet(ask)\n"
    "    >>> asking.switch()\n"
    "    'your name?'\n"
    "    >>> asking.switch(\"Ada\")\n"
    "    'hello Ada'";

PyObject *greenlet_method_switch(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *names)
{
    struct green *g = ((PyGreenlet *)self)->green;
    struct py_thread *t = g->thread;
    /* The thread that owns this hub runs this code: cheaper than to ask the
     * interpreter, and the same. */
    if (unlikely(t->hub != hub_of_thread || g->phase != GREEN_ACTIVE ||
                 t->current == (PyGreenlet *)self || t->left || t->doomed ||
                 names || nargs > 1))
        return switch_slow(self, args, nargs, names);
    assert(t == thread_self() && !t->dead);
    g->value = Py_NewRef(nargs ? args[0] : greenlet_no_args);
    return cross_to(t, (PyGreenlet *)self);
}

/*
 * Throwing into a greenlet: g.throw(), and the exceptions that end a greenlet
 * nobody refers to any more.
 *
 * What is thrown is the exception that is set; it crosses in the thread state,
 * while the target's value is NULL. An unstarted greenlet dies at once, and its
 * first living ancestor gets the exception in its place.
 */
#include "raw/crossing.h"

PyObject *greenlet_throw_in(PyGreenlet *target)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    assert(PyErr_Occurred());
    greenlet_drop_left(t);
    end_doomed(t);
    if (unlikely(t->tracer != NULL) && greenlet_trace_arrival(t, false) < 0)
        return NULL;
    struct green *g = target->green;
    if (g->phase == GREEN_UNSTARTED && !greenlet_die_unstarted(t, g))
        return NULL;
    PyGreenlet *living = greenlet_first_living(target);
    if (!living)
        return greenlet_refuse_thread(t, g);
    if (!greenlet_check_of_thread(t, living->green))
        return NULL;
    if (living != target && PyErr_ExceptionMatches(PyExc_GreenletExit)) {
        PyObject *value =
            greenlet_exit_value(); /* there is nothing to exit from */
        PyObject *args = value ? PyTuple_Pack(1, value) : NULL;
        Py_XDECREF(value);
        return args ? greenlet_switch_with(living, args, NULL) : NULL;
    }
    assert(PyErr_Occurred() && living->green->phase != GREEN_DEAD);
    if (living->green->phase == GREEN_UNSTARTED)
        return greenlet_throw_in(living);
    if (living == t->current)
        return NULL;
    living->green->value = NULL;
    return cross_to(t, living);
}

PyObject *greenlet_switch(PyGreenlet *target, PyObject *value, PyObject *kwargs)
{
    if (!value)
        return greenlet_throw_in(target);
    if (target->green->phase == GREEN_UNSTARTED)
        return greenlet_switch_with(target, value, kwargs);
    PyObject *args = PyTuple_Pack(1, value);
    Py_DECREF(value);
    return args ? greenlet_switch_with(target, args, kwargs) : NULL;
}

PyObject *greenlet_throw(PyGreenlet *target, PyObject *type, PyObject *val,
                         PyObject *tb)
{
    if (val == Py_None)
        val = NULL;
    if (tb == Py_None)
        tb = NULL;
    if (tb && !PyTraceBack_Check(tb)) {
        PyErr_SetString(PyExc_TypeError,
                        "throw() third argument must be a traceback object");
        return NULL;
    }
    Py_INCREF(type);
    Py_XINCREF(val);
    Py_XINCREF(tb);
    if (PyExceptionClass_Check(type)) {
        PyErr_NormalizeException(&type, &val, &tb);
    } else if (PyExceptionInstance_Check(type)) {
        if (val) {
            PyErr_SetString(PyExc_TypeError,
                            "instance exception may not have a separate value");
            goto fail;
        }
        val = type;
        type = Py_NewRef(PyExceptionInstance_Class(val));
        if (!tb)
            tb = PyException_GetTraceback(val);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes, or instances, not %s",
                     Py_TYPE(type)->tp_name);
        goto fail;
    }
    if (target->green->phase == GREEN_UNSTARTED && !target->green->is_main &&
        greenlet_fetch_run(target) < 0)
        goto fail;
    PyErr_Restore(type, val, tb);
    return greenlet_throw_in(target);
fail:
    Py_DECREF(type);
    Py_XDECREF(val);
    Py_XDECREF(tb);
    return NULL;
}

const char greenlet_throw_doc[] =
    "throw($self, typ=..., val=None, tb=None, /)\n--\n\n"
    "Switch to this greenlet and raise there; GreenletExit without arguments. "
    "An\n"
    "unstarted one dies at once, and the exception goes to its parent.\n\n"
    "    >>> from greenlet import getcurrent, greenlet\n"
    "    >>> def careful():\n"
    "    ...     try:\n"
    "    ...         getcurrent().parent.switch()\n"
    "    ...     except ValueError as error:\n"
    "    ...         return str(error)\n"
    "    >>> waiting = greenlet(careful)\n"
    "    >>> waiting.switch()\n"
    "    ()\n"
    "    >>> waiting.throw(ValueError(\"no such thing\"))\n"
    "    'no such thing'";

PyObject *greenlet_method_throw(PyObject *self, PyObject *args)
{
    PyObject *type = PyExc_GreenletExit, *val = NULL, *tb = NULL;
    if (!PyArg_ParseTuple(args, "|OOO:throw", &type, &val, &tb))
        return NULL;
    return greenlet_throw((PyGreenlet *)self, type, val, tb);
}

/*
 * The attributes of a greenlet: its run and parent, what can be seen of it
 * while it is suspended, its context.
 */
#include "raw/private.h"

static PyObject *get_dict(PyObject *o, void *closure)
{
    return PyObject_GenericGetDict(o, closure);
}

static int set_dict(PyObject *o, PyObject *dict, void *closure)
{
    return PyObject_GenericSetDict(o, dict, closure);
}

static PyObject *get_dead(PyObject *o, void *closure)
{
    (void)closure;
    return PyBool_FromLong(greenlet_is_dead(((PyGreenlet *)o)->green));
}

static int refuse_main(struct green *g)
{
    if (!g->is_main)
        return 0;
    PyErr_SetString(PyExc_AttributeError,
                    "Main greenlets do not have a run attribute.");
    return -1;
}

static PyObject *get_run(PyObject *o, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    if (refuse_main(g) < 0)
        return NULL;
    if (g->phase == GREEN_UNSTARTED && g->run)
        return Py_NewRef(g->run);
    PyErr_SetString(PyExc_AttributeError, "run");
    return NULL;
}

int greenlet_set_run(PyObject *o, PyObject *run, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    if (refuse_main(g) < 0)
        return -1;
    if (g->phase != GREEN_UNSTARTED) {
        PyErr_SetString(PyExc_AttributeError,
                        "run cannot be set after the start of the greenlet");
        return -1;
    }
    Py_XINCREF(run);
    Py_XSETREF(g->run, run);
    return 0;
}

static PyObject *get_parent(PyObject *o, void *closure)
{
    (void)closure;
    PyGreenlet *parent = ((PyGreenlet *)o)->green->parent;
    return Py_NewRef(parent ? (PyObject *)parent : Py_None);
}

int greenlet_set_parent(PyObject *o, PyObject *parent, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    if (!parent) {
        PyErr_SetString(PyExc_AttributeError, "can't delete attribute");
        return -1;
    }
    if (!greenlet_check(parent)) {
        PyErr_Format(PyExc_TypeError,
                     "GreenletChecker: Expected any type of "
                     "greenlet, not %s",
                     Py_TYPE(parent)->tp_name);
        return -1;
    }
    if (g->is_main) {
        PyErr_SetString(PyExc_AttributeError,
                        "cannot set the parent of a main greenlet");
        return -1;
    }
    PyGreenlet *root = (PyGreenlet *)parent;
    for (;;) {
        if (root == (PyGreenlet *)o) {
            PyErr_SetString(PyExc_ValueError, "cyclic parent chain");
            return -1;
        }
        if (!root->green->parent)
            break;
        root = root->green->parent;
    }
    if (!root->green->is_main) {
        PyErr_SetString(PyExc_ValueError,
                        "parent must not be garbage collected");
        return -1;
    }
    if (g->phase == GREEN_ACTIVE && root->green->thread != g->thread) {
        PyErr_SetString(PyExc_ValueError,
                        "parent cannot be on a different thread");
        return -1;
    }
    assert(parent != o && root->green->phase == GREEN_ACTIVE);
    Py_INCREF(parent);
    Py_XSETREF(g->parent, (PyGreenlet *)parent);
    return 0;
}

/* A greenlet whose thread has ended is dead and has none, like any dead one:
 * its frames were unwound with the thread, so that what they held is let go of.
 * (greenlet has shown the last one until it cleans up behind the thread, which
 * it does some time later; from then on None, too.) */
static PyObject *get_gr_frame(PyObject *o, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (greenlet_is_dead(g) || g->phase != GREEN_ACTIVE ||
        greenlet_is_current(g))
        Py_RETURN_NONE;
    assert(g->fiber && !PyErr_Occurred());
    PyFrameObject *frame = state_frame(t->tstate, &g->state);
    if (!frame && PyErr_Occurred())
        return NULL;
    return frame ? (PyObject *)frame : Py_NewRef(Py_None);
}

/* Where the context of g is now; NULL with ValueError. */
static PyObject **context_of(struct green *g)
{
    PyThreadState *ts = state_current_tstate();
    if (g->phase != GREEN_ACTIVE || !greenlet_is_current(g))
        return &g->state.context;
    if (g->thread->tstate == ts)
        return &ts->context;
    PyErr_SetString(PyExc_ValueError,
                    "cannot get or set the context of a greenlet that is "
                    "running in a different thread");
    return NULL;
}

static PyObject *get_gr_context(PyObject *o, void *closure)
{
    (void)closure;
    PyObject **context = context_of(((PyGreenlet *)o)->green);
    if (!context)
        return NULL;
    return Py_NewRef(*context ? *context : Py_None);
}

static int set_gr_context(PyObject *o, PyObject *value, void *closure)
{
    (void)closure;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "can't delete context attribute");
        return -1;
    }
    if (value == Py_None)
        value = NULL;
    else if (!PyContext_CheckExact(value)) {
        PyErr_Format(PyExc_TypeError,
                     "greenlet context must be a contextvars.Context or None, "
                     "not %s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject **context = context_of(((PyGreenlet *)o)->green);
    if (!context)
        return -1;
    PyThreadState *ts = state_current_tstate();
    if (context == &ts->context)
        ts->context_ver++;
    Py_XINCREF(value);
    Py_XSETREF(*context, value);
    return 0;
}

/* Bytes of C stack that a suspended fiber stands on; 1 for the thread's own,
 * whose beginning is not known. */
static size_t stack_used(const struct fiber *f)
{
    const char *sp = context_sp(&f->context);
    const char *top = (const char *)f;
    return sp < top && sp > f->stack.base ? (size_t)(top - sp) : 1;
}

static PyObject *get_stack_saved(PyObject *o, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    bool suspended = !greenlet_is_dead(g) && g->phase == GREEN_ACTIVE &&
                     !greenlet_is_current(g);
    return PyLong_FromSize_t(suspended ? stack_used(&g->fiber->fiber) : 0);
}

PyGetSetDef greenlet_attributes[] = {
    {"__dict__", get_dict, set_dict, NULL, NULL},
    {"run", get_run, greenlet_set_run,
     "What it runs; gone once it has started.", NULL},
    {"parent", get_parent, greenlet_set_parent,
     "Who gets its result, or the exception that ends it.", NULL},
    {"dead", get_dead, NULL, "Whether it has ended.", NULL},
    {"gr_frame", get_gr_frame, NULL,
     "Its innermost frame while it is suspended, otherwise None.", NULL},
    {"gr_context", get_gr_context, set_gr_context,
     "Its contextvars.Context, or None.", NULL},
    {"_stack_saved", get_stack_saved, NULL,
     "Bytes of its C stack while it is suspended, otherwise 0.", NULL},
    {NULL}};

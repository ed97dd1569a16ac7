/*
 * The C API that other extensions use through greenlet.h: a capsule named
 * greenlet._C_API with a table of twelve entries, in greenlet's order.
 *
 * What is here is called by code that was compiled against greenlet's header or
 * ours. It checks its arguments as the Python methods do, and ends in them.
 */
#include "raw/private.h"

static bool refuse(PyObject *o)
{
    if (o && greenlet_check(o))
        return false;
    PyErr_BadArgument();
    return true;
}

static PyGreenlet *api_new(PyObject *run, PyGreenlet *parent)
{
    PyObject *g = PyObject_CallNoArgs((PyObject *)&PyGreenlet_Type);
    if (!g)
        return NULL;
    if ((run && greenlet_set_run(g, run, NULL) < 0) ||
        (parent && greenlet_set_parent(g, (PyObject *)parent, NULL) < 0))
        Py_CLEAR(g);
    return (PyGreenlet *)g;
}

static PyGreenlet *api_get_current(void)
{
    return (PyGreenlet *)greenlet_get_current();
}

static PyObject *api_throw(PyGreenlet *g, PyObject *type, PyObject *val,
                           PyObject *tb)
{
    if (refuse((PyObject *)g))
        return NULL;
    return greenlet_throw(g, type ? type : PyExc_GreenletExit, val, tb);
}

static PyObject *api_switch(PyGreenlet *g, PyObject *args, PyObject *kwargs)
{
    if (refuse((PyObject *)g))
        return NULL;
    if (args && !PyTuple_Check(args)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (hub_of_thread) /* the caller may be in C++ */
        fiber_thread_refresh(&hub_of_thread->thread);
    bool named = kwargs && PyDict_Check(kwargs) && PyDict_GET_SIZE(kwargs);
    return greenlet_switch_with(g, Py_NewRef(args ? args : greenlet_no_args),
                                named ? Py_NewRef(kwargs) : NULL);
}

static int api_set_parent(PyGreenlet *g, PyGreenlet *parent)
{
    if (refuse((PyObject *)g))
        return -1;
    return greenlet_set_parent((PyObject *)g, (PyObject *)parent, NULL);
}

static PyGreenlet *api_get_parent(PyGreenlet *g)
{
    if (refuse((PyObject *)g))
        return NULL;
    return (PyGreenlet *)Py_XNewRef((PyObject *)g->green->parent);
}

static int api_main(PyGreenlet *g)
{
    return refuse((PyObject *)g) ? -1 : g->green->is_main;
}

static int api_started(PyGreenlet *g)
{
    return refuse((PyObject *)g) ? -1 : g->green->phase != GREEN_UNSTARTED;
}

static int api_active(PyGreenlet *g)
{
    if (refuse((PyObject *)g))
        return -1;
    return g->green->phase == GREEN_ACTIVE && !g->green->thread->dead;
}

int greenlet_api_init(PyObject *module)
{
    static void *table[12];
    void *entries[] = {
        (void *)&PyGreenlet_Type,   (void *)PyExc_GreenletError,
        (void *)PyExc_GreenletExit, (void *)api_new,
        (void *)api_get_current,    (void *)api_throw,
        (void *)api_switch,         (void *)api_set_parent,
        (void *)api_main,           (void *)api_started,
        (void *)api_active,         (void *)api_get_parent,
    };
    _Static_assert(sizeof(entries) == sizeof(table), "twelve entries");
    memcpy(table, entries, sizeof(table));
    PyObject *capsule = PyCapsule_New(table, "greenlet._C_API", NULL);
    if (!capsule)
        return -1;
    int r = PyModule_AddObjectRef(module, "_C_API", capsule);
    Py_DECREF(capsule);
    return r;
}

/*
 * What a Greenlet is going to call, and with what: kept from its making until
 * it has ended.
 *
 *     spawn(f, a, b) -----> few ---- asked for ----> args (and kwargs)
 *     others --------------------------------------> args and kwargs
 *
 * A few arguments without names, which is the usual call, stand in the Greenlet
 * itself: a tuple for each would be one more object to allocate and to free,
 * and one more that the collector counts and walks through. They become a tuple
 * when somebody asks for it, so that who asks twice gets the same. There is a
 * tuple or there are a few, never both.
 *
 * On the Greenlet's thread, or with nobody else there (tp_clear).
 */
#include "greenlet/private.h"

static PyObject *str__run;
static PyObject *no_args; /* () */

/* ---- kept ---------------------------------------------------------------- */

static PyObject *tuple_of(PyObject *const *items, Py_ssize_t n)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple && i < n; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
    return tuple;
}

static int keep_named(Greenlet *g, PyObject *const *values, PyObject *names)
{
    g->kwargs = PyDict_New();
    if (!g->kwargs)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        if (PyDict_SetItem(g->kwargs, PyTuple_GET_ITEM(names, i), values[i]) <
            0)
            return -1;
    }
    return 0;
}

int green_call_keep_args(Greenlet *g, PyObject *const *args, Py_ssize_t n,
                         PyObject *names)
{
    assert(!g->args && !g->kwargs && !g->few_count && !g->begun);
    bool named = names && PyTuple_GET_SIZE(names);
    if (likely(n <= GREEN_FEW && !named)) {
        for (Py_ssize_t i = 0; i < n; i++)
            g->few[i] = Py_NewRef(args[i]);
        g->few_count = (uint8_t)n;
        return 0;
    }
    if (n && !(g->args = tuple_of(args, n)))
        return -1;
    return named ? keep_named(g, args + n, names) : 0;
}

static void drop_few(Greenlet *g)
{
    while (g->few_count)
        Py_DECREF(g->few[--g->few_count]);
}

PyObject *green_call_args(Greenlet *g)
{
    if (g->few_count) {
        PyObject *args = tuple_of(g->few, g->few_count);
        if (!args)
            return NULL;
        assert(!g->args);
        g->args = args;
        drop_few(g);
    }
    return Py_NewRef(g->args ? g->args : no_args);
}

void green_call_set_args(Greenlet *g, PyObject *args)
{
    assert(!args || PyTuple_Check(args));
    PyObject *before = g->args;
    g->args = Py_XNewRef(args);
    drop_few(g);
    Py_XDECREF(before);
}

void green_call_forget_args(Greenlet *g)
{
    drop_few(g);
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
}

int green_call_traverse_args(Greenlet *g, visitproc visit, void *arg)
{
    Py_VISIT(g->args);
    Py_VISIT(g->kwargs);
    for (int i = 0; i < g->few_count; i++)
        Py_VISIT(g->few[i]);
    return 0;
}

/* ---- called -------------------------------------------------------------- */

/* With references of its own: what is kept may be replaced meanwhile. A method
 * is called by its function: it would do the same, on 140 bytes more of the
 * stack on which the greenlet spends its life. */
static PyObject *call_with_few(PyObject *fn, Greenlet *g)
{
    PyObject *args[1 + GREEN_FEW] = {
        NULL}; /* the first: self, or the callee's */
    size_t n = g->few_count;
    for (size_t i = 0; i < n; i++)
        args[1 + i] = Py_NewRef(g->few[i]);
    PyObject *result;
    if (Py_IS_TYPE(fn, &PyMethod_Type)) {
        args[0] = PyMethod_GET_SELF(fn);
        result =
            PyObject_Vectorcall(PyMethod_GET_FUNCTION(fn), args, n + 1, NULL);
    } else {
        result = PyObject_Vectorcall(fn, args + 1,
                                     n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    for (size_t i = 0; i < n; i++)
        Py_DECREF(args[1 + i]);
    return result;
}

static PyObject *call_with_tuple(PyObject *fn, Greenlet *g)
{
    PyObject *args = green_call_args(g);
    if (!args)
        return NULL;
    PyObject *kwargs = Py_XNewRef(g->kwargs);
    PyObject *result = PyObject_Call(fn, args, kwargs);
    Py_DECREF(args);
    Py_XDECREF(kwargs);
    return result;
}

/* Apart, so that a call without arguments saves no registers for it. */
__attribute__((noinline)) static PyObject *call_with_args(PyObject *fn,
                                                          Greenlet *g)
{
    keep_frame();
    return g->args || g->kwargs ? call_with_tuple(fn, g) : call_with_few(fn, g);
}

static PyObject *call_bare(PyObject *fn)
{
    PyObject *callees[1] = {NULL}; /* what stands before the arguments */
    return PyObject_Vectorcall(fn, callees + 1, PY_VECTORCALL_ARGUMENTS_OFFSET,
                               NULL);
}

PyObject *green_call(Greenlet *g)
{
    assert(!PyErr_Occurred());
    keep_frame();
    PyObject *fn = likely(g->fn != NULL)
                       ? Py_NewRef(g->fn)
                       : PyObject_GetAttr((PyObject *)g, str__run);
    if (!fn)
        return NULL;
    PyObject *result =
        likely(green_call_bare(g)) ? call_bare(fn) : call_with_args(fn, g);
    Py_DECREF(fn);
    return result;
}

int green_call_init(void)
{
    str__run = PyUnicode_InternFromString("_run");
    no_args = PyTuple_New(0);
    return str__run && no_args ? 0 : -1;
}

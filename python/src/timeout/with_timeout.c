/*
 * with_timeout: a call under a Timeout of its own.
 */
#include "timeout/private.h"

/* Takes timeout_value out of the keyword arguments; the rest is a new dict or
 * NULL. */
static int split_keywords(PyObject *const *args, Py_ssize_t n, PyObject *names,
                          PyObject **value, PyObject **rest)
{
    *value = *rest = NULL;
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (PyUnicode_CompareWithASCIIString(name, "timeout_value") == 0) {
            *value = args[n + i];
            continue;
        }
        if (!*rest && !(*rest = PyDict_New()))
            return -1;
        if (PyDict_SetItem(*rest, name, args[n + i]) < 0)
            return -1;
    }
    return 0;
}

/* Whether the exception that is set is timeout; then it is cleared. */
static bool caught(PyObject *timeout)
{
    assert(PyErr_Occurred() != NULL);
    PyObject *e = exception_take();
    if (e == timeout) {
        Py_DECREF(e);
        return true;
    }
    exception_set(e);
    return false;
}

static PyObject *with_timeout(PyObject *module, PyObject *const *args,
                              Py_ssize_t n, PyObject *names)
{
    if (n < 2) {
        PyErr_SetString(PyExc_TypeError,
                        "with_timeout() needs seconds and a function");
        return NULL;
    }
    PyObject *value, *kwargs, *result = NULL;
    PyObject *positional = NULL, *timeout = NULL;
    struct py_thread *t;
    if (split_keywords(args, n, names, &value, &kwargs) < 0)
        goto out;
    positional = PyTuple_New(n - 2);
    if (!positional)
        goto out;
    for (Py_ssize_t i = 2; i < n; i++)
        PyTuple_SET_ITEM(positional, i - 2, Py_NewRef(args[i]));
    timeout = timeout_start_new((PyObject *)&Timeout_Type, args, 1, NULL);
    if (!timeout)
        goto out;
    result = PyObject_Call(args[1], positional, kwargs);
    if ((t = thread_self()) != NULL)
        result = settled(t, result);
    timeout_cancel((Timeout *)timeout);
    if (!result && value && caught(timeout))
        result = Py_NewRef(value);
out:
    assert(!result == (PyErr_Occurred() != NULL));
    Py_XDECREF(timeout);
    Py_XDECREF(positional);
    Py_XDECREF(kwargs);
    return result;
}

static PyMethodDef functions[] = {
    {"with_timeout", (PyCFunction)(void (*)(void))with_timeout,
     METH_FASTCALL | METH_KEYWORDS,
     "with_timeout(seconds, function, *args, **kwds)\n--\n\n"
     "Call function(*args, **kwds). When it takes longer, what is given as\n"
     "the keyword timeout_value is returned, or Timeout raised.\n\n"
     "    >>> import grove\n"
     "    >>> grove.with_timeout(0.01, grove.sleep, 3600, "
     "timeout_value=\"late\")\n"
     "    'late'"},
    {NULL}};

int with_timeout_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

/*
 * faulthandler takes every fault for the end of the process. Ours, which ends a
 * recursion in good order or names the greenlet first, must come before it,
 * whichever was enabled last: so faulthandler's enable and disable have ours
 * step aside meanwhile.
 */
#include "fiber/overflow.h"
#include "raw/private.h"

/* The function itself is what this one is bound to. */
static PyObject *call_aside(PyObject *function, PyObject *args,
                            PyObject *kwargs)
{
    bool aside = overflow_step_aside();
    PyObject *result = PyObject_Call(function, args, kwargs);
    if (aside)
        overflow_step_up();
    return result;
}

static PyMethodDef functions[] = {
    {"enable", _PyCFunction_CAST(call_aside), METH_VARARGS | METH_KEYWORDS,
     "enable($module, /, file=sys.stderr, all_threads=True)\n--\n\n"
     "Enable the fault handler. Greenlets that overflow their stack are dealt "
     "with before it."},
    {"disable", _PyCFunction_CAST(call_aside), METH_VARARGS | METH_KEYWORDS,
     "disable($module, /)\n--\n\nDisable the fault handler."},
};

static int wrap(PyObject *faulthandler, PyMethodDef *def)
{
    PyObject *function = PyObject_GetAttrString(faulthandler, def->ml_name);
    PyObject *wrapped = function ? PyCFunction_New(def, function) : NULL;
    int r = wrapped
                ? PyObject_SetAttrString(faulthandler, def->ml_name, wrapped)
                : -1;
    Py_XDECREF(wrapped);
    Py_XDECREF(function);
    return r;
}

int faulthandler_init(void)
{
    PyObject *faulthandler = PyImport_ImportModule("faulthandler");
    int r = faulthandler ? 0 : -1;
    for (size_t i = 0; r == 0 && i < Py_ARRAY_LENGTH(functions); i++)
        r = wrap(faulthandler, &functions[i]);
    Py_XDECREF(faulthandler);
    return r;
}

/*
 * The trace of the process, for Python: an interpreter that is interrupted ends
 * in order and then kills itself by the signal, so that the library has no end
 * at which to write.
 */
#include "hub_object/private.h"

/* What keeps it from being written is told at the end of the process, where
 * that is tried again. */
static PyObject *trace_write(PyObject *module, PyObject *none)
{
    PyThreadState *self = PyEval_SaveThread();
    grove_trace_write(NULL);
    PyEval_RestoreThread(self);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"trace_write", trace_write, METH_NOARGS,
     "trace_write(): write the trace of the process to its file, if there is "
     "one."},
    {NULL}};

int trace_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

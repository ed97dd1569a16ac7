/*
 * The room's part of the module, and what the package hands to it.
 */
#include "wsgi/private.h"

struct parts parts;

static int check_class(PyObject *o, PyTypeObject *base)
{
    if (PyType_Check(o) && (!base || PyType_IsSubtype((PyTypeObject *)o, base)))
        return 0;
    PyErr_Format(PyExc_TypeError, "%R is no class of that kind", o);
    return -1;
}

static PyObject *set_wsgi_parts(PyObject *module, PyObject *const *args,
                                Py_ssize_t n)
{
    (void)module;
    if (arguments_count("_set_wsgi_parts", n, 5, 5) < 0 ||
        check_class(args[0], &Handler_Type) < 0 ||
        check_class(args[1], NULL) < 0 ||
        check_class(args[2], &Body_Type) < 0 ||
        check_class(args[3], NULL) < 0 || check_class(args[4], NULL) < 0)
        return NULL;
    handler_set(&parts.handler, Py_NewRef(args[0]));
    handler_set(&parts.server, Py_NewRef(args[1]));
    handler_set((PyObject **)&parts.input, Py_NewRef(args[2]));
    handler_set((PyObject **)&parts.nowhere, Py_NewRef(args[3]));
    handler_set((PyObject **)&parts.file_wrapper, Py_NewRef(args[4]));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_wsgi_parts", (PyCFunction)(void (*)(void))set_wsgi_parts,
     METH_FASTCALL,
     "_set_wsgi_parts(handler, server, input, nowhere, file_wrapper, /)\n"
     "--\n\nThe package's classes: the handler and the server whose methods\n"
     "may be overridden, wsgi.input's, that of a log that drops\n"
     "everything, wsgi.file_wrapper. TypeError when one is of another kind."},
    {NULL, NULL, 0, NULL}};

int wsgi_init(PyObject *module)
{
    if (keys_init(module) < 0 || head_init(module) < 0 ||
        reader_init(module) < 0 || body_init(module) < 0 ||
        handler_init(module) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

/*
 * Types, as the rooms add them to the module and to each other's, and names of
 * attributes.
 */
#include "base/base.h"

int module_add_type(PyObject *module, PyTypeObject *type)
{
    if (PyType_Ready(type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, type_name(type), (PyObject *)type);
}

int type_add_methods(PyTypeObject *type, PyMethodDef *methods)
{
    assert(type->tp_dict); /* it is ready */
    for (PyMethodDef *m = methods; m->ml_name; m++) {
        PyObject *method = PyDescr_NewMethod(type, m);
        int r = method ? PyDict_SetItemString(type->tp_dict, m->ml_name, method)
                       : -1;
        Py_XDECREF(method);
        if (r < 0)
            return -1;
    }
    PyType_Modified(type);
    return 0;
}

PyObject *base_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *none = PyTuple_New(0);
    if (!none)
        return NULL;
    PyObject *self = PyBaseObject_Type.tp_new(type, none, NULL);
    Py_DECREF(none);
    return self;
}

int intern(const struct interned *names)
{
    for (; names->where; names++) {
        assert(!*names->where);
        if (!(*names->where = PyUnicode_InternFromString(names->text)))
            return -1;
    }
    return 0;
}

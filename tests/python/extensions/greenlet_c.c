/* An extension that uses all of greenlet.h, for test_greenlet_capi.py. */
#define PY_SSIZE_T_CLEAN
#include <greenlet/greenlet.h>

#include <stddef.h>

static PyObject *sizes(PyObject *module, PyObject *none)
{
    return Py_BuildValue("nnn", sizeof(PyGreenlet),
                         offsetof(PyGreenlet, weakreflist),
                         offsetof(PyGreenlet, dict));
}

static PyObject *classes(PyObject *module, PyObject *none)
{
    return Py_BuildValue("OOO", &PyGreenlet_Type, PyExc_GreenletError,
                         PyExc_GreenletExit);
}

static PyObject *check(PyObject *module, PyObject *o)
{
    return Py_BuildValue("ii", PyGreenlet_Check(o) != 0,
                         PyGreenlet_Check((PyObject *)NULL) != 0);
}

/* None stands for NULL. */
static void *or_null(PyObject *o)
{
    return o == Py_None ? NULL : o;
}

static PyObject *new (PyObject *module, PyObject *args)
{
    PyObject *run, *parent;
    if (!PyArg_ParseTuple(args, "OO", &run, &parent))
        return NULL;
    return (PyObject *)PyGreenlet_New(or_null(run), or_null(parent));
}

static PyObject *get_current(PyObject *module, PyObject *none)
{
    return (PyObject *)PyGreenlet_GetCurrent();
}

static PyObject *throw(PyObject * module, PyObject *args)
{
    PyObject *g, *type, *value, *tb;
    if (!PyArg_ParseTuple(args, "OOOO", &g, &type, &value, &tb))
        return NULL;
    return PyGreenlet_Throw((PyGreenlet *)g, type, or_null(value), or_null(tb));
}

static PyObject *do_switch(PyObject *module, PyObject *args)
{
    PyObject *g, *positional, *named;
    if (!PyArg_ParseTuple(args, "OOO", &g, &positional, &named))
        return NULL;
    return PyGreenlet_Switch((PyGreenlet *)g, or_null(positional),
                             or_null(named));
}

static PyObject *set_parent(PyObject *module, PyObject *args)
{
    PyObject *g, *parent;
    if (!PyArg_ParseTuple(args, "OO", &g, &parent))
        return NULL;
    if (PyGreenlet_SetParent((PyGreenlet *)g, (PyGreenlet *)or_null(parent)) <
        0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_parent(PyObject *module, PyObject *g)
{
    PyGreenlet *parent = PyGreenlet_GetParent((PyGreenlet *)g);
    PyGreenlet *same = PyGreenlet_GET_PARENT((PyGreenlet *)g);
    if (parent != same)
        abort();
    Py_XDECREF((PyObject *)same);
    if (parent)
        return (PyObject *)parent;
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *state(PyObject *module, PyObject *o)
{
    PyGreenlet *g = (PyGreenlet *)o;
    int is[] = {PyGreenlet_MAIN(g), -2, -2};
    if (is[0] < 0) {
        PyErr_Clear(); /* each refuses by itself */
        is[1] = PyGreenlet_STARTED(g);
        PyErr_Clear();
        is[2] = PyGreenlet_ACTIVE(g);
    } else {
        is[1] = PyGreenlet_STARTED(g);
        is[2] = PyGreenlet_ACTIVE(g);
    }
    if (PyErr_Occurred())
        return NULL;
    return Py_BuildValue("iii", is[0], is[1], is[2]);
}

/* What the collector does to what it has found to be garbage. */
static PyObject *clear(PyObject *module, PyObject *o)
{
    return PyLong_FromLong(PyGreenlet_Type.tp_clear(o));
}

/* A local of this C function must be the same after others have run. */
static PyObject *switch_deep(PyObject *module, PyObject *args)
{
    PyObject *g;
    int levels;
    if (!PyArg_ParseTuple(args, "Oi", &g, &levels))
        return NULL;
    volatile int here[64];
    for (int i = 0; i < 64; i++)
        here[i] = levels * 64 + i;
    PyObject *result;
    if (levels == 0) {
        result = PyGreenlet_Switch((PyGreenlet *)g, NULL, NULL);
    } else {
        PyObject *inner = Py_BuildValue("Oi", g, levels - 1);
        result = inner ? switch_deep(module, inner) : NULL;
        Py_XDECREF(inner);
    }
    for (int i = 0; i < 64; i++) {
        if (here[i] != levels * 64 + i)
            abort();
    }
    return result;
}

/* ---- a subclass ---------------------------------------------------------- */

typedef struct {
    PyGreenlet base;
    PyObject *extra;
} Sub;

static int sub_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *run = NULL, *extra = NULL;
    if (!PyArg_ParseTuple(args, "OO", &run, &extra))
        return -1;
    Py_INCREF(extra);
    ((Sub *)self)->extra = extra;
    PyObject *rest = Py_BuildValue("(O)", run);
    int r = rest ? PyGreenlet_Type.tp_init(self, rest, NULL) : -1;
    Py_XDECREF(rest);
    return r;
}

static int sub_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Sub *)self)->extra);
    return PyGreenlet_Type.tp_traverse(self, visit, arg);
}

static int sub_clear(PyObject *self)
{
    Py_CLEAR(((Sub *)self)->extra);
    return PyGreenlet_Type.tp_clear(self);
}

static void sub_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((Sub *)self)->extra);
    PyObject_GC_Track(self);
    PyGreenlet_Type.tp_dealloc(self);
}

static PyObject *sub_extra(PyObject *self, void *closure)
{
    PyObject *extra = ((Sub *)self)->extra;
    return Py_NewRef(extra ? extra : Py_None);
}

static PyGetSetDef sub_getset[] = {{"extra", sub_extra, NULL, NULL, NULL},
                                   {NULL}};

static PyTypeObject Sub_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "greenlet_c.Sub",
    .tp_basicsize = sizeof(Sub),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_init = sub_init,
    .tp_traverse = sub_traverse,
    .tp_clear = sub_clear,
    .tp_dealloc = sub_dealloc,
    .tp_getset = sub_getset,
};

static PyMethodDef functions[] = {
    {"sizes", sizes, METH_NOARGS, NULL},
    {"classes", classes, METH_NOARGS, NULL},
    {"check", check, METH_O, NULL},
    {"new", new, METH_VARARGS, NULL},
    {"getcurrent", get_current, METH_NOARGS, NULL},
    {"throw", throw, METH_VARARGS, NULL},
    {"switch", do_switch, METH_VARARGS, NULL},
    {"set_parent", set_parent, METH_VARARGS, NULL},
    {"get_parent", get_parent, METH_O, NULL},
    {"state", state, METH_O, NULL},
    {"clear", clear, METH_O, NULL},
    {"switch_deep", switch_deep, METH_VARARGS, NULL},
    {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "greenlet_c",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit_greenlet_c(void)
{
    PyGreenlet_Import();
    if (!_PyGreenlet_API)
        return NULL;
    Sub_Type.tp_base = &PyGreenlet_Type;
    if (PyType_Ready(&Sub_Type) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module &&
        PyModule_AddObjectRef(module, "Sub", (PyObject *)&Sub_Type) < 0)
        Py_CLEAR(module);
    return module;
}

/*
 * The type greenlet.greenlet: what it is made with, its methods and slots; and
 * the raw greenlet's part of the module.
 */
#include "raw/private.h"

PyObject *PyExc_GreenletError;
PyObject *PyExc_GreenletExit;

static PyObject *greenlet_new(PyTypeObject *type, PyObject *args,
                              PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (unlikely(type->tp_flags & Py_TPFLAGS_IS_ABSTRACT))
        return PyBaseObject_Type.tp_new(type, greenlet_no_args,
                                        NULL); /* TypeError */
    end_doomed(t);
    PyGreenlet *self = greenlet_alloc(type, t);
    if (self)
        self->green->parent = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    return (PyObject *)self;
}

static int greenlet_init_object(PyObject *self, PyObject *args,
                                PyObject *kwargs)
{
    static char *names[] = {(char *)"run", (char *)"parent", NULL};
    PyObject *run = NULL, *parent = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:greenlet", names, &run,
                                     &parent))
        return -1;
    if (greenlet_make_dict((PyGreenlet *)self) < 0)
        return -1;
    if (run && greenlet_set_run(self, run, NULL) < 0)
        return -1;
    if (parent && parent != Py_None &&
        greenlet_set_parent(self, parent, NULL) < 0)
        return -1;
    return 0;
}

/* ---- the type ------------------------------------------------------------ */

static PyObject *greenlet_repr(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    const char *name = Py_TYPE(o)->tp_name;
    if (greenlet_is_dead(g))
        return PyUnicode_FromFormat("<%s object at %p (otid=%p) %sdead>", name,
                                    o, g->thread,
                                    g->thread->dead ? "(thread exited) " : "");
    bool active = g->phase == GREEN_ACTIVE;
    bool here = g->thread->hub == hub_of_thread;
    return PyUnicode_FromFormat(
        "<%s object at %p (otid=%p)%s%s%s%s>", name, o, g->thread,
        here && greenlet_is_current(g) ? " current"
        : active                       ? " suspended"
                                       : "",
        active ? " active" : " pending", active ? " started" : "",
        g->is_main ? " main" : "");
}

static int greenlet_bool(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    return g->phase == GREEN_ACTIVE && !g->thread->dead;
}

static PyObject *method_getstate(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return PyErr_Format(PyExc_TypeError, "cannot serialize '%s' object",
                        Py_TYPE(self)->tp_name);
}

static PyMethodDef methods[] = {
    {"switch", (PyCFunction)(void (*)(void))greenlet_method_switch,
     METH_FASTCALL | METH_KEYWORDS, greenlet_switch_doc},
    {"throw", greenlet_method_throw, METH_VARARGS, greenlet_throw_doc},
    {"__getstate__", method_getstate, METH_NOARGS, NULL},
    {"getcurrent", greenlet_module_getcurrent, METH_NOARGS | METH_STATIC,
     greenlet_getcurrent_doc},
    {"settrace", greenlet_module_settrace, METH_O | METH_STATIC,
     greenlet_settrace_doc},
    {"gettrace", greenlet_module_gettrace, METH_NOARGS | METH_STATIC,
     greenlet_gettrace_doc},
    {NULL}};
static PyNumberMethods as_number = {.nb_bool = greenlet_bool};

PyDoc_STRVAR(greenlet_doc,
             "greenlet(run=None, parent=None)\n--\n\n"
             "A coroutine with a stack of its own, run by "
             "switch(). parent, by default the\n"
             "current greenlet, gets the result.\n\n"
             "    >>> from greenlet import getcurrent, greenlet\n"
             "    >>> def double(n):\n"
             "    ...     while True:\n"
             "    ...         n = getcurrent().parent.switch(2 * n)\n"
             "    >>> doubling = greenlet(double)\n"
             "    >>> doubling.switch(4), doubling.switch(21)\n"
             "    (8, 42)");

PyTypeObject PyGreenlet_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "greenlet.greenlet",
    .tp_basicsize = sizeof(PyGreenlet),
    .tp_dealloc = greenlet_dealloc,
    .tp_repr = greenlet_repr,
    .tp_as_number = &as_number,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = greenlet_doc,
    .tp_traverse = greenlet_traverse,
    .tp_clear = greenlet_clear,
    .tp_weaklistoffset = offsetof(PyGreenlet, weakreflist),
    .tp_methods = methods,
    .tp_getset = greenlet_attributes,
    .tp_dictoffset = offsetof(PyGreenlet, dict),
    .tp_init = greenlet_init_object,
    .tp_new = greenlet_new,
    .tp_finalize = greenlet_finalize,
};

_Static_assert(sizeof(PyGreenlet) == 40, "extensions rely on it");

/* ---- the module ------------------------------------------------------------- */

PyDoc_STRVAR(
    error_doc,
    "A switch that is not possible, as to a greenlet of another thread.\n"
    "\n"
    "    >>> import greenlet, threading\n"
    "    >>> main = greenlet.getcurrent()\n"
    "    >>> def switch():\n"
    "    ...     try:\n"
    "    ...         main.switch()\n"
    "    ...     except greenlet.error:\n"
    "    ...         print(\"not from this thread\")\n"
    "    >>> thread = threading.Thread(target=switch)\n"
    "    >>> thread.start(), thread.join()\n"
    "    not from this thread\n"
    "    (None, None)");

PyDoc_STRVAR(exit_doc, "Raised in a greenlet that is to end, as by kill(); one "
                       "that it ends has it for its\n"
                       "value, and nobody is told of an error.\n"
                       "\n"
                       "    >>> import grove\n"
                       "    >>> task = grove.spawn(grove.sleep, 3600)\n"
                       "    >>> grove.sleep()\n"
                       "    >>> task.kill()\n"
                       "    >>> task.value\n"
                       "    GreenletExit()");

static int add_to_class(const char *name, PyObject *value)
{
    return PyDict_SetItemString(PyGreenlet_Type.tp_dict, name, value);
}

int raw_init(PyObject *module)
{
    PyExc_GreenletError = PyErr_NewExceptionWithDoc("greenlet.error", error_doc,
                                                    PyExc_Exception, NULL);
    PyExc_GreenletExit = PyErr_NewExceptionWithDoc(
        "greenlet.GreenletExit", exit_doc, PyExc_BaseException, NULL);
    if (greenlet_crossing_init() < 0 || greenlet_body_init() < 0 ||
        greenlet_trace_init() < 0 || recursion_init() < 0 ||
        faulthandler_init() < 0 || undelivered_init() < 0 ||
        !PyExc_GreenletError || !PyExc_GreenletExit)
        return -1;
    unsigned shift = stack_shift_from_environment(STATE_STACK_MIN);
    if (shift)
        greenlet_stack_shift = shift;
    if (PyModule_AddType(module, &PyGreenlet_Type) < 0 ||
        PyModule_AddObjectRef(module, "error", PyExc_GreenletError) < 0 ||
        PyModule_AddObjectRef(module, "GreenletExit", PyExc_GreenletExit) < 0 ||
        add_to_class("error", PyExc_GreenletError) < 0 ||
        add_to_class("GreenletExit", PyExc_GreenletExit) < 0)
        return -1;
    foreign_init();
    return greenlet_api_init(module) < 0 ? -1 : greenlet_functions_init(module);
}

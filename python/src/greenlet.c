/*
 * The raw greenlet as an object: its making, what happens when nobody refers to
 * it any more, its type, and the functions of the module.
 *
 * An active greenlet is nothing the collector may judge: it does not see what a
 * suspended stack refers to. When the last reference to one goes, GreenletExit
 * is thrown into it, while it lives on for as long as that takes; one of
 * another thread waits for its thread to do that; one whose thread has ended is
 * dead.
 */
#include "greenlet.h"
#include "local.h"

PyObject *PyExc_GreenletError;
PyObject *PyExc_GreenletExit;

/* ---- the object ------------------------------------------------------------- */

static PyGreenlet *greenlet_alloc(PyTypeObject *type, struct py_thread *t)
{
    PyGreenlet *self = (PyGreenlet *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct green *g = PyMem_Malloc(sizeof(*g));
    if (!g) {
        Py_DECREF(self);
        PyErr_NoMemory();
        return NULL;
    }
    memset(g, 0, sizeof(*g));
    self->green = g;
    g->self = self;
    g->thread = t;
    t->references++;
    return self;
}

/* 3.11 caches a method's look-up (LOAD_METHOD) only on objects whose dict, if
 * their type has one, exists: without it g.switch() is looked up each time, at
 * a third of a switch's cost. Types derived in C do without. */
static int make_dict(PyGreenlet *self)
{
#if PY_VERSION_HEX < 0x030C0000
    if (!self->dict && !(self->dict = PyDict_New()))
        return -1;
#else
    (void)self;
#endif
    return 0;
}

PyGreenlet *greenlet_new_main(struct py_thread *t)
{
    PyGreenlet *self = greenlet_alloc(&PyGreenlet_Type, t);
    if (!self)
        return NULL;
    if (make_dict(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    struct green *g = self->green;
    g->is_main = true;
    g->phase = GREEN_ACTIVE;
    g->fiber = &t->hub->root;
    return self;
}

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
    if (make_dict((PyGreenlet *)self) < 0)
        return -1;
    if (run && greenlet_set_run(self, run, NULL) < 0)
        return -1;
    if (parent && parent != Py_None &&
        greenlet_set_parent(self, parent, NULL) < 0)
        return -1;
    return 0;
}

/* The last reference to a suspended greenlet of this thread is gone: it is
 * ended by GreenletExit, while it lives on one more reference. */
static void kill_suspended(struct py_thread *t, PyGreenlet *self)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    struct green *g = self->green;
    PyGreenlet *parent = g->parent;
    g->parent = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    PyErr_SetNone(PyExc_GreenletExit);
    PyObject *r = greenlet_throw_in(self);
    if (r)
        Py_DECREF(r);
    else
        PyErr_WriteUnraisable((PyObject *)self);
    PyGreenlet *temporary = g->parent;
    g->parent = parent;
    Py_XDECREF((PyObject *)temporary);
    PyErr_Restore(type, value, tb);
}

/* Another thread's: its owner ends it when it next touches a greenlet. */
static void doom(struct py_thread *owner, PyGreenlet *self)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (!owner->doomed)
        owner->doomed = PyList_New(0);
    if (!owner->doomed || PyList_Append(owner->doomed, (PyObject *)self) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    PyErr_Restore(type, value, tb);
}

bool greenlet_revived(PyGreenlet *self)
{
    struct green *g = self->green;
    if (!g || g->phase != GREEN_ACTIVE || g->is_main || g->thread->dead ||
        state_is_finalizing())
        return false;
    struct py_thread *t = thread_self();
    if (!t) {
        PyErr_Clear();
        return false;
    }
    Py_SET_REFCNT((PyObject *)self, 1);
    PyObject_GC_Track(self);
    if (g->thread != t) {
        doom(g->thread, self);
    } else {
        kill_suspended(t, self);
        if (Py_REFCNT(self) == 1 && g->phase == GREEN_ACTIVE) {
            PyObject *out = PySys_GetObject("stderr"); /* borrowed */
            if (out && out != Py_None) {
                PyFile_WriteString("GreenletExit did not kill ", out);
                PyFile_WriteObject((PyObject *)self, out, 0);
                PyFile_WriteString("\n", out);
            }
            PyErr_Clear();
            return true; /* and leaks: its frames still run */
        }
    }
    Py_ssize_t left = Py_REFCNT(self) - 1;
    Py_SET_REFCNT((PyObject *)self, left);
    if (left == 0) {
        PyObject_GC_UnTrack(self);
        return false;
    }
    /* Resurrected. subtype_dealloc is about to release the type. */
    if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE))
        Py_INCREF(Py_TYPE(self));
    return true;
}

static int greenlet_clear(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    Py_CLEAR(((PyGreenlet *)o)->dict);
    if (g) {
        Py_CLEAR(g->parent);
        Py_CLEAR(g->run);
        Py_CLEAR(g->start_args);
        Py_CLEAR(g->start_kwargs);
        Py_CLEAR(g->value);
        Py_CLEAR(g->state.context);
        Py_CLEAR(g->state.exc_bottom.exc_value);
    }
    return 0;
}

static void greenlet_dealloc(PyObject *o)
{
    PyGreenlet *self = (PyGreenlet *)o;
    PyObject_GC_UnTrack(o);
    if (greenlet_revived(self))
        return;
    if (self->weakreflist)
        PyObject_ClearWeakRefs(o);
    if (self->green)
        local_forget(self->green);
    greenlet_clear(o);
    if (self->green) {
        thread_unref(self->green->thread);
        PyMem_Free(self->green);
    }
    Py_TYPE(o)->tp_free(o);
}

static int greenlet_traverse(PyObject *o, visitproc visit, void *arg)
{
    struct green *g = ((PyGreenlet *)o)->green;
    Py_VISIT(((PyGreenlet *)o)->dict);
    if (g) {
        Py_VISIT((PyObject *)g->parent);
        Py_VISIT(g->run);
        Py_VISIT(g->start_args);
        Py_VISIT(g->start_kwargs);
        Py_VISIT(g->value);
        Py_VISIT(g->state.context);
        Py_VISIT(g->state.exc_bottom.exc_value);
    }
    return 0;
}

/* The collector does not see what a suspended stack refers to, so it must not
 * take an active greenlet for garbage. */
static int greenlet_is_gc(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    return !g || g->phase != GREEN_ACTIVE || g->thread->dead;
}

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

static PyObject *module_getcurrent(PyObject *module, PyObject *ignored);

PyDoc_STRVAR(getcurrent_doc, "getcurrent()\n--\n\nThe greenlet that runs.");

static PyMethodDef methods[] = {
    {"switch", (PyCFunction)(void (*)(void))greenlet_method_switch,
     METH_FASTCALL | METH_KEYWORDS, greenlet_switch_doc},
    {"throw", greenlet_method_throw, METH_VARARGS, greenlet_throw_doc},
    {"__getstate__", method_getstate, METH_NOARGS, NULL},
    {"getcurrent", module_getcurrent, METH_NOARGS | METH_STATIC,
     getcurrent_doc},
    {NULL}};
static PyNumberMethods as_number = {.nb_bool = greenlet_bool};

PyDoc_STRVAR(greenlet_doc, "greenlet(run=None, parent=None)\n--\n\n"
                           "A coroutine with a stack of its own, run by "
                           "switch(). parent, by default the\n"
                           "current greenlet, gets the result.");

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
    .tp_is_gc = greenlet_is_gc,
};

_Static_assert(sizeof(PyGreenlet) == 40, "extensions rely on it");

/* ---- the module's functions -------------------------------------------------------- */

static PyObject *module_getcurrent(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    end_doomed(t);
    return Py_NewRef((PyObject *)t->current);
}

PyDoc_STRVAR(settrace_doc, "settrace(callback)\n--\n\n"
                           "Have callback(event, (origin, target)) called in "
                           "target after each switch of\n"
                           "this thread; event is 'switch' or 'throw'. None: "
                           "nobody. Returns the previous\n"
                           "one, or None.");

static PyObject *module_settrace(PyObject *module, PyObject *tracer)
{
    (void)module;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    PyObject *previous = t->tracer ? t->tracer : Py_NewRef(Py_None);
    t->tracer = tracer == Py_None ? NULL : Py_NewRef(tracer);
    return previous;
}

PyDoc_STRVAR(gettrace_doc, "gettrace()\n--\n\nThe callback of settrace().");

static PyObject *module_gettrace(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    return Py_NewRef(t->tracer ? t->tracer : Py_None);
}

PyDoc_STRVAR(stack_size_doc, "stack_size([size])\n--\n\n"
                             "The bytes of address space that a new greenlet's "
                             "stack gets, as they were;\n"
                             "with size, they are set from now on, rounded up "
                             "to a power of two. ValueError\n"
                             "when it is not within 65536 and 67108864. The "
                             "environment's GROVE_STACK_SIZE\n"
                             "sets them at start.");

#define STACK_SIZE_MIN (1u << 16)

static PyObject *module_stack_size(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *wanted = NULL;
    if (!PyArg_ParseTuple(args, "|O:stack_size", &wanted))
        return NULL;
    size_t previous = (size_t)1 << greenlet_stack_shift;
    if (wanted && wanted != Py_None) {
        Py_ssize_t size = PyNumber_AsSsize_t(wanted, PyExc_ValueError);
        if (size == -1 && PyErr_Occurred())
            return NULL;
        if (size < (Py_ssize_t)STACK_SIZE_MIN ||
            size > (Py_ssize_t)GROVE_STACK_MAX)
            return PyErr_Format(PyExc_ValueError,
                                "a stack size of %zd bytes: expected %u to %zu",
                                size, STACK_SIZE_MIN, GROVE_STACK_MAX);
        greenlet_stack_shift = stack_shift((size_t)size);
    }
    return PyLong_FromSize_t(previous);
}

static PyMethodDef functions[] = {
    {"getcurrent", module_getcurrent, METH_NOARGS, getcurrent_doc},
    {"settrace", module_settrace, METH_O, settrace_doc},
    {"gettrace", module_gettrace, METH_NOARGS, gettrace_doc},
    {"stack_size", module_stack_size, METH_VARARGS, stack_size_doc},
    {NULL}};

static int add_to_class(const char *name, PyObject *value)
{
    return PyDict_SetItemString(PyGreenlet_Type.tp_dict, name, value);
}

int greenlet_init(PyObject *module)
{
    PyExc_GreenletError =
        PyErr_NewException("greenlet.error", PyExc_Exception, NULL);
    PyExc_GreenletExit =
        PyErr_NewException("greenlet.GreenletExit", PyExc_BaseException, NULL);
    if (greenlet_switch_init() < 0 || !PyExc_GreenletError ||
        !PyExc_GreenletExit)
        return -1;
    if (getenv("GROVE_STACK_SIZE") &&
        grove_stack_size_default() >= STACK_SIZE_MIN)
        greenlet_stack_shift = stack_shift(grove_stack_size_default());
    if (PyModule_AddType(module, &PyGreenlet_Type) < 0 ||
        PyModule_AddObjectRef(module, "error", PyExc_GreenletError) < 0 ||
        PyModule_AddObjectRef(module, "GreenletExit", PyExc_GreenletExit) < 0 ||
        add_to_class("error", PyExc_GreenletError) < 0 ||
        add_to_class("GreenletExit", PyExc_GreenletExit) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

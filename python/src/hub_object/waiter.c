/*
 * Waiter: one greenlet waits in get() until somebody in the Hub passes it a
 * value by switch() or an exception by throw(). What is passed before it waits
 * is kept for it, and may come from anywhere.
 */
#include "hub_object/private.h"

#include <structmember.h>

typedef struct Waiter {
    PyObject_HEAD
    PyObject *hub;       /* the Hub of the thread it was made in */
    PyGreenlet *waiting; /* who is in get(); NULL: nobody */
    PyObject *value;     /* NULL: none was passed yet */
    PyObject *exception; /* an instance, passed instead */
} Waiter;

static PyObject *waiter_new(PyTypeObject *type, PyObject *args,
                            PyObject *kwargs)
{
    static char *names[] = {(char *)"hub", NULL};
    PyObject *hub = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Waiter", names, &hub))
        return NULL;
    struct py_thread *t = thread_self();
    if (t && hub == Py_None)
        hub = hub_object(t);
    if (!t || !hub)
        return NULL;
    if (!PyObject_TypeCheck(hub, &Hub_Type)) {
        PyErr_SetString(PyExc_TypeError, "hub must be a Hub");
        return NULL;
    }
    Waiter *self = (Waiter *)type->tp_alloc(type, 0);
    if (self)
        self->hub = Py_NewRef(hub);
    return (PyObject *)self;
}

static int waiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Waiter *w = (Waiter *)self;
    Py_VISIT(w->hub);
    Py_VISIT(w->waiting);
    Py_VISIT(w->value);
    Py_VISIT(w->exception);
    return 0;
}

static int waiter_clear(PyObject *self)
{
    Waiter *w = (Waiter *)self;
    Py_CLEAR(w->hub);
    Py_CLEAR(w->waiting);
    Py_CLEAR(w->value);
    Py_CLEAR(w->exception);
    return 0;
}

static void waiter_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    waiter_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static struct py_thread *thread_of(Waiter *w)
{
    return green_of(w->hub)->thread;
}

static int check_in_hub(Waiter *w)
{
    struct py_thread *t = thread_of(w);
    if (hub_object_check_thread(t) < 0)
        return -1;
    if ((PyObject *)t->current == w->hub)
        return 0;
    PyErr_SetString(PyExc_AssertionError,
                    "Can only use Waiter.switch method from the Hub greenlet");
    return -1;
}

/* What a switch into the waiting greenlet came back with is nobody's but, if it
 * is an exception, the Hub's. */
static PyObject *came_back(Waiter *w, PyObject *result)
{
    assert((result == NULL) == !!PyErr_Occurred());
    if (!result)
        hub_object_report(thread_of(w), (PyObject *)w);
    Py_XDECREF(result);
    Py_RETURN_NONE;
}

static PyObject *waiter_switch(PyObject *self, PyObject *value)
{
    Waiter *w = (Waiter *)self;
    if (w->waiting && check_in_hub(w) < 0)
        return NULL;
    if (w->waiting)
        return came_back(w,
                         greenlet_switch(w->waiting, Py_NewRef(value), NULL));
    Py_XSETREF(w->value, Py_NewRef(value));
    Py_CLEAR(w->exception);
    Py_RETURN_NONE;
}

static PyObject *waiter_switch_fast(PyObject *self, PyObject *const *args,
                                    Py_ssize_t n)
{
    if (arguments_count("switch", n, 0, 1) < 0)
        return NULL;
    return waiter_switch(self, n ? args[0] : Py_None);
}

static PyObject *waiter_switch_args(PyObject *self, PyObject *args)
{
    return waiter_switch(self, args);
}

/* An instance for what throw() was called with. */
static PyObject *made_exception(PyObject *args)
{
    PyObject *type = PyExc_GreenletExit, *value = Py_None, *tb = Py_None;
    if (!PyArg_UnpackTuple(args, "throw", 0, 3, &type, &value, &tb))
        return NULL;
    if (PyExceptionInstance_Check(type))
        return Py_NewRef(type);
    if (!PyExceptionClass_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes, or instances, not %s",
                     Py_TYPE(type)->tp_name);
        return NULL;
    }
    if (value == Py_None)
        PyErr_SetNone(type);
    else
        PyErr_SetObject(type, value);
    PyObject *exception = exception_take();
    assert(exception && !PyErr_Occurred());
    if (PyTraceBack_Check(tb))
        PyException_SetTraceback(exception, tb);
    return exception;
}

static PyObject *waiter_throw(PyObject *self, PyObject *args)
{
    Waiter *w = (Waiter *)self;
    if (w->waiting && check_in_hub(w) < 0)
        return NULL;
    PyObject *exception = made_exception(args);
    if (!exception)
        return NULL;
    if (w->waiting) {
        PyObject *result = greenlet_throw(w->waiting, exception, NULL, NULL);
        Py_DECREF(exception);
        return came_back(w, result);
    }
    Py_XSETREF(w->exception, exception);
    Py_CLEAR(w->value);
    Py_RETURN_NONE;
}

static PyObject *passed(Waiter *w)
{
    assert(!w->value != !w->exception);
    if (!w->exception)
        return Py_NewRef(w->value);
    exception_set(Py_NewRef(w->exception));
    return NULL;
}

static PyObject *waiter_get(PyObject *self, PyObject *none)
{
    Waiter *w = (Waiter *)self;
    struct py_thread *t = thread_of(w);
    if (w->value || w->exception)
        return passed(w);
    if (w->waiting) {
        PyErr_Format(PyExc_ConcurrentUse, "This Waiter is already used by %R",
                     w->waiting);
        return NULL;
    }
    if (hub_object_check_alive(w->hub) < 0 || hub_object_check_thread(t) < 0)
        return NULL;
    w->waiting = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    PyObject *value = NULL;
    enum core_wait_result r =
        core_wait(t, GROVE_NEVER, "Waiter.get", -1, &value);
    assert((r == CORE_FAILED) == !!PyErr_Occurred() && r != CORE_TIMED_OUT);
    Py_CLEAR(w->waiting);
    if (r == CORE_FAILED)
        return NULL;
    return value ? value : Py_NewRef(Py_None);
}

static PyObject *waiter_clear_method(PyObject *self, PyObject *none)
{
    Waiter *w = (Waiter *)self;
    Py_CLEAR(w->waiting);
    Py_CLEAR(w->value);
    Py_CLEAR(w->exception);
    Py_RETURN_NONE;
}

static PyObject *waiter_ready(PyObject *self, PyObject *none)
{
    Waiter *w = (Waiter *)self;
    return PyBool_FromLong(w->value || w->exception);
}

static PyObject *waiter_successful(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(((Waiter *)self)->value != NULL);
}

static PyObject *get_value(PyObject *self, void *closure)
{
    PyObject *value = ((Waiter *)self)->value;
    return Py_NewRef(value ? value : Py_None);
}

static PyObject *get_exc_info(PyObject *self, void *closure)
{
    PyObject *e = ((Waiter *)self)->exception;
    if (!e)
        Py_RETURN_NONE;
    PyObject *tb = PyException_GetTraceback(e);
    PyObject *info =
        PyTuple_Pack(3, (PyObject *)Py_TYPE(e), e, tb ? tb : Py_None);
    Py_XDECREF(tb);
    return info;
}

/* As a link: pass on what source ended with. */
static PyObject *waiter_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *source;
    if (!PyArg_ParseTuple(args, "O:Waiter", &source))
        return NULL;
    PyObject *exception = PyObject_GetAttrString(source, "exception");
    if (!exception)
        return NULL;
    PyObject *result = NULL;
    if (exception == Py_None) {
        PyObject *value = PyObject_GetAttrString(source, "value");
        if (value)
            result = waiter_switch(self, value);
        Py_XDECREF(value);
    } else {
        PyObject *one = PyTuple_Pack(1, exception);
        if (one)
            result = waiter_throw(self, one);
        Py_XDECREF(one);
    }
    Py_DECREF(exception);
    return result;
}

static PyObject *waiter_repr(PyObject *self)
{
    Waiter *w = (Waiter *)self;
    const char *name = type_name(Py_TYPE(self));
    if (w->waiting)
        return PyUnicode_FromFormat("<%s greenlet=%R>", name, w->waiting);
    if (w->exception)
        return PyUnicode_FromFormat("<%s greenlet=None exc_info=%R>", name,
                                    w->exception);
    if (w->value)
        return PyUnicode_FromFormat("<%s greenlet=None value=%R>", name,
                                    w->value);
    return PyUnicode_FromFormat("<%s greenlet=None>", name);
}

static PyMethodDef waiter_methods[] = {
    {"switch", (PyCFunction)(void (*)(void))waiter_switch_fast, METH_FASTCALL,
     "switch($self, value=None, /)\n--\n\n"
     "Pass a value to the waiting greenlet, or keep it. From the Hub.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> task = grove.spawn(waiter.get)\n"
     "    >>> grove.sleep()\n"
     "    >>> called = grove.get_hub().loop.run_callback(waiter.switch, "
     "\"hello\")\n"
     "    >>> task.get()\n"
     "    'hello'"},
    {"switch_args", waiter_switch_args, METH_VARARGS,
     "switch_args($self, /, *args)\n--\n\n"
     "Pass the arguments as a tuple.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> called = grove.get_hub().loop.run_callback(waiter.switch_args, "
     "1, 2)\n"
     "    >>> waiter.get()\n"
     "    (1, 2)"},
    {"throw", waiter_throw, METH_VARARGS,
     "throw($self, /, *throw_args)\n--\n\n"
     "Pass an exception. From the Hub.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> called = grove.get_hub().loop.run_callback(waiter.throw, "
     "OSError(\"gone\"))\n"
     "    >>> waiter.get()\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    OSError: gone"},
    {"get", waiter_get, METH_NOARGS,
     "get($self, /)\n--\n\n"
     "What was passed, waiting for it.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> called = grove.get_hub().loop.run_callback(waiter.switch, "
     "\"hello\")\n"
     "    >>> waiter.get()\n"
     "    'hello'"},
    {"clear", waiter_clear_method, METH_NOARGS,
     "clear($self, /)\n--\n\n"
     "Forget what was passed.\n\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> waiter.switch(1)\n"
     "    >>> waiter.clear()\n"
     "    >>> waiter.ready()\n"
     "    False"},
    {"ready", waiter_ready, METH_NOARGS,
     "ready($self, /)\n--\n\n"
     "Whether something was passed.\n\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> waiter.ready()\n"
     "    False\n"
     "    >>> waiter.switch(1)\n"
     "    >>> waiter.ready()\n"
     "    True"},
    {"successful", waiter_successful, METH_NOARGS,
     "successful($self, /)\n--\n\n"
     "Whether a value was passed.\n\n"
     "    >>> from grove.hub import Waiter\n"
     "    >>> waiter = Waiter()\n"
     "    >>> waiter.switch(1)\n"
     "    >>> waiter.successful()\n"
     "    True"},
    {NULL}};

static PyGetSetDef waiter_getset[] = {
    {"value", get_value, NULL, "The value passed, or None.", NULL},
    {"exc_info", get_exc_info, NULL, "The exception passed, or None.", NULL},
    {NULL}};

static PyMemberDef waiter_members[] = {
    {"hub", T_OBJECT, offsetof(Waiter, hub), READONLY, NULL},
    {"greenlet", T_OBJECT, offsetof(Waiter, waiting), READONLY,
     "Who waits, or None."},
    {NULL}};

PyTypeObject Waiter_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.hub.Waiter",
    .tp_doc = "Waiter(hub=None)\n--\n\n"
              "Passes one value from the Hub to the greenlet that waits.\n\n"
              "    >>> import grove\n"
              "    >>> waiter = grove.hub.Waiter()\n"
              "    >>> timer = grove.get_hub().loop.timer(0.01)\n"
              "    >>> timer.start(waiter.switch, \"it is time\")\n"
              "    >>> waiter.get()\n"
              "    'it is time'",
    .tp_basicsize = sizeof(Waiter),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = waiter_new,
    .tp_traverse = waiter_traverse,
    .tp_clear = waiter_clear,
    .tp_dealloc = waiter_dealloc,
    .tp_repr = waiter_repr,
    .tp_call = waiter_call,
    .tp_methods = waiter_methods,
    .tp_getset = waiter_getset,
    .tp_members = waiter_members,
};

int waiter_init(PyObject *module)
{
    return module_add_type(module, &Waiter_Type);
}

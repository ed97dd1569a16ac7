/*
 * Timeout as an object: an exception that raises itself when its time has come.
 * How it counts is in pending.c.
 */
#include "timeout/private.h"

#include <structmember.h>

void timeout_raise(PyObject *seconds)
{
    assert(!PyErr_Occurred());
    if (timeout_is_object(seconds)) {
        timeout_raise_given((Timeout *)seconds);
        return;
    }
    PyObject *e = seconds
                      ? PyObject_CallOneArg((PyObject *)&Timeout_Type, seconds)
                      : PyObject_CallNoArgs((PyObject *)&Timeout_Type);
    if (e)
        exception_set(e);
}

/* ---- the object ---------------------------------------------------------- */

static PyTypeObject *base_type(void)
{
    return (PyTypeObject *)PyExc_BaseException;
}

static PyObject *timeout_new(PyTypeObject *type, PyObject *args,
                             PyObject *kwargs)
{
    Timeout *self = (Timeout *)base_type()->tp_new(type, args, NULL);
    if (!self)
        return NULL;
    self->seconds = Py_NewRef(Py_None);
    self->exception = Py_NewRef(Py_None);
    self->timer.fn = timeout_on_timer;
    self->run.call = timeout_on_turn;
    self->ref = true;
    return (PyObject *)self;
}

static int timeout_init_object(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"seconds",   (char *)"exception",
                            (char *)"ref",       (char *)"priority",
                            (char *)"_one_shot", NULL};
    PyObject *seconds = Py_None, *exception = Py_None, *ignored;
    int ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOpOO:Timeout", names,
                                     &seconds, &exception, &ref, &ignored,
                                     &ignored))
        return -1;
    Timeout *self = (Timeout *)o;
    Py_XSETREF(self->seconds, Py_NewRef(seconds));
    Py_XSETREF(self->exception, Py_NewRef(exception));
    self->ref = ref;
    return 0;
}

static int timeout_traverse(PyObject *o, visitproc visit, void *arg)
{
    Timeout *self = (Timeout *)o;
    Py_VISIT(self->seconds);
    Py_VISIT(self->exception);
    Py_VISIT(self->target);
    return base_type()->tp_traverse(o, visit, arg);
}

/* A pending one is reachable, by its own reference; target stays. */
static int timeout_clear(PyObject *o)
{
    Timeout *self = (Timeout *)o;
    Py_CLEAR(self->seconds);
    Py_CLEAR(self->exception);
    return base_type()->tp_clear(o);
}

static void timeout_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    Timeout *self = (Timeout *)o;
    assert(!timeout_pending(self)); /* it would hold itself */
    Py_CLEAR(self->seconds);
    Py_CLEAR(self->exception);
    base_type()->tp_dealloc(o);
}

static PyObject *start_method(PyObject *self, PyObject *none)
{
    if (timeout_start((Timeout *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *cancel_method(PyObject *self, PyObject *none)
{
    timeout_cancel((Timeout *)self);
    Py_RETURN_NONE;
}

static PyObject *timeout_enter(PyObject *self, PyObject *none)
{
    if (!timeout_pending((Timeout *)self) && timeout_start((Timeout *)self) < 0)
        return NULL;
    return Py_NewRef(self);
}

/* What was thrown into C code that the block has called, and that this has
 * answered in a way of its own: by error (None: by none). Owned; NULL: there is
 * none. */
static PyObject *take_waiting(PyObject *error)
{
    struct py_thread *t = thread_self();
    if (!t)
        PyErr_Clear();
    PyObject *waits = t && unlikely(t->alert) ? undelivered_take(t) : NULL;
    if (waits && error != waits && PyExceptionInstance_Check(error))
        PyException_SetContext(waits, Py_NewRef(error));
    return waits;
}

/* exception=False: it swallows itself, and nothing else. What waits to be
 * raised is raised here at the latest. */
static PyObject *timeout_exit(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    if (arguments_count("__exit__", n, 3, 3) < 0)
        return NULL;
    Timeout *self = (Timeout *)o;
    timeout_cancel(self);
    PyObject *waits = take_waiting(args[1]);
    if (unlikely(waits && (waits != o || self->exception != Py_False))) {
        exception_set(waits);
        return NULL;
    }
    bool swallows = waits || args[1] == o;
    Py_XDECREF(waits);
    return PyBool_FromLong(swallows && self->exception == Py_False);
}

static PyObject *timeout_on_expiration(PyObject *self, PyObject *const *args,
                                       Py_ssize_t n)
{
    if (arguments_count("_on_expiration", n, 2, 2) < 0)
        return NULL;
    if (!greenlet_check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "a greenlet was expected");
        return NULL;
    }
    return greenlet_throw((PyGreenlet *)args[0], args[1], NULL, NULL);
}

/* start_new(timeout=None, exception=None, ref=True): a Timeout is started if it
 * is not, seconds are made into one. */
PyObject *timeout_start_new(PyObject *cls, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    static const char *const keywords[] = {"timeout", "exception", "ref", NULL};
    PyObject *given[] = {Py_None, Py_None, Py_True};
    if (arguments("start_new", args, n, names, keywords, 0, given) < 0)
        return NULL;
    PyObject *self = PyObject_TypeCheck(given[0], &Timeout_Type)
                         ? Py_NewRef(given[0])
                         : PyObject_Vectorcall(cls, given, 3, NULL);
    if (self && !timeout_pending((Timeout *)self)) {
        PyObject *result = PyObject_CallMethod(self, "start", NULL);
        Py_XDECREF(result);
        if (!result)
            Py_CLEAR(self);
    }
    return self;
}

static PyObject *timeout_get_pending(PyObject *self, void *closure)
{
    return PyBool_FromLong(timeout_pending((Timeout *)self));
}

static PyObject *timeout_str(PyObject *o)
{
    Timeout *self = (Timeout *)o;
    if (self->seconds == Py_None)
        return PyUnicode_FromString("");
    PyObject *one = PyLong_FromLong(1);
    int single = one ? PyObject_RichCompareBool(self->seconds, one, Py_EQ) : -1;
    Py_XDECREF(one);
    if (single < 0)
        PyErr_Clear();
    const char *unit = single == 1 ? "second" : "seconds";
    if (self->exception == Py_None)
        return PyUnicode_FromFormat("%S %s", self->seconds, unit);
    if (self->exception == Py_False)
        return PyUnicode_FromFormat("%S %s (silent)", self->seconds, unit);
    return PyUnicode_FromFormat("%S %s: %S", self->seconds, unit,
                                self->exception);
}

static PyObject *timeout_repr(PyObject *o)
{
    Timeout *self = (Timeout *)o;
    const char *name = type_name(Py_TYPE(o));
    const char *pending = timeout_pending(self) ? " pending" : "";
    if (self->exception == Py_None)
        return PyUnicode_FromFormat("<%s at %p seconds=%S%s>", name, o,
                                    self->seconds, pending);
    return PyUnicode_FromFormat("<%s at %p seconds=%S exception=%R%s>", name, o,
                                self->seconds, self->exception, pending);
}

/* Equal to itself only; ordered by seconds. */
static PyObject *timeout_compare(PyObject *a, PyObject *b, int op)
{
    if (op == Py_EQ || op == Py_NE)
        return PyBool_FromLong((a == b) == (op == Py_EQ));
    if (!PyObject_TypeCheck(b, &Timeout_Type))
        Py_RETURN_NOTIMPLEMENTED;
    return PyObject_RichCompare(((Timeout *)a)->seconds,
                                ((Timeout *)b)->seconds, op);
}

static PyObject *start_new_or_dummy(PyObject *cls, PyObject *const *args,
                                    Py_ssize_t n, PyObject *names)
{
    return timeout_start_new(cls, args, n, names);
}

static PyMethodDef timeout_methods[] = {
    {"start", start_method, METH_NOARGS,
     "start($self, /)\n--\n\n"
     "Count from now.\n\n"
     "    >>> import grove\n"
     "    >>> timeout = grove.Timeout(3600)\n"
     "    >>> timeout.start()\n"
     "    >>> timeout.pending\n"
     "    True\n"
     "    >>> timeout.close()"},
    {"cancel", cancel_method, METH_NOARGS,
     "cancel($self, /)\n--\n\n"
     "Do not raise it after all.\n\n"
     "    >>> import grove\n"
     "    >>> timeout = grove.Timeout.start_new(0.01)\n"
     "    >>> timeout.cancel()\n"
     "    >>> grove.sleep(0.02)"},
    {"close", cancel_method, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "The same as cancel().\n\n"
     "    >>> import grove\n"
     "    >>> timeout = grove.Timeout.start_new(3600)\n"
     "    >>> timeout.close()\n"
     "    >>> timeout.pending\n"
     "    False"},
    {"__enter__", timeout_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))timeout_exit, METH_FASTCALL,
     NULL},
    {"start_new", (PyCFunction)(void (*)(void))timeout_start_new,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "start_new($type, /, timeout=None, exception=None, ref=True)\n--\n\n"
     "A started Timeout.\n\n"
     "    >>> import grove\n"
     "    >>> timeout = grove.Timeout.start_new(0.01)\n"
     "    >>> try:\n"
     "    ...     grove.sleep(3600)\n"
     "    ... except grove.Timeout as raised:\n"
     "    ...     print(raised is timeout)\n"
     "    True"},
    {"_start_new_or_dummy", (PyCFunction)(void (*)(void))start_new_or_dummy,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "The same; without seconds it never comes."},
    {"_on_expiration", (PyCFunction)(void (*)(void))timeout_on_expiration,
     METH_FASTCALL, "In the Hub: throw the exception into the greenlet."},
    {NULL}};

static PyMemberDef timeout_members[] = {
    {"seconds", T_OBJECT, offsetof(Timeout, seconds), 0, NULL},
    {"exception", T_OBJECT, offsetof(Timeout, exception), 0, NULL},
    {NULL}};

/* A new view at each look: nothing of it is kept in a Timeout. */
static PyObject *timeout_get_timer(PyObject *self, void *closure)
{
    PyObject *module = PyImport_ImportModule("grove.sync.timer");
    if (!module)
        return NULL;
    PyObject *timer =
        PyObject_CallMethod(module, "TimeoutTimer", "OO", self,
                            ((Timeout *)self)->ref ? Py_True : Py_False);
    Py_DECREF(module);
    return timer;
}

static PyGetSetDef timeout_getset[] = {
    {"pending", timeout_get_pending, NULL, "Whether it is counting.", NULL},
    {"timer", timeout_get_timer, NULL, "Its timer, as of the loop.", NULL},
    {NULL}};

PyDoc_STRVAR(
    timeout_doc,
    "Timeout(seconds=None, exception=None, ref=True, priority=-1)\n--\n\n"
    "Raises itself, or exception, in the greenlet that started it, after "
    "seconds.\n"
    "With exception=False a with statement ends quietly when it is raised.\n\n"
    "    >>> import grove\n"
    "    >>> with grove.Timeout(0.01, False):\n"
    "    ...     grove.sleep(3600)\n"
    "    >>> with grove.Timeout(0.01, TimeoutError(\"too slow\")):\n"
    "    ...     grove.sleep(3600)\n"
    "    Traceback (most recent call last):\n"
    "        ...\n"
    "    TimeoutError: too slow");

PyTypeObject Timeout_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.timeout.Timeout",
    .tp_doc = timeout_doc,
    .tp_basicsize = sizeof(Timeout),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = timeout_new,
    .tp_init = timeout_init_object,
    .tp_traverse = timeout_traverse,
    .tp_clear = timeout_clear,
    .tp_dealloc = timeout_dealloc,
    .tp_str = timeout_str,
    .tp_repr = timeout_repr,
    .tp_richcompare = timeout_compare,
    .tp_methods = timeout_methods,
    .tp_members = timeout_members,
    .tp_getset = timeout_getset,
};

int timeout_type_init(PyObject *module)
{
    Timeout_Type.tp_base = base_type();
    Timeout_Type.tp_hash = PyBaseObject_Type.tp_hash;
    return module_add_type(module, &Timeout_Type);
}

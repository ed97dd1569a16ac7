/*
 * AsyncResult: a value or an exception that comes once, from any thread, and
 * that greenlets of any thread wait for.
 */
#include "linkable/object.h"

#include <structmember.h>

typedef struct AsyncResult {
    Linkable base;      /* its list: who waits for what comes, and links */
    PyObject *value;    /* owned; NULL: there was none */
    PyObject *exc_info; /* owned; NULL: nothing has come; (): a value; else a
                           triple */
} AsyncResult;

static PyObject *no_exception; /* () */

static PyObject *result_new(PyTypeObject *type, PyObject *args,
                            PyObject *kwargs)
{
    return linkable_object_new(type);
}

static int result_init_object(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    return PyArg_ParseTupleAndKeywords(args, kwargs, ":AsyncResult", names)
               ? 0
               : -1;
}

static int result_traverse(PyObject *o, visitproc visit, void *arg)
{
    AsyncResult *self = (AsyncResult *)o;
    Py_VISIT(self->value);
    Py_VISIT(self->exc_info);
    return linkable_object_traverse(o, visit, arg);
}

static int result_clear(PyObject *o)
{
    AsyncResult *self = (AsyncResult *)o;
    Py_CLEAR(self->value);
    Py_CLEAR(self->exc_info);
    return linkable_object_clear(o);
}

static void result_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    AsyncResult *self = (AsyncResult *)o;
    Py_CLEAR(self->value);
    Py_CLEAR(self->exc_info);
    linkable_object_dealloc(o);
}

/* ---- what came ----------------------------------------------------------- */

static bool is_ready(AsyncResult *self)
{
    return self->exc_info != NULL;
}

/* A value stays, whatever exception comes after it. */
static bool is_successful(AsyncResult *self)
{
    return self->value != NULL;
}

static void set_value(AsyncResult *self, PyObject *value)
{
    Py_XSETREF(self->value, Py_NewRef(value));
    Py_XSETREF(self->exc_info, Py_NewRef(no_exception));
    linkable_object_notify((Linkable *)self);
}

static PyObject *result_set(PyObject *self, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    static const char *const keywords[] = {"value", NULL};
    PyObject *value = Py_None;
    if (arguments("set", args, n, names, keywords, 0, &value) < 0)
        return NULL;
    set_value((AsyncResult *)self, value);
    Py_RETURN_NONE;
}

/* (type, exception, traceback): a new reference. exception may be a class, or
 * no exception at all, which is told of when it is to be raised. */
static PyObject *triple(PyObject *exception)
{
    PyObject *type = PyExceptionClass_Check(exception)
                         ? exception
                         : (PyObject *)Py_TYPE(exception);
    PyObject *tb = PyExceptionInstance_Check(exception)
                       ? PyException_GetTraceback(exception)
                       : NULL;
    PyObject *info = PyTuple_Pack(3, type, exception, tb ? tb : Py_None);
    Py_XDECREF(tb);
    return info;
}

static int set_exception(AsyncResult *self, PyObject *exception, PyObject *info)
{
    int given = info ? PyObject_IsTrue(info) : 0;
    if (given > 0 && (!PyTuple_Check(info) || PyTuple_GET_SIZE(info) != 3)) {
        PyErr_Format(PyExc_TypeError,
                     "exc_info must be a triple of type, exception and "
                     "traceback, not %R",
                     info);
        return -1;
    }
    info = given < 0 ? NULL : given ? Py_NewRef(info) : triple(exception);
    assert(!info == (PyErr_Occurred() != NULL));
    if (!info)
        return -1;
    assert(PyTuple_GET_SIZE(info) == 3);
    Py_XSETREF(self->exc_info, info);
    linkable_object_notify((Linkable *)self);
    return 0;
}

static PyObject *result_set_exception(PyObject *self, PyObject *const *args,
                                      Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"exception", "exc_info", NULL};
    PyObject *given[] = {NULL, NULL};
    if (arguments("set_exception", args, n, names, keywords, 1, given) < 0 ||
        set_exception((AsyncResult *)self, given[0], given[1]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- getting it ---------------------------------------------------------- */

/* With the traceback that came with it: raising adds to the exception's. */
static PyObject *raise_it(AsyncResult *self)
{
    assert(!PyErr_Occurred() && PyTuple_GET_SIZE(self->exc_info) == 3);
    PyObject *type = PyTuple_GET_ITEM(self->exc_info, 0);
    PyObject *exception = PyTuple_GET_ITEM(self->exc_info, 1);
    PyObject *tb = PyTuple_GET_ITEM(self->exc_info, 2);
    if (!PyExceptionInstance_Check(exception) &&
        !PyExceptionClass_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must derive from BaseException, not %R",
                     exception);
        return NULL;
    }
    if (!PyExceptionInstance_Check(exception)) {
        if (exception == Py_None || exception == type)
            PyErr_SetNone(type);
        else
            PyErr_SetObject(type, exception);
        exception = exception_take();
    } else {
        Py_INCREF(exception);
    }
    PyException_SetTraceback(exception, PyTraceBack_Check(tb) ? tb : Py_None);
    exception_set(exception);
    assert(PyErr_Occurred() != NULL);
    return NULL;
}

static PyObject *outcome(AsyncResult *self)
{
    assert(is_ready(self));
    if (is_successful(self)) {
        assert(self->value != NULL);
        return Py_NewRef(self->value);
    }
    return raise_it(self);
}

static PyObject *get(AsyncResult *self, PyObject *timeout)
{
    if (!is_ready(self)) {
        enum core_wait_result r =
            linkable_object_wait((Linkable *)self, timeout, "AsyncResult.get");
        if (r == CORE_FAILED)
            return NULL;
        if (!is_ready(self)) {
            timeout_raise(timeout);
            return NULL;
        }
    }
    return outcome(self);
}

static PyObject *get_now(AsyncResult *self)
{
    assert(!PyErr_Occurred());
    if (is_ready(self))
        return outcome(self);
    timeout_raise(NULL);
    return NULL;
}

static PyObject *result_get(PyObject *self, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    static const char *const keywords[] = {"block", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if (arguments("get", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int block = PyObject_IsTrue(given[0]);
    if (block < 0)
        return NULL;
    return block ? get((AsyncResult *)self, given[1])
                 : get_now((AsyncResult *)self);
}

static PyObject *result_get_nowait(PyObject *self, PyObject *none)
{
    return get_now((AsyncResult *)self);
}

static PyObject *result_result(PyObject *self, PyObject *const *args,
                               Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("result", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    return get((AsyncResult *)self, timeout);
}

static PyObject *get_value(PyObject *self, void *closure)
{
    PyObject *value = ((AsyncResult *)self)->value;
    return Py_NewRef(value ? value : Py_None);
}

static PyObject *result_wait(PyObject *self, PyObject *const *args,
                             Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("wait", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    if (is_ready((AsyncResult *)self)) {
        PyObject *value = get_value(self, NULL); /* others may set another */
        if (linkable_object_wait_turn((Linkable *)self) < 0)
            Py_CLEAR(value);
        return value;
    }
    if (linkable_object_wait((Linkable *)self, timeout, "AsyncResult.wait") ==
        CORE_FAILED)
        return NULL;
    return get_value(self, NULL);
}

/* ---- what can be seen ---------------------------------------------------- */

static PyObject *result_ready(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(is_ready((AsyncResult *)self));
}

static PyObject *result_successful(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(is_successful((AsyncResult *)self));
}

static PyObject *get_exc_info(PyObject *self, void *closure)
{
    PyObject *info = ((AsyncResult *)self)->exc_info;
    return Py_NewRef(info ? info : no_exception);
}

static PyObject *get_exception(PyObject *self, void *closure)
{
    PyObject *info = ((AsyncResult *)self)->exc_info;
    return Py_NewRef(info && PyTuple_GET_SIZE(info) ? PyTuple_GET_ITEM(info, 1)
                                                    : Py_None);
}

static PyObject *raise_exception(PyObject *o, PyObject *none)
{
    AsyncResult *self = (AsyncResult *)o;
    if (is_ready(self) && !is_successful(self))
        return raise_it(self);
    Py_RETURN_NONE;
}

static PyObject *result_false(PyObject *self, PyObject *none)
{
    Py_RETURN_FALSE;
}

static PyObject *result_rawlink(PyObject *self, PyObject *callback)
{
    if (linkable_object_link((Linkable *)self, callback) < 0)
        return NULL;
    if (is_ready((AsyncResult *)self))
        linkable_object_notify((Linkable *)self);
    Py_RETURN_NONE;
}

/* As a link: take over what source ended with. */
static PyObject *result_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"source", NULL};
    PyObject *source;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:AsyncResult", names,
                                     &source))
        return NULL;
    PyObject *answer = PyObject_CallMethod(source, "successful", NULL);
    int successful = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    if (successful < 0)
        return NULL;
    PyObject *what =
        PyObject_GetAttrString(source, successful ? "value" : "exception");
    if (!what)
        return NULL;
    int r = 0;
    if (successful) {
        set_value((AsyncResult *)self, what);
    } else {
        PyObject *info = PyObject_GetAttrString(source, "exc_info");
        if (!info)
            PyErr_Clear();
        r = set_exception((AsyncResult *)self, what, info);
        Py_XDECREF(info);
    }
    Py_DECREF(what);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *result_repr(PyObject *o)
{
    AsyncResult *self = (AsyncResult *)o;
    const char *name = type_name(Py_TYPE(o));
    Py_ssize_t n = linkable_count(&self->base.list);
    if (!is_ready(self))
        return PyUnicode_FromFormat("<%s unset _links[%zd]>", name, n);
    if (is_successful(self))
        return PyUnicode_FromFormat("<%s value=%R _links[%zd]>", name,
                                    self->value, n);
    return PyUnicode_FromFormat("<%s exception=%R _links[%zd]>", name,
                                PyTuple_GET_ITEM(self->exc_info, 1), n);
}

static PyMethodDef result_methods[] = {
    {"ready", result_ready, METH_NOARGS,
     "ready($self, /)\n--\n\n"
     "Whether it has a value or an exception.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.ready()\n"
     "    False\n"
     "    >>> result.set(1)\n"
     "    >>> result.ready()\n"
     "    True"},
    {"done", result_ready, METH_NOARGS,
     "done($self, /)\n--\n\n"
     "Whether it has a value or an exception.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set(1)\n"
     "    >>> result.done()\n"
     "    True"},
    {"successful", result_successful, METH_NOARGS,
     "successful($self, /)\n--\n\n"
     "Whether it has a value.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set_exception(LookupError())\n"
     "    >>> result.ready(), result.successful()\n"
     "    (True, False)"},
    {"set", (PyCFunction)(void (*)(void))result_set,
     METH_FASTCALL | METH_KEYWORDS,
     "set($self, /, value=None)\n--\n\n"
     "Give it its value; those who wait get it.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set(\"here\")\n"
     "    >>> result.get()\n"
     "    'here'"},
    {"set_result", (PyCFunction)(void (*)(void))result_set,
     METH_FASTCALL | METH_KEYWORDS,
     "set_result($self, /, value=None)\n--\n\n"
     "The same as set().\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set_result(1)\n"
     "    >>> result.get()\n"
     "    1"},
    {"set_exception", (PyCFunction)(void (*)(void))result_set_exception,
     METH_FASTCALL | METH_KEYWORDS,
     "set_exception($self, /, exception, exc_info=None)\n--\n\n"
     "Give it an exception, which get() raises.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set_exception(LookupError(\"nothing there\"))\n"
     "    >>> result.get()\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    LookupError: nothing there"},
    {"get", (PyCFunction)(void (*)(void))result_get,
     METH_FASTCALL | METH_KEYWORDS,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "The value, once there is one, or raise the exception; Timeout when\n"
     "there is neither after timeout seconds, or at once when block is\n"
     "false.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set(42)\n"
     "    >>> result.get()\n"
     "    42"},
    {"get_nowait", result_get_nowait, METH_NOARGS,
     "get_nowait($self, /)\n--\n\n"
     "The same as get(block=False).\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> AsyncResult().get_nowait()\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    grove.timeout.Timeout"},
    {"result", (PyCFunction)(void (*)(void))result_result,
     METH_FASTCALL | METH_KEYWORDS,
     "result($self, /, timeout=None)\n--\n\n"
     "As get().\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.set(1)\n"
     "    >>> result.result(timeout=1)\n"
     "    1"},
    {"wait", (PyCFunction)(void (*)(void))result_wait,
     METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\n"
     "Wait until it is ready; the value, or None.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> AsyncResult().wait(timeout=0.01)"},
    {"rawlink", result_rawlink, METH_O,
     "rawlink($self, callback, /)\n--\n\n"
     "Call callback(self) in the hub, once, when it is ready. It must not\n"
     "wait.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> result = AsyncResult()\n"
     "    >>> result.rawlink(lambda source: print(\"it is\", source.value))\n"
     "    >>> result.set(42)\n"
     "    >>> grove.sleep()\n"
     "    it is 42"},
    {"cancel", result_false, METH_NOARGS,
     "cancel($self, /)\n--\n\n"
     "False: it cannot be cancelled.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> AsyncResult().cancel()\n"
     "    False"},
    {"cancelled", result_false, METH_NOARGS,
     "cancelled($self, /)\n--\n\n"
     "False: it cannot be cancelled.\n\n"
     "    >>> from grove.event import AsyncResult\n"
     "    >>> AsyncResult().cancelled()\n"
     "    False"},
    {"_raise_exception", raise_exception, METH_NOARGS,
     "Raise the exception, if there is one."},
    {NULL}};

static PyGetSetDef result_getset[] = {
    {"value", get_value, NULL, "The value; None when there is none.", NULL},
    {"exc_info", get_exc_info, NULL,
     "The exception as a triple; () when there is none.", NULL},
    {"exception", get_exception, NULL,
     "The exception; None when there is none.", NULL},
    {NULL}};

static PyTypeObject AsyncResult_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.event.AsyncResult",
    .tp_doc = "AsyncResult()\n--\n\n"
              "A value, or an exception, that comes later and then stays.\n\n"
              "    >>> import grove\n"
              "    >>> from grove.event import AsyncResult\n"
              "    >>> result = AsyncResult()\n"
              "    >>> later = grove.spawn_later(0.01, result.set, 42)\n"
              "    >>> result.get()\n"
              "    42",
    .tp_basicsize = sizeof(AsyncResult),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Linkable_Type,
    .tp_new = result_new,
    .tp_init = result_init_object,
    .tp_traverse = result_traverse,
    .tp_clear = result_clear,
    .tp_dealloc = result_dealloc,
    .tp_call = result_call,
    .tp_repr = result_repr,
    .tp_methods = result_methods,
    .tp_getset = result_getset,
};

int async_result_init(PyObject *module)
{
    no_exception = PyTuple_New(0);
    if (!no_exception)
        return -1;
    return module_add_type(module, &AsyncResult_Type);
}

/*
 * Timeout, an exception that raises itself when its time has come; sleep; and
 * with_timeout.
 *
 *            start                  deadline                 its turn
 *   idle -------------> timer armed ----------> queued ------------------->
 * idle ^                      |                      |     thrown from the Hub
 *    +----------------------+----------------------+
 *                         cancel
 *
 * A pending Timeout holds a reference to itself and to the greenlet that
 * started it. Cancelled in time, which includes the way from the timer to the
 * Hub, it is never raised.
 */
#include "timeout/timeout.h"

#include <structmember.h>

typedef struct Timeout {
    PyBaseExceptionObject base;
    PyObject *seconds;   /* a number, or None: never */
    PyObject *exception; /* what is raised; see throws */
    PyGreenlet *target;  /* owned while pending */
    struct timer timer;
    struct run run;
    bool ref; /* keeps the loop going */
} Timeout;

/* ---- waiting ------------------------------------------------------------- */

int timeout_deadline(PyObject *timeout, int64_t *deadline)
{
    if (!PyObject_TypeCheck(timeout, &Timeout_Type))
        return argument_deadline(timeout, deadline);
    Timeout *given = (Timeout *)timeout;
    if (!timer_pending(&given->timer))
        return argument_deadline(given->seconds, deadline);
    *deadline = given->timer.deadline;
    return 0;
}

void timeout_raise(PyObject *seconds)
{
    if (seconds && PyObject_TypeCheck(seconds, &Timeout_Type)) {
        PyErr_SetObject((PyObject *)&Timeout_Type, seconds);
        return;
    }
    PyObject *e = seconds
                      ? PyObject_CallOneArg((PyObject *)&Timeout_Type, seconds)
                      : PyObject_CallNoArgs((PyObject *)&Timeout_Type);
    if (e)
        exception_set(e);
}

static PyObject *sleep_for(struct py_thread *t, PyObject *seconds, bool ref)
{
    int64_t deadline;
    if (seconds == Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "sleep() needs a number of seconds, not None");
        return NULL;
    }
    if (argument_deadline(seconds, &deadline) < 0)
        return NULL;
    t->hub->unref += !ref;
    enum core_wait_result r;
    do
        r = wait_until(t, deadline, "sleep");
    while (r == CORE_WOKEN);
    t->hub->unref -= !ref;
    if (r == CORE_FAILED)
        return NULL;
    Py_RETURN_NONE;
}

static bool is_zero(PyObject *o)
{
    return PyLong_CheckExact(o) && PyObject_IsTrue(o) == 0;
}

static PyObject *timeout_sleep(PyObject *module, PyObject *const *args,
                               Py_ssize_t n, PyObject *names)
{
    struct py_thread *t = thread_self();
    if (unlikely(!t))
        return NULL;
    if (likely(!names && (n == 0 || (n == 1 && is_zero(args[0]))))) {
        if (unlikely(wait_turn(t) < 0))
            return NULL;
        Py_RETURN_NONE;
    }
    static const char *const keywords[] = {"seconds", "ref", NULL};
    PyObject *given[] = {Py_False, Py_True};
    if (arguments("sleep", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int ref = PyObject_IsTrue(given[1]);
    return ref < 0 ? NULL : sleep_for(t, given[0], ref);
}

/* ---- the life of a Timeout ----------------------------------------------- */

static bool is_pending(Timeout *self)
{
    return self->target != NULL;
}

/* What is raised: itself, or another exception that was asked for. Borrowed. */
static PyObject *throws(Timeout *self)
{
    PyObject *e = self->exception;
    if (!e || e == Py_None || PyBool_Check(e) || PyUnicode_Check(e))
        return (PyObject *)self;
    return e;
}

static void disarm(Timeout *self)
{
    struct hub *hub = self->target->green->thread->hub;
    if (timer_pending(&self->timer)) {
        timer_remove(&hub->timers, &self->timer);
        hub->unref -= !self->ref;
    }
    if (run_queued(&self->run))
        run_queue_remove(&self->run);
}

static void cancel(Timeout *self)
{
    if (!is_pending(self))
        return;
    if (!self->target->green->thread->dead)
        disarm(self);
    Py_CLEAR(self->target);
    Py_DECREF(self);
}

/* A subclass may want to see it happen. */
static PyObject *expire(Timeout *self, PyGreenlet *target)
{
    PyObject *e = throws(self);
    if (Py_TYPE(self) == &Timeout_Type)
        return greenlet_throw(target, e, NULL, NULL);
    return PyObject_CallMethod((PyObject *)self, "_on_expiration", "OO", target,
                               e);
}

static void on_turn(struct run *run)
{
    Timeout *self = container_of(run, Timeout, run);
    PyGreenlet *target = self->target;
    struct py_thread *t = target->green->thread;
    self->target = NULL;
    if (target->green->phase == GREEN_ACTIVE) {
        PyObject *result = expire(self, target);
        if (!result)
            hub_object_report(t, (PyObject *)self);
        Py_XDECREF(result);
    }
    Py_DECREF(target);
    Py_DECREF(self);
}

static void on_timer(struct timer *timer)
{
    Timeout *self = container_of(timer, Timeout, timer);
    struct hub *hub = self->target->green->thread->hub;
    hub->unref -= !self->ref;
    hub_queue(hub, &self->run);
}

static int start(Timeout *self)
{
    if (is_pending(self)) {
        PyErr_Format(PyExc_AssertionError,
                     "%R is already started; to restart it, cancel it first",
                     self);
        return -1;
    }
    int64_t deadline;
    if (argument_deadline(self->seconds, &deadline) < 0)
        return -1;
    if (deadline == GROVE_NEVER)
        return 0;
    struct py_thread *t = thread_self();
    if (!t || !hub_object(t))
        return -1;
    self->target = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    Py_INCREF(self);
    timer_add(&t->hub->timers, &self->timer, deadline);
    t->hub->unref += !self->ref;
    return 0;
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
    self->timer.fn = on_timer;
    self->run.call = on_turn;
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
    Py_CLEAR(self->seconds);
    Py_CLEAR(self->exception);
    base_type()->tp_dealloc(o);
}

static PyObject *timeout_start(PyObject *self, PyObject *none)
{
    if (start((Timeout *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *timeout_cancel(PyObject *self, PyObject *none)
{
    cancel((Timeout *)self);
    Py_RETURN_NONE;
}

static PyObject *timeout_enter(PyObject *self, PyObject *none)
{
    if (!is_pending((Timeout *)self) && start((Timeout *)self) < 0)
        return NULL;
    return Py_NewRef(self);
}

/* exception=False: it swallows itself, and nothing else. */
static PyObject *timeout_exit(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    if (arguments_count("__exit__", n, 3, 3) < 0)
        return NULL;
    Timeout *self = (Timeout *)o;
    cancel(self);
    return PyBool_FromLong(args[1] == o && self->exception == Py_False);
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
static PyObject *timeout_start_new(PyObject *cls, PyObject *const *args,
                                   Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", "exception", "ref", NULL};
    PyObject *given[] = {Py_None, Py_None, Py_True};
    if (arguments("start_new", args, n, names, keywords, 0, given) < 0)
        return NULL;
    PyObject *self = PyObject_TypeCheck(given[0], &Timeout_Type)
                         ? Py_NewRef(given[0])
                         : PyObject_Vectorcall(cls, given, 3, NULL);
    if (self && !is_pending((Timeout *)self)) {
        PyObject *result = PyObject_CallMethod(self, "start", NULL);
        Py_XDECREF(result);
        if (!result)
            Py_CLEAR(self);
    }
    return self;
}

static PyObject *timeout_get_pending(PyObject *self, void *closure)
{
    return PyBool_FromLong(is_pending((Timeout *)self));
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
    const char *pending = is_pending(self) ? " pending" : "";
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
    {"start", timeout_start, METH_NOARGS, "Count from now."},
    {"cancel", timeout_cancel, METH_NOARGS, "Do not raise it after all."},
    {"close", timeout_cancel, METH_NOARGS, "The same as cancel()."},
    {"__enter__", timeout_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))timeout_exit, METH_FASTCALL,
     NULL},
    {"start_new", (PyCFunction)(void (*)(void))timeout_start_new,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "start_new(timeout=None, exception=None, ref=True): a started Timeout."},
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
    "With exception=False a with statement ends quietly when it is raised.");

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

/* ---- with_timeout -------------------------------------------------------- */

/* Takes timeout_value out of the keyword arguments; the rest is a new dict or
 * NULL. */
static int split_keywords(PyObject *const *args, Py_ssize_t n, PyObject *names,
                          PyObject **value, PyObject **rest)
{
    *value = *rest = NULL;
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (PyUnicode_CompareWithASCIIString(name, "timeout_value") == 0) {
            *value = args[n + i];
            continue;
        }
        if (!*rest && !(*rest = PyDict_New()))
            return -1;
        if (PyDict_SetItem(*rest, name, args[n + i]) < 0)
            return -1;
    }
    return 0;
}

/* Whether the exception that is set is timeout; then it is cleared. */
static bool caught(PyObject *timeout)
{
    PyObject *e = exception_take();
    if (e == timeout) {
        Py_DECREF(e);
        return true;
    }
    exception_set(e);
    return false;
}

static PyObject *with_timeout(PyObject *module, PyObject *const *args,
                              Py_ssize_t n, PyObject *names)
{
    if (n < 2) {
        PyErr_SetString(PyExc_TypeError,
                        "with_timeout() needs seconds and a function");
        return NULL;
    }
    PyObject *value, *kwargs, *result = NULL;
    PyObject *positional = NULL, *timeout = NULL;
    if (split_keywords(args, n, names, &value, &kwargs) < 0)
        goto out;
    positional = PyTuple_New(n - 2);
    if (!positional)
        goto out;
    for (Py_ssize_t i = 2; i < n; i++)
        PyTuple_SET_ITEM(positional, i - 2, Py_NewRef(args[i]));
    timeout = timeout_start_new((PyObject *)&Timeout_Type, args, 1, NULL);
    if (!timeout)
        goto out;
    result = PyObject_Call(args[1], positional, kwargs);
    cancel((Timeout *)timeout);
    if (!result && value && caught(timeout))
        result = Py_NewRef(value);
out:
    Py_XDECREF(timeout);
    Py_XDECREF(positional);
    Py_XDECREF(kwargs);
    return result;
}

static PyMethodDef functions[] = {
    {"sleep", (PyCFunction)(void (*)(void))timeout_sleep,
     METH_FASTCALL | METH_KEYWORDS,
     "sleep(seconds=0, ref=True): let others run, at least for that time."},
    {"with_timeout", (PyCFunction)(void (*)(void))with_timeout,
     METH_FASTCALL | METH_KEYWORDS,
     "with_timeout(seconds, function, *args, timeout_value=..., **kwargs): "
     "call "
     "it; timeout_value, or Timeout raised, when it takes longer."},
    {NULL}};

int timeout_init(PyObject *module)
{
    Timeout_Type.tp_base = base_type();
    Timeout_Type.tp_hash = PyBaseObject_Type.tp_hash;
    if (module_add_type(module, &Timeout_Type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

/*
 * ThreadResult: what a native thread hands to a hub, once: a value, or an
 * exception. It is made on the hub's thread and keeps that hub waiting, even
 * with nothing else to do, until it was handed over; set() or handle_error() is
 * then called on any thread, and the receiver in the Hub.
 *
 *   made, holds the hub --- set() ---> posted --- Hub ---> receiver called
 *
 * With the GIL held everywhere, the only thing that needs the hub's own
 * protocol for other threads is the wake-up: a post that is part of the object.
 */
#include "hub/mailbox.h"
#include "hub_object/private.h"

#include <stddef.h>
#include <structmember.h>

typedef struct ThreadResult {
    PyObject_HEAD
    struct py_thread *thread; /* whose hub it is for; counted */
    grove_post post;      /* under way from give() to on_post, with a reference;
                             or for the last time, see unhold_later */
    PyObject *hub;        /* the Hub it was made for, for its reader */
    PyObject *receiver;   /* called with this object in the Hub */
    PyObject *when_ready; /* called without arguments before that; or NULL */
    PyObject *context;    /* what failed, for error reports */
    PyObject *value;      /* NULL: none */
    PyObject *exception;  /* NULL: none */
    PyObject *traceback;  /* of exception, as it was given; or None */
    bool holding;         /* the hub waits for it */
    bool given;           /* set() or handle_error() was called */
    bool closed;          /* nobody wants what will be given */
} ThreadResult;

static void release_hub(ThreadResult *self)
{
    if (self->holding && !self->thread->dead)
        grove_hub_unhold((grove_hub *)self->thread->hub);
    self->holding = false;
}

/* fn(arg), or fn() when arg is NULL; an error is the Hub's. */
static void call(ThreadResult *self, PyObject *fn, PyObject *arg)
{
    if (!fn)
        return;
    PyObject *result =
        arg ? PyObject_CallOneArg(fn, arg) : PyObject_CallNoArgs(fn);
    if (!result)
        hub_object_report(self->thread, fn);
    Py_XDECREF(result);
    Py_DECREF(fn);
}

/* What failed on another thread is told of here, as what fails in a greenlet
 * is. */
static void report(ThreadResult *self)
{
    exception_set(Py_NewRef(self->exception));
    hub_object_report(self->thread, self->context);
}

static void on_post(grove_post *post)
{
    ThreadResult *self = container_of(post, ThreadResult, post);
    assert(self->given && self->thread->hub == hub_of_thread);
    assert(!(self->value && self->exception) && Py_REFCNT(self) > 0);
    release_hub(self);
    PyObject *when_ready = self->when_ready, *receiver = self->receiver;
    self->when_ready = self->receiver = NULL;
    call(self, when_ready, NULL);
    if (self->exception)
        report(self);
    call(self, receiver, (PyObject *)self);
    Py_CLEAR(self->value);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->traceback);
    Py_DECREF(self); /* the post's */
}

static int give(ThreadResult *self)
{
    if (self->given) {
        PyErr_SetString(PyExc_RuntimeError, "it was given a result before");
        return -1;
    }
    assert(!self->value && !self->exception);
    self->given = true;
    if (self->closed || self->thread->dead)
        return 0;
    Py_INCREF(self);
    grove_hub_post((grove_hub *)self->thread->hub, &self->post);
    return 0;
}

static PyObject *result_set(PyObject *o, PyObject *value)
{
    ThreadResult *self = (ThreadResult *)o;
    if (give(self) < 0)
        return NULL;
    self->value = Py_NewRef(value);
    Py_RETURN_NONE;
}

static PyObject *result_handle_error(PyObject *o, PyObject *const *args,
                                     Py_ssize_t n)
{
    ThreadResult *self = (ThreadResult *)o;
    if (arguments_count("handle_error", n, 2, 2) < 0)
        return NULL;
    PyObject *type, *value, *tb;
    if (!PyTuple_Check(args[1]) ||
        !PyArg_ParseTuple(args[1], "OOO", &type, &value, &tb) ||
        !PyExceptionInstance_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "exc_info must be (type, exception, traceback), not %R",
                     args[1]);
        return NULL;
    }
    if (give(self) < 0)
        return NULL;
    Py_XSETREF(self->context, Py_NewRef(args[0]));
    self->exception = Py_NewRef(value);
    self->traceback = Py_NewRef(tb);
    Py_RETURN_NONE;
}

static PyObject *result_close(PyObject *o, PyObject *none)
{
    ThreadResult *self = (ThreadResult *)o;
    if (hub_object_check_thread(self->thread) < 0)
        return NULL;
    release_hub(self);
    self->closed = true;
    Py_CLEAR(self->receiver);
    Py_CLEAR(self->when_ready);
    Py_RETURN_NONE;
}

/* ---- what the receiver sees ---------------------------------------------- */

static PyObject *result_successful(PyObject *o, PyObject *none)
{
    ThreadResult *self = (ThreadResult *)o;
    return PyBool_FromLong(self->given && !self->exception);
}

static PyObject *get_exc_info(PyObject *o, void *closure)
{
    ThreadResult *self = (ThreadResult *)o;
    if (!self->exception)
        return PyTuple_New(0);
    return PyTuple_Pack(3, (PyObject *)Py_TYPE(self->exception),
                        self->exception, self->traceback);
}

/* ---- the object ---------------------------------------------------------- */

static PyObject *result_new(PyTypeObject *type, PyObject *args,
                            PyObject *kwargs)
{
    static char *names[] = {(char *)"receiver", (char *)"hub",
                            (char *)"call_when_ready", NULL};
    PyObject *receiver, *hub, *when_ready = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!|O:ThreadResult", names,
                                     &receiver, &Hub_Type, &hub, &when_ready))
        return NULL;
    struct py_thread *t = green_of(hub)->thread;
    if (hub_object_check_thread(t) < 0)
        return NULL;
    ThreadResult *self = (ThreadResult *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->thread = t;
    t->references++;
    self->hub = Py_NewRef(hub);
    self->receiver = Py_NewRef(receiver);
    self->when_ready = when_ready == Py_None ? NULL : Py_NewRef(when_ready);
    self->post.fn = on_post;
    self->holding = true;
    grove_hub_hold((grove_hub *)t->hub);
    return (PyObject *)self;
}

static int result_traverse(PyObject *o, visitproc visit, void *arg)
{
    ThreadResult *self = (ThreadResult *)o;
    Py_VISIT(self->hub);
    Py_VISIT(self->receiver);
    Py_VISIT(self->when_ready);
    Py_VISIT(self->context);
    Py_VISIT(self->value);
    Py_VISIT(self->exception);
    Py_VISIT(self->traceback);
    return 0;
}

static int result_clear(PyObject *o)
{
    ThreadResult *self = (ThreadResult *)o;
    Py_CLEAR(self->hub);
    Py_CLEAR(self->receiver);
    Py_CLEAR(self->when_ready);
    Py_CLEAR(self->context);
    Py_CLEAR(self->value);
    Py_CLEAR(self->exception);
    Py_CLEAR(self->traceback);
    return 0;
}

/* One that was never given anything lets go of the hub when it goes, which is
 * for the hub's own thread to do. */
static void unhold_later(grove_post *post)
{
    ThreadResult *self = container_of(post, ThreadResult, post);
    release_hub(self);
    thread_unref(self->thread);
    PyObject_GC_Del(self);
}

static void result_dealloc(PyObject *o)
{
    ThreadResult *self = (ThreadResult *)o;
    assert(!self->given || !self->holding || self->closed ||
           self->thread->dead);
    PyObject_GC_UnTrack(o);
    result_clear(o);
    if (self->holding && !self->thread->dead) {
        if (self->thread->tstate == state_current_tstate()) {
            release_hub(self);
        } else {
            self->post.fn = unhold_later;
            grove_hub_post((grove_hub *)self->thread->hub, &self->post);
            return;
        }
    }
    thread_unref(self->thread);
    Py_TYPE(o)->tp_free(o);
}

static void take_post(grove_post *post)
{
    ThreadResult *self = container_of(post, ThreadResult, post);
    release_hub(self);
    result_clear((PyObject *)self);
    Py_DECREF(self);
}

void thread_results_abandon(struct hub *hub)
{
    hub_take_posts(hub, on_post, take_post);
    hub_take_posts(hub, unhold_later, unhold_later);
}

static PyMethodDef methods[] = {
    {"set", result_set, METH_O,
     "set($self, value, /)\n--\n\nGive it a value. On any thread.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.threadpool import ThreadResult\n"
     "    >>> result = ThreadResult(lambda result: print(result.value), "
     "grove.get_hub())\n"
     "    >>> result.set(32), grove.wait()\n"
     "    32\n"
     "    (None, True)"},
    {"handle_error", (PyCFunction)(void (*)(void))result_handle_error,
     METH_FASTCALL,
     "handle_error($self, context, exc_info, /)\n--\n\n"
     "Give it an exception. On any thread.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.threadpool import ThreadResult\n"
     "    >>> result = ThreadResult(lambda result: print(result.exc_info), "
     "grove.get_hub())\n"
     "    >>> error = grove.GreenletExit(\"no more\")\n"
     "    >>> result.handle_error(\"a task\", (type(error), error, None)), "
     "grove.wait()\n"
     "    (<class 'greenlet.GreenletExit'>, GreenletExit('no more'), None)\n"
     "    (None, True)"},
    {"close", result_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Nobody wants it any more: what it is given is dropped. On the hub's "
     "thread.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.threadpool import ThreadResult\n"
     "    >>> result = ThreadResult(print, grove.get_hub())\n"
     "    >>> result.close()\n"
     "    >>> result.set(\"nobody wants it\")\n"
     "    >>> grove.wait()\n"
     "    True"},
    {"successful", result_successful, METH_NOARGS,
     "successful($self, /)\n--\n\nWhether it was given a value.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.threadpool import ThreadResult\n"
     "    >>> result = ThreadResult(lambda result: None, grove.get_hub())\n"
     "    >>> result.set(32)\n"
     "    >>> grove.wait()\n"
     "    True\n"
     "    >>> result.successful()\n"
     "    True"},
    {NULL}};

static PyGetSetDef getset[] = {
    {"exc_info", get_exc_info, NULL,
     "The exception as a triple; () when there is none.", NULL},
    {NULL}};

static PyMemberDef members[] = {
    {"hub", T_OBJECT, offsetof(ThreadResult, hub), READONLY, NULL},
    {"receiver", T_OBJECT, offsetof(ThreadResult, receiver), READONLY,
     "What is called with it in the Hub."},
    {"context", T_OBJECT, offsetof(ThreadResult, context), READONLY,
     "What failed."},
    {"value", T_OBJECT, offsetof(ThreadResult, value), READONLY, NULL},
    {"exception", T_OBJECT, offsetof(ThreadResult, exception), READONLY, NULL},
    {NULL}};

PyDoc_STRVAR(
    result_doc,
    "ThreadResult(receiver, hub, call_when_ready=None)\n--\n\n"
    "What another thread hands to hub: there call_when_ready() and "
    "then\n"
    "receiver(this) are called. Until then the hub waits.\n\n"
    "    >>> import grove\n"
    "    >>> from grove.threadpool import ThreadResult\n"
    "    >>> hub = grove.get_hub()\n"
    "    >>> result = ThreadResult(lambda result: print(result.value), hub)\n"
    "    >>> hub.threadpool.apply(result.set, (32,)), grove.wait()\n"
    "    32\n"
    "    (None, True)");

static PyTypeObject ThreadResult_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.threadpool.ThreadResult",
    .tp_doc = result_doc,
    .tp_basicsize = sizeof(ThreadResult),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = result_new,
    .tp_traverse = result_traverse,
    .tp_clear = result_clear,
    .tp_dealloc = result_dealloc,
    .tp_methods = methods,
    .tp_getset = getset,
    .tp_members = members,
};

struct py_thread *thread_result_for(PyObject *result)
{
    return PyObject_TypeCheck(result, &ThreadResult_Type)
               ? ((ThreadResult *)result)->thread
               : NULL;
}

bool thread_result_holds(PyObject *result)
{
    return PyObject_TypeCheck(result, &ThreadResult_Type) &&
           ((ThreadResult *)result)->holding;
}

int thread_result_init(PyObject *module)
{
    return module_add_type(module, &ThreadResult_Type);
}

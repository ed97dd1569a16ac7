/*
 * The callbacks that the loop queues.
 *
 *   made --- queued, by its own thread ----+--> called in the Hub --> done
 *        \-- posted, by another's mailbox --+
 *                       stop(): done, without being called
 *
 * A callback is queued like a fiber, in the same queue, and called in the Hub.
 * The queue holds a reference to it. From another thread it goes through the
 * hub's mailbox, which holds one likewise. With the GIL held.
 */
#include "hub/mailbox.h"
#include "hub_object/private.h"

#include <structmember.h>

typedef struct Callback {
    PyObject_HEAD
    struct run run;           /* queued: by its own thread, not yet called */
    grove_post post;          /* under way while posted: by another thread */
    struct py_thread *thread; /* counted */
    PyObject *loop;   /* one of its own, which calls it: owned while posted, or
                         borrowed, for it holds what it is to call; NULL: the
                         Hub calls it */
    callback_due due; /* what that does when it comes; with loop */
    PyObject *fn;     /* NULL: called or stopped */
    PyObject *args;   /* a tuple; NULL: none */
    bool posted;      /* the mailbox has it, with a reference */
    bool running;     /* fn, which it has let go of, is being called */
} Callback;

static PyTypeObject Callback_Type;
static int callback_clear(PyObject *self);

/* The exception that is set is the callback's. */
static void report(Callback *cb)
{
    PyObject *hub = cb->thread->hub_object;
    PyObject *loop = cb->loop ? cb->loop : hub ? hub_object_loop(hub) : NULL;
    if (loop)
        loop_report(loop, (PyObject *)cb);
    else
        hub_object_report(cb->thread, (PyObject *)cb);
}

/* Consumes the queue's reference. */
static void callback_call(Callback *cb)
{
    assert(!run_queued(&cb->run) && !cb->posted && Py_REFCNT(cb) > 0);
    PyObject *fn = cb->fn;
    PyObject *args = cb->args;
    if (fn) {
        assert(!cb->running && !PyErr_Occurred());
        cb->fn = NULL;
        cb->args = NULL;
        cb->running = true;
        if ((PyObject *)cb->thread->current == cb->thread->hub_object)
            hub_object_enter(cb->thread);
        PyObject *result =
            args ? PyObject_Call(fn, args, NULL) : PyObject_CallNoArgs(fn);
        assert((result == NULL) == !!PyErr_Occurred());
        if (!result)
            report(cb);
        Py_XDECREF(result);
        Py_DECREF(fn);
        Py_XDECREF(args);
        cb->running = false;
    }
    Py_DECREF(cb);
}

static void on_turn(struct run *run)
{
    callback_call(container_of(run, Callback, run));
}

bool callback_is(const struct run *run)
{
    return run->call == on_turn;
}

PyObject *callback_of(struct run *run)
{
    assert(callback_is(run));
    return (PyObject *)container_of(run, Callback, run);
}

void callback_drop(struct run *run)
{
    Callback *cb = container_of(run, Callback, run);
    assert(callback_is(run) && !run_queued(run));
    callback_clear((PyObject *)cb);
    Py_DECREF(cb);
}

/* Its turn never comes. */
static bool take(struct run *run)
{
    if (!callback_is(run))
        return false;
    run_queue_remove(run);
    callback_drop(run);
    return true;
}

static void on_post(grove_post *post)
{
    Callback *cb = container_of(post, Callback, post);
    assert(cb->posted);
    cb->posted = false;
    PyObject *loop = cb->loop;
    if (!loop) {
        callback_call(cb);
        return;
    }
    cb->due(loop, &cb->run);
    Py_DECREF(loop);
}

static void take_post(grove_post *post)
{
    Callback *cb = container_of(post, Callback, post);
    assert(cb->posted);
    cb->posted = false;
    Py_XDECREF(cb->loop);
    callback_clear((PyObject *)cb);
    Py_DECREF(cb);
}

void callbacks_abandon(struct hub *hub)
{
    thread_take_due(hub, take);
    hub_take_posts(hub, on_post, take_post);
}

static Callback *callback_new(struct py_thread *t, PyObject *fn, PyObject *args)
{
    if (!PyCallable_Check(fn)) {
        PyErr_Format(PyExc_TypeError, "Expected callable, not %R", fn);
        return NULL;
    }
    Callback *cb = PyObject_GC_New(Callback, &Callback_Type);
    if (!cb)
        return NULL;
    cb->run = (struct run){.call = on_turn};
    cb->post = (grove_post){.fn = on_post};
    cb->thread = t;
    t->references++;
    cb->loop = NULL;
    cb->fn = Py_NewRef(fn);
    cb->args = Py_XNewRef(args);
    cb->posted = false;
    cb->running = false;
    PyObject_GC_Track(cb);
    return cb;
}

PyObject *loop_run_callback(struct py_thread *t, PyObject *fn, PyObject *args)
{
    Callback *cb = callback_new(t, fn, args);
    if (!cb)
        return NULL;
    assert(t->hub == hub_of_thread && t->hub_object);
    Py_INCREF(cb);
    hub_queue(t->hub, &cb->run);
    return (PyObject *)cb;
}

PyObject *callback_make(PyObject *loop, PyObject *fn, PyObject *args,
                        struct run **run)
{
    Callback *cb = callback_new(((Loop *)loop)->thread, fn, args);
    if (cb) {
        cb->loop = loop;
        Py_INCREF(cb);
        *run = &cb->run;
    }
    return (PyObject *)cb;
}

PyObject *loop_post_callback(struct py_thread *t, PyObject *fn, PyObject *args,
                             PyObject *loop, callback_due due)
{
    Callback *cb = callback_new(t, fn, args);
    if (!cb)
        return NULL;
    assert(!t->dead && t->hub);
    cb->loop = Py_XNewRef(loop);
    cb->due = due;
    Py_INCREF(cb);
    cb->posted = true;
    grove_hub_post((grove_hub *)t->hub, &cb->post);
    return (PyObject *)cb;
}

static int callback_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((Callback *)self)->fn);
    Py_VISIT(((Callback *)self)->args);
    return 0;
}

static int callback_clear(PyObject *self)
{
    Py_CLEAR(((Callback *)self)->fn);
    Py_CLEAR(((Callback *)self)->args);
    return 0;
}

static void callback_dealloc(PyObject *self)
{
    assert(!run_queued(&((Callback *)self)->run) &&
           !((Callback *)self)->posted && !((Callback *)self)->running);
    PyObject_GC_UnTrack(self);
    callback_clear(self);
    thread_unref(((Callback *)self)->thread);
    PyObject_GC_Del(self);
}

/* A posted one stays in the mailbox, and does nothing when it is called. */
static PyObject *callback_stop(PyObject *self, PyObject *none)
{
    Callback *cb = (Callback *)self;
    callback_clear(self);
    if (run_queued(&cb->run)) {
        run_queue_remove(&cb->run);
        Py_DECREF(self);
    }
    Py_RETURN_NONE;
}

static int callback_bool(PyObject *self)
{
    return ((Callback *)self)->fn || ((Callback *)self)->running;
}

static PyObject *callback_pending(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Callback *)self)->fn != NULL);
}

static PyObject *callback_repr(PyObject *self)
{
    Callback *cb = (Callback *)self;
    if (!cb->fn)
        return PyUnicode_FromFormat("<callback at %p %s>", self,
                                    cb->running ? "running" : "stopped");
    if (!cb->args)
        return PyUnicode_FromFormat("<callback at %p pending %R args=()>", self,
                                    cb->fn);
    return PyUnicode_FromFormat("<callback at %p pending %R args=%R>", self,
                                cb->fn, cb->args);
}

static PyMethodDef callback_methods[] = {
    {"stop", callback_stop, METH_NOARGS,
     "stop($self, /)\n--\n\n"
     "Do not call it after all.\n\n"
     "    >>> import grove\n"
     "    >>> called = grove.get_hub().loop.run_callback(print, \"called\")\n"
     "    >>> called.stop()\n"
     "    >>> grove.sleep()"},
    {"close", callback_stop, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "The same as stop().\n\n"
     "    >>> import grove\n"
     "    >>> called = grove.get_hub().loop.run_callback(print, \"called\")\n"
     "    >>> called.close()\n"
     "    >>> called.pending\n"
     "    False"},
    {NULL}};

static PyGetSetDef callback_getset[] = {{"pending", callback_pending, NULL,
                                         "Whether it is yet to be called.",
                                         NULL},
                                        {NULL}};

static PyMemberDef callback_members[] = {
    {"callback", T_OBJECT, offsetof(Callback, fn), READONLY, NULL},
    {"args", T_OBJECT, offsetof(Callback, args), READONLY, NULL},
    {NULL}};

static PyNumberMethods callback_number = {.nb_bool = callback_bool};

static PyTypeObject Callback_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.callback",
    .tp_doc = "A function to be called in the Hub, once.\n\n"
              "    >>> import grove\n"
              "    >>> from grove import core\n"
              "    >>> called = grove.get_hub().loop.run_callback(print, "
              "\"called\")\n"
              "    >>> isinstance(called, core.callback), called.pending\n"
              "    (True, True)\n"
              "    >>> grove.sleep()\n"
              "    called\n"
              "    >>> called.pending\n"
              "    False",
    .tp_basicsize = sizeof(Callback),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = callback_traverse,
    .tp_clear = callback_clear,
    .tp_dealloc = callback_dealloc,
    .tp_repr = callback_repr,
    .tp_as_number = &callback_number,
    .tp_methods = callback_methods,
    .tp_getset = callback_getset,
    .tp_members = callback_members,
};

int callback_init(PyObject *module)
{
    return module_add_type(module, &Callback_Type);
}

/*
 * hub.loop: the event loop, as far as Python sees it, and the callbacks that it
 * queues.
 *
 * A callback is queued like a fiber, in the same queue, and called in the Hub.
 * The queue holds a reference to it. From another thread it goes through the
 * hub's mailbox.
 */
#include "hub_object.h"

#include <structmember.h>
#include <time.h>

typedef struct Loop {
    PyObject_HEAD
    struct py_thread *thread; /* counted */
} Loop;

typedef struct Callback {
    PyObject_HEAD
    struct run run;           /* queued by its own thread */
    grove_post post;          /* posted by another */
    struct py_thread *thread; /* counted */
    PyObject *fn;             /* NULL: called or stopped */
    PyObject *args;           /* a tuple; NULL: none */
    bool posted;
} Callback;

static PyTypeObject Callback_Type;

/* ---- callbacks ----------------------------------------------------------- */

/* Consumes the queue's reference. */
static void callback_call(Callback *cb)
{
    PyObject *fn = cb->fn;
    PyObject *args = cb->args;
    if (fn) {
        cb->fn = NULL;
        cb->args = NULL;
        hub_object_enter(cb->thread);
        PyObject *result =
            args ? PyObject_Call(fn, args, NULL) : PyObject_CallNoArgs(fn);
        if (!result)
            hub_object_report(cb->thread, (PyObject *)cb);
        Py_XDECREF(result);
        Py_DECREF(fn);
        Py_XDECREF(args);
    }
    Py_DECREF(cb);
}

static void on_turn(struct run *run)
{
    callback_call(container_of(run, Callback, run));
}

static void on_post(grove_post *post)
{
    Callback *cb = container_of(post, Callback, post);
    cb->posted = false;
    callback_call(cb);
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
    cb->fn = Py_NewRef(fn);
    cb->args = Py_XNewRef(args);
    cb->posted = false;
    PyObject_GC_Track(cb);
    return cb;
}

PyObject *loop_run_callback(struct py_thread *t, PyObject *fn, PyObject *args)
{
    Callback *cb = callback_new(t, fn, args);
    if (!cb)
        return NULL;
    Py_INCREF(cb);
    hub_queue(t->hub, &cb->run);
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
    return ((Callback *)self)->fn != NULL;
}

static PyObject *callback_pending(PyObject *self, void *closure)
{
    return PyBool_FromLong(callback_bool(self));
}

static PyObject *callback_repr(PyObject *self)
{
    Callback *cb = (Callback *)self;
    if (!cb->fn)
        return PyUnicode_FromFormat("<callback at %p stopped>", self);
    if (!cb->args)
        return PyUnicode_FromFormat("<callback at %p pending %R args=()>", self,
                                    cb->fn);
    return PyUnicode_FromFormat("<callback at %p pending %R args=%R>", self,
                                cb->fn, cb->args);
}

static PyMethodDef callback_methods[] = {
    {"stop", callback_stop, METH_NOARGS, "Do not call it after all."},
    {"close", callback_stop, METH_NOARGS, "The same as stop()."},
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
    .tp_doc = "A function to be called in the Hub, once.",
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

/* ---- the loop ------------------------------------------------------------ */

PyObject *loop_object_new(struct py_thread *t)
{
    Loop *loop = PyObject_New(Loop, &Loop_Type);
    if (!loop)
        return NULL;
    loop->thread = t;
    t->references++;
    return (PyObject *)loop;
}

static void loop_dealloc(PyObject *self)
{
    thread_unref(((Loop *)self)->thread);
    PyObject_Free(self);
}

/* What follows fn, as a tuple; *rest NULL when there is nothing. */
static int split(const char *name, PyObject *const *args, Py_ssize_t n,
                 PyObject **rest)
{
    *rest = NULL;
    if (n < 1) {
        PyErr_Format(PyExc_TypeError, "%s() needs a function", name);
        return -1;
    }
    if (n == 1)
        return 0;
    *rest = PyTuple_New(n - 1);
    if (!*rest)
        return -1;
    for (Py_ssize_t i = 1; i < n; i++)
        PyTuple_SET_ITEM(*rest, i - 1, Py_NewRef(args[i]));
    return 0;
}

static PyObject *loop_run_callback_method(PyObject *self, PyObject *const *args,
                                          Py_ssize_t n)
{
    struct py_thread *t = ((Loop *)self)->thread;
    PyObject *rest;
    if (split("run_callback", args, n, &rest) < 0)
        return NULL;
    PyObject *cb = hub_object_check_thread(t) == 0
                       ? loop_run_callback(t, args[0], rest)
                       : NULL;
    Py_XDECREF(rest);
    return cb;
}

static PyObject *loop_run_callback_threadsafe(PyObject *self,
                                              PyObject *const *args,
                                              Py_ssize_t n)
{
    struct py_thread *t = ((Loop *)self)->thread;
    if (t->dead) {
        PyErr_SetString(PyExc_HubDestroyed, "the hub's thread has ended");
        return NULL;
    }
    PyObject *rest;
    if (split("run_callback_threadsafe", args, n, &rest) < 0)
        return NULL;
    Callback *cb = callback_new(t, args[0], rest);
    Py_XDECREF(rest);
    if (!cb)
        return NULL;
    Py_INCREF(cb);
    cb->posted = true;
    grove_hub_post((grove_hub *)t->hub, &cb->post);
    return (PyObject *)cb;
}

static PyObject *loop_now(PyObject *self, PyObject *none)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return PyFloat_FromDouble((double)ts.tv_sec + (double)ts.tv_nsec * 1e-9);
}

/* Timers read the clock themselves. */
static PyObject *loop_update(PyObject *self, PyObject *none)
{
    Py_RETURN_NONE;
}

/* loop.timer(...) is TimerWatcher(loop, ...), and so on. */
static PyObject *make_watcher(PyTypeObject *type, PyObject *self,
                              PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *all = PyTuple_New(n + 1);
    if (!all)
        return NULL;
    PyTuple_SET_ITEM(all, 0, Py_NewRef(self));
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    PyObject *watcher = PyObject_Call((PyObject *)type, all, kwargs);
    Py_DECREF(all);
    return watcher;
}

static PyObject *loop_timer(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return make_watcher(&TimerWatcher_Type, self, args, kwargs);
}

static PyObject *loop_io(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return make_watcher(&IoWatcher_Type, self, args, kwargs);
}

static PyObject *loop_default(PyObject *self, void *closure)
{
    struct py_thread *t = ((Loop *)self)->thread;
    PyObject *hub = t->hub_object ? t->hub_object : Py_None;
    if (hub == Py_None)
        Py_RETURN_FALSE;
    return PyObject_GetAttrString(hub, "main_hub");
}

static PyObject *loop_backend(PyObject *self, void *closure)
{
    return PyUnicode_FromString("epoll");
}

static PyObject *loop_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<loop at %p epoll>", self);
}

static PyMethodDef loop_methods[] = {
    {"run_callback", (PyCFunction)(void (*)(void))loop_run_callback_method,
     METH_FASTCALL,
     "run_callback(fn, *args): call it in the Hub, after what is due."},
    {"run_callback_threadsafe",
     (PyCFunction)(void (*)(void))loop_run_callback_threadsafe, METH_FASTCALL,
     "The same from any thread."},
    {"timer", (PyCFunction)(void (*)(void))loop_timer,
     METH_VARARGS | METH_KEYWORDS,
     "timer(after, repeat=0.0, ref=True, priority=None)"},
    {"io", (PyCFunction)(void (*)(void))loop_io, METH_VARARGS | METH_KEYWORDS,
     "io(fd, events, ref=True, priority=None): events 1 to read, 2 to write."},
    {"now", loop_now, METH_NOARGS, "The time, in seconds since the epoch."},
    {"update_now", loop_update, METH_NOARGS, "Accepted; now() is up to date."},
    {"update", loop_update, METH_NOARGS, "Accepted; now() is up to date."},
    {NULL}};

static PyGetSetDef loop_getset[] = {
    {"default", loop_default, NULL, "Whether it is the main thread's.", NULL},
    {"backend", loop_backend, NULL, "What tells it of events.", NULL},
    {NULL}};

PyTypeObject Loop_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.loop",
    .tp_doc = "A thread's event loop.",
    .tp_basicsize = sizeof(Loop),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = loop_dealloc,
    .tp_repr = loop_repr,
    .tp_methods = loop_methods,
    .tp_getset = loop_getset,
};

int loop_object_init(PyObject *module)
{
    if (PyType_Ready(&Callback_Type) < 0)
        return -1;
    return module_add_type(module, &Loop_Type);
}

/* For the watchers. */
struct py_thread *loop_thread(PyObject *loop)
{
    return ((Loop *)loop)->thread;
}

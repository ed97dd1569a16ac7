/*
 * The watchers of hub.loop: timer and io.
 *
 *            start                     the event
 *   idle ------------> ACTIVE, armed ------------> ACTIVE, due (queued)
 *    ^                   ^      |                          |
 *    |   stop            |      | stop                     | its turn: called
 *    +-------------------|------+                          |
 *    |                   +---- again: repeat, io ----------+
 *    +------------------------ once: timer ----------------+
 *
 * An active watcher holds a reference to itself. One made with ref=False does
 * not keep the loop from ending: its timer or wait is counted in hub->unref.
 *
 * io watchers are called for as long as the descriptor is ready (level-
 * triggered), while the loop tells of changes: after each call, readiness is
 * asked for again.
 */
#include "hub_object.h"

#include <poll.h>
#include <structmember.h>

/* What both have. */
typedef struct Watcher {
    PyObject_HEAD
    PyObject *loop;
    PyObject *callback; /* NULL: not active */
    PyObject *args;     /* a tuple */
    struct run run;     /* queued: due */
    bool ref;           /* keeps the loop going */
    bool closed;
    bool active;
} Watcher;

typedef struct TimerWatcher {
    Watcher base;
    struct timer timer;
    double after;
    double repeat; /* seconds; 0: once */
} TimerWatcher;

typedef struct IoWatcher {
    Watcher base;
    struct loop_wait waits[2]; /* to read, to write */
    int fd;
    unsigned events;  /* LOOP_READ | LOOP_WRITE */
    unsigned revents; /* of those, what is ready */
    bool pass_events; /* as the first argument */
} IoWatcher;

static struct hub *hub_of(Watcher *w)
{
    return loop_thread(w->loop)->hub;
}

/* ---- common -------------------------------------------------------------- */

static int watcher_traverse(PyObject *self, visitproc visit, void *arg)
{
    Watcher *w = (Watcher *)self;
    Py_VISIT(w->loop);
    Py_VISIT(w->callback);
    Py_VISIT(w->args);
    return 0;
}

/* An active watcher is reachable, by its own reference. */
static int watcher_clear(PyObject *self)
{
    Watcher *w = (Watcher *)self;
    Py_CLEAR(w->callback);
    Py_CLEAR(w->args);
    return 0;
}

static void watcher_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    watcher_clear(self);
    Py_CLEAR(((Watcher *)self)->loop);
    Py_TYPE(self)->tp_free(self);
}

/* Checks loop (borrowed) and makes the object. */
static Watcher *watcher_new(PyTypeObject *type, PyObject *loop, int ref)
{
    if (!PyObject_TypeCheck(loop, &Loop_Type)) {
        PyErr_SetString(PyExc_TypeError, "a watcher needs a loop");
        return NULL;
    }
    Watcher *w = (Watcher *)type->tp_alloc(type, 0);
    if (!w)
        return NULL;
    w->loop = Py_NewRef(loop);
    w->ref = ref;
    return w;
}

/* start(callback, *args): keeps them. -1 with an exception. */
static int keep_callback(Watcher *w, PyObject *args)
{
    if (w->closed) {
        PyErr_SetString(PyExc_ValueError, "the watcher is closed");
        return -1;
    }
    if (PyTuple_GET_SIZE(args) < 1 ||
        !PyCallable_Check(PyTuple_GET_ITEM(args, 0))) {
        PyErr_SetString(PyExc_TypeError, "Expected callable");
        return -1;
    }
    if (hub_object_check_thread(loop_thread(w->loop)) < 0)
        return -1;
    PyObject *rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    if (!rest)
        return -1;
    Py_XSETREF(w->callback, Py_NewRef(PyTuple_GET_ITEM(args, 0)));
    Py_XSETREF(w->args, rest);
    return 0;
}

static void activate(Watcher *w)
{
    w->active = true;
    Py_INCREF(w);
}

static void deactivate(Watcher *w)
{
    if (run_queued(&w->run))
        run_queue_remove(&w->run);
    if (!w->active)
        return;
    w->active = false;
    Py_CLEAR(w->callback);
    Py_CLEAR(w->args);
    Py_DECREF(w);
}

static void call_it(Watcher *w, PyObject *args)
{
    PyObject *callback = Py_NewRef(w->callback);
    hub_object_enter(loop_thread(w->loop));
    PyObject *result = PyObject_Call(callback, args, NULL);
    if (!result)
        hub_object_report(loop_thread(w->loop), (PyObject *)w);
    Py_XDECREF(result);
    Py_DECREF(callback);
}

static PyObject *get_active(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Watcher *)self)->active);
}

static PyObject *get_pending(PyObject *self, void *closure)
{
    return PyBool_FromLong(run_queued(&((Watcher *)self)->run));
}

static PyObject *enter(PyObject *self, PyObject *none)
{
    return Py_NewRef(self);
}

static PyGetSetDef watcher_getset[] = {
    {"active", get_active, NULL, "Whether it was started and not stopped.",
     NULL},
    {"pending", get_pending, NULL, "Whether it is due to be called.", NULL},
    {NULL}};

static PyMemberDef watcher_members[] = {
    {"loop", T_OBJECT, offsetof(Watcher, loop), READONLY, NULL},
    {"callback", T_OBJECT, offsetof(Watcher, callback), READONLY, NULL},
    {"args", T_OBJECT, offsetof(Watcher, args), READONLY, NULL},
    {"ref", T_BOOL, offsetof(Watcher, ref), READONLY,
     "Whether it keeps the loop going."},
    {NULL}};

/* ---- timer --------------------------------------------------------------- */

static void timer_disarm(TimerWatcher *t)
{
    if (!timer_pending(&t->timer))
        return;
    timer_remove(&hub_of(&t->base)->timers, &t->timer);
    hub_of(&t->base)->unref -= !t->base.ref;
}

static void timer_arm(TimerWatcher *t, double seconds)
{
    int64_t ns = seconds <= 0       ? 0
                 : seconds >= 9.2e9 ? GROVE_NEVER
                                    : (int64_t)(seconds * 1e9);
    timer_disarm(t);
    timer_add(&hub_of(&t->base)->timers, &t->timer, hub_deadline(ns));
    hub_of(&t->base)->unref += !t->base.ref;
}

static void timer_due(struct timer *timer)
{
    TimerWatcher *t = container_of(timer, TimerWatcher, timer);
    hub_of(&t->base)->unref -= !t->base.ref;
    if (!run_queued(&t->base.run))
        hub_queue(hub_of(&t->base), &t->base.run);
}

static void timer_call(struct run *run)
{
    TimerWatcher *t = (TimerWatcher *)container_of(run, Watcher, run);
    Py_INCREF(t);
    PyObject *args = Py_NewRef(t->base.args);
    if (t->repeat > 0)
        timer_arm(t, t->repeat);
    call_it(&t->base, args);
    Py_DECREF(args);
    /* The callback may have stopped it or started it again. */
    if (!timer_pending(&t->timer) && !run_queued(&t->base.run))
        deactivate(&t->base);
    Py_DECREF(t);
}

static PyObject *timer_watcher_new(PyTypeObject *type, PyObject *args,
                                   PyObject *kwargs)
{
    static char *names[] = {(char *)"loop",     (char *)"after",
                            (char *)"repeat",   (char *)"ref",
                            (char *)"priority", NULL};
    PyObject *loop, *priority;
    double after = 0, repeat = 0;
    int ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|ddpO:timer", names, &loop,
                                     &after, &repeat, &ref, &priority))
        return NULL;
    if (repeat < 0) {
        PyErr_SetString(PyExc_ValueError, "repeat must be positive or zero");
        return NULL;
    }
    TimerWatcher *t = (TimerWatcher *)watcher_new(type, loop, ref);
    if (!t)
        return NULL;
    t->base.run.call = timer_call;
    t->timer.fn = timer_due;
    t->after = after;
    t->repeat = repeat;
    return (PyObject *)t;
}

/* start(callback, *args, update=None) */
static PyObject *timer_start(PyObject *self, PyObject *args, PyObject *kwargs)
{
    TimerWatcher *t = (TimerWatcher *)self;
    if (keep_callback(&t->base, args) < 0)
        return NULL;
    if (!t->base.active)
        activate(&t->base);
    timer_arm(t, t->after);
    Py_RETURN_NONE;
}

/* again(callback, *args): count anew from now, by repeat. */
static PyObject *timer_again(PyObject *self, PyObject *args, PyObject *kwargs)
{
    TimerWatcher *t = (TimerWatcher *)self;
    if (keep_callback(&t->base, args) < 0)
        return NULL;
    if (!t->base.active)
        activate(&t->base);
    timer_arm(t, t->repeat);
    Py_RETURN_NONE;
}

static PyObject *timer_stop(PyObject *self, PyObject *none)
{
    TimerWatcher *t = (TimerWatcher *)self;
    if (hub_object_check_thread(loop_thread(t->base.loop)) < 0)
        return NULL;
    timer_disarm(t);
    deactivate(&t->base);
    Py_RETURN_NONE;
}

static PyObject *timer_close(PyObject *self, PyObject *none)
{
    PyObject *result = timer_stop(self, NULL);
    ((Watcher *)self)->closed = true;
    return result;
}

static PyObject *timer_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return timer_close(self, NULL);
}

static PyMethodDef timer_methods[] = {
    {"start", (PyCFunction)(void (*)(void))timer_start,
     METH_VARARGS | METH_KEYWORDS,
     "start(callback, *args, update=None): count from now."},
    {"again", (PyCFunction)(void (*)(void))timer_again,
     METH_VARARGS | METH_KEYWORDS,
     "again(callback, *args, update=True): count from now, by repeat."},
    {"stop", timer_stop, METH_NOARGS, "Do not call it."},
    {"close", timer_close, METH_NOARGS, "Stop for good."},
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))timer_exit, METH_FASTCALL, NULL},
    {NULL}};

PyTypeObject TimerWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.timer",
    .tp_doc = "Calls back after some seconds, once or repeatedly.",
    .tp_basicsize = sizeof(TimerWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = timer_watcher_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_methods = timer_methods,
    .tp_getset = watcher_getset,
    .tp_members = watcher_members,
};

/* ---- io ------------------------------------------------------------------ */

static void io_disarm(IoWatcher *io)
{
    struct hub *hub = hub_of(&io->base);
    for (int i = 0; i < 2; i++) {
        if (!io->waits[i].back)
            continue;
        loop_wait_remove(&hub->loop, &io->waits[i]);
        hub->unref -= !io->base.ref;
    }
}

/* Which of its events are ready now. */
static unsigned io_ready(IoWatcher *io)
{
    struct pollfd p = {.fd = io->fd};
    if (io->events & LOOP_READ)
        p.events |= POLLIN;
    if (io->events & LOOP_WRITE)
        p.events |= POLLOUT;
    if (poll(&p, 1, 0) <= 0)
        return 0;
    unsigned ready = 0;
    if (p.revents & ~POLLOUT)
        ready |= LOOP_READ;
    if (p.revents & ~POLLIN)
        ready |= LOOP_WRITE;
    return ready & io->events;
}

static void io_due(IoWatcher *io, unsigned events)
{
    io->revents |= events;
    if (!run_queued(&io->base.run))
        hub_queue(hub_of(&io->base), &io->base.run);
}

static void io_event(struct loop_wait *wait, int result)
{
    IoWatcher *io = wait->direction == LOOP_READ
                        ? container_of(wait, IoWatcher, waits[0])
                        : container_of(wait, IoWatcher, waits[1]);
    hub_of(&io->base)->unref -= !io->base.ref;
    io_due(io, wait->direction);
}

/* Due at once or when the loop says so. -1 with OSError. */
static int io_arm(IoWatcher *io)
{
    struct hub *hub = hub_of(&io->base);
    struct loop_fd *record = loop_fd(&hub->loop, io->fd);
    int r = record ? loop_register(&hub->loop, record) : -errno;
    if (r < 0) {
        errno = -r;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    unsigned ready = record->always_ready ? io->events : io_ready(io);
    if (ready) {
        io_due(io, ready);
        return 0;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!(io->events & io->waits[i].direction) || io->waits[i].back)
            continue;
        loop_wait_add(&hub->loop, record, &io->waits[i]);
        hub->unref += !io->base.ref;
    }
    return 0;
}

static void io_call(struct run *run)
{
    IoWatcher *io = (IoWatcher *)container_of(run, Watcher, run);
    unsigned events = io->revents;
    io->revents = 0;
    Py_INCREF(io);
    PyObject *args = Py_NewRef(io->base.args);
    if (io->pass_events) {
        Py_ssize_t n = PyTuple_GET_SIZE(args);
        PyObject *all = PyTuple_New(n + 1);
        PyObject *first = all ? PyLong_FromLong((long)events) : NULL;
        if (first) {
            PyTuple_SET_ITEM(all, 0, first);
            for (Py_ssize_t i = 0; i < n; i++)
                PyTuple_SET_ITEM(all, i + 1,
                                 Py_NewRef(PyTuple_GET_ITEM(args, i)));
            Py_SETREF(args, all);
        } else {
            Py_XDECREF(all);
            hub_object_report(loop_thread(io->base.loop), (PyObject *)io);
        }
    }
    call_it(&io->base, args);
    Py_DECREF(args);
    if (io->base.active && !run_queued(run) && io_arm(io) < 0) {
        hub_object_report(loop_thread(io->base.loop), (PyObject *)io);
        io_disarm(io);
        deactivate(&io->base);
    }
    Py_DECREF(io);
}

static PyObject *io_watcher_new(PyTypeObject *type, PyObject *args,
                                PyObject *kwargs)
{
    static char *names[] = {(char *)"loop",     (char *)"fd",
                            (char *)"events",   (char *)"ref",
                            (char *)"priority", NULL};
    PyObject *loop, *priority;
    int fd, events, ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oii|pO:io", names, &loop,
                                     &fd, &events, &ref, &priority))
        return NULL;
    if (fd < 0) {
        PyErr_Format(PyExc_ValueError, "fd must be non-negative: %d", fd);
        return NULL;
    }
    if (events & ~(int)(LOOP_READ | LOOP_WRITE) || !events) {
        PyErr_Format(PyExc_ValueError, "illegal event mask: %d", events);
        return NULL;
    }
    IoWatcher *io = (IoWatcher *)watcher_new(type, loop, ref);
    if (!io)
        return NULL;
    io->base.run.call = io_call;
    io->fd = fd;
    io->events = (unsigned)events;
    for (unsigned i = 0; i < 2; i++) {
        io->waits[i].direction = LOOP_READ << i;
        io->waits[i].fn = io_event;
    }
    return (PyObject *)io;
}

/* start(callback, *args, pass_events=False) */
static PyObject *io_start(PyObject *self, PyObject *args, PyObject *kwargs)
{
    IoWatcher *io = (IoWatcher *)self;
    if (keep_callback(&io->base, args) < 0)
        return NULL;
    PyObject *pass =
        kwargs ? PyDict_GetItemString(kwargs, "pass_events") : NULL;
    io->pass_events = pass && PyObject_IsTrue(pass) == 1;
    if (io->base.active)
        Py_RETURN_NONE;
    activate(&io->base);
    if (io_arm(io) < 0) {
        deactivate(&io->base);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *io_stop(PyObject *self, PyObject *none)
{
    IoWatcher *io = (IoWatcher *)self;
    if (hub_object_check_thread(loop_thread(io->base.loop)) < 0)
        return NULL;
    io_disarm(io);
    io->revents = 0;
    deactivate(&io->base);
    Py_RETURN_NONE;
}

static PyObject *io_close(PyObject *self, PyObject *none)
{
    PyObject *result = io_stop(self, NULL);
    ((Watcher *)self)->closed = true;
    return result;
}

static PyObject *io_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return io_close(self, NULL);
}

static PyMethodDef io_methods[] = {
    {"start", (PyCFunction)(void (*)(void))io_start,
     METH_VARARGS | METH_KEYWORDS,
     "start(callback, *args, pass_events=False): call it while fd is ready."},
    {"stop", io_stop, METH_NOARGS, "Do not call it any more."},
    {"close", io_close, METH_NOARGS, "Stop for good."},
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))io_exit, METH_FASTCALL, NULL},
    {NULL}};

static PyMemberDef io_members[] = {
    {"loop", T_OBJECT, offsetof(Watcher, loop), READONLY, NULL},
    {"callback", T_OBJECT, offsetof(Watcher, callback), READONLY, NULL},
    {"args", T_OBJECT, offsetof(Watcher, args), READONLY, NULL},
    {"ref", T_BOOL, offsetof(Watcher, ref), READONLY,
     "Whether it keeps the loop going."},
    {"fd", T_INT, offsetof(IoWatcher, fd), READONLY, NULL},
    {"events", T_UINT, offsetof(IoWatcher, events), READONLY, NULL},
    {NULL}};

PyTypeObject IoWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.io",
    .tp_doc = "Calls back while a descriptor is ready.",
    .tp_basicsize = sizeof(IoWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = io_watcher_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_methods = io_methods,
    .tp_getset = watcher_getset,
    .tp_members = io_members,
};

int watchers_init(PyObject *module)
{
    if (module_add_type(module, &TimerWatcher_Type) < 0)
        return -1;
    return module_add_type(module, &IoWatcher_Type);
}

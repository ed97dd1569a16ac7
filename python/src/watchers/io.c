/*
 * loop.io(fd, events, ref=True, priority=None): a watcher of a descriptor. It
 * is called for as long as that is ready (level-triggered), while the loop
 * tells of changes: after each call, readiness is asked for again.
 */
#include "watchers/watcher.h"

#include <poll.h>

typedef struct IoWatcher {
    Watcher base;
    struct loop_wait waits[2]; /* to read, to write; back set: armed */
    int fd;                    /* the user's: not closed here */
    unsigned events;           /* LOOP_READ | LOOP_WRITE */
    unsigned revents;          /* of those, what is ready */
    bool pass_events;          /* as the first argument */
} IoWatcher;

static size_t io_armed(const Watcher *w)
{
    const IoWatcher *io = (const IoWatcher *)w;
    return (size_t)(io->waits[0].back != NULL) + (io->waits[1].back != NULL);
}

static void io_disarm(Watcher *w)
{
    IoWatcher *io = (IoWatcher *)w;
    io->revents = 0;
    for (int i = 0; i < 2; i++) {
        if (!io->waits[i].back)
            continue;
        loop_wait_remove(&watcher_hub(w)->loop, &io->waits[i]);
        watcher_count(w, -1);
    }
    assert(io_armed(w) == 0);
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
    assert(events && !(events & ~io->events));
    io->revents |= events;
    watcher_due(&io->base);
}

static void io_event(struct loop_wait *wait, int result)
{
    IoWatcher *io = wait->direction == LOOP_READ
                        ? container_of(wait, IoWatcher, waits[0])
                        : container_of(wait, IoWatcher, waits[1]);
    assert(io->base.active && !wait->back);
    watcher_count(&io->base, -1);
    io_due(io, wait->direction);
}

/* Due at once or when the loop says so. -1 with OSError. */
static int io_arm(Watcher *w)
{
    IoWatcher *io = (IoWatcher *)w;
    struct hub *hub = watcher_hub(w);
    assert(w->active && io->fd >= 0 && io->events);
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
        watcher_count(w, 1);
    }
    return 0;
}

static PyObject *io_before(Watcher *w)
{
    IoWatcher *io = (IoWatcher *)w;
    unsigned events = io->revents;
    io->revents = 0;
    if (!io->pass_events)
        return Py_NewRef(watcher_args(w));
    PyObject *args = watcher_args(w);
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *all = PyTuple_New(n + 1);
    PyObject *first = all ? PyLong_FromLong((long)events) : NULL;
    if (!first) {
        Py_XDECREF(all);
        return NULL;
    }
    PyTuple_SET_ITEM(all, 0, first);
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SET_ITEM(all, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    return all;
}

static int io_after(Watcher *w)
{
    return io_arm(w) < 0 ? -1 : 1;
}

static const char *events_name(unsigned events)
{
    static const char *const names[] = {"", "READ", "WRITE", "READ|WRITE"};
    return names[events & 3];
}

static PyObject *io_format(Watcher *w)
{
    IoWatcher *io = (IoWatcher *)w;
    return PyUnicode_FromFormat(" fd=%d events=%s", io->fd,
                                events_name(io->events));
}

static const struct watcher_kind io_kind = {
    .arm = io_arm,
    .disarm = io_disarm,
    .before = io_before,
    .after = io_after,
    .armed = io_armed,
    .format = io_format,
};

static int check_fd(int fd)
{
    if (fd >= 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "fd must be non-negative: %d", fd);
    return -1;
}

static int check_events(int events)
{
    if (events && !(events & ~(int)(LOOP_READ | LOOP_WRITE)))
        return 0;
    PyErr_Format(PyExc_ValueError,
                 "illegal event mask: %d (1 to read, 2 to write, 3 for both)",
                 events);
    return -1;
}

static PyObject *io_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"loop",     (char *)"fd",
                            (char *)"events",   (char *)"ref",
                            (char *)"priority", NULL};
    PyObject *loop, *priority = NULL;
    int fd, events, ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oii|pO:io", names, &loop,
                                     &fd, &events, &ref, &priority) ||
        check_fd(fd) < 0 || check_events(events) < 0)
        return NULL;
    IoWatcher *io =
        (IoWatcher *)watcher_new(type, loop, ref, priority, &io_kind);
    if (!io)
        return NULL;
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
    PyObject *pass = NULL;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        pass = PyDict_GetItemString(kwargs, "pass_events");
        if (!pass || PyDict_GET_SIZE(kwargs) > 1) {
            PyErr_Format(PyExc_TypeError, "unexpected keyword arguments: %R",
                         kwargs);
            return NULL;
        }
    }
    int passes = pass ? PyObject_IsTrue(pass) : 0;
    if (passes < 0 || watcher_start((Watcher *)self, args) < 0)
        return NULL;
    ((IoWatcher *)self)->pass_events = passes;
    Py_RETURN_NONE;
}

static PyObject *get_fd(PyObject *self, void *closure)
{
    return PyLong_FromLong(((IoWatcher *)self)->fd);
}

static PyObject *get_events(PyObject *self, void *closure)
{
    return PyLong_FromLong((long)((IoWatcher *)self)->events);
}

static PyObject *get_events_str(PyObject *self, void *closure)
{
    return PyUnicode_FromString(events_name(((IoWatcher *)self)->events));
}

/* A new fd or events. An active one watches that from now on, but libev's
 * refuses, and so does this. */
static int set_number(PyObject *self, PyObject *value, int (*check)(int),
                      int *number)
{
    if (((Watcher *)self)->active) {
        PyErr_Format(PyExc_AttributeError,
                     "'%s' watcher attribute is read-only while watcher is "
                     "active",
                     type_name(Py_TYPE(self)));
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "it cannot be deleted");
        return -1;
    }
    *number = state_as_int(value);
    if (*number == -1 && PyErr_Occurred())
        return -1;
    return check(*number);
}

static int set_fd(PyObject *self, PyObject *value, void *closure)
{
    int fd;
    if (set_number(self, value, check_fd, &fd) < 0)
        return -1;
    ((IoWatcher *)self)->fd = fd;
    return 0;
}

static int set_events(PyObject *self, PyObject *value, void *closure)
{
    int events;
    if (set_number(self, value, check_events, &events) < 0)
        return -1;
    ((IoWatcher *)self)->events = (unsigned)events;
    return 0;
}

static PyMethodDef io_methods[] = {
    {"start", (PyCFunction)(void (*)(void))io_start,
     METH_VARARGS | METH_KEYWORDS,
     "start($self, callback, /, *args, pass_events=False)\n--\n\n"
     "Call it while fd is ready."},
    {NULL}};

static PyGetSetDef io_getset[] = {
    {"fd", get_fd, set_fd, "The descriptor.", NULL},
    {"events", get_events, set_events, "1 to read, 2 to write, 3 both.", NULL},
    {"events_str", get_events_str, NULL, "events in words.", NULL},
    {NULL}};

PyTypeObject IoWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.io",
    .tp_doc = "Calls back while a descriptor is ready.",
    .tp_basicsize = sizeof(IoWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = io_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_methods = io_methods,
    .tp_getset = io_getset,
};

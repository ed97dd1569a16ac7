/*
 * hub.loop: the event loop, as far as Python sees it: what it is told, and what
 * it tells. It outlives its thread, whose struct it holds a reference to; what
 * would touch the hub then is refused. What runs the loop is the Hub's fiber.
 *
 * On its own thread but for run_callback_threadsafe.
 */
#include "hub/numbers.h"
#include "hub_object/private.h"

#include <time.h>

PyObject *loop_object_new(struct py_thread *t, bool is_default)
{
    Loop *loop = PyObject_GC_New(Loop, &Loop_Type);
    if (!loop)
        return NULL;
    assert(!t->dead && t->hub);
    loop->thread = t;
    t->references++;
    loop->error_handler = NULL;
    loop->own = NULL;
    loop->is_default = is_default;
    loop->destroyed = false;
    PyObject_GC_Track(loop);
    return (PyObject *)loop;
}

/* That flags could be of gevent's loops, though ours has no choice; or -1. */
static int check_flags(PyObject *flags)
{
    PyObject *values = PyImport_ImportModule("grove.settings.values");
    PyObject *done =
        values ? PyObject_CallMethod(values, "check_loop_flags", "(O)", flags)
               : NULL;
    Py_XDECREF(values);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* loop(flags=None, default=None): the Hub's, or another. */
static PyObject *loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"flags", (char *)"default", NULL};
    PyObject *flags = Py_None, *is_default = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:loop", names, &flags,
                                     &is_default) ||
        (flags != Py_None && check_flags(flags) < 0))
        return NULL;
    struct py_thread *t = thread_self();
    PyObject *hub = t ? hub_object(t) : NULL;
    int shared = is_default == Py_None ? 1 : PyObject_IsTrue(is_default);
    if (!hub || shared < 0)
        return NULL;
    if (shared)
        return PyObject_GetAttrString(hub, "loop");
    Loop *loop = (Loop *)loop_object_new(t, false);
    if (loop && !(loop->own = own_loop_new(t)))
        Py_CLEAR(loop);
    return (PyObject *)loop;
}

static int loop_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct own_loop *own = ((Loop *)self)->own;
    Py_VISIT(((Loop *)self)->error_handler);
    return own ? own_loop_traverse(own, visit, arg) : 0;
}

static int loop_clear(PyObject *self)
{
    struct own_loop *own = ((Loop *)self)->own;
    Py_CLEAR(((Loop *)self)->error_handler);
    if (own)
        own_loop_clear(own);
    return 0;
}

static void loop_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    loop_clear(self);
    if (((Loop *)self)->own)
        own_loop_free(((Loop *)self)->own);
    thread_unref(((Loop *)self)->thread);
    PyObject_GC_Del(self);
}

struct py_thread *loop_thread(PyObject *loop)
{
    return ((Loop *)loop)->thread;
}

bool loop_is_default(PyObject *loop)
{
    return ((Loop *)loop)->is_default;
}

void loop_destroy_object(PyObject *self)
{
    Loop *loop = (Loop *)self;
    if (!loop->destroyed && loop->own)
        own_loop_destroy(self, loop->own);
    loop->destroyed = true;
}

bool loop_is_own(PyObject *loop)
{
    return ((Loop *)loop)->own != NULL;
}

void loop_due(PyObject *loop, struct run *run)
{
    struct own_loop *own = ((Loop *)loop)->own;
    if (own)
        own_loop_due(own, run);
    else
        hub_queue(loop_thread(loop)->hub, run);
}

void loop_count(PyObject *loop, int n)
{
    struct own_loop *own = ((Loop *)loop)->own;
    if (own && !loop_thread(loop)->dead)
        own_loop_count(own, n);
}

int loop_check(PyObject *loop)
{
    if (likely(!((Loop *)loop)->destroyed))
        return 0;
    PyErr_SetString(PyExc_ValueError, "operation on destroyed loop");
    return -1;
}

/* On its own thread, and not destroyed. The hub, or NULL with an exception. */
static struct hub *hub_of(PyObject *self)
{
    struct py_thread *t = loop_thread(self);
    if (loop_check(self) < 0 || hub_object_check_thread(t) < 0)
        return NULL;
    assert(!t->dead && t->hub == hub_of_thread);
    return t->hub;
}

/* ---- callbacks of the loop ----------------------------------------------- */

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

static PyObject *queue_callback(PyObject *loop, PyObject *fn, PyObject *args)
{
    if (!loop_is_own(loop))
        return loop_run_callback(loop_thread(loop), fn, args);
    struct run *run;
    PyObject *cb = callback_make(loop, fn, args, &run);
    if (cb)
        loop_due(loop, run);
    return cb;
}

static void came_to_own(PyObject *loop, struct run *run)
{
    own_loop_came(((Loop *)loop)->own);
    if (((Loop *)loop)->destroyed)
        callback_drop(run);
    else
        loop_due(loop, run);
}

static PyObject *loop_run_callback_method(PyObject *self, PyObject *const *args,
                                          Py_ssize_t n)
{
    PyObject *rest;
    if (!hub_of(self) || split("run_callback", args, n, &rest) < 0)
        return NULL;
    PyObject *cb = queue_callback(self, args[0], rest);
    Py_XDECREF(rest);
    return cb;
}

static PyObject *loop_run_callback_threadsafe(PyObject *self,
                                              PyObject *const *args,
                                              Py_ssize_t n)
{
    struct py_thread *t = loop_thread(self);
    if (t->dead) {
        PyErr_SetString(PyExc_HubDestroyed, "the hub's thread has ended");
        return NULL;
    }
    PyObject *rest;
    if (loop_check(self) < 0 ||
        split("run_callback_threadsafe", args, n, &rest) < 0)
        return NULL;
    PyObject *own = loop_is_own(self) ? self : NULL;
    PyObject *cb = loop_post_callback(t, args[0], rest, own, came_to_own);
    if (cb && own)
        own_loop_expect(((Loop *)own)->own);
    Py_XDECREF(rest);
    return cb;
}

/* ---- control ------------------------------------------------------------- */

static PyObject *loop_now(PyObject *self, PyObject *none)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return PyFloat_FromDouble((double)ts.tv_sec + (double)ts.tv_nsec * 1e-9);
}

/* Timers read the clock themselves. */
static PyObject *loop_nothing(PyObject *self, PyObject *none)
{
    if (loop_check(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *loop_ref(PyObject *self, PyObject *none)
{
    struct hub *hub = hub_of(self);
    if (!hub)
        return NULL;
    if (loop_is_own(self))
        loop_count(self, 1);
    else
        grove_hub_hold((grove_hub *)hub);
    Py_RETURN_NONE;
}

static PyObject *loop_unref(PyObject *self, PyObject *none)
{
    struct hub *hub = hub_of(self);
    if (!hub)
        return NULL;
    if (loop_is_own(self))
        loop_count(self, -1);
    else if (hub->holds)
        grove_hub_unhold((grove_hub *)hub);
    else
        hub->unref++;
    Py_RETURN_NONE;
}

/* The Hub runs the loop: this gives it the time to. */
static PyObject *loop_run(PyObject *self, PyObject *const *args, Py_ssize_t n,
                          PyObject *names)
{
    static const char *const keywords[] = {"nowait", "once", NULL};
    PyObject *given[] = {Py_False, Py_False};
    if (arguments("run", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int nowait = PyObject_IsTrue(given[0]), once = PyObject_IsTrue(given[1]);
    if (nowait < 0 || once < 0 || !hub_of(self))
        return NULL;
    struct py_thread *t = loop_thread(self);
    if (loop_is_own(self)) {
        if (own_loop_run(self, ((Loop *)self)->own, t, nowait, once) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    if (nowait) {
        if (wait_turn(t) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *hub = hub_object(t);
    if (!hub)
        return NULL;
    if (!once)
        return PyObject_CallMethod(hub, "join", NULL);
    PyObject *check = PyObject_CallMethod(self, "check", NULL);
    PyObject *result =
        check ? PyObject_CallMethod(hub, "wait", "O", check) : NULL;
    Py_XDECREF(check);
    return result;
}

/* In place of a callback object. */
struct break_run {
    struct run run;  /* queued as long as it exists */
    struct hub *hub; /* in whose queue */
};

static void break_now(struct run *run)
{
    struct hub *hub = container_of(run, struct break_run, run)->hub;
    assert(!run_queued(run) && hub == hub_of_thread);
    PyMem_Free(container_of(run, struct break_run, run));
    hub_object_deadlock(((struct green *)hub->root.host)->thread);
}

static bool take_break(struct run *run)
{
    if (run->call != break_now)
        return false;
    run_queue_remove(run);
    PyMem_Free(container_of(run, struct break_run, run));
    return true;
}

void loop_breaks_abandon(struct hub *hub)
{
    thread_take_due(hub, take_break);
}

/* Whoever waits in the main greenlet gets LoopExit. */
static PyObject *loop_break(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct hub *hub = hub_of(self);
    if (!hub || arguments_count("break_", n, 0, 1) < 0)
        return NULL;
    if (loop_is_own(self)) {
        own_loop_break(((Loop *)self)->own);
        Py_RETURN_NONE;
    }
    struct break_run *b = PyMem_Calloc(1, sizeof(*b));
    if (!b)
        return PyErr_NoMemory();
    b->run.call = break_now;
    b->hub = hub;
    hub_queue(hub, &b->run);
    Py_RETURN_NONE;
}

static PyObject *loop_destroy_method(PyObject *self, PyObject *none)
{
    struct py_thread *t = loop_thread(self);
    if (!t->dead && hub_object_check_thread(t) < 0)
        return NULL;
    loop_destroy_object(self);
    Py_RETURN_TRUE;
}

/* fd is about to be closed: whoever waits for it is told. Whether somebody
 * did. */
static PyObject *loop_closing_fd(PyObject *self, PyObject *arg)
{
    int fd = state_as_int(arg);
    struct hub *hub = fd == -1 && PyErr_Occurred() ? NULL : hub_of(self);
    if (!hub)
        return NULL;
    size_t before = hub->loop.waits;
    if (fd >= 0)
        hub_closing(fd);
    return PyBool_FromLong(hub->loop.waits < before);
}

static PyObject *loop_handle_error(PyObject *self, PyObject *const *args,
                                   Py_ssize_t n)
{
    if (arguments_count("handle_error", n, 4, 4) < 0)
        return NULL;
    struct py_thread *t = loop_thread(self);
    PyObject *handler = ((Loop *)self)->error_handler;
    if (!handler || handler == Py_None)
        handler = t->hub_object;
    if (!handler)
        Py_RETURN_NONE;
    return PyObject_CallMethod(handler, "handle_error", "OOOO", args[0],
                               args[1], args[2], args[3]);
}

/* ---- attributes ---------------------------------------------------------- */

static PyObject *get_default(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Loop *)self)->is_default);
}

static PyObject *get_backend(PyObject *self, void *closure)
{
    return PyUnicode_FromString("epoll");
}

static PyObject *get_backend_int(PyObject *self, void *closure)
{
    return PyLong_FromLong(4); /* libev's number of epoll */
}

static struct own_loop_figures figures(PyObject *self)
{
    return own_loop_figures(((Loop *)self)->own);
}

static PyObject *get_zero(PyObject *self, void *closure)
{
    return PyLong_FromLong(0);
}

static PyObject *get_flags(PyObject *self, void *closure)
{
    return PyList_New(0);
}

/* Passes are not counted, switches are; they grow likewise. */
static PyObject *get_iteration(PyObject *self, void *closure)
{
    struct py_thread *t = loop_thread(self);
    if (loop_is_own(self))
        return PyLong_FromUnsignedLongLong(figures(self).passes);
    return PyLong_FromUnsignedLongLong(t->dead ? 0 : t->hub->switches);
}

static PyObject *get_depth(PyObject *self, void *closure)
{
    struct py_thread *t = loop_thread(self);
    if (loop_is_own(self))
        return PyLong_FromUnsignedLong(figures(self).depth);
    return PyLong_FromLong(!t->dead && (PyObject *)t->current == t->hub_object);
}

static PyObject *get_pendingcnt(PyObject *self, void *closure)
{
    struct py_thread *t = loop_thread(self);
    if (loop_is_own(self))
        return PyLong_FromSize_t(figures(self).due);
    return PyLong_FromSize_t(t->dead ? 0 : hub_due(t->hub, HUB_DUE_ALL));
}

static PyObject *get_activecnt(PyObject *self, void *closure)
{
    struct py_thread *t = loop_thread(self);
    if (t->dead)
        return PyLong_FromLong(0);
    if (loop_is_own(self))
        return PyLong_FromSsize_t(figures(self).references);
    struct hub *hub = t->hub;
    return PyLong_FromSsize_t(
        (Py_ssize_t)(hub->timers.count + hub->loop.waits + hub->holds) -
        (Py_ssize_t)hub->unref);
}

static PyObject *get_ptr(PyObject *self, void *closure)
{
    struct own_loop *own = ((Loop *)self)->own;
    return PyLong_FromVoidPtr(own ? (void *)own : loop_thread(self)->hub);
}

static PyObject *get_error_handler(PyObject *self, void *closure)
{
    PyObject *handler = ((Loop *)self)->error_handler;
    return Py_NewRef(handler ? handler : Py_None);
}

static int set_error_handler(PyObject *self, PyObject *value, void *closure)
{
    Py_XSETREF(((Loop *)self)->error_handler, Py_XNewRef(value));
    return 0;
}

static PyObject *loop_fileno(PyObject *self, PyObject *none)
{
    struct hub *hub = hub_of(self);
    struct own_loop *own = ((Loop *)self)->own;
    int fd = !hub ? -1 : own ? own_loop_fd(own, hub) : hub->loop.epoll;
    return fd >= 0 ? PyLong_FromLong(fd) : NULL;
}

static PyObject *loop_verify(PyObject *self, PyObject *none)
{
    if (loop_check(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *loop_format(PyObject *self, PyObject *none)
{
    if (((Loop *)self)->destroyed)
        return PyUnicode_FromString("destroyed");
    PyObject *pending = get_pendingcnt(self, NULL);
    PyObject *active = pending ? get_activecnt(self, NULL) : NULL;
    PyObject *text =
        active
            ? PyUnicode_FromFormat("epoll%s pending=%S ref=%S",
                                   ((Loop *)self)->is_default ? " default" : "",
                                   pending, active)
            : NULL;
    Py_XDECREF(pending);
    Py_XDECREF(active);
    return text;
}

static PyObject *loop_repr(PyObject *self)
{
    PyObject *text = loop_format(self, NULL);
    PyObject *repr =
        text ? PyUnicode_FromFormat("<loop at %p %U>", self, text) : NULL;
    Py_XDECREF(text);
    return repr;
}

static PyMethodDef loop_methods[] = {
    {"run_callback", (PyCFunction)(void (*)(void))loop_run_callback_method,
     METH_FASTCALL,
     "run_callback($self, function, /, *args)\n--\n\n"
     "Call it in the Hub, after what is due.\n\n"
     "    >>> import grove\n"
     "    >>> callback = grove.get_hub().loop.run_callback(print, \"in the "
     "hub\")\n"
     "    >>> grove.sleep()\n"
     "    in the hub"},
    {"run_callback_threadsafe",
     (PyCFunction)(void (*)(void))loop_run_callback_threadsafe, METH_FASTCALL,
     "run_callback_threadsafe($self, function, /, *args)\n--\n\n"
     "As run_callback(), from any thread.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.event import Event\n"
     "    >>> event, loop = Event(), grove.get_hub().loop\n"
     "    >>> grove.get_hub().threadpool.apply(loop.run_callback_threadsafe, "
     "(event.set,))\n"
     "    <callback ...>\n"
     "    >>> event.wait(timeout=60)\n"
     "    True"},
    {"now", loop_now, METH_NOARGS,
     "now($self, /)\n--\n\n"
     "The time, in seconds since the epoch.\n\n"
     "    >>> import time\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.now() <= time.time()\n"
     "    True"},
    {"update_now", loop_nothing, METH_NOARGS,
     "update_now($self, /)\n--\n\n"
     "Nothing; now() is up to date.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.update_now()"},
    {"update", loop_nothing, METH_NOARGS,
     "update($self, /)\n--\n\n"
     "Nothing; now() is up to date.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.update()"},
    {"reinit", loop_nothing, METH_NOARGS,
     "reinit($self, /)\n--\n\n"
     "Nothing: the loop of a forked child is fresh.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.reinit()"},
    {"install_sigchld", loop_nothing, METH_NOARGS,
     "install_sigchld($self, /)\n--\n\n"
     "Nothing: child watchers need no SIGCHLD.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.install_sigchld()"},
    {"reset_sigchld", loop_nothing, METH_NOARGS,
     "reset_sigchld($self, /)\n--\n\n"
     "Nothing: child watchers need no SIGCHLD.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.reset_sigchld()"},
    {"ref", loop_ref, METH_NOARGS,
     "ref($self, /)\n--\n\n"
     "One more reason for the loop to go on.\n\n"
     "    >>> import grove\n"
     "    >>> loop = grove.get_hub().loop\n"
     "    >>> loop.ref()\n"
     "    >>> loop.unref()"},
    {"unref", loop_unref, METH_NOARGS,
     "unref($self, /)\n--\n\n"
     "One less.\n\n"
     "    >>> import grove\n"
     "    >>> loop = grove.get_hub().loop\n"
     "    >>> loop.ref()\n"
     "    >>> loop.unref()"},
    {"run", (PyCFunction)(void (*)(void))loop_run,
     METH_FASTCALL | METH_KEYWORDS,
     "run($self, /, nowait=False, once=False)\n--\n\n"
     "Let the loop run, until nothing is left to wait for, or just once.\n"
     "Not in the Hub.\n\n"
     "    >>> from grove import core\n"
     "    >>> loop = core.loop(default=False)\n"
     "    >>> called = loop.run_callback(print, \"called\")\n"
     "    >>> _ = loop.run(once=True)\n"
     "    called\n"
     "    >>> loop.destroy()\n"
     "    True"},
    {"break_", (PyCFunction)(void (*)(void))loop_break, METH_FASTCALL,
     "break_($self, how=None, /)\n--\n\n"
     "Raise LoopExit in the main greenlet.\n\n"
     "    >>> import grove\n"
     "    >>> loop = grove.get_hub().loop\n"
     "    >>> called = loop.run_callback(loop.break_)\n"
     "    >>> try:\n"
     "    ...     grove.sleep(3600)\n"
     "    ... except grove.hub.LoopExit:\n"
     "    ...     print(\"broken off\")\n"
     "    broken off"},
    {"destroy", loop_destroy_method, METH_NOARGS,
     "destroy($self, /)\n--\n\n"
     "It cannot be used any more.\n\n"
     "    >>> from grove import core\n"
     "    >>> loop = core.loop(default=False)\n"
     "    >>> loop.destroy()\n"
     "    True\n"
     "    >>> loop.timer(1)\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    ValueError: operation on destroyed loop"},
    {"closing_fd", loop_closing_fd, METH_O,
     "closing_fd($self, fd, /)\n--\n\n"
     "The descriptor is about to be closed; whether somebody waited for it.\n\n"
     "    >>> import grove\n"
     "    >>> from grove import socket\n"
     "    >>> a, b = socket.socketpair()\n"
     "    >>> grove.get_hub().loop.closing_fd(a.fileno())\n"
     "    False\n"
     "    >>> a.close(), b.close()\n"
     "    (None, None)"},
    {"handle_error", (PyCFunction)(void (*)(void))loop_handle_error,
     METH_FASTCALL,
     "handle_error($self, context, kind, value, tb, /)\n--\n\n"
     "Tell error_handler, or the Hub.\n\n"
     "    >>> from grove import core\n"
     "    >>> class Errors:\n"
     "    ...     def handle_error(self, context, kind, value, tb):\n"
     "    ...         print(value)\n"
     "    >>> loop = core.loop(default=False)\n"
     "    >>> loop.error_handler = Errors()\n"
     "    >>> loop.handle_error(None, OSError, OSError(\"disk full\"), None)\n"
     "    disk full\n"
     "    >>> loop.destroy()\n"
     "    True"},
    {"fileno", loop_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "The descriptor of its epoll.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub().loop.fileno() >= 0\n"
     "    True"},
    {"verify", loop_verify, METH_NOARGS,
     "verify($self, /)\n--\n\n"
     "ValueError if it was destroyed.\n\n"
     "    >>> from grove import core\n"
     "    >>> loop = core.loop(default=False)\n"
     "    >>> loop.verify()\n"
     "    >>> loop.destroy()\n"
     "    True\n"
     "    >>> loop.verify()\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    ValueError: operation on destroyed loop"},
    {"_format", loop_format, METH_NOARGS, "What repr() tells of it."},
    {NULL}};

static PyGetSetDef loop_getset[] = {
    {"default", get_default, NULL, "Whether it is the main thread's.", NULL},
    {"backend", get_backend, NULL, "What tells it of events.", NULL},
    {"backend_int", get_backend_int, NULL, "The same as a number.", NULL},
    {"origflags", get_flags, NULL, "[]", NULL},
    {"origflags_int", get_zero, NULL, "0", NULL},
    {"sig_pending", get_zero, NULL, "0", NULL},
    {"iteration", get_iteration, NULL, "Grows as the loop runs.", NULL},
    {"depth", get_depth, NULL, "1 in a callback, else 0.", NULL},
    {"pendingcnt", get_pendingcnt, NULL, "How much is due.", NULL},
    {"activecnt", get_activecnt, NULL,
     "How many reasons there are for the loop to go on.", NULL},
    {"ptr", get_ptr, NULL, "The address of the runtime's hub.", NULL},
    {"error_handler", get_error_handler, set_error_handler,
     "Whose handle_error is called; None: the Hub's.", NULL},
    {NULL}};

PyTypeObject Loop_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.loop",
    .tp_doc = "loop(flags=None, default=None)\n--\n\n"
              "A thread's event loop: its Hub's, or with default=False one "
              "of its own, whose\nrun() calls back in the greenlet that called "
              "it.\n\n"
              "    >>> from grove import core\n"
              "    >>> loop = core.loop(default=False)\n"
              "    >>> timer = loop.timer(0.01)\n"
              "    >>> timer.start(print, \"rang\")\n"
              "    >>> _ = loop.run()\n"
              "    rang\n"
              "    >>> loop.destroy()\n"
              "    True",
    .tp_basicsize = sizeof(Loop),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = loop_new,
    .tp_traverse = loop_traverse,
    .tp_clear = loop_clear,
    .tp_dealloc = loop_dealloc,
    .tp_repr = loop_repr,
    .tp_methods = loop_methods,
    .tp_getset = loop_getset,
};

/* Constants of the class. */
static int add_constants(void)
{
    const struct {
        const char *name;
        PyObject *value;
    } all[] = {
        {"MAXPRI", PyLong_FromLong(2)},
        {"MINPRI", PyLong_FromLong(-2)},
        {"CALLBACK_CHECK_COUNT", PyLong_FromLong(50)},
        {"approx_timer_resolution", PyFloat_FromDouble(1e-5)},
        {"starting_timer_may_update_loop_time", Py_NewRef(Py_True)},
    };
    int r = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (!all[i].value ||
            PyDict_SetItemString(Loop_Type.tp_dict, all[i].name, all[i].value) <
                0)
            r = -1;
        Py_XDECREF(all[i].value);
    }
    PyType_Modified(&Loop_Type);
    return r;
}

int loop_object_init(PyObject *module)
{
    if (module_add_type(module, &Loop_Type) < 0)
        return -1;
    return add_constants();
}

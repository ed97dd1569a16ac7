/*
 * What others do about a Greenlet: join it, get its result, kill it, throw into
 * it.
 *
 * To wait is to link a node on the waiter's own stack to the Greenlet and to
 * park.
 */
#include "greenlet/private.h"
#include "hub/mailbox.h"

/* ---- waiting for one ----------------------------------------------------- */

/* Who waits in green_join, on its stack. */
struct joiner {
    struct green_node node;    /* in the list of whom it waits for */
    struct grove_fiber *fiber; /* who waits */
};

static struct grove_fiber *joiner_goes_on(struct green_node *node)
{
    return container_of(node, struct joiner, node)->fiber;
}

enum core_wait_result green_join(struct py_thread *t, Greenlet *g,
                                 int64_t deadline)
{
    if (green_ready(g))
        return CORE_WOKEN;
    struct joiner joiner = {.node = {.fired = joiner_goes_on},
                            .fiber = t->hub->current};
    Py_INCREF(g);
    green_node_add(g, &joiner.node);
    assert(t->tstate == state_current_tstate() && !PyErr_Occurred());
    enum core_wait_result r;
    do
        r = wait_until(t, GROVE_WAIT_END, deadline, "join");
    while (r == CORE_WOKEN && !green_ready(g));
    assert((r == CORE_FAILED) == (PyErr_Occurred() != NULL));
    green_node_remove(g, &joiner.node);
    Py_DECREF(g);
    return r;
}

/* green_join for Python: not on another thread, and not of oneself for ever. A
 * deadline that came first counts, though g has ended by now. */
static enum core_wait_result join_checked(Greenlet *g, PyObject *timeout)
{
    struct py_thread *t = green_state(g)->thread;
    int64_t deadline;
    if (green_ready(g))
        return CORE_WOKEN;
    if (hub_object_check_thread(t) < 0 ||
        timeout_deadline(timeout, &deadline) < 0)
        return CORE_FAILED;
    if (unlikely(t->current == green_base(g) && timeout == Py_None)) {
        hub_object_set_loop_exit(t);
        return CORE_FAILED;
    }
    return timeout_settle(timeout, green_join(t, g, deadline));
}

static PyObject *green_join_method(PyObject *self, PyObject *const *args,
                                   Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("join", args, n, names, keywords, 0, &timeout) < 0 ||
        join_checked((Greenlet *)self, timeout) == CORE_FAILED)
        return NULL;
    Py_RETURN_NONE;
}

/* Raising adds to the traceback, so the one it had is put back first. */
PyObject *green_raise(Greenlet *g)
{
    assert(g->exception && !PyErr_Occurred());
    PyException_SetTraceback(g->exception,
                             g->traceback ? g->traceback : Py_None);
    exception_set(Py_NewRef(g->exception));
    return NULL;
}

static PyObject *green_get(PyObject *self, PyObject *const *args, Py_ssize_t n,
                           PyObject *names)
{
    static const char *const keywords[] = {"block", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if (arguments("get", args, n, names, keywords, 0, given) < 0)
        return NULL;
    Greenlet *g = (Greenlet *)self;
    if (!green_ready(g)) {
        int block = PyObject_IsTrue(given[0]);
        enum core_wait_result r = block < 0    ? CORE_FAILED
                                  : block == 0 ? CORE_TIMED_OUT
                                               : join_checked(g, given[1]);
        if (r == CORE_TIMED_OUT)
            timeout_raise(block ? given[1] : NULL);
        if (r != CORE_WOKEN)
            return NULL;
    }
    assert(green_ready(g));
    if (g->exception)
        return green_raise(g);
    return Py_NewRef(g->value ? g->value : Py_None);
}

static PyObject *green_raise_method(PyObject *self, PyObject *none)
{
    Greenlet *g = (Greenlet *)self;
    if (g->exception)
        return green_raise(g);
    Py_RETURN_NONE;
}

static PyObject *green_ready_method(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(green_ready((Greenlet *)self));
}

static PyObject *green_successful(PyObject *self, PyObject *none)
{
    Greenlet *g = (Greenlet *)self;
    return PyBool_FromLong(g->finished && !g->exception);
}

/* ---- throwing ------------------------------------------------------------ */

PyObject *green_exception(PyObject *spec)
{
    PyObject *type = spec, *value = NULL, *tb = NULL;
    if (PyTuple_Check(spec) &&
        !PyArg_UnpackTuple(spec, "exception", 1, 3, &type, &value, &tb))
        return NULL;
    PyObject *exception = NULL;
    if (PyExceptionInstance_Check(type)) {
        exception = Py_NewRef(type);
    } else if (!PyExceptionClass_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes, or instances, not %s",
                     Py_TYPE(type)->tp_name);
        return NULL;
    } else if (value && PyExceptionInstance_Check(value)) {
        exception = Py_NewRef(value);
    } else if (value && value != Py_None) {
        exception = PyObject_CallOneArg(type, value);
    } else {
        exception = PyObject_CallNoArgs(type);
    }
    if (exception && tb && PyTraceBack_Check(tb))
        PyException_SetTraceback(exception, tb);
    return exception;
}

bool green_kill_unstarted(Greenlet *g, PyObject *exception)
{
    if (g->finished || green_state(g)->phase != GREEN_UNSTARTED)
        return false;
    green_cancel_start(g);
    green_end_unrun(g, Py_NewRef(exception));
    return true;
}

/* A throw that waits for its turn in the Hub. Its fields are with the GIL. */
struct throw_later {
    struct run run;      /* in the hub's queue, when its own thread asks */
    grove_post post;     /* to that hub, when another does */
    PyGreenlet *target;  /* owned */
    PyObject *exception; /* owned */
    struct green_killer *killer; /* who waits for it; NULL: nobody */
};

static void forget(struct throw_later *later)
{
    Py_DECREF(later->target);
    Py_DECREF(later->exception);
    PyMem_Free(later);
}

static void throw_now(struct throw_later *later)
{
    struct py_thread *t = later->target->green->thread;
    assert(t->tstate == state_current_tstate() && !PyErr_Occurred());
    if (later->target->green->phase != GREEN_DEAD) {
        PyObject *result =
            greenlet_throw(later->target, later->exception, NULL, NULL);
        if (!result)
            hub_object_report(t, (PyObject *)later->target);
        Py_XDECREF(result);
    }
    if (later->killer) {
        later->killer->thrown = NULL;
        hub_wake_first(later->killer->fiber, 0);
    }
    forget(later);
}

static void on_turn(struct run *run)
{
    throw_now(container_of(run, struct throw_later, run));
}

static bool take(struct run *run)
{
    if (run->call != on_turn)
        return false;
    run_queue_remove(run);
    struct throw_later *later = container_of(run, struct throw_later, run);
    if (later->killer)
        later->killer->thrown = NULL;
    forget(later);
    return true;
}

static void on_post(grove_post *post)
{
    throw_now(container_of(post, struct throw_later, post));
}

static void take_post(grove_post *post)
{
    forget(container_of(post, struct throw_later, post));
}

void green_throws_abandon(struct hub *hub)
{
    thread_take_due(hub, take);
    hub_take_posts(hub, on_post, take_post);
}

void green_killer_leave(struct green_killer *killer)
{
    if (killer->thrown)
        killer->thrown->killer = NULL;
    killer->thrown = NULL;
}

int green_throw_later(PyGreenlet *g, PyObject *exception,
                      struct green_killer *killer)
{
    struct py_thread *t = g->green->thread, *mine = thread_self();
    if (!mine)
        return -1;
    if (t->dead)
        return 0;
    struct throw_later *later = PyMem_Malloc(sizeof(*later));
    if (!later) {
        PyErr_NoMemory();
        return -1;
    }
    *later =
        (struct throw_later){.run = {.call = on_turn},
                             .post = {.fn = on_post},
                             .target = (PyGreenlet *)Py_NewRef((PyObject *)g),
                             .exception = Py_NewRef(exception)};
    if (killer) {
        assert(mine == t);
        green_killer_leave(killer);
        later->killer = killer;
        killer->thrown = later;
    }
    if (mine == t)
        hub_queue(t->hub, &later->run);
    else
        grove_hub_post((grove_hub *)t->hub, &later->post);
    return 0;
}

int green_await_throw(struct py_thread *t, struct green_killer *killer,
                      int64_t deadline)
{
    enum core_wait_result r = CORE_WOKEN;
    while (killer->thrown && r == CORE_WOKEN)
        r = wait_until(t, GROVE_WAIT_END, deadline, "kill");
    green_killer_leave(killer);
    return r == CORE_FAILED ? -1 : 0;
}

static PyObject *green_throw(PyObject *self, PyObject *args)
{
    Greenlet *g = (Greenlet *)self;
    PyObject *type = PyExc_GreenletExit, *value = NULL, *tb = NULL;
    if (!PyArg_UnpackTuple(args, "throw", 0, 3, &type, &value, &tb))
        return NULL;
    if (green_state(g)->phase != GREEN_UNSTARTED)
        return greenlet_throw(green_base(g), type, value, tb);
    if (hub_object_check_thread(green_state(g)->thread) < 0)
        return NULL;
    PyObject *spec =
        PyTuple_Pack(3, type, value ? value : Py_None, tb ? tb : Py_None);
    PyObject *exception = spec ? green_exception(spec) : NULL;
    Py_XDECREF(spec);
    if (!exception)
        return NULL;
    green_kill_unstarted(g, exception);
    Py_DECREF(exception);
    Py_RETURN_NONE;
}

/* ---- killing ------------------------------------------------------------- */

PyObject *green_kill_exception(PyObject *spec)
{
    PyObject *exception = green_exception(spec);
    if (!exception && PyErr_ExceptionMatches(PyExc_Exception))
        exception = exception_take();
    return exception;
}

static int kill_greenlet(Greenlet *g, PyObject *spec, int block,
                         PyObject *timeout)
{
    struct py_thread *t = green_state(g)->thread;
    if (green_ready(g))
        return 0;
    int64_t deadline;
    if (block && timeout_deadline(timeout, &deadline) < 0)
        return -1;
    PyObject *exception = green_kill_exception(spec);
    if (!exception)
        return -1;
    bool mine = thread_self() == t;
    enum core_wait_result r = CORE_WOKEN;
    if (!mine || !green_kill_unstarted(g, exception)) {
        bool waits = block && mine && (PyObject *)t->current != t->hub_object;
        struct green_killer killer = {.fiber = t->hub->current};
        if (green_throw_later(green_base(g), exception,
                              waits ? &killer : NULL) < 0 ||
            (waits && green_await_throw(t, &killer, deadline) < 0))
            r = CORE_FAILED;
        if (r == CORE_WOKEN && block && mine)
            r = green_join(t, g, deadline);
        if (block && mine)
            r = timeout_settle(timeout, r);
    }
    Py_DECREF(exception);
    return r == CORE_FAILED ? -1 : 0;
}

static PyObject *green_kill_method(PyObject *self, PyObject *const *args,
                                   Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"exception", "block", "timeout",
                                           NULL};
    PyObject *given[] = {PyExc_GreenletExit, Py_True, Py_None};
    if (arguments("kill", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int block = PyObject_IsTrue(given[1]);
    if (block < 0 ||
        kill_greenlet((Greenlet *)self, given[0], block, given[2]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *maybe_kill_before_start(PyObject *self, PyObject *spec)
{
    PyObject *exception = green_exception(spec);
    if (!exception)
        return NULL;
    bool killed = green_kill_unstarted((Greenlet *)self, exception);
    Py_DECREF(exception);
    return PyBool_FromLong(killed);
}

/* ---- with ---------------------------------------------------------------- */

static PyObject *green_enter(PyObject *self, PyObject *none)
{
    return Py_NewRef(self);
}

static int done(PyObject *result)
{
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* join and kill may be overridden. Leaving waits for it, and kills it if the
 * wait fails; leaving by an exception kills it by the same. */
static PyObject *green_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (arguments_count("__exit__", n, 3, 3) < 0)
        return NULL;
    PyObject *failed = NULL, *killed;
    if (args[0] == Py_None) {
        if (done(PyObject_CallMethod(self, "join", NULL)) < 0)
            failed = exception_take();
        killed = PyObject_CallMethod(self, "kill", "(O)", PyExc_GreenletExit);
    } else {
        killed = PyObject_CallMethod(self, "kill", "((OOO))", args[0], args[1],
                                     args[2]);
    }
    if (done(killed) < 0) {
        Py_XDECREF(failed);
        return NULL;
    }
    if (failed) {
        exception_set(failed);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef green_methods[] = {
    {"join", (PyCFunction)(void (*)(void))green_join_method,
     METH_FASTCALL | METH_KEYWORDS,
     "join($self, /, timeout=None)\n--\n\n"
     "Wait for its end, at most timeout seconds.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(grove.sleep, 3600)\n"
     "    >>> task.join(timeout=0.01)\n"
     "    >>> task.dead\n"
     "    False\n"
     "    >>> task.kill()"},
    {"get", (PyCFunction)(void (*)(void))green_get,
     METH_FASTCALL | METH_KEYWORDS,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "What it returned, once it has, or raise what ended it; Timeout when\n"
     "it has not ended in time, or at once when block is false.\n\n"
     "    >>> import grove\n"
     "    >>> grove.spawn(int, \"12\").get(timeout=1)\n"
     "    12"},
    {"kill", (PyCFunction)(void (*)(void))green_kill_method,
     METH_FASTCALL | METH_KEYWORDS,
     "kill($self, /, exception=..., block=True, timeout=None)\n--\n\n"
     "Raise the exception, GreenletExit unless another is given, where it\n"
     "waits, and wait for the end unless block is false.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(grove.sleep, 3600)\n"
     "    >>> task.kill()\n"
     "    >>> task.dead, task.value\n"
     "    (True, GreenletExit())"},
    {"throw", green_throw, METH_VARARGS,
     "throw($self, /, *args)\n--\n\n"
     "Switch to it now and raise there what raise would, by a type, a value "
     "and\n"
     "a traceback; GreenletExit without any.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(grove.sleep, 3600)\n"
     "    >>> task.throw()\n"
     "    >>> task.dead\n"
     "    True"},
    {"ready", green_ready_method, METH_NOARGS,
     "ready($self, /)\n--\n\n"
     "Whether it has ended.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(grove.sleep, 0)\n"
     "    >>> task.ready()\n"
     "    False\n"
     "    >>> task.join()\n"
     "    >>> task.ready()\n"
     "    True"},
    {"successful", green_successful, METH_NOARGS,
     "successful($self, /)\n--\n\n"
     "Whether it returned, or ended by GreenletExit.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(int, \"12\")\n"
     "    >>> task.join()\n"
     "    >>> task.successful()\n"
     "    True"},
    {"_raise_exception", green_raise_method, METH_NOARGS,
     "Raise what ended it."},
    {"_maybe_kill_before_start", maybe_kill_before_start, METH_O,
     "If it never ran, see that it never will; whether that was so."},
    {"rawlink", green_rawlink, METH_O,
     "rawlink($self, callback, /)\n--\n\n"
     "Have callback(greenlet) called in the Hub when it has ended.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(pow, 3, 2)\n"
     "    >>> task.rawlink(lambda ended: print(\"ended:\", ended.value))\n"
     "    >>> grove.sleep(0.01)\n"
     "    ended: 9"},
    {"link", (PyCFunction)(void (*)(void))green_link,
     METH_FASTCALL | METH_KEYWORDS,
     "link($self, /, callback, SpawnedLink=...)\n--\n\n"
     "Have callback(greenlet) called in a greenlet of its own, a\n"
     "SpawnedLink, when this one has ended.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(pow, 3, 2)\n"
     "    >>> task.link(lambda ended: print(ended.value))\n"
     "    >>> _ = grove.wait()\n"
     "    9"},
    {"link_value", (PyCFunction)(void (*)(void))green_link_value,
     METH_FASTCALL | METH_KEYWORDS,
     "link_value($self, /, callback, SpawnedLink=...)\n--\n\n"
     "As link(), but only if it returns.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(int, \"12\")\n"
     "    >>> task.link_value(lambda ended: print(ended.value))\n"
     "    >>> _ = grove.wait()\n"
     "    12"},
    {"link_exception", (PyCFunction)(void (*)(void))green_link_exception,
     METH_FASTCALL | METH_KEYWORDS,
     "link_exception($self, /, callback, SpawnedLink=...)\n--\n\n"
     "As link(), but only if it fails.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(grove.sleep, 0)\n"
     "    >>> task.link_exception(lambda ended: print(\"it has failed\"))\n"
     "    >>> _ = grove.wait()"},
    {"unlink", green_unlink, METH_O,
     "unlink($self, callback, /)\n--\n\n"
     "Undo link or rawlink.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(int)\n"
     "    >>> task.rawlink(print)\n"
     "    >>> task.unlink(print)\n"
     "    >>> task.has_links()\n"
     "    False"},
    {"unlink_all", green_unlink_all, METH_NOARGS,
     "unlink_all($self, /)\n--\n\n"
     "Undo all links.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(int)\n"
     "    >>> task.rawlink(print)\n"
     "    >>> task.unlink_all()\n"
     "    >>> task.has_links()\n"
     "    False"},
    {"has_links", green_has_links, METH_NOARGS,
     "has_links($self, /)\n--\n\n"
     "Whether there are any.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(int)\n"
     "    >>> task.has_links()\n"
     "    False\n"
     "    >>> task.rawlink(lambda ended: None)\n"
     "    >>> task.has_links()\n"
     "    True"},
    {"__enter__", green_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))green_exit, METH_FASTCALL, NULL},
    {NULL}};

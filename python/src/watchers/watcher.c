/*
 * What the watchers of hub.loop have in common.
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
 * not keep the loop from ending: its timers and waits are counted in
 * hub->unref. Of those that have neither timers nor waits (async, signal, ...)
 * the others hold the hub while they are active.
 *
 * On the thread of their loop only, but async's send().
 */
#include "watchers/watcher.h"

#include <structmember.h>

#define PRIORITY_MOST 2

/* ---- reasons for the loop to go on --------------------------------------- */

static void hold(Watcher *w, bool on)
{
    struct py_thread *t = watcher_thread(w);
    if (t->dead)
        return;
    assert(!w->kind->armed && (on || t->watchers.holds > 0));
    t->watchers.holds += on ? 1 : (size_t)-1;
    if (on)
        grove_hub_hold((grove_hub *)t->hub);
    else
        grove_hub_unhold((grove_hub *)t->hub);
}

static void activate(Watcher *w)
{
    assert(!w->active && w->callback);
    w->active = true;
    ring_insert(&watcher_thread(w)->watchers.active, &w->at);
    Py_INCREF(w);
    watcher_live(w, true);
    if (!w->kind->armed && watcher_keeps_hub(w))
        hold(w, true);
}

static void deactivate(Watcher *w)
{
    if (run_queued(&w->run))
        run_queue_remove(&w->run);
    if (!w->active)
        return;
    assert(Py_REFCNT(w) > 0);
    w->active = false;
    ring_remove(&w->at);
    watcher_live(w, false);
    if (!w->kind->armed && watcher_keeps_hub(w))
        hold(w, false);
    Py_CLEAR(w->callback);
    Py_CLEAR(w->args);
    Py_DECREF(w);
}

/* ---- starting, stopping, calling ----------------------------------------- */

/* -1 with an exception. */
static int keep_callback(Watcher *w, PyObject *args)
{
    if (w->closed) {
        PyErr_Format(PyExc_ValueError, "%R is closed", w);
        return -1;
    }
    PyObject *callback =
        PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : Py_None;
    if (!PyCallable_Check(callback)) {
        PyErr_Format(PyExc_TypeError, "Expected callable, not %R", callback);
        return -1;
    }
    if (watcher_check_thread(w) < 0 || loop_check(w->loop) < 0)
        return -1;
    PyObject *rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    if (!rest)
        return -1;
    Py_XSETREF(w->callback, Py_NewRef(callback));
    Py_XSETREF(w->args, rest);
    return 0;
}

int watcher_start(Watcher *w, PyObject *args)
{
    if (keep_callback(w, args) < 0)
        return -1;
    if (!w->active)
        activate(w);
    if (w->kind->arm(w) == 0)
        return 0;
    PyObject *exception = exception_take();
    assert(exception);
    watcher_stop(w);
    exception_set(exception);
    return -1;
}

void watcher_stop(Watcher *w)
{
    if (w->active && !watcher_thread(w)->dead)
        w->kind->disarm(w);
    deactivate(w);
}

void watchers_abandon(struct py_thread *t)
{
    while (!ring_empty(&t->watchers.active))
        watcher_stop(container_of(t->watchers.active.next, Watcher, at));
}

/* Those of a loop of its own that is destroyed. A stop may run code. */
void watchers_stop_of(PyObject *loop)
{
    struct ring *ends = &loop_thread(loop)->watchers.active;
    struct ring *at = ends->next;
    while (at != ends) {
        Watcher *w = container_of(at, Watcher, at);
        at = at->next;
        if (w->loop == loop) {
            watcher_stop(w);
            at = ends->next;
        }
    }
}

static PyObject *arguments_of(Watcher *w)
{
    return w->kind->before ? w->kind->before(w) : Py_NewRef(watcher_args(w));
}

/* The callback may stop it and start it again. */
static void on_turn(struct run *run)
{
    Watcher *w = container_of(run, Watcher, run);
    struct py_thread *t = watcher_thread(w);
    assert(w->active && w->callback && !run_queued(run));
    assert(t->hub == hub_of_thread && !PyErr_Occurred());
    bool in_hub = (PyObject *)t->current == t->hub_object;
    Py_INCREF(w);
    if (in_hub)
        hub_object_enter(t);
    PyObject *callback = Py_NewRef(w->callback);
    PyObject *args = arguments_of(w);
    if (in_hub)
        hub_object_enter(t);
    PyObject *result = args ? PyObject_Call(callback, args, NULL) : NULL;
    assert((result == NULL) == !!PyErr_Occurred());
    if (!result)
        loop_report(w->loop, (PyObject *)w);
    Py_XDECREF(result);
    Py_XDECREF(args);
    Py_DECREF(callback);
    if (w->active && !run_queued(run) && w->kind->after) {
        int r = w->kind->after(w);
        if (r < 0)
            hub_object_report(t, (PyObject *)w);
        if (r <= 0)
            watcher_stop(w);
    }
    Py_DECREF(w);
}

/* ---- the object ---------------------------------------------------------- */

static int check_priority(PyObject *value, int *priority)
{
    *priority = 0;
    if (!value || value == Py_None)
        return 0;
    int n = state_as_int(value);
    if (n == -1 && PyErr_Occurred())
        return -1;
    *priority = n > PRIORITY_MOST    ? PRIORITY_MOST
                : n < -PRIORITY_MOST ? -PRIORITY_MOST
                                     : n;
    return 0;
}

Watcher *watcher_new(PyTypeObject *type, PyObject *loop, int ref,
                     PyObject *priority, const struct watcher_kind *kind)
{
    int number;
    if (!PyObject_TypeCheck(loop, &Loop_Type)) {
        PyErr_Format(PyExc_TypeError, "a watcher needs a loop, not %R", loop);
        return NULL;
    }
    if (check_priority(priority, &number) < 0 || loop_check(loop) < 0)
        return NULL;
    Watcher *w = (Watcher *)type->tp_alloc(type, 0);
    if (!w)
        return NULL;
    assert(kind->arm && kind->disarm && !w->active);
    w->kind = kind;
    w->loop = Py_NewRef(loop);
    w->run.call = on_turn;
    w->ref = ref;
    w->priority = number;
    return w;
}

Watcher *watcher_new_plain(PyTypeObject *type, PyObject *args, PyObject *kwargs,
                           const struct watcher_kind *kind)
{
    static char *names[] = {(char *)"loop", (char *)"ref", (char *)"priority",
                            NULL};
    PyObject *loop, *priority = NULL;
    int ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|pO:watcher", names, &loop,
                                     &ref, &priority))
        return NULL;
    return watcher_new(type, loop, ref, priority, kind);
}

int watcher_traverse(PyObject *self, visitproc visit, void *arg)
{
    Watcher *w = (Watcher *)self;
    Py_VISIT(w->loop);
    Py_VISIT(w->callback);
    Py_VISIT(w->args);
    return 0;
}

/* An active watcher is reachable, by its own reference. */
int watcher_clear(PyObject *self)
{
    Watcher *w = (Watcher *)self;
    Py_CLEAR(w->callback);
    Py_CLEAR(w->args);
    return 0;
}

void watcher_dealloc(PyObject *self)
{
    assert(!((Watcher *)self)->active && !run_queued(&((Watcher *)self)->run));
    PyObject_GC_UnTrack(self);
    watcher_clear(self);
    Py_CLEAR(((Watcher *)self)->loop);
    Py_TYPE(self)->tp_free(self);
}

/* ---- methods ------------------------------------------------------------- */

static PyObject *start_method(PyObject *self, PyObject *args)
{
    if (watcher_start((Watcher *)self, args) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *stop_method(PyObject *self, PyObject *none)
{
    Watcher *w = (Watcher *)self;
    if (watcher_check_thread(w) < 0)
        return NULL;
    watcher_stop(w);
    Py_RETURN_NONE;
}

static PyObject *close_method(PyObject *self, PyObject *none)
{
    Watcher *w = (Watcher *)self;
    if (w->active && watcher_check_thread(w) < 0)
        return NULL;
    watcher_stop(w);
    w->closed = true;
    Py_RETURN_NONE;
}

static PyObject *enter(PyObject *self, PyObject *none)
{
    return Py_NewRef(self);
}

static PyObject *leave(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return close_method(self, NULL);
}

/* feed(revents, callback, *args): as if it had happened. */
static PyObject *feed(PyObject *self, PyObject *args)
{
    Watcher *w = (Watcher *)self;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *rest = PyTuple_GetSlice(args, 1, n ? n : 1);
    if (!rest)
        return NULL;
    int r = keep_callback(w, rest);
    Py_DECREF(rest);
    if (r < 0)
        return NULL;
    if (!w->active)
        activate(w);
    watcher_due(w);
    Py_RETURN_NONE;
}

/* ---- attributes ---------------------------------------------------------- */

static PyObject *get_active(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Watcher *)self)->live);
}

static PyObject *get_pending(PyObject *self, void *closure)
{
    return PyBool_FromLong(run_queued(&((Watcher *)self)->run));
}

static PyObject *get_ref(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Watcher *)self)->ref);
}

static int set_ref(PyObject *self, PyObject *value, void *closure)
{
    Watcher *w = (Watcher *)self;
    int ref = value ? PyObject_IsTrue(value) : -1;
    if (ref < 0 || watcher_check_thread(w) < 0) {
        if (!value)
            PyErr_SetString(PyExc_AttributeError, "ref cannot be deleted");
        return -1;
    }
    if (w->ref == ref)
        return 0;
    int armed = w->active && w->kind->armed ? (int)w->kind->armed(w) : 0;
    watcher_count(w, -armed);
    w->ref = ref;
    watcher_count(w, armed);
    if (w->live)
        loop_count(w->loop, ref ? 1 : -1);
    if (w->active && !w->kind->armed && !loop_is_own(w->loop))
        hold(w, ref);
    return 0;
}

static PyObject *get_priority(PyObject *self, void *closure)
{
    return PyLong_FromLong(((Watcher *)self)->priority);
}

static int set_priority(PyObject *self, PyObject *value, void *closure)
{
    Watcher *w = (Watcher *)self;
    int priority;
    if (w->active) {
        PyErr_SetString(PyExc_AttributeError,
                        "Cannot set priority of an active watcher");
        return -1;
    }
    if (check_priority(value, &priority) < 0)
        return -1;
    w->priority = priority;
    return 0;
}

static int set_callback(PyObject *self, PyObject *value, void *closure)
{
    Watcher *w = (Watcher *)self;
    if (!value || (value != Py_None && !PyCallable_Check(value))) {
        PyErr_Format(PyExc_TypeError, "Expected callable, not %R", value);
        return -1;
    }
    if (value == Py_None && w->active) {
        PyErr_SetString(PyExc_ValueError,
                        "an active watcher needs a callback: stop it first");
        return -1;
    }
    Py_XSETREF(w->callback, value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static int set_args(PyObject *self, PyObject *value, void *closure)
{
    Watcher *w = (Watcher *)self;
    if (!value || !(PyTuple_Check(value) || value == Py_None)) {
        PyErr_Format(PyExc_TypeError, "args must be a tuple, not %R", value);
        return -1;
    }
    Py_XSETREF(w->args, value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static PyObject *get_callback(PyObject *self, void *closure)
{
    PyObject *callback = ((Watcher *)self)->callback;
    return Py_NewRef(callback ? callback : Py_None);
}

static PyObject *get_args(PyObject *self, void *closure)
{
    PyObject *args = ((Watcher *)self)->args;
    return Py_NewRef(args ? args : Py_None);
}

/* libev's numbers: 2: not referred to by the loop; 4: active without ref. */
static PyObject *get_flags(PyObject *self, void *closure)
{
    Watcher *w = (Watcher *)self;
    return PyLong_FromLong(w->ref ? 0 : w->active ? 6 : 4);
}

static PyObject *watcher_repr(PyObject *self)
{
    Watcher *w = (Watcher *)self;
    PyObject *own =
        w->kind->format ? w->kind->format(w) : PyUnicode_FromString("");
    PyObject *what = NULL;
    if (!own)
        return NULL;
    if (w->callback)
        what = PyUnicode_FromFormat(" callback=%R args=%R", w->callback,
                                    w->args ? w->args : Py_None);
    else
        what = PyUnicode_FromString("");
    PyObject *text = what ? PyUnicode_FromFormat(
                                "<%s at %p%U%s%s%U>", type_name(Py_TYPE(self)),
                                self, own, w->active ? " active" : "",
                                run_queued(&w->run) ? " pending" : "", what)
                          : NULL;
    Py_XDECREF(what);
    Py_DECREF(own);
    return text;
}

static PyMethodDef methods[] = {
    {"start", start_method, METH_VARARGS,
     "start($self, callback, /, *args)\n--\n\n"
     "Call it in the hub whenever it happens."},
    {"stop", stop_method, METH_NOARGS,
     "stop($self, /)\n--\n\n"
     "Do not call it any more."},
    {"close", close_method, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Stop for good."},
    {"feed", feed, METH_VARARGS,
     "feed($self, revents, callback, /, *args)\n--\n\n"
     "Call it as if it had happened."},
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL},
    {NULL}};

static PyGetSetDef getset[] = {
    {"active", get_active, NULL, "Whether it was started and not stopped.",
     NULL},
    {"pending", get_pending, NULL, "Whether it is due to be called.", NULL},
    {"ref", get_ref, set_ref, "Whether it keeps the loop going.", NULL},
    {"priority", get_priority, set_priority,
     "From -2 to 2; kept, and without effect.", NULL},
    {"callback", get_callback, set_callback, "What is called, or None.", NULL},
    {"args", get_args, set_args, "What it is called with, or None.", NULL},
    {"_flags", get_flags, NULL, NULL, NULL},
    {NULL}};

static PyMemberDef members[] = {
    {"loop", T_OBJECT, offsetof(Watcher, loop), READONLY, NULL}, {NULL}};

PyTypeObject Watcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.watcher",
    .tp_doc = "What calls back when something happens; the base of all.\n\n"
              "    >>> import grove\n"
              "    >>> from grove import core\n"
              "    >>> timer = grove.get_hub().loop.timer(3600)\n"
              "    >>> isinstance(timer, core.watcher), timer.active\n"
              "    (True, False)\n"
              "    >>> timer.close()",
    .tp_basicsize = sizeof(Watcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_repr = watcher_repr,
    .tp_methods = methods,
    .tp_getset = getset,
    .tp_members = members,
};

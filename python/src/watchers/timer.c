/*
 * loop.timer(after, repeat=0.0, ref=True, priority=None): a watcher of time.
 * A repeating one is armed again before its callback is called, so that the
 * callback's time is no part of the period.
 */
#include "watchers/watcher.h"

typedef struct TimerWatcher {
    Watcher base;
    struct timer timer; /* pending: armed, while active */
    double after;       /* seconds from its start to the first call */
    double repeat;      /* seconds from then on; 0: once */
} TimerWatcher;

static void disarm(TimerWatcher *t)
{
    if (!timer_pending(&t->timer))
        return;
    timer_remove(&watcher_hub(&t->base)->timers, &t->timer);
    watcher_count(&t->base, -1);
}

static void timer_disarm(Watcher *w)
{
    disarm((TimerWatcher *)w);
    watcher_untimed(w);
}

/* -1 with an exception, which one that has been armed since its start does not
 * get. */
static int timer_arm_for(TimerWatcher *t, double seconds)
{
    if (watcher_timed(&t->base) < 0)
        return -1;
    int64_t ns = seconds <= 0       ? 0
                 : seconds >= 9.2e9 ? GROVE_NEVER
                                    : (int64_t)(seconds * 1e9);
    disarm(t);
    watcher_live(&t->base, true);
    assert(!timer_pending(&t->timer));
    timer_add(&watcher_hub(&t->base)->timers, &t->timer, hub_deadline(ns));
    watcher_count(&t->base, 1);
    return 0;
}

static int timer_arm(Watcher *w)
{
    return timer_arm_for((TimerWatcher *)w, ((TimerWatcher *)w)->after);
}

static PyObject *timer_before(Watcher *w)
{
    TimerWatcher *t = (TimerWatcher *)w;
    if (t->repeat > 0 && timer_arm_for(t, t->repeat) < 0)
        return NULL;
    if (!timer_pending(&t->timer))
        watcher_live(w, false);
    return Py_NewRef(watcher_args(w));
}

static size_t timer_armed(const Watcher *w)
{
    return timer_pending(&((const TimerWatcher *)w)->timer);
}

static int timer_after(Watcher *w)
{
    return timer_pending(&((TimerWatcher *)w)->timer);
}

static void on_time(struct timer *timer)
{
    Watcher *w = &container_of(timer, TimerWatcher, timer)->base;
    assert(w->active && !timer_pending(timer));
    watcher_count(w, -1);
    watcher_due(w);
}

static PyObject *timer_format(Watcher *w)
{
    TimerWatcher *t = (TimerWatcher *)w;
    PyObject *numbers = Py_BuildValue("dd", t->after, t->repeat);
    PyObject *text = numbers
                         ? PyUnicode_FromFormat(" after=%R repeat=%R",
                                                PyTuple_GET_ITEM(numbers, 0),
                                                PyTuple_GET_ITEM(numbers, 1))
                         : NULL;
    Py_XDECREF(numbers);
    return text;
}

static const struct watcher_kind timer_kind = {
    .arm = timer_arm,
    .disarm = timer_disarm,
    .before = timer_before,
    .after = timer_after,
    .armed = timer_armed,
    .format = timer_format,
};

static PyObject *timer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"loop",     (char *)"after",
                            (char *)"repeat",   (char *)"ref",
                            (char *)"priority", NULL};
    PyObject *loop, *priority = NULL;
    double after = 0, repeat = 0;
    int ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|ddpO:timer", names, &loop,
                                     &after, &repeat, &ref, &priority))
        return NULL;
    if (!(repeat >= 0)) {
        PyErr_Format(PyExc_ValueError, "repeat must be positive or zero: %R",
                     PyTuple_GET_SIZE(args) > 2 ? PyTuple_GET_ITEM(args, 2)
                                                : Py_None);
        return NULL;
    }
    TimerWatcher *t =
        (TimerWatcher *)watcher_new(type, loop, ref, priority, &timer_kind);
    if (!t)
        return NULL;
    t->timer.fn = on_time;
    t->after = after;
    t->repeat = repeat;
    return (PyObject *)t;
}

/* start(callback, *args, update=None): the clock is read anyway. */
static int check_update(PyObject *kwargs)
{
    if (!kwargs || PyDict_GET_SIZE(kwargs) == 0)
        return 0;
    if (PyDict_GET_SIZE(kwargs) == 1 && PyDict_GetItemString(kwargs, "update"))
        return 0;
    PyErr_Format(PyExc_TypeError, "unexpected keyword arguments: %R", kwargs);
    return -1;
}

static PyObject *timer_start(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (check_update(kwargs) < 0 || watcher_start((Watcher *)self, args) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Counts by repeat; without one it only stops, as libev's does. */
static PyObject *timer_again(PyObject *self, PyObject *args, PyObject *kwargs)
{
    TimerWatcher *t = (TimerWatcher *)self;
    if (check_update(kwargs) < 0 || watcher_start(&t->base, args) < 0)
        return NULL;
    if (t->repeat <= 0)
        watcher_stop(&t->base);
    else if (timer_arm_for(t, t->repeat) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* When it will be called next, in the loop's time; or after, if idle. */
static PyObject *get_at(PyObject *self, void *closure)
{
    TimerWatcher *t = (TimerWatcher *)self;
    if (!timer_pending(&t->timer))
        return PyFloat_FromDouble(t->after);
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    double now = (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
    return PyFloat_FromDouble(now +
                              (double)(t->timer.deadline - hub_clock()) * 1e-9);
}

static PyMethodDef timer_methods[] = {
    {"start", (PyCFunction)(void (*)(void))timer_start,
     METH_VARARGS | METH_KEYWORDS,
     "start($self, callback, /, *args, update=None)\n--\n\n"
     "Count from now."},
    {"again", (PyCFunction)(void (*)(void))timer_again,
     METH_VARARGS | METH_KEYWORDS,
     "again($self, callback, /, *args, update=True)\n--\n\n"
     "Count from now, by repeat; without a repeat: stop."},
    {NULL}};

static PyGetSetDef timer_getset[] = {
    {"at", get_at, NULL, "When it is due, as loop.now() counts.", NULL},
    {NULL}};

PyTypeObject TimerWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.timer",
    .tp_doc = "Calls back after some seconds, once or repeatedly.",
    .tp_basicsize = sizeof(TimerWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = timer_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_methods = timer_methods,
    .tp_getset = timer_getset,
};

/*
 * loop.timer(...) and its kin: the methods of the loop object that make
 * watchers.
 */
#include "watchers/watcher.h"

/* loop.timer(...) is timer(loop, ...), and so on. */
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

#define FACTORY(name, type) \
    static PyObject *make_##name(PyObject *self, PyObject *args, \
                                 PyObject *kwargs) \
    { \
        return make_watcher(&type, self, args, kwargs); \
    }

FACTORY(io, IoWatcher_Type)
FACTORY(timer, TimerWatcher_Type)
FACTORY(signal, SignalWatcher_Type)
FACTORY(idle, IdleWatcher_Type)
FACTORY(prepare, PrepareWatcher_Type)
FACTORY(check, CheckWatcher_Type)
FACTORY(fork, ForkWatcher_Type)
FACTORY(async, AsyncWatcher_Type)
FACTORY(child, ChildWatcher_Type)
FACTORY(stat, StatWatcher_Type)

#define KEYWORDS(f) \
    (PyCFunction)(void (*)(void)) f, METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"io", KEYWORDS(make_io),
     "io(fd, events, ref=True, priority=None): events 1 to read, 2 to write."},
    {"timer", KEYWORDS(make_timer),
     "timer(after, repeat=0.0, ref=True, priority=None)"},
    {"signal", KEYWORDS(make_signal),
     "signal(signalnum, ref=True, priority=None)"},
    {"idle", KEYWORDS(make_idle), "idle(ref=True, priority=None)"},
    {"prepare", KEYWORDS(make_prepare), "prepare(ref=True, priority=None)"},
    {"check", KEYWORDS(make_check), "check(ref=True, priority=None)"},
    {"fork", KEYWORDS(make_fork), "fork(ref=True, priority=None)"},
    {"async_", KEYWORDS(make_async), "async_(ref=True, priority=None)"},
    {"async", KEYWORDS(make_async), "async_(), by its older name."},
    {"child", KEYWORDS(make_child),
     "child(pid, trace=0, ref=True): on the main thread's loop only."},
    {"stat", KEYWORDS(make_stat),
     "stat(path, interval=0.0, ref=True, priority=None)"},
    {NULL}};

int watcher_factories_init(void)
{
    if (type_add_methods(&Loop_Type, methods) < 0 ||
        PyDict_SetItemString(Loop_Type.tp_dict, "WatcherType",
                             (PyObject *)&Watcher_Type) < 0)
        return -1;
    PyType_Modified(&Loop_Type);
    return 0;
}

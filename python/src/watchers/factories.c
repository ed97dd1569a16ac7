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
     "io($self, /, fd, events, ref=True, priority=None)\n--\n\n"
     "A watcher of a descriptor: events 1 to read, 2 to write.\n\n"
     "    >>> import grove\n"
     "    >>> from grove import socket\n"
     "    >>> left, right = socket.socketpair()\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> with hub.loop.io(right.fileno(), 2) as watcher:\n"
     "    ...     hub.wait(watcher)"},
    {"timer", KEYWORDS(make_timer),
     "timer($self, /, after, repeat=0.0, ref=True, priority=None)\n--\n\n"
     "A watcher that is called after so many seconds, and again every "
     "repeat.\n\n"
     "    >>> import grove\n"
     "    >>> timer = grove.get_hub().loop.timer(0.01)\n"
     "    >>> timer.start(print, \"rang\")\n"
     "    >>> grove.wait()\n"
     "    rang\n"
     "    True\n"
     "    >>> timer.close()"},
    {"signal", KEYWORDS(make_signal),
     "signal($self, /, signalnum, ref=True, priority=None)\n--\n\n"
     "A watcher of a signal.\n\n"
     "    >>> import os, signal\n"
     "    >>> import grove\n"
     "    >>> watcher = grove.get_hub().loop.signal(signal.SIGUSR1)\n"
     "    >>> watcher.start(lambda: (print(\"told\"), watcher.close()))\n"
     "    >>> os.kill(os.getpid(), signal.SIGUSR1)\n"
     "    >>> grove.wait()\n"
     "    told\n"
     "    True"},
    {"idle", KEYWORDS(make_idle),
     "idle($self, /, ref=True, priority=None)\n--\n\n"
     "A watcher that is called when nothing else is due.\n\n"
     "    >>> import grove\n"
     "    >>> watcher = grove.get_hub().loop.idle()\n"
     "    >>> watcher.start(lambda: (print(\"idle\"), watcher.close()))\n"
     "    >>> grove.wait()\n"
     "    idle\n"
     "    True"},
    {"prepare", KEYWORDS(make_prepare),
     "prepare($self, /, ref=True, priority=None)\n--\n\n"
     "A watcher that is called before each poll.\n\n"
     "    >>> import grove\n"
     "    >>> watcher = grove.get_hub().loop.prepare()\n"
     "    >>> watcher.start(lambda: (print(\"about to poll\"), "
     "watcher.close()))\n"
     "    >>> grove.sleep(0.01)\n"
     "    about to poll"},
    {"check", KEYWORDS(make_check),
     "check($self, /, ref=True, priority=None)\n--\n\n"
     "A watcher that is called after each poll.\n\n"
     "    >>> import grove\n"
     "    >>> watcher = grove.get_hub().loop.check()\n"
     "    >>> watcher.start(lambda: (print(\"polled\"), watcher.close()))\n"
     "    >>> grove.sleep(0.01)\n"
     "    polled"},
    {"fork", KEYWORDS(make_fork),
     "fork($self, /, ref=True, priority=None)\n--\n\n"
     "A watcher that is called in the child of a fork.\n\n"
     "    >>> import grove\n"
     "    >>> watcher = grove.get_hub().loop.fork(ref=False)\n"
     "    >>> watcher.start(print, \"in the child\")\n"
     "    >>> watcher.close()"},
    {"async_", KEYWORDS(make_async),
     "async_($self, /, ref=True, priority=None)\n--\n\n"
     "A watcher that any thread may have called, by its send().\n\n"
     "    >>> import grove\n"
     "    >>> from grove.event import Event\n"
     "    >>> event, watcher = Event(), grove.get_hub().loop.async_()\n"
     "    >>> watcher.start(event.set)\n"
     "    >>> grove.get_hub().threadpool.apply(watcher.send)\n"
     "    >>> event.wait()\n"
     "    True\n"
     "    >>> watcher.close()"},
    {"async", KEYWORDS(make_async),
     "async($self, /, ref=True, priority=None)\n--\n\n"
     "The same as async_(), by its older name.\n\n"
     "    >>> import grove\n"
     "    >>> watcher = getattr(grove.get_hub().loop, \"async\")()\n"
     "    >>> watcher.close()"},
    {"child", KEYWORDS(make_child),
     "child($self, /, pid, trace=0, ref=True, priority=None)\n--\n\n"
     "A watcher of a child's end, on the main thread's loop only.\n\n"
     "    >>> import os\n"
     "    >>> import grove\n"
     "    >>> pid = grove.fork()\n"
     "    >>> if pid == 0:\n"
     "    ...     os._exit(3)\n"
     "    >>> watcher = grove.get_hub().loop.child(pid)\n"
     "    >>> watcher.start(lambda: (print(watcher.rstatus >> 8), "
     "watcher.close()))\n"
     "    >>> grove.wait()\n"
     "    3\n"
     "    True"},
    {"stat", KEYWORDS(make_stat),
     "stat($self, /, path, interval=0.0, ref=True, priority=None)\n--\n\n"
     "A watcher of what stat() tells of a path, looked at every interval.\n\n"
     "    >>> import os, tempfile\n"
     "    >>> import grove\n"
     "    >>> file = tempfile.NamedTemporaryFile()\n"
     "    >>> watcher = grove.get_hub().loop.stat(file.name, interval=0.01)\n"
     "    >>> watcher.start(lambda: (print(\"changed\"), watcher.close()))\n"
     "    >>> os.truncate(file.name, 1)\n"
     "    >>> grove.wait()\n"
     "    changed\n"
     "    True"},
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

/*
 * The exceptions of the runtime, and LoopExit, which tells what each greenlet
 * of its hub waits for.
 */
#include "hub_object/private.h"

PyObject *PyExc_LoopExit;
PyObject *PyExc_BlockingSwitchOut;
PyObject *PyExc_InvalidSwitch;
PyObject *PyExc_ConcurrentUse;
PyObject *PyExc_InvalidThreadUse;
PyObject *PyExc_HubDestroyed;
PyObject *PyExc_ClosedElsewhere;

/* ---- cancel_wait_ex ------------------------------------------------------ */

static PyObject *closed_elsewhere_args; /* what it says: errno and text */

/* Made of nothing, as gevent's is; pickle makes it of what it says. */
static int closed_elsewhere_init(PyObject *self, PyObject *args,
                                 PyObject *kwargs)
{
    return ((PyTypeObject *)PyExc_OSError)
        ->tp_init(self, PyTuple_GET_SIZE(args) ? args : closed_elsewhere_args,
                  kwargs);
}

static PyTypeObject ClosedElsewhere_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.socket.cancel_wait_ex",
    .tp_doc = "cancel_wait_ex()\n--\n\n"
              "What whoever waits for a descriptor gets when another greenlet\n"
              "closes it.\n\n"
              "    >>> from grove import socket\n"
              "    >>> socket.cancel_wait_ex()\n"
              "    cancel_wait_ex(9, 'File descriptor was closed in another "
              "greenlet')",
    .tp_basicsize = sizeof(PyOSErrorObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_init = closed_elsewhere_init,
};

static int add_closed_elsewhere(PyObject *module)
{
    closed_elsewhere_args = Py_BuildValue(
        "(is)", EBADF, "File descriptor was closed in another greenlet");
    if (!closed_elsewhere_args)
        return -1;
    PyExc_ClosedElsewhere = (PyObject *)&ClosedElsewhere_Type;
    ClosedElsewhere_Type.tp_base = (PyTypeObject *)PyExc_OSError;
    return module_add_type(module, &ClosedElsewhere_Type);
}

/* ---- LoopExit ------------------------------------------------------------ */

#define LOOP_EXIT_LINES 100 /* greenlets told of */

/* Greenlets that wait, for LoopExit to tell of. */
struct waiting {
    PyGreenlet *self[LOOP_EXIT_LINES]; /* owned */
    const char *what[LOOP_EXIT_LINES]; /* each one waits in; static */
    int fd[LOOP_EXIT_LINES];           /* and for, or -1 */
    size_t n;                          /* may be more than there is room for */
};

/* Makes no objects: that might run code. */
static void note_waiting(struct grove_fiber *f, void *arg)
{
    struct waiting *all = arg;
    if (!f->host || !f->waiting)
        return;
    size_t i = all->n++;
    if (i >= LOOP_EXIT_LINES)
        return;
    struct green *g = f->host;
    all->self[i] = (PyGreenlet *)Py_NewRef((PyObject *)g->self);
    assert(g->phase == GREEN_ACTIVE && g->fiber == f && f->reason.what);
    all->what[i] = f->reason.what;
    all->fd[i] = f->reason.fd;
}

static PyObject *waiting_line(const struct waiting *all, size_t i)
{
    if (all->fd[i] >= 0)
        return PyUnicode_FromFormat("%R waits in %s for descriptor %d",
                                    all->self[i], all->what[i], all->fd[i]);
    return PyUnicode_FromFormat("%R waits in %s", all->self[i], all->what[i]);
}

/* A list of strings; NULL with an exception. */
static PyObject *waiting_lines(struct py_thread *t)
{
    struct waiting *all = PyMem_Calloc(1, sizeof(*all));
    if (!all)
        return PyErr_NoMemory();
    PyObject *list = PyList_New(0);
    note_waiting(&t->hub->root, all);
    hub_each(t->hub, note_waiting, all);
    size_t n = all->n < LOOP_EXIT_LINES ? all->n : LOOP_EXIT_LINES;
    for (size_t i = 0; i < n; i++) {
        PyObject *line = list ? waiting_line(all, i) : NULL;
        if (list && (!line || PyList_Append(list, line) < 0))
            Py_CLEAR(list);
        Py_XDECREF(line);
    }
    if (list && all->n > n) {
        PyObject *line = PyUnicode_FromFormat("and %zu others", all->n - n);
        if (!line || PyList_Append(list, line) < 0)
            Py_CLEAR(list);
        Py_XDECREF(line);
    }
    for (size_t i = 0; i < n; i++)
        Py_DECREF(all->self[i]);
    PyMem_Free(all);
    return list;
}

void hub_object_set_loop_exit(struct py_thread *t)
{
    PyObject *hub = t->hub_object ? t->hub_object : Py_None;
    PyObject *lines = waiting_lines(t);
    if (!lines)
        return;
    PyObject *value =
        PyObject_CallFunction(PyExc_LoopExit, "sON",
                              "This operation would block forever", hub, lines);
    if (!value)
        return;
    PyErr_SetObject(PyExc_LoopExit, value);
    assert(PyErr_Occurred());
    Py_DECREF(value);
}

bool hub_object_deadlock(struct py_thread *t)
{
    hub_object_set_loop_exit(t);
    if (!t->main) {
        PyErr_Clear();
        return false;
    }
    /* The exception goes along: this fiber may not be come back to. */
    PyObject *result = greenlet_switch(t->main, NULL, NULL);
    if (!result)
        hub_object_report(t, NULL);
    Py_XDECREF(result);
    assert(!PyErr_Occurred());
    return true;
}

static PyObject *loop_exit_hub(PyObject *self, void *closure)
{
    PyObject *args = ((PyBaseExceptionObject *)self)->args;
    return Py_NewRef(PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 1)
                                                : Py_None);
}

static PyGetSetDef loop_exit_getset[] = {
    {"hub", loop_exit_hub, NULL, "The Hub that has nothing left to do.", NULL},
    {NULL}};

static PyObject *loop_exit_str(PyObject *self)
{
    PyObject *args = ((PyBaseExceptionObject *)self)->args;
    if (PyTuple_GET_SIZE(args) != 3)
        return ((PyTypeObject *)PyExc_Exception)->tp_str(self);
    PyObject *lines = PyTuple_GET_ITEM(args, 2);
    PyObject *newline = PyUnicode_FromString("\n\t\t");
    PyObject *joined = NULL;
    if (newline && PyList_Check(lines) && PyList_GET_SIZE(lines))
        joined = PyUnicode_Join(newline, lines);
    PyObject *text =
        PyErr_Occurred()
            ? NULL
            : PyUnicode_FromFormat(
                  "%S\n\tHub: %R\n\tHandles:\n%s%S", PyTuple_GET_ITEM(args, 0),
                  PyTuple_GET_ITEM(args, 1), joined ? "\t\t" : "",
                  joined ? joined : lines);
    Py_XDECREF(joined);
    Py_XDECREF(newline);
    return text;
}

static PyTypeObject LoopExit_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.exceptions.LoopExit",
    .tp_doc = "Nothing is left that could wake the waiting greenlet.\n\n"
              "    >>> import grove\n"
              "    >>> from grove.event import Event\n"
              "    >>> try:\n"
              "    ...     Event().wait()\n"
              "    ... except grove.exceptions.LoopExit:\n"
              "    ...     print(\"nobody can set it\")\n"
              "    nobody can set it",
    .tp_basicsize = sizeof(PyBaseExceptionObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_str = loop_exit_str,
    .tp_getset = loop_exit_getset,
};

static int add_exception(PyObject *module, PyObject **where, const char *name,
                         PyObject *base, const char *doc)
{
    *where = PyErr_NewExceptionWithDoc(name, doc, base, NULL);
    if (!*where)
        return -1;
    return PyModule_AddObjectRef(module, strrchr(name, '.') + 1, *where);
}

int hub_exceptions_init(PyObject *module)
{
    PyTypeObject *base = (PyTypeObject *)PyExc_Exception;
    LoopExit_Type.tp_base = base;
    LoopExit_Type.tp_traverse = base->tp_traverse;
    LoopExit_Type.tp_clear = base->tp_clear;
    if (module_add_type(module, &LoopExit_Type) < 0)
        return -1;
    PyExc_LoopExit = (PyObject *)&LoopExit_Type;
    const struct {
        PyObject **where;
        const char *name;
        PyObject *base;
        const char *doc;
    } all[] = {
        {&PyExc_BlockingSwitchOut, "grove.exceptions.BlockingSwitchOutError",
         PyExc_AssertionError,
         "A blocking call was made in the Hub.\n\n"
         "    >>> import grove\n"
         "    >>> from grove.exceptions import BlockingSwitchOutError\n"
         "    >>> def wait_in_the_hub():\n"
         "    ...     try:\n"
         "    ...         grove.sleep(1)\n"
         "    ...     except BlockingSwitchOutError as error:\n"
         "    ...         print(error)\n"
         "    >>> called = grove.get_hub().loop.run_callback(wait_in_the_hub)\n"
         "    >>> grove.sleep()\n"
         "    Impossible to call blocking function in the event loop callback"},
        {&PyExc_InvalidSwitch, "grove.exceptions.InvalidSwitchError",
         PyExc_AssertionError,
         "A waiting greenlet was switched to.\n\n"
         "    >>> import grove\n"
         "    >>> from grove.exceptions import InvalidSwitchError\n"
         "    >>> def wait():\n"
         "    ...     try:\n"
         "    ...         grove.sleep(3600)\n"
         "    ...     except InvalidSwitchError:\n"
         "    ...         return \"it was not the timer that woke it\"\n"
         "    >>> task = grove.spawn(wait)\n"
         "    >>> grove.sleep()\n"
         "    >>> loop = grove.get_hub().loop\n"
         "    >>> called = loop.run_callback(task.switch, \"hello\")\n"
         "    >>> task.get()\n"
         "    'it was not the timer that woke it'"},
        {&PyExc_ConcurrentUse, "grove.exceptions.ConcurrentObjectUseError",
         PyExc_AssertionError,
         "Two greenlets use what only one may.\n\n"
         "    >>> import grove\n"
         "    >>> from grove.hub import Waiter\n"
         "    >>> waiter = Waiter()\n"
         "    >>> first = grove.spawn(waiter.get)\n"
         "    >>> grove.sleep()\n"
         "    >>> waiter.get()\n"
         "    Traceback (most recent call last):\n"
         "        ...\n"
         "    grove.exceptions.ConcurrentObjectUseError: This Waiter is "
         "already used by ...\n"
         "    >>> first.kill()"},
        {&PyExc_InvalidThreadUse, "grove.exceptions.InvalidThreadUseError",
         PyExc_RuntimeError,
         "An object is used in a thread not its own.\n\n"
         "    >>> import grove\n"
         "    >>> from grove.exceptions import InvalidThreadUseError\n"
         "    >>> loop = grove.get_hub().loop\n"
         "    >>> try:\n"
         "    ...     grove.get_hub().threadpool.apply(grove.hub.Hub, "
         "(loop,))\n"
         "    ... except InvalidThreadUseError as error:\n"
         "    ...     print(error)\n"
         "    the loop is another thread's"},
        {&PyExc_HubDestroyed, "grove.exceptions.HubDestroyed",
         PyExc_GreenletExit,
         "The Hub is gone.\n\n"
         "    >>> import grove\n"
         "    >>> from grove.exceptions import HubDestroyed\n"
         "    >>> def end_the_hub():\n"
         "    ...     hub = grove.get_hub()\n"
         "    ...     hub.destroy()\n"
         "    ...     try:\n"
         "    ...         hub.switch()\n"
         "    ...     except HubDestroyed as error:\n"
         "    ...         return error\n"
         "    >>> grove.get_hub().threadpool.apply(end_the_hub)\n"
         "    HubDestroyed()"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (add_exception(module, all[i].where, all[i].name, all[i].base,
                          all[i].doc) < 0)
            return -1;
    }
    return add_closed_elsewhere(module);
}

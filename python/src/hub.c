/*
 * Hub: the greenlet that stands for the hub's own fiber. One a thread, made
 * when it is first asked for or waited in; struct py_thread owns it.
 *
 * Callbacks (of the loop object, of watchers, links, expired Timeouts) run in
 * it. It must not wait; it may switch to other greenlets, and gets control back
 * when they wait. What goes wrong in a callback or ends a greenlet that nobody
 * can answer for comes to handle_error, which users override and replace on the
 * instance: so it, and what it calls, are looked up as attributes.
 */
#include "hub_object.h"

#include <stddef.h>
#include <structmember.h>
#include <time.h>

PyObject *PyExc_LoopExit;
PyObject *PyExc_BlockingSwitchOut;
PyObject *PyExc_InvalidSwitch;
PyObject *PyExc_ConcurrentUse;
PyObject *PyExc_InvalidThreadUse;
PyObject *PyExc_HubDestroyed;

typedef struct HubObject {
    PyGreenlet base;
    PyObject *loop;             /* the loop object; NULL: destroyed */
    unsigned long thread_ident; /* threading's of its thread */
    bool is_main;               /* of the main thread */
} HubObject;

/* The class that get_hub() makes: set_default_hub_class's. Borrowed from
 * hub_class_owned, or Hub_Type. */
static PyTypeObject *hub_class = &Hub_Type;

/* The default of exception_stream is sys.stderr as it is at that time. */
static PyObject *default_stream; /* a sentinel */

/* ---- birth --------------------------------------------------------------- */

static bool on_main_thread(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *main =
        threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = main ? PyObject_GetAttrString(main, "ident") : NULL;
    bool same = ident && PyLong_Check(ident) &&
                PyLong_AsUnsignedLong(ident) == PyThread_get_thread_ident();
    Py_XDECREF(ident);
    Py_XDECREF(main);
    Py_XDECREF(threading);
    PyErr_Clear();
    return same;
}

static PyObject *hub_object_new(PyTypeObject *type, PyObject *args,
                                PyObject *kwargs)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (t->hub_object) {
        PyErr_SetString(PyExc_RuntimeError, "this thread has a Hub already");
        return NULL;
    }
    PyObject *none = PyTuple_New(0);
    if (!none)
        return NULL;
    PyObject *self = PyGreenlet_Type.tp_new(type, none, NULL);
    Py_DECREF(none);
    if (!self)
        return NULL;
    HubObject *hub = (HubObject *)self;
    Py_XSETREF(hub->base.green->parent,
               (PyGreenlet *)Py_NewRef((PyObject *)t->main));
    hub->thread_ident = PyThread_get_thread_ident();
    hub->is_main = on_main_thread();
    hub->loop = loop_object_new(t);
    if (!hub->loop)
        goto fail;
    if (hub_set_loop_stack(t->hub, STACK_HOSTED, greenlet_stack_shift) < 0) {
        PyErr_NoMemory();
        goto fail;
    }
    greenlet_adopt((PyGreenlet *)self, t->hub->loop_fiber);
    t->hub_object = Py_NewRef(self);
    return self;

fail:
    Py_DECREF(self);
    return NULL;
}

/* Anything goes, as Hub(loop=None, default=None) is called by subclasses. */
static int hub_object_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return 0;
}

PyObject *hub_object_make(struct py_thread *t)
{
    PyObject *hub = PyObject_CallNoArgs((PyObject *)hub_class);
    if (!hub)
        return NULL;
    Py_DECREF(hub); /* t has it */
    if (!t->hub_object)
        PyErr_SetString(PyExc_TypeError, "the hub class made no Hub");
    return t->hub_object;
}

static int hub_object_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((HubObject *)self)->loop);
    return PyGreenlet_Type.tp_traverse(self, visit, arg);
}

static int hub_object_clear(PyObject *self)
{
    Py_CLEAR(((HubObject *)self)->loop);
    return PyGreenlet_Type.tp_clear(self);
}

static void hub_object_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((HubObject *)self)->loop);
    PyGreenlet_Type.tp_dealloc(self);
}

int hub_object_check_thread(struct py_thread *t)
{
    if (likely(t == thread_cached && t->tstate == state_current_tstate()))
        return 0;
    struct py_thread *mine = thread_self();
    if (mine == t)
        return 0;
    if (mine)
        PyErr_SetString(PyExc_InvalidThreadUse,
                        "cannot be used from a thread other than its own");
    return -1;
}

/* ---- switching ----------------------------------------------------------- */

static PyObject *hub_object_switch_out(PyObject *self, PyObject *none)
{
    PyErr_SetString(PyExc_BlockingSwitchOut,
                    "Impossible to call blocking function in the event loop "
                    "callback");
    return NULL;
}

/* Plain greenlets have no switch_out; asking them would cost a failed look-up a
 * switch. */
static int call_switch_out(PyObject *current)
{
    if (Py_TYPE(current) == &PyGreenlet_Type)
        return 0;
    PyObject *method = PyObject_GetAttrString(current, "switch_out");
    if (!method) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *result = PyObject_CallNoArgs(method);
    Py_DECREF(method);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* hub.switch(): the current greenlet waits until somebody switches to it. */
static PyObject *hub_object_switch(PyObject *self, PyObject *none)
{
    struct py_thread *t = green_of(self)->thread;
    if (hub_object_check_thread(t) < 0 ||
        call_switch_out((PyObject *)t->current) < 0)
        return NULL;
    PyObject *value = NULL;
    if (core_wait(t, GROVE_NEVER, "switch", -1, &value) == CORE_FAILED)
        return NULL;
    return value ? value : Py_NewRef(Py_None);
}

/* ---- the end of everything ----------------------------------------------- */

void hub_object_set_loop_exit(struct py_thread *t)
{
    PyObject *hub = t->hub_object ? t->hub_object : Py_None;
    PyObject *value = PyObject_CallFunction(
        PyExc_LoopExit, "sO[]", "This operation would block forever", hub);
    if (!value)
        return;
    PyErr_SetObject(PyExc_LoopExit, value);
    Py_DECREF(value);
}

bool hub_object_deadlock(struct py_thread *t)
{
    hub_object_set_loop_exit(t);
    PyObject *exception = exception_take();
    if (!t->main || !exception) {
        Py_XDECREF(exception);
        return false;
    }
    PyObject *result = greenlet_throw(t->main, exception, NULL, NULL);
    Py_DECREF(exception);
    if (!result)
        hub_object_report(t, NULL);
    Py_XDECREF(result);
    return true;
}

void hub_object_signals(struct py_thread *t)
{
    if (PyErr_CheckSignals() < 0)
        hub_object_report(t, NULL);
}

/* The loop is fresh; what the Hub is in stays what it was. */
void hub_object_forked(struct py_thread *t)
{
    if (t->hub_object)
        ((HubObject *)t->hub_object)->thread_ident =
            PyThread_get_thread_ident();
}

static PyObject *hub_object_join(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("join", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    struct py_thread *t = green_of(self)->thread;
    if (hub_object_check_thread(t) < 0)
        return NULL;
    if (t->current != t->main) {
        PyErr_SetString(PyExc_AssertionError,
                        "only possible from the MAIN greenlet");
        return NULL;
    }
    int64_t deadline;
    if (core_deadline(timeout, &deadline) < 0)
        return NULL;
    /* Its own timer is no reason to go on. */
    bool timed = deadline != GROVE_NEVER;
    t->hub->unref += timed;
    enum core_wait_result r = core_wait(t, deadline, "hub.join", -1, NULL);
    t->hub->unref -= timed;
    if (r == CORE_FAILED) {
        if (!PyErr_ExceptionMatches(PyExc_LoopExit))
            return NULL;
        PyErr_Clear();
        Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

/* The Hub ends with its thread, not before: its fiber is the hub's. */
static PyObject *hub_object_destroy(PyObject *self, PyObject *const *args,
                                    Py_ssize_t n, PyObject *names)
{
    Py_RETURN_NONE;
}

/* ---- watchers ------------------------------------------------------------ */

/* hub.wait(watcher): until it fires. */
static PyObject *hub_object_wait(PyObject *self, PyObject *watcher)
{
    PyObject *waiter = PyObject_CallOneArg((PyObject *)&Waiter_Type, self);
    PyObject *wake = waiter ? PyObject_GetAttrString(waiter, "switch") : NULL;
    PyObject *result =
        wake ? PyObject_CallMethod(watcher, "start", "OO", wake, waiter) : NULL;
    Py_XDECREF(wake);
    if (!result) {
        Py_XDECREF(waiter);
        return NULL;
    }
    Py_DECREF(result);
    result = PyObject_CallMethod(waiter, "get", NULL);
    if (result && result != waiter) {
        PyErr_Format(PyExc_InvalidSwitch,
                     "Invalid switch into %R: got %R (expected %R)",
                     green_of(self)->thread->current, result, waiter);
        Py_CLEAR(result);
    }
    PyObject *exception = result ? NULL : exception_take();
    PyObject *stopped = PyObject_CallMethod(watcher, "stop", NULL);
    if (!stopped && exception)
        PyErr_Clear();
    Py_XDECREF(stopped);
    if (exception)
        exception_set(exception);
    Py_XDECREF(result);
    Py_DECREF(waiter);
    if (exception || !stopped)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *close_watcher(PyObject *watcher)
{
    return PyObject_CallMethod(watcher, "close", NULL);
}

/* In the Hub: throw error into whoever waits for watcher by a bound method of
 * its own or its Waiter's. */
static PyObject *cancel_wait_now(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n)
{
    PyObject *watcher = args[0], *error = args[1];
    PyObject *wake = PyObject_GetAttrString(watcher, "callback");
    PyObject *who = wake && wake != Py_None
                        ? PyObject_GetAttrString(wake, "__self__")
                        : NULL;
    Py_XDECREF(wake);
    if (who) {
        PyObject *result = PyObject_CallMethod(who, "throw", "(O)", error);
        Py_DECREF(who);
        if (!result)
            return NULL;
        Py_DECREF(result);
    } else {
        PyErr_Clear();
    }
    if (PyObject_IsTrue(args[2]))
        return close_watcher(watcher);
    Py_RETURN_NONE;
}

static PyObject *hub_object_cancel_wait(PyObject *self, PyObject *const *args,
                                        Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"watcher", "error", "close_watcher",
                                           NULL};
    PyObject *given[] = {NULL, NULL, Py_False};
    if (arguments("cancel_wait", args, n, names, keywords, 2, given) < 0)
        return NULL;
    PyObject *watcher = given[0], *error = given[1];
    int close = PyObject_IsTrue(given[2]);
    if (close < 0)
        return NULL;
    PyObject *wake = PyObject_GetAttrString(watcher, "callback");
    if (!wake)
        return NULL;
    Py_DECREF(wake);
    if (wake == Py_None) {
        if (close)
            return close_watcher(watcher);
        Py_RETURN_NONE;
    }
    PyObject *fn = PyObject_GetAttrString(self, "_cancel_wait");
    PyObject *call =
        fn ? PyTuple_Pack(3, watcher, error, close ? Py_True : Py_False) : NULL;
    PyObject *later =
        call ? loop_run_callback(green_of(self)->thread, fn, call) : NULL;
    Py_XDECREF(call);
    Py_XDECREF(fn);
    if (!later)
        return NULL;
    Py_DECREF(later);
    Py_RETURN_NONE;
}

/* ---- the type ------------------------------------------------------------ */

static PyObject *hub_object_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s at %p thread_ident=%p>",
                                type_name(Py_TYPE(self)), self,
                                (void *)((HubObject *)self)->thread_ident);
}

static PyObject *get_main_hub(PyObject *self, void *closure)
{
    return PyBool_FromLong(((HubObject *)self)->is_main);
}

static PyObject *get_exception_stream(PyObject *self, void *closure)
{
    PyObject *stream = ((PyGreenlet *)self)->dict
                           ? PyDict_GetItemWithError(((PyGreenlet *)self)->dict,
                                                     default_stream)
                           : NULL;
    if (!stream)
        stream = PySys_GetObject("stderr");
    return Py_NewRef(stream ? stream : Py_None);
}

static int set_exception_stream(PyObject *self, PyObject *stream, void *closure)
{
    PyGreenlet *g = (PyGreenlet *)self;
    if (!g->dict && !(g->dict = PyDict_New()))
        return -1;
    if (stream)
        return PyDict_SetItem(g->dict, default_stream, stream);
    if (PyDict_DelItem(g->dict, default_stream) < 0)
        PyErr_Clear();
    return 0;
}

static PyMethodDef hub_methods[] = {
    {"switch", hub_object_switch, METH_NOARGS,
     "Wait until another greenlet switches to this one; what it passed."},
    {"switch_out", hub_object_switch_out, METH_NOARGS,
     "Raises BlockingSwitchOutError: the Hub must not wait."},
    {"wait", hub_object_wait, METH_O, "Wait until the watcher fires."},
    {"cancel_wait", (PyCFunction)(void (*)(void))hub_object_cancel_wait,
     METH_FASTCALL | METH_KEYWORDS,
     "Throw error, from the Hub, into whoever waits for the watcher."},
    {"_cancel_wait", (PyCFunction)(void (*)(void))cancel_wait_now,
     METH_FASTCALL, NULL},
    {"join", (PyCFunction)(void (*)(void))hub_object_join,
     METH_FASTCALL | METH_KEYWORDS,
     "Wait until nothing is left to wait for: True, or False after timeout "
     "seconds. From the main greenlet only."},
    {"destroy", (PyCFunction)(void (*)(void))hub_object_destroy,
     METH_FASTCALL | METH_KEYWORDS, "Accepted; the hub ends with its thread."},
    {"handle_error", (PyCFunction)(void (*)(void))hub_object_handle_error,
     METH_FASTCALL,
     "handle_error(context, type, value, tb): an error nobody caught."},
    {"handle_system_error",
     (PyCFunction)(void (*)(void))hub_object_handle_system_error, METH_FASTCALL,
     "handle_system_error(type, value, tb=None): throw it into the main "
     "greenlet."},
    {"print_exception", (PyCFunction)(void (*)(void))hub_object_print_exception,
     METH_FASTCALL,
     "print_exception(context, type, value, tb): to exception_stream."},
    {"format_context", hub_object_format_context, METH_O,
     "The context of an error, as text."},
    {NULL}};

static PyGetSetDef hub_getset[] = {
    {"main_hub", get_main_hub, NULL, "Whether it is the main thread's.", NULL},
    {"exception_stream", get_exception_stream, set_exception_stream,
     "Where errors are printed; None: nowhere.", NULL},
    {NULL}};

static PyMemberDef hub_members[] = {
    {"loop", T_OBJECT, offsetof(HubObject, loop), READONLY,
     "The event loop, as far as Python sees it."},
    {"thread_ident", T_ULONG, offsetof(HubObject, thread_ident), READONLY,
     "threading.get_ident() of its thread."},
    {NULL}};

PyTypeObject Hub_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.hub.Hub",
    .tp_doc = "The greenlet that runs a thread's event loop.",
    .tp_basicsize = sizeof(HubObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &PyGreenlet_Type,
    .tp_new = hub_object_new,
    .tp_init = hub_object_init,
    .tp_traverse = hub_object_traverse,
    .tp_clear = hub_object_clear,
    .tp_dealloc = hub_object_dealloc,
    .tp_repr = hub_object_repr,
    .tp_methods = hub_methods,
    .tp_getset = hub_getset,
    .tp_members = hub_members,
};

/* ---- functions of the module --------------------------------------------- */

static PyObject *get_hub(PyObject *module, PyObject *none)
{
    struct py_thread *t = thread_self();
    PyObject *hub = t ? hub_object(t) : NULL;
    Py_XINCREF(hub);
    return hub;
}

static PyObject *get_hub_if_any(PyObject *module, PyObject *none)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    return Py_NewRef(t->hub_object ? t->hub_object : Py_None);
}

static PyObject *set_default_hub_class(PyObject *module, PyObject *type)
{
    if (!PyType_Check(type) ||
        !PyType_IsSubtype((PyTypeObject *)type, &Hub_Type)) {
        PyErr_Format(PyExc_TypeError, "expected a subclass of Hub, not %R",
                     type);
        return NULL;
    }
    PyTypeObject *old = hub_class;
    hub_class = (PyTypeObject *)Py_NewRef(type);
    if (old != &Hub_Type)
        Py_DECREF(old);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"get_hub", get_hub, METH_NOARGS,
     "The calling thread's Hub, made now if it has none."},
    {"_get_hub", get_hub_if_any, METH_NOARGS,
     "The calling thread's Hub, or None."},
    {"set_default_hub_class", set_default_hub_class, METH_O,
     "The class of Hubs made from now on."},
    {NULL}};

/* ---- exceptions ---------------------------------------------------------- */

static PyObject *loop_exit_str(PyObject *self)
{
    PyObject *args = ((PyBaseExceptionObject *)self)->args;
    if (PyTuple_GET_SIZE(args) != 3)
        return ((PyTypeObject *)PyExc_Exception)->tp_str(self);
    return PyUnicode_FromFormat(
        "%S\n\tHub: %R\n\tHandles:\n%R", PyTuple_GET_ITEM(args, 0),
        PyTuple_GET_ITEM(args, 1), PyTuple_GET_ITEM(args, 2));
}

static PyTypeObject LoopExit_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.exceptions.LoopExit",
    .tp_doc = "Nothing is left that could wake the waiting greenlet.",
    .tp_basicsize = sizeof(PyBaseExceptionObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_str = loop_exit_str,
};

int module_add_type(PyObject *module, PyTypeObject *type)
{
    if (PyType_Ready(type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, type_name(type), (PyObject *)type);
}

static int add_exception(PyObject *module, PyObject **where, const char *name,
                         PyObject *base, const char *doc)
{
    *where = PyErr_NewExceptionWithDoc(name, doc, base, NULL);
    if (!*where)
        return -1;
    return PyModule_AddObjectRef(module, strrchr(name, '.') + 1, *where);
}

static int add_exceptions(PyObject *module)
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
         PyExc_AssertionError, "A blocking call was made in the Hub."},
        {&PyExc_InvalidSwitch, "grove.exceptions.InvalidSwitchError",
         PyExc_AssertionError, "A waiting greenlet was switched to."},
        {&PyExc_ConcurrentUse, "grove.exceptions.ConcurrentObjectUseError",
         PyExc_AssertionError, "Two greenlets use what only one may."},
        {&PyExc_InvalidThreadUse, "grove.exceptions.InvalidThreadUseError",
         PyExc_RuntimeError, "An object is used in a thread not its own."},
        {&PyExc_HubDestroyed, "grove.exceptions.HubDestroyed",
         PyExc_GreenletExit, "The Hub is gone."},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (add_exception(module, all[i].where, all[i].name, all[i].base,
                          all[i].doc) < 0)
            return -1;
    }
    return 0;
}

/* SYSTEM_ERROR and NOT_ERROR, which subclasses and instances may replace. */
static int add_error_classes(void)
{
    PyObject *dict = Hub_Type.tp_dict;
    PyObject *system = PyTuple_Pack(3, PyExc_KeyboardInterrupt,
                                    PyExc_SystemExit, PyExc_SystemError);
    PyObject *quiet = PyTuple_Pack(2, PyExc_GreenletExit, PyExc_SystemExit);
    PyObject *name = PyUnicode_FromString("");
    int r = system && quiet && name &&
                    PyDict_SetItemString(dict, "SYSTEM_ERROR", system) == 0 &&
                    PyDict_SetItemString(dict, "NOT_ERROR", quiet) == 0 &&
                    PyDict_SetItemString(dict, "name", name) == 0
                ? 0
                : -1;
    Py_XDECREF(system);
    Py_XDECREF(quiet);
    Py_XDECREF(name);
    PyType_Modified(&Hub_Type);
    return r;
}

int hub_init(PyObject *module)
{
    default_stream = PyUnicode_InternFromString("_exception_stream");
    if (!default_stream || add_exceptions(module) < 0 ||
        module_add_type(module, &Hub_Type) < 0 || add_error_classes() < 0 ||
        PyModule_AddFunctions(module, functions) < 0 ||
        loop_object_init(module) < 0 || watchers_init(module) < 0 ||
        waiter_init(module) < 0)
        return -1;
    return 0;
}

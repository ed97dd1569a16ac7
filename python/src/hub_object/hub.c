/*
 * Hub: the greenlet that stands for the hub's own fiber. One a thread, made
 * when it is first asked for or waited in; struct py_thread owns it (place.c).
 *
 * Callbacks (of the loop object, of watchers, links, expired Timeouts) run in
 * it. It must not wait; it may switch to other greenlets, and gets control back
 * when they wait. What goes wrong in a callback or ends a greenlet that nobody
 * can answer for comes to handle_error, which users override and replace on the
 * instance: so it, and what it calls, are looked up as attributes.
 */
#include "hub/numbers.h"
#include "hub_object/private.h"

#include <stddef.h>
#include <structmember.h>
#include <time.h>

/* The default of exception_stream is sys.stderr as it is at that time. */
static PyObject *default_stream; /* a sentinel */

/* Each name of an attribute is one object: CPython keeps those that were looked
 * up, and would keep another for every thread. */
static PyObject *str_main_thread, *str_ident;

/* ---- birth --------------------------------------------------------------- */

static bool on_main_thread(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *main = threading
                         ? PyObject_CallMethodNoArgs(threading, str_main_thread)
                         : NULL;
    PyObject *ident = main ? PyObject_GetAttr(main, str_ident) : NULL;
    bool same = ident && PyLong_Check(ident) &&
                PyLong_AsUnsignedLong(ident) == PyThread_get_thread_ident();
    Py_XDECREF(ident);
    Py_XDECREF(main);
    Py_XDECREF(threading);
    PyErr_Clear();
    return same;
}

/* A Hub reports errors and calls what programs want, however small the stacks
 * are that many greenlets are to stand on: log2 of the default. */
#define HUB_STACK_SHIFT 20

static unsigned stack_shift_of_hub(void)
{
    return greenlet_stack_shift > HUB_STACK_SHIFT ? greenlet_stack_shift
                                                  : HUB_STACK_SHIFT;
}

static int give_fiber(struct py_thread *t, PyObject *self)
{
    if (t->hub_object) {
        hub_object_take_place(t, self);
        return 0;
    }
    if (hub_set_loop_stack(t->hub, STACK_HOSTED, stack_shift_of_hub()) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    assert(t->hub->loop_fiber != t->hub->current);
    greenlet_adopt((PyGreenlet *)self, t->hub->loop_fiber);
    t->hub_object = Py_NewRef(self);
    return 0;
}

static PyObject *hub_object_new(PyTypeObject *type, PyObject *args,
                                PyObject *kwargs)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (hub_object_is_given(t)) {
        PyErr_SetString(PyExc_RuntimeError, "this thread has a Hub already");
        return NULL;
    }
    if ((PyObject *)t->current == t->hub_object) {
        PyErr_SetString(PyExc_RuntimeError, "no Hub can be made in a callback");
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
    hub->base.green->is_hub = true;
    Py_XSETREF(hub->base.green->parent,
               (PyGreenlet *)Py_NewRef((PyObject *)t->main));
    hub->thread_ident = PyThread_get_thread_ident();
    hub->is_main = on_main_thread();
    hub->loop =
        t->hub_object ? Py_XNewRef(((HubObject *)t->hub_object)->loop) : NULL;
    if (!hub->loop)
        hub->loop = loop_object_new(t, hub->is_main);
    if (!hub->loop || give_fiber(t, self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

/* Anything goes, as Hub(loop=None, default=None) is called by subclasses. */
static int hub_object_init_object(PyObject *self, PyObject *args,
                                  PyObject *kwargs)
{
    return 0;
}

/* The thread has no Hub any more, until get_hub() makes another: a stand-in
 * runs the loop meanwhile. keep_loop: the next one's loop will be this one's.
 * -1 with an exception. */
static int hub_object_retire(struct py_thread *t, bool keep_loop)
{
    HubObject *old = (HubObject *)t->hub_object;
    assert(old && t->tstate == state_current_tstate());
    if ((PyObject *)t->current == t->hub_object) {
        PyErr_SetString(PyExc_AssertionError,
                        "not possible in the Hub: it runs this callback");
        return -1;
    }
    PyObject *loop = keep_loop && old->loop ? Py_NewRef(old->loop)
                                            : loop_object_new(t, old->is_main);
    PyObject *self =
        loop ? PyGreenlet_Type.tp_new(&Hub_Type, greenlet_no_args, NULL) : NULL;
    if (!self) {
        Py_XDECREF(loop);
        return -1;
    }
    HubObject *hub = (HubObject *)self;
    hub->base.green->is_hub = true;
    Py_XSETREF(hub->base.green->parent,
               (PyGreenlet *)Py_NewRef((PyObject *)t->main));
    hub->loop = loop;
    hub->thread_ident = old->thread_ident;
    hub->is_main = old->is_main;
    hub->stand_in = true;
    hub_object_take_place(t, self);
    Py_DECREF(self);
    assert(!hub_object_is_given(t) && t->hub_object == self);
    return 0;
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
    if (hub_object_check_alive(self) < 0 || hub_object_check_thread(t) < 0 ||
        call_switch_out((PyObject *)t->current) < 0)
        return NULL;
    PyObject *value = NULL;
    if (core_wait(t, GROVE_NEVER, "switch", -1, &value) == CORE_FAILED)
        return NULL;
    return value ? value : Py_NewRef(Py_None);
}

/* ---- the end of everything ----------------------------------------------- */

/* The loop is fresh; what the Hub is in stays what it was. */
void hub_object_forked(struct py_thread *t)
{
    if (t->hub_object)
        ((HubObject *)t->hub_object)->thread_ident =
            PyThread_get_thread_ident();
}

/* join(0): what is due gets its turn, and that is all. */
static PyObject *join_now(struct py_thread *t)
{
    struct hub *hub = t->hub;
    if (wait_turn(t) < 0)
        return NULL;
    return PyBool_FromLong(hub_due(hub, HUB_DUE_ALL) == 0 &&
                           hub->timers.count + hub->loop.waits + hub->holds <=
                               hub->unref);
}

static PyObject *hub_object_join(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("join", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    struct py_thread *t = green_of(self)->thread;
    if (hub_object_check_alive(self) < 0 || hub_object_check_thread(t) < 0)
        return NULL;
    if (t->current != t->main) {
        PyErr_SetString(PyExc_AssertionError,
                        "only possible from the MAIN greenlet");
        return NULL;
    }
    int64_t deadline;
    if (argument_deadline(timeout, &deadline) < 0)
        return NULL;
    if (deadline == 0)
        return join_now(t);
    /* Its own timer is no reason to go on. */
    bool timed = deadline != GROVE_NEVER;
    t->hub->unref += timed;
    enum core_wait_result r = core_wait(t, deadline, "hub.join", -1, NULL);
    assert(t->hub->unref >= timed && t->current == t->main);
    t->hub->unref -= timed;
    if (r == CORE_FAILED) {
        if (!PyErr_ExceptionMatches(PyExc_LoopExit))
            return NULL;
        PyErr_Clear();
        Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

/* Its loop's fiber is the thread's, and lives on: see hub_object_retire. */
static PyObject *hub_object_destroy(PyObject *self, PyObject *const *args,
                                    Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"destroy_loop", NULL};
    PyObject *given = Py_None;
    if (arguments("destroy", args, n, names, keywords, 0, &given) < 0)
        return NULL;
    HubObject *hub = (HubObject *)self;
    struct py_thread *t = green_of(self)->thread;
    int destroy_loop =
        given == Py_None ? !hub->is_main : PyObject_IsTrue(given);
    if (destroy_loop < 0)
        return NULL;
    if (hub->destroyed)
        Py_RETURN_NONE;
    if (t->hub_object == self && (hub_object_check_thread(t) < 0 ||
                                  hub_object_retire(t, !destroy_loop) < 0))
        return NULL;
    assert(t->hub_object != self);
    hub->destroyed = true;
    if (hub->loop && destroy_loop)
        loop_destroy_object(hub->loop);
    Py_CLEAR(hub->loop);
    Py_RETURN_NONE;
}

/* ---- the type ------------------------------------------------------------ */

static PyObject *hub_object_repr(PyObject *self)
{
    HubObject *hub = (HubObject *)self;
    PyObject *name = PyObject_GetAttrString(self, "name");
    PyObject *loop = !name ? NULL
                     : hub->loop
                         ? PyObject_CallMethod(hub->loop, "_format", NULL)
                         : PyUnicode_FromString("destroyed");
    PyObject *text =
        loop ? PyUnicode_FromFormat("<%s %R at %p %U thread_ident=%p>",
                                    type_name(Py_TYPE(self)), name, self, loop,
                                    (void *)hub->thread_ident)
             : NULL;
    Py_XDECREF(name);
    Py_XDECREF(loop);
    return text;
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
     "switch($self, /)\n--\n\n"
     "Wait until another greenlet switches to this one; what it passed.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.hub import get_hub, getcurrent\n"
     "    >>> waiting = getcurrent()\n"
     "    >>> due = get_hub().loop.run_callback(waiting.switch, \"it\")\n"
     "    >>> get_hub().switch()\n"
     "    'it'"},
    {"switch_out", hub_object_switch_out, METH_NOARGS,
     "switch_out($self, /)\n--\n\n"
     "Raises BlockingSwitchOutError: the Hub must not wait.\n\n"
     "    >>> import grove\n"
     "    >>> try:\n"
     "    ...     grove.get_hub().switch_out()\n"
     "    ... except grove.exceptions.BlockingSwitchOutError:\n"
     "    ...     print(\"it does not wait\")\n"
     "    it does not wait"},
    {"wait", hub_object_wait, METH_O,
     "wait($self, watcher, /)\n--\n\n"
     "Wait until the watcher fires.\n\n"
     "    >>> import grove\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> hub.wait(hub.loop.timer(0.01))"},
    {"cancel_wait", (PyCFunction)(void (*)(void))hub_object_cancel_wait,
     METH_FASTCALL | METH_KEYWORDS,
     "cancel_wait($self, /, watcher, error, close_watcher=False)\n--\n\n"
     "Throw error, from the Hub, into whoever waits for the watcher.\n\n"
     "    >>> import grove\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> timer = hub.loop.timer(3600)\n"
     "    >>> waiting = grove.spawn(hub.wait, timer)\n"
     "    >>> grove.sleep()\n"
     "    >>> hub.cancel_wait(timer, grove.GreenletExit)\n"
     "    >>> waiting.get()\n"
     "    GreenletExit()"},
    {"cancel_waits_close_and_then",
     (PyCFunction)(void (*)(void))hub_object_cancel_waits, METH_FASTCALL,
     "cancel_waits_close_and_then($self, watchers, error, then, /, "
     "*args)\n--\n\n"
     "Cancel and close all of them in the Hub, then call then(*args) there.\n\n"
     "    >>> import grove\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> timers = [hub.loop.timer(3600) for _ in range(2)]\n"
     "    >>> hub.cancel_waits_close_and_then(timers, OSError, print, "
     "\"closed\")\n"
     "    >>> grove.sleep()\n"
     "    closed"},
    {"_cancel_waits_then",
     (PyCFunction)(void (*)(void))hub_object_cancel_waits_then, METH_FASTCALL,
     NULL},
    {"_cancel_wait", (PyCFunction)(void (*)(void))hub_object_cancel_wait_now,
     METH_FASTCALL, NULL},
    {"join", (PyCFunction)(void (*)(void))hub_object_join,
     METH_FASTCALL | METH_KEYWORDS,
     "join($self, /, timeout=None)\n--\n\n"
     "Wait until nothing is left to wait for: True, or False after timeout\n"
     "seconds. From the main greenlet only.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(print, \"done\")\n"
     "    >>> grove.get_hub().join()\n"
     "    done\n"
     "    True"},
    {"destroy", (PyCFunction)(void (*)(void))hub_object_destroy,
     METH_FASTCALL | METH_KEYWORDS,
     "destroy($self, /, destroy_loop=None)\n--\n\n"
     "It is this thread's Hub no longer; get_hub() makes another. Its loop\n"
     "is destroyed, too, unless it is the default one; waits by this Hub\n"
     "raise HubDestroyed. Not in the Hub."},
    {"handle_error", (PyCFunction)(void (*)(void))hub_object_handle_error,
     METH_FASTCALL,
     "handle_error($self, context, type, value, tb, /)\n--\n\n"
     "An error nobody caught.\n\n"
     "    >>> import grove, sys\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> hub.exception_stream = sys.stdout\n"
     "    >>> hub.handle_error(\"lunch\", ValueError, ValueError(\"late\"), "
     "None)\n"
     "    ValueError: late\n"
     "    ...\n"
     "    >>> del hub.exception_stream"},
    {"handle_system_error",
     (PyCFunction)(void (*)(void))hub_object_handle_system_error, METH_FASTCALL,
     "handle_system_error($self, type, value, tb=None, /)\n--\n\n"
     "Throw it into the main greenlet.\n\n"
     "    >>> import grove\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> def end():\n"
     "    ...     hub.handle_system_error(SystemExit, SystemExit(\"enough\"))\n"
     "    >>> task = grove.spawn(end)\n"
     "    >>> try:\n"
     "    ...     grove.sleep(1)\n"
     "    ... except SystemExit as error:\n"
     "    ...     print(error)\n"
     "    enough"},
    {"print_exception", (PyCFunction)(void (*)(void))hub_object_print_exception,
     METH_FASTCALL,
     "print_exception($self, context, type, value, tb, /)\n--\n\n"
     "Write it to exception_stream.\n\n"
     "    >>> import grove, sys\n"
     "    >>> hub = grove.get_hub()\n"
     "    >>> hub.exception_stream = sys.stdout\n"
     "    >>> hub.print_exception(\"lunch\", ValueError, ValueError(\"late\"), "
     "None)\n"
     "    ValueError: late\n"
     "    ...\n"
     "    >>> del hub.exception_stream"},
    {"format_context", hub_object_format_context, METH_O,
     "format_context($self, context, /)\n--\n\n"
     "The context of an error, as text."},
    {NULL}};

static PyObject *get_loop(PyObject *self, void *closure)
{
    PyObject *loop = ((HubObject *)self)->loop;
    return Py_NewRef(loop ? loop : Py_None);
}

static int set_loop(PyObject *self, PyObject *loop, void *closure)
{
    if (!loop || !PyObject_TypeCheck(loop, &Loop_Type)) {
        PyErr_Format(PyExc_TypeError, "expected a loop, not %R",
                     loop ? loop : Py_None);
        return -1;
    }
    if (loop_thread(loop) != green_of(self)->thread) {
        PyErr_SetString(PyExc_InvalidThreadUse, "the loop is another thread's");
        return -1;
    }
    if (loop_is_own(loop)) {
        PyErr_SetString(PyExc_ValueError,
                        "the loop is one of its own, which no Hub runs");
        return -1;
    }
    Py_XSETREF(((HubObject *)self)->loop, Py_NewRef(loop));
    return 0;
}

static PyGetSetDef hub_getset[] = {
    {"loop", get_loop, set_loop,
     "The event loop, as far as Python sees it; None: destroyed.", NULL},
    {"main_hub", get_main_hub, NULL, "Whether it is the main thread's.", NULL},
    {"exception_stream", get_exception_stream, set_exception_stream,
     "Where errors are printed; None: nowhere.", NULL},
    {NULL}};

static PyMemberDef hub_members[] = {
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
    .tp_init = hub_object_init_object,
    .tp_traverse = hub_object_traverse,
    .tp_clear = hub_object_clear,
    .tp_dealloc = hub_object_dealloc,
    .tp_repr = hub_object_repr,
    .tp_methods = hub_methods,
    .tp_getset = hub_getset,
    .tp_members = hub_members,
};

/* ---- functions of the module --------------------------------------------- */

/* set_hub(hub): a Hub of this thread that was set aside, or None. */
static PyObject *set_hub(PyObject *module, PyObject *hub)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (hub == Py_None) {
        if (hub_object_is_given(t) && hub_object_retire(t, true) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    if (!PyObject_TypeCheck(hub, &Hub_Type)) {
        PyErr_Format(PyExc_TypeError, "expected a Hub or None, not %R", hub);
        return NULL;
    }
    if (green_of(hub)->thread != t) {
        PyErr_SetString(PyExc_InvalidThreadUse, "the Hub is another thread's");
        return NULL;
    }
    if (((HubObject *)hub)->destroyed) {
        PyErr_SetString(PyExc_HubDestroyed, "the Hub was destroyed");
        return NULL;
    }
    if (hub == t->hub_object)
        Py_RETURN_NONE;
    if ((PyObject *)t->current == t->hub_object) {
        PyErr_SetString(PyExc_AssertionError,
                        "not possible in the Hub: it runs this callback");
        return NULL;
    }
    hub_object_take_place(t, hub);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"set_hub", set_hub, METH_O,
     "set_hub(hub, /)\n--\n\n"
     "The calling thread's Hub from now on; None: it has none."},
    {NULL}};

/* ---- the module's part --------------------------------------------------- */

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
    str_main_thread = PyUnicode_InternFromString("main_thread");
    str_ident = PyUnicode_InternFromString("ident");
    if (!default_stream || !str_main_thread || !str_ident ||
        module_add_type(module, &Hub_Type) < 0 || add_error_classes() < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

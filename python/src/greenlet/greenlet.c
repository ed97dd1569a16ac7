/*
 * Greenlet as an object: made, spawned, collected, and its type. How it comes
 * to run is in start.c, what it calls in call.c, how it ends in run.c. What
 * others do about one (join, get, kill, link) is in methods.c and links.c, what
 * can be seen of one in attributes.c.
 */
#include "greenlet/made_at.h"
#include "greenlet/private.h"

static PyObject *str_run, *str__run, *str_start, *str_limit;

/* ---- the object ---------------------------------------------------------- */

/* The class's spawning_stack_limit; 0 for what is no number. */
static int stack_limit(PyTypeObject *type)
{
    PyObject *limit = _PyType_Lookup(type, str_limit);
    if (!limit || !PyLong_Check(limit))
        return 0;
    int overflow;
    long n = PyLong_AsLongAndOverflow(limit, &overflow);
    return overflow > 0 || n > 1000 ? 1000 : n < 0 ? 0 : (int)n;
}

static PyObject *green_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct py_thread *t = thread_self();
    PyObject *hub = t ? hub_object(t) : NULL;
    if (!hub)
        return NULL;
    Greenlet *g = (Greenlet *)PyGreenlet_Type.tp_new(type, NULL, NULL);
    if (!g)
        return NULL;
    struct green *state = green_state(g);
    assert(state->phase == GREEN_UNSTARTED && state->thread == t);
    Py_XSETREF(state->parent, (PyGreenlet *)Py_NewRef(hub));
    state->body = green_body;
    if (spawned_remember(&g->base, t) < 0) {
        Py_DECREF(g);
        return NULL;
    }
    if (spawned_tracking)
        g->made_at = spawn_stack_take(stack_limit(type));
    return (PyObject *)g;
}

static int refuse_run(void)
{
    PyErr_SetString(PyExc_TypeError,
                    "The run argument or self._run must be callable");
    return -1;
}

/* Keeps what is to be run: an override of _run in the class gives way to the
 * argument. */
static int keep_fn(Greenlet *g, PyObject *fn)
{
    if (!PyCallable_Check(fn))
        return refuse_run();
    if (Py_TYPE(g) != &Greenlet_Type)
        return PyObject_SetAttr((PyObject *)g, str__run, fn);
    Py_XSETREF(g->fn, Py_NewRef(fn));
    return 0;
}

static int check_own_run(Greenlet *g)
{
    if (Py_TYPE(g) == &Greenlet_Type)
        return 0;
    PyObject *fn = PyObject_GetAttr((PyObject *)g, str__run);
    if (!fn)
        return -1;
    int callable = PyCallable_Check(fn);
    Py_DECREF(fn);
    return callable ? 0 : refuse_run();
}

static int green_init_object(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Greenlet *g = (Greenlet *)self;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *fn = n ? PyTuple_GET_ITEM(args, 0) : NULL;
    PyObject *rest = n > 1 ? PyTuple_GetSlice(args, 1, n) : NULL;
    if (n > 1 && !rest)
        return -1;
    PyObject *named =
        kwargs && PyDict_GET_SIZE(kwargs) ? PyDict_Copy(kwargs) : NULL;
    PyObject *as_keyword = NULL; /* Greenlet(run=...) */
    if (named && !fn && (as_keyword = PyDict_GetItem(named, str_run))) {
        fn = Py_NewRef(as_keyword);
        PyDict_DelItem(named, str_run);
    }
    green_call_set_args(g, rest);
    Py_XDECREF(rest);
    Py_XSETREF(g->kwargs, named);
    int r = fn && fn != Py_None ? keep_fn(g, fn) : check_own_run(g);
    if (as_keyword)
        Py_DECREF(fn);
    return r;
}

static int green_traverse(PyObject *self, visitproc visit, void *arg)
{
    Greenlet *g = (Greenlet *)self;
    Py_VISIT(g->value);
    Py_VISIT(g->exception);
    Py_VISIT(g->traceback);
    Py_VISIT(g->links);
    int r = green_call_traverse(g, visit, arg);
    spawned_traverse_fields(&g->base, visit, arg, &r);
    return r ? r : PyGreenlet_Type.tp_traverse(self, visit, arg);
}

static void clear_fields(Greenlet *g)
{
    green_call_forget(g);
    Py_CLEAR(g->value);
    Py_CLEAR(g->exception);
    Py_CLEAR(g->traceback);
    Py_CLEAR(g->links);
    spawned_clear_fields(&g->base);
}

static int green_clear(PyObject *self)
{
    clear_fields((Greenlet *)self);
    return PyGreenlet_Type.tp_clear(self);
}

static void green_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (greenlet_revived((PyGreenlet *)self))
        return;
    Greenlet *g = (Greenlet *)self;
    assert(!g->first && !g->delay && !run_queued(&g->base.run));
    if (g->ident)
        green_ident_give(g->ident - 1);
    clear_fields(g);
    spawn_stack_free(g->made_at);
    Py_CLEAR(g->name);
    Py_CLEAR(g->described);
    PyGreenlet_Type.tp_dealloc(self);
}

/* ---- made, and started ----------------------------------------------------------- */

static bool names_run(PyObject *names)
{
    return names && PySequence_Contains(names, str_run) != 0;
}

PyObject *green_make(PyObject *cls, PyObject *const *args, Py_ssize_t n,
                     PyObject *names)
{
    if (cls != (PyObject *)&Greenlet_Type || n < 1 || names_run(names))
        return PyObject_Vectorcall(cls, args, (size_t)n, names);
    PyObject *self = green_new(&Greenlet_Type, NULL, NULL);
    if (!self)
        return NULL;
    if ((args[0] != Py_None && keep_fn((Greenlet *)self, args[0]) < 0) ||
        green_call_keep((Greenlet *)self, args + 1, n - 1, names) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

static PyObject *green_spawn(PyObject *cls, PyObject *const *args, Py_ssize_t n,
                             PyObject *names)
{
    PyObject *self = green_make(cls, args, n, names);
    if (!self)
        return NULL;
    if (likely(Py_TYPE(self) == &Greenlet_Type)) {
        if (likely(green_start((Greenlet *)self) == 0))
            return self;
    } else {
        PyObject *result = PyObject_CallMethodNoArgs(self, str_start);
        Py_XDECREF(result);
        if (result)
            return self;
    }
    Py_DECREF(self);
    return NULL;
}

static PyObject *green_spawn_later(PyObject *cls, PyObject *const *args,
                                   Py_ssize_t n, PyObject *names)
{
    if (n < 1) {
        PyErr_SetString(PyExc_TypeError,
                        "spawn_later() missing 1 required positional argument: "
                        "'seconds'");
        return NULL;
    }
    if (n == 1 && !names && cls == (PyObject *)&Greenlet_Type) {
        refuse_run();
        return NULL;
    }
    PyObject *self = green_make(cls, args + 1, n - 1, names);
    if (!self)
        return NULL;
    PyObject *result = PyObject_CallMethod(self, "start_later", "(O)", args[0]);
    Py_XDECREF(result);
    if (!result)
        Py_CLEAR(self);
    return self;
}

/* ---- the type ------------------------------------------------------------ */

/* Those of the class; what an instance does is added to them. */
static PyMethodDef class_methods[] = {
    {"spawn", (PyCFunction)(void (*)(void))green_spawn,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "spawn($type, /, *args, **kwargs)\n--\n\n"
     "A new greenlet, started: it runs function(*args, **kwargs) when its\n"
     "turn comes, for the first of the arguments is the function.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(pow, 2, 10)\n"
     "    >>> task.get()\n"
     "    1024"},
    {"spawn_later", (PyCFunction)(void (*)(void))green_spawn_later,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "spawn_later($type, /, seconds, *args, **kwargs)\n--\n\n"
     "As spawn(), but it starts after that many seconds.\n\n"
     "    >>> import grove\n"
     "    >>> grove.spawn_later(0.01, str.upper, \"late\").get()\n"
     "    'LATE'"},
    {"add_spawn_callback", green_add_spawn_callback, METH_O | METH_STATIC,
     "add_spawn_callback(callback, /)\n--\n\n"
     "Have callback(greenlet) called whenever a Greenlet is started.\n\n"
     "    >>> import grove\n"
     "    >>> started = []\n"
     "    >>> grove.Greenlet.add_spawn_callback(started.append)\n"
     "    >>> task = grove.spawn(int)\n"
     "    >>> grove.Greenlet.remove_spawn_callback(started.append)\n"
     "    >>> started == [task]\n"
     "    True"},
    {"remove_spawn_callback", green_remove_spawn_callback, METH_O | METH_STATIC,
     "remove_spawn_callback(callback, /)\n--\n\n"
     "Undo add_spawn_callback().\n\n"
     "    >>> import grove\n"
     "    >>> grove.Greenlet.add_spawn_callback(print)\n"
     "    >>> grove.Greenlet.remove_spawn_callback(print)\n"
     "    >>> task = grove.spawn(int)"},
    {NULL}};

static PyNumberMethods green_number = {.nb_bool = green_bool};

/* await greenlet: asyncio's side of it is in Python, fetched when it is asked
 * for, since asyncio takes longer to import than all of this package. */
static PyObject *green_await(PyObject *self)
{
    PyObject *module = PyImport_ImportModule("grove.sync.awaited");
    PyObject *iterator =
        module ? PyObject_CallMethod(module, "awaited", "O", self) : NULL;
    Py_XDECREF(module);
    return iterator;
}

static PyAsyncMethods green_async = {.am_await = green_await};

PyDoc_STRVAR(green_doc, "Greenlet(run=None, *args, **kwargs)\n--\n\n"
                        "A greenlet that the hub runs. Subclasses may override "
                        "_run instead of passing\n"
                        "a function.\n\n"
                        "    >>> import grove\n"
                        "    >>> class Square(grove.Greenlet):\n"
                        "    ...     def __init__(self, n):\n"
                        "    ...         super().__init__()\n"
                        "    ...         self.n = n\n"
                        "    ...     def _run(self):\n"
                        "    ...         return self.n ** 2\n"
                        "    >>> square = Square(12)\n"
                        "    >>> square.start()\n"
                        "    >>> square.get()\n"
                        "    144");

PyTypeObject Greenlet_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.greenlet.Greenlet",
    .tp_doc = green_doc,
    .tp_basicsize = sizeof(Greenlet),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &PyGreenlet_Type,
    .tp_new = green_new,
    .tp_init = green_init_object,
    .tp_traverse = green_traverse,
    .tp_clear = green_clear,
    .tp_dealloc = green_dealloc,
    .tp_repr = green_repr,
    .tp_as_number = &green_number,
    .tp_as_async = &green_async,
    .tp_methods = class_methods,
    .tp_getset = green_getset,
};

/* gevent.spawn is Greenlet.spawn. */
static int add_spawns(PyObject *module)
{
    static const char *const names[] = {"spawn", "spawn_later"};
    for (size_t i = 0; i < 2; i++) {
        PyObject *method =
            PyObject_GetAttrString((PyObject *)&Greenlet_Type, names[i]);
        if (!method || PyModule_AddObjectRef(module, names[i], method) < 0) {
            Py_XDECREF(method);
            return -1;
        }
        Py_DECREF(method);
    }
    return 0;
}

int green_init(PyObject *module)
{
    str_run = PyUnicode_InternFromString("run");
    str__run = PyUnicode_InternFromString("_run");
    str_start = PyUnicode_InternFromString("start");
    str_limit = PyUnicode_InternFromString("spawning_stack_limit");
    PyObject *limit = PyLong_FromLong(10);
    if (!str_run || !str__run || !str_start || !str_limit || !limit ||
        green_attributes_init() < 0 || green_call_init() < 0)
        return -1;
    if (module_add_type(module, &Greenlet_Type) < 0 ||
        type_add_methods(&Greenlet_Type, green_start_methods) < 0 ||
        type_add_methods(&Greenlet_Type, green_run_methods) < 0 ||
        type_add_methods(&Greenlet_Type, green_methods) < 0 ||
        PyDict_SetItemString(Greenlet_Type.tp_dict, "spawning_stack_limit",
                             limit) < 0)
        return -1;
    Py_DECREF(limit);
    return green_run_init() < 0 ? -1 : add_spawns(module);
}

/*
 * Greenlet: its birth, what it runs, its end. What others do about one (join,
 * get, kill, link) is in methods.c and links.c, what can be seen of one
 * in attributes.c.
 *
 *          start                 its turn            run returns or raises
 *   made ---------> begun, queued ---------> running ----------+
 *    |                    |                                    v
 *    +--- kill, throw ----+-------------------------------> finished
 *
 * When a Greenlet finishes, those who wait for it in C are woken on the spot,
 * its links are queued for the Hub, and its fiber goes on to whoever is due:
 * the Hub does not run in between.
 */
#include "greenlet/made_at.h"
#include "greenlet/private.h"

#include <structmember.h>

static PyObject *str_run, *str__run, *str_start, *str_limit;
static PyObject *no_args;  /* () */
static PyObject *base_run; /* Greenlet.run, to see whether it is overridden */
static PyObject *spawn_callbacks; /* a set; NULL: none */

/* ---- who waits ----------------------------------------------------------- */

void green_node_add(Greenlet *g, struct green_node *node)
{
    node->prev = g->last;
    node->next = node;
    if (g->last)
        g->last->next = node;
    else
        g->first = node;
    g->last = node;
}

void green_node_remove(Greenlet *g, struct green_node *node)
{
    if (!green_node_linked(node))
        return;
    struct green_node *next = node->next == node ? NULL : node->next;
    if (node->prev)
        node->prev->next = next ? next : node->prev;
    else
        g->first = next;
    if (next)
        next->prev = node->prev;
    else
        g->last = node->prev;
    node->next = NULL;
}

/* ---- the end ------------------------------------------------------------- */

/* value or exception is set. What it ran is let go of by forget_call. */
static void finished(Greenlet *g)
{
    g->finished = true;
    struct green_node *node;
    while ((node = g->first)) {
        green_node_remove(g, node);
        node->fired(node);
    }
    if (g->links)
        green_queue_links(g);
}

static void forget_call(Greenlet *g)
{
    Py_CLEAR(g->fn);
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
    /* A _run of the instance: g._run is the class's again. */
    PyObject *dict = green_base(g)->dict;
    if (dict && PyDict_GET_SIZE(dict) && PyDict_Contains(dict, str__run) == 1)
        PyDict_DelItem(dict, str__run);
}

static void finish_value(Greenlet *g, PyObject *value)
{
    g->value = value;
    finished(g);
    forget_call(g);
}

/* By exception (stolen), which is reported unless it is a GreenletExit. */
static void finish_exception(Greenlet *g, PyObject *exception)
{
    if (PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_GreenletExit)) {
        finish_value(g, exception);
        return;
    }
    g->exception = exception;
    g->traceback = PyException_GetTraceback(exception);
    finished(g);
    exception_set(Py_NewRef(exception));
    hub_object_report(green_state(g)->thread, (PyObject *)g);
    forget_call(g);
}

void green_end_unrun(Greenlet *g, PyObject *exception)
{
    Py_INCREF(g);
    g->begun = true;
    green_state(g)->phase = GREEN_DEAD;
    finish_exception(g, exception);
    Py_DECREF(g);
}

/* ---- what it runs -------------------------------------------------------- */

static PyObject *call_fn(Greenlet *g)
{
    PyObject *fn =
        g->fn ? Py_NewRef(g->fn) : PyObject_GetAttr((PyObject *)g, str__run);
    if (!fn)
        return NULL;
    PyObject *result;
    if (!g->args && !g->kwargs) {
        result = PyObject_CallNoArgs(fn);
    } else {
        PyObject *args = Py_NewRef(g->args ? g->args : no_args);
        PyObject *kwargs = Py_XNewRef(g->kwargs);
        result = PyObject_Call(fn, args, kwargs);
        Py_DECREF(args);
        Py_XDECREF(kwargs);
    }
    Py_DECREF(fn);
    return result;
}

static void run_to_the_end(Greenlet *g)
{
    PyObject *result = call_fn(g);
    if (likely(result != NULL))
        finish_value(g, result);
    else
        finish_exception(g, exception_take());
}

/* run(): the whole life, also called by subclasses that override it. */
static PyObject *green_run(PyObject *self, PyObject *none)
{
    Greenlet *g = (Greenlet *)self;
    if (!g->finished) {
        green_cancel_start(g);
        g->begun = true;
        run_to_the_end(g);
    }
    Py_RETURN_NONE;
}

static void run_overridden(Greenlet *g)
{
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)g, str_run);
    if (g->finished) {
        if (!result)
            hub_object_report(green_state(g)->thread, (PyObject *)g);
        Py_XDECREF(result);
    } else if (result) {
        finish_value(g, result);
    } else {
        finish_exception(g, exception_take());
    }
}

static PyObject *green_body(PyGreenlet *self)
{
    Greenlet *g = (Greenlet *)self;
    struct green *state = self->green;
    if (unlikely(state->start_args != NULL)) { /* switch(...) began it */
        Py_CLEAR(state->start_args);
        Py_CLEAR(state->start_kwargs);
    }
    green_cancel_start(g);
    g->begun = true;
    if (likely(Py_TYPE(g) == &Greenlet_Type ||
               _PyType_Lookup(Py_TYPE(g), str_run) == base_run))
        run_to_the_end(g);
    else
        run_overridden(g);
    Py_RETURN_NONE;
}

/* ---- the start ----------------------------------------------------------- */

struct green_delay {
    struct timer timer;
    Greenlet *greenlet; /* owned */
};

static void on_delay(struct timer *timer)
{
    struct green_delay *delay = container_of(timer, struct green_delay, timer);
    Greenlet *g = delay->greenlet;
    g->delay = NULL;
    PyMem_Free(delay);
    spawned_queue(&g->base);
    Py_DECREF(g); /* the queue has one */
}

void green_cancel_start(Greenlet *g)
{
    if (run_queued(&g->base.run) && g->base.run.birth)
        spawned_unqueue(&g->base);
    struct green_delay *delay = g->delay;
    if (delay) {
        g->delay = NULL;
        struct hub *hub = green_state(g)->thread->hub;
        if (hub) /* NULL: its thread has ended, and the timers with it */
            timer_remove(&hub->timers, &delay->timer);
        PyMem_Free(delay);
        Py_DECREF(g);
    }
}

static int call_spawn_callbacks(Greenlet *g)
{
    PyObject *all = PySequence_List(spawn_callbacks);
    if (!all)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all); i++) {
        PyObject *result =
            PyObject_CallOneArg(PyList_GET_ITEM(all, i), (PyObject *)g);
        if (!result) {
            Py_DECREF(all);
            return -1;
        }
        Py_DECREF(result);
    }
    Py_DECREF(all);
    return 0;
}

int green_start(Greenlet *g)
{
    if (g->begun || green_state(g)->phase != GREEN_UNSTARTED)
        return 0;
    if (hub_object_check_thread(green_state(g)->thread) < 0)
        return -1;
    g->begun = true;
    spawned_queue(&g->base);
    return spawn_callbacks ? call_spawn_callbacks(g) : 0;
}

static PyObject *green_start_method(PyObject *self, PyObject *none)
{
    if (green_start((Greenlet *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int start_later(Greenlet *g, PyObject *seconds)
{
    if (g->begun || green_state(g)->phase != GREEN_UNSTARTED)
        return 0;
    struct py_thread *t = green_state(g)->thread;
    int64_t deadline;
    if (hub_object_check_thread(t) < 0 ||
        argument_deadline(seconds, &deadline) < 0)
        return -1;
    struct green_delay *delay = PyMem_Malloc(sizeof(*delay));
    if (!delay) {
        PyErr_NoMemory();
        return -1;
    }
    *delay = (struct green_delay){.timer = {.fn = on_delay}, .greenlet = g};
    Py_INCREF(g);
    g->delay = delay;
    g->begun = true;
    timer_add(&t->hub->timers, &delay->timer, deadline);
    return spawn_callbacks ? call_spawn_callbacks(g) : 0;
}

static PyObject *green_start_later(PyObject *self, PyObject *seconds)
{
    if (start_later((Greenlet *)self, seconds) < 0)
        return NULL;
    Py_RETURN_NONE;
}

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
    Py_XSETREF(g->args, rest);
    Py_XSETREF(g->kwargs, named);
    int r = fn && fn != Py_None ? keep_fn(g, fn) : check_own_run(g);
    if (as_keyword)
        Py_DECREF(fn);
    return r;
}

static int green_traverse(PyObject *self, visitproc visit, void *arg)
{
    Greenlet *g = (Greenlet *)self;
    Py_VISIT(g->fn);
    Py_VISIT(g->args);
    Py_VISIT(g->kwargs);
    Py_VISIT(g->value);
    Py_VISIT(g->exception);
    Py_VISIT(g->traceback);
    Py_VISIT(g->links);
    int r = 0;
    spawned_traverse_fields(&g->base, visit, arg, &r);
    return r ? r : PyGreenlet_Type.tp_traverse(self, visit, arg);
}

static void clear_fields(Greenlet *g)
{
    Py_CLEAR(g->fn);
    Py_CLEAR(g->args);
    Py_CLEAR(g->kwargs);
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
    if (g->ident)
        green_ident_give(g->ident - 1);
    clear_fields(g);
    spawn_stack_free(g->made_at);
    Py_CLEAR(g->name);
    PyGreenlet_Type.tp_dealloc(self);
}

/* ---- spawning ------------------------------------------------------------ */

/* The arguments behind the function. */
static int keep_call(Greenlet *g, PyObject *const *args, Py_ssize_t n,
                     PyObject *names)
{
    if (n) {
        g->args = PyTuple_New(n);
        if (!g->args)
            return -1;
        for (Py_ssize_t i = 0; i < n; i++)
            PyTuple_SET_ITEM(g->args, i, Py_NewRef(args[i]));
    }
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (!named)
        return 0;
    g->kwargs = PyDict_New();
    if (!g->kwargs)
        return -1;
    for (Py_ssize_t i = 0; i < named; i++) {
        if (PyDict_SetItem(g->kwargs, PyTuple_GET_ITEM(names, i), args[n + i]) <
            0)
            return -1;
    }
    return 0;
}

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
        keep_call((Greenlet *)self, args + 1, n - 1, names) < 0) {
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
    if (n > 1 && args[1] != Py_None && !PyCallable_Check(args[1])) {
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

static PyObject *add_spawn_callback(PyObject *none, PyObject *callback)
{
    if (!spawn_callbacks && !(spawn_callbacks = PySet_New(NULL)))
        return NULL;
    if (PySet_Add(spawn_callbacks, callback) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *remove_spawn_callback(PyObject *none, PyObject *callback)
{
    if (spawn_callbacks) {
        if (PySet_Discard(spawn_callbacks, callback) < 0)
            return NULL;
        if (PySet_GET_SIZE(spawn_callbacks) == 0)
            Py_CLEAR(spawn_callbacks);
    }
    Py_RETURN_NONE;
}

/* ---- the type ------------------------------------------------------------ */

static PyMethodDef birth_methods[] = {
    {"run", green_run, METH_NOARGS,
     "What its fiber runs: calls _run, keeps the result, tells who waits."},
    {"start", green_start_method, METH_NOARGS,
     "Have it run when its turn comes. Only the first call counts."},
    {"start_later", green_start_later, METH_O,
     "start_later(seconds): have it run after that time."},
    {"spawn", (PyCFunction)(void (*)(void))green_spawn,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "spawn(function, *args, **kwargs): a new Greenlet, started."},
    {"spawn_later", (PyCFunction)(void (*)(void))green_spawn_later,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "spawn_later(seconds, function, *args, **kwargs)"},
    {"add_spawn_callback", add_spawn_callback, METH_O | METH_STATIC,
     "Have callback(greenlet) called whenever a Greenlet is started."},
    {"remove_spawn_callback", remove_spawn_callback, METH_O | METH_STATIC,
     "Undo add_spawn_callback."},
    {NULL}};

static PyNumberMethods green_number = {.nb_bool = green_bool};

PyDoc_STRVAR(green_doc, "Greenlet(run=None, *args, **kwargs)\n--\n\n"
                        "A greenlet that the hub runs. Subclasses may override "
                        "_run instead of passing\n"
                        "a function.");

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
    .tp_methods = birth_methods,
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
    no_args = PyTuple_New(0);
    PyObject *limit = PyLong_FromLong(10);
    if (!str_run || !str__run || !str_start || !str_limit || !no_args ||
        !limit || green_attributes_init() < 0)
        return -1;
    if (module_add_type(module, &Greenlet_Type) < 0 ||
        type_add_methods(&Greenlet_Type, green_methods) < 0 ||
        PyDict_SetItemString(Greenlet_Type.tp_dict, "spawning_stack_limit",
                             limit) < 0)
        return -1;
    Py_DECREF(limit);
    base_run = PyDict_GetItemWithError(Greenlet_Type.tp_dict, str_run);
    return base_run ? add_spawns(module) : -1;
}

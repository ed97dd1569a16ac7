/*
 * Greenlets that the hub starts: how they wait for their turn, and whose
 * children they are. And spawn_raw, which makes the plainest of them.
 *
 * Until its turn comes a spawned greenlet is an object in the run queue. It
 * takes a stack only then, so that many short ones in a row run on the same few
 * stacks.
 */
#include "greenlet/private.h"

/* ---- the queue ----------------------------------------------------------- */

/* It did not come to a birth: the queue's reference is given up where code may
 * run. */
static void let_go(struct run *run)
{
    Py_DECREF(container_of(run, Spawned, run));
}

static void no_stack(struct run *run)
{
    Spawned *s = container_of(run, Spawned, run);
    struct py_thread *t = s->base.green->thread;
    assert(!run_queued(run) && !PyErr_Occurred());
    PyErr_SetString(PyExc_MemoryError, "no stack for a greenlet");
    if (greenlet_is_green((PyObject *)s)) {
        green_end_unrun((Greenlet *)s, exception_take());
    } else {
        s->base.green->phase = GREEN_DEAD;
        hub_object_report(t, (PyObject *)s);
    }
    Py_DECREF(s);
}

static void call_instead(Spawned *s, void (*call)(struct run *))
{
    s->run = (struct run){.call = call};
    hub_queue(s->base.green->thread->hub, &s->run);
}

static struct grove_fiber *born(struct run *run)
{
    Spawned *s = container_of(run, Spawned, run);
    assert(!run_queued(run) && run->birth == born);
    birth_begins(s->base.green->thread);
    if (unlikely(s->base.green->phase != GREEN_UNSTARTED)) {
        call_instead(s, let_go); /* somebody switched to it or killed it */
        return NULL;
    }
    struct grove_fiber *f = greenlet_start(&s->base);
    assert(!f == (PyErr_Occurred() != NULL));
    assert(!f || s->base.green->phase == GREEN_ACTIVE);
    if (unlikely(!f)) {
        PyErr_Clear();
        call_instead(s, no_stack);
    }
    return f;
}

void spawned_queue(Spawned *s)
{
    Py_INCREF(s);
    s->run.call = NULL;
    s->run.birth = born;
    hub_queue(s->base.green->thread->hub, &s->run);
}

void spawned_unqueue(Spawned *s)
{
    if (!run_queued(&s->run))
        return;
    run_queue_remove(&s->run);
    Py_DECREF(s);
}

static bool take(struct run *run)
{
    if (run->birth != born && run->call != let_go && run->call != no_stack &&
        !green_notifies(run))
        return false;
    run_queue_remove(run);
    Py_DECREF(container_of(run, Spawned, run));
    return true;
}

void spawned_abandon(struct hub *hub)
{
    green_delays_abandon(hub);
    thread_take_due(hub, take);
}

/* ---- the tree ------------------------------------------------------------ */

static bool is_spawned(PyObject *g)
{
    return greenlet_is_green(g) || PyObject_TypeCheck(g, &RawGreenlet_Type);
}

bool spawned_tracking = true;

/* A child of a main greenlet gets locals of its own; any other shares its
 * spawner's. They are made when the first grandchild is, or when asked for. */
int spawned_remember(Spawned *s, struct py_thread *t)
{
    if (unlikely(!spawned_tracking))
        return 0;
    PyObject *spawner = (PyObject *)t->current;
    assert(!s->spawner && !s->locals && s->base.green->thread == t);
    s->spawner = PyWeakref_NewRef(spawner, NULL);
    if (!s->spawner)
        return -1;
    if (!is_spawned(spawner))
        return 0;
    s->locals = spawned_get_locals(spawner, NULL);
    return s->locals ? 0 : -1;
}

PyObject *spawned_get_spawner(PyObject *self, void *closure)
{
    PyObject *spawner = ((Spawned *)self)->spawner;
    return Py_NewRef(spawner ? spawner : Py_None);
}

int spawned_set_spawner(PyObject *self, PyObject *value, void *closure)
{
    Py_XSETREF(((Spawned *)self)->spawner, Py_XNewRef(value));
    return 0;
}

PyObject *spawned_get_locals(PyObject *self, void *closure)
{
    Spawned *s = (Spawned *)self;
    if (!s->locals && !(s->locals = PyDict_New()))
        return NULL;
    return Py_NewRef(s->locals);
}

int spawned_set_locals(PyObject *self, PyObject *value, void *closure)
{
    Py_XSETREF(((Spawned *)self)->locals, Py_XNewRef(value));
    return 0;
}

PyObject *spawned_get_loop(PyObject *self, void *closure)
{
    PyObject *hub = green_of(self)->thread->hub_object;
    if (!hub)
        Py_RETURN_NONE;
    return PyObject_GetAttrString(hub, "loop");
}

void spawned_traverse_fields(Spawned *s, visitproc visit, void *arg, int *r)
{
    if (*r == 0 && s->spawner)
        *r = visit(s->spawner, arg);
    if (*r == 0 && s->locals)
        *r = visit(s->locals, arg);
}

void spawned_clear_fields(Spawned *s)
{
    Py_CLEAR(s->spawner);
    Py_CLEAR(s->locals);
}

/* ---- spawn_raw ----------------------------------------------------------- */

static int raw_traverse(PyObject *self, visitproc visit, void *arg)
{
    int r = 0;
    spawned_traverse_fields((Spawned *)self, visit, arg, &r);
    return r ? r : PyGreenlet_Type.tp_traverse(self, visit, arg);
}

static int raw_clear(PyObject *self)
{
    spawned_clear_fields((Spawned *)self);
    return PyGreenlet_Type.tp_clear(self);
}

static void raw_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (greenlet_revived((PyGreenlet *)self))
        return;
    spawned_clear_fields((Spawned *)self);
    PyGreenlet_Type.tp_dealloc(self);
}

static PyGetSetDef raw_getset[] = {
    {"spawning_greenlet", spawned_get_spawner, spawned_set_spawner,
     "A weak reference to the greenlet that spawned it.", NULL},
    {"spawn_tree_locals", spawned_get_locals, spawned_set_locals,
     "A dict shared with its descendants.", NULL},
    {"loop", spawned_get_loop, NULL, "Its Hub's loop.", NULL},
    {NULL}};

PyTypeObject RawGreenlet_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.hub.TrackedRawGreenlet",
    .tp_doc = "A plain greenlet that spawn_raw made.",
    .tp_basicsize = sizeof(Spawned),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_base = &PyGreenlet_Type,
    .tp_traverse = raw_traverse,
    .tp_clear = raw_clear,
    .tp_dealloc = raw_dealloc,
    .tp_getset = raw_getset,
};

/* The arguments behind the function, as a tuple and a dict or NULL. */
static int keep_arguments(struct green *g, PyObject *const *args, Py_ssize_t n,
                          PyObject *names)
{
    assert(g->phase == GREEN_UNSTARTED && !g->start_args && !g->start_kwargs);
    g->start_args = PyTuple_New(n);
    if (!g->start_args)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        PyTuple_SET_ITEM(g->start_args, i, Py_NewRef(args[i]));
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    if (!named)
        return 0;
    g->start_kwargs = PyDict_New();
    if (!g->start_kwargs)
        return -1;
    for (Py_ssize_t i = 0; i < named; i++) {
        if (PyDict_SetItem(g->start_kwargs, PyTuple_GET_ITEM(names, i),
                           args[n + i]) < 0)
            return -1;
    }
    return 0;
}

static PyObject *spawn_raw(PyObject *module, PyObject *const *args,
                           Py_ssize_t n, PyObject *names)
{
    if (n < 1) {
        PyErr_SetString(PyExc_TypeError,
                        "spawn_raw() missing 1 required positional argument: "
                        "'function'");
        return NULL;
    }
    if (!PyCallable_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "function must be callable");
        return NULL;
    }
    struct py_thread *t = thread_self();
    PyObject *hub = t ? hub_object(t) : NULL;
    if (!hub)
        return NULL;
    PyObject *self = PyGreenlet_Type.tp_new(&RawGreenlet_Type, NULL, NULL);
    if (!self)
        return NULL;
    struct green *g = green_of(self);
    Py_XSETREF(g->parent, (PyGreenlet *)Py_NewRef(hub));
    g->run = Py_NewRef(args[0]);
    if (keep_arguments(g, args + 1, n - 1, names) < 0 ||
        spawned_remember((Spawned *)self, t) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    spawned_queue((Spawned *)self);
    return self;
}

static PyObject *track_tree(PyObject *module, PyObject *value)
{
    int wanted = PyObject_IsTrue(value);
    if (wanted < 0)
        return NULL;
    spawned_tracking = wanted;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_track_greenlet_tree", track_tree, METH_O,
     "Whether greenlets remember who spawned them."},
    {"spawn_raw", (PyCFunction)(void (*)(void))spawn_raw,
     METH_FASTCALL | METH_KEYWORDS,
     "spawn_raw(function, /, *args, **kwargs)\n--\n\n"
     "Run it in a plain greenlet, which has no join, get or kill.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn_raw(print, \"hello\")\n"
     "    >>> grove.sleep()\n"
     "    hello"},
    {NULL}};

int spawned_init(PyObject *module)
{
    RawGreenlet_Type.tp_base = &PyGreenlet_Type;
    if (module_add_type(module, &RawGreenlet_Type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

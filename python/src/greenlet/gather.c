/*
 * See gather.h. A Greenlet is waited for by a node in C. Any other object gets,
 * through its rawlink method, a callable that stands for the node, and that is
 * cut off from it when the wait ends.
 */
#include "greenlet/gather.h"

/* ---- the callable -------------------------------------------------------- */

typedef struct GatherLink {
    PyObject_HEAD
    struct gather_node *node; /* NULL: nobody waits any more */
} GatherLink;

/* Who goes on: NULL: nobody. */
static struct grove_fiber *ready(struct gather_node *node)
{
    struct gather *g = node->gather;
    assert(node >= g->nodes && node < g->nodes + g->n);
    assert(g->done < g->n && !green_node_linked(&node->node));
    g->order[g->done++] = (uint32_t)(node - g->nodes);
    return g->done >= g->wanted ? g->fiber : NULL;
}

static PyObject *link_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    GatherLink *link = (GatherLink *)self;
    struct gather_node *node = link->node;
    if (node) {
        if (hub_object_check_thread(node->gather->thread) < 0)
            return NULL;
        link->node = NULL;
        struct grove_fiber *f = ready(node);
        if (f)
            hub_wake_first(f, 0);
    }
    Py_RETURN_NONE;
}

static void link_dealloc(PyObject *self)
{
    PyObject_Free(self);
}

static PyTypeObject GatherLink_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.GatherLink",
    .tp_doc = "Tells a waiting greenlet that an object is ready.",
    .tp_basicsize = sizeof(GatherLink),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = link_dealloc,
    .tp_call = link_call,
};

/* ---- linking ------------------------------------------------------------- */

static struct grove_fiber *on_green_end(struct green_node *node)
{
    return ready(container_of(node, struct gather_node, node));
}

static int add_green(struct gather_node *node, Greenlet *g)
{
    if (unlikely(green_ready(g) &&
                 (green_state(g)->thread->dead ||
                  green_state(g)->thread != node->gather->thread))) {
        ready(node);
        return 0;
    }
    if (unlikely(green_state(g)->thread != node->gather->thread)) {
        PyErr_SetString(PyExc_InvalidThreadUse,
                        "cannot wait for a Greenlet of another thread");
        return -1;
    }
    node->node.fired = on_green_end;
    green_node_add(g, &node->node);
    if (green_ready(g))
        green_notify(g);
    return 0;
}

static int add_other(struct gather_node *node, PyObject *object)
{
    GatherLink *link = PyObject_New(GatherLink, &GatherLink_Type);
    if (!link)
        return -1;
    link->node = node;
    node->link = (PyObject *)link;
    PyObject *result = PyObject_CallMethod(object, "rawlink", "O", link);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

int gather_begin(struct gather *g, struct py_thread *t, PyObject *objects)
{
    size_t n = (size_t)PySequence_Fast_GET_SIZE(objects);
    *g = (struct gather){.thread = t};
    if (n == 0)
        return 0;
    g->nodes = PyMem_Calloc(n, sizeof(*g->nodes));
    g->order = PyMem_Malloc(n * sizeof(*g->order));
    if (!g->nodes || !g->order) {
        PyErr_NoMemory();
        gather_end(g);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct gather_node *node = &g->nodes[i];
        PyObject *object = PySequence_Fast_GET_ITEM(objects, (Py_ssize_t)i);
        node->gather = g;
        node->object = Py_NewRef(object);
        g->n++;
        int r = greenlet_is_green(object) ? add_green(node, (Greenlet *)object)
                                          : add_other(node, object);
        if (r < 0) {
            gather_end(g);
            return -1;
        }
    }
    return 0;
}

static void unlink_other(struct gather_node *node)
{
    GatherLink *link = (GatherLink *)node->link;
    if (link->node) { /* it was not called */
        link->node = NULL;
        PyObject *result =
            PyObject_CallMethod(node->object, "unlink", "O", link);
        if (!result)
            PyErr_Clear();
        Py_XDECREF(result);
    }
    Py_CLEAR(node->link);
}

void gather_end(struct gather *g)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    for (size_t i = 0; i < g->n; i++) {
        struct gather_node *node = &g->nodes[i];
        if (node->link)
            unlink_other(node);
        else if (green_node_linked(&node->node))
            green_node_remove((Greenlet *)node->object, &node->node);
        Py_CLEAR(node->object);
    }
    PyMem_Free(g->nodes);
    PyMem_Free(g->order);
    *g = (struct gather){.thread = g->thread};
    PyErr_Restore(type, value, tb);
}

/* ---- waiting ------------------------------------------------------------- */

int gather_wait(struct gather *g, size_t wanted, int64_t deadline)
{
    assert(wanted <= g->n && !PyErr_Occurred());
    g->wanted = wanted;
    while (g->done < wanted) {
        if (unlikely(g->fiber != NULL)) {
            PyErr_SetString(PyExc_ConcurrentUse,
                            "another greenlet waits here already");
            return -1;
        }
        g->fiber = g->thread->hub->current;
        enum core_wait_result r =
            wait_until(g->thread, GROVE_WAIT_END, deadline, "wait");
        g->fiber = NULL;
        assert((r == CORE_FAILED) == (PyErr_Occurred() != NULL));
        if (r == CORE_FAILED)
            return -1;
        if (r == CORE_TIMED_OUT)
            return g->done >= wanted;
    }
    return 1;
}

int gather_count(PyObject *count, size_t n, size_t *wanted)
{
    *wanted = n;
    if (count == Py_None)
        return 0;
    Py_ssize_t c = PyNumber_AsSsize_t(count, PyExc_OverflowError);
    if (c == -1 && PyErr_Occurred())
        return -1;
    if (c < 0)
        c = 0;
    if ((size_t)c < n)
        *wanted = (size_t)c;
    return 0;
}

int gather_init(PyObject *module)
{
    return PyType_Ready(&GatherLink_Type);
}

/*
 * Links: callables that are called with a Greenlet once it has ended; notify.c
 * calls them.
 *
 * rawlink's are called as they are. link's are wrapped in a SpawnedLink, which
 * calls them in a greenlet of their own, where they may wait.
 */
#include "greenlet/private.h"

#include <structmember.h>

/* ---- linking ------------------------------------------------------------- */

static int refuse_callback(PyObject *callback)
{
    if (PyCallable_Check(callback))
        return 0;
    PyErr_Format(PyExc_TypeError, "Expected callable: %R", callback);
    return -1;
}

PyObject *green_rawlink(PyObject *self, PyObject *callback)
{
    Greenlet *g = (Greenlet *)self;
    if (refuse_callback(callback) < 0)
        return NULL;
    if (!g->links && !(g->links = PyList_New(0)))
        return NULL;
    if (PyList_Append(g->links, callback) < 0)
        return NULL;
    if (green_ready(g) && !green_state(g)->thread->dead)
        green_notify(g);
    Py_RETURN_NONE;
}

static PyObject *link_by(PyObject *self, PyObject *callback, PyObject *type)
{
    if (refuse_callback(callback) < 0)
        return NULL;
    PyObject *link = PyObject_CallOneArg(type, callback);
    if (!link)
        return NULL;
    PyObject *result = PyObject_CallMethod(self, "rawlink", "O", link);
    Py_DECREF(link);
    return result;
}

static PyTypeObject SpawnedLink_Type;
static PyTypeObject SuccessLink_Type;
static PyTypeObject FailureLink_Type;

/* method(callback, SpawnedLink=type): gevent's, by each way of linking. */
static PyObject *link_with(const char *method, PyObject *self,
                           PyObject *const *args, Py_ssize_t n, PyObject *names,
                           PyTypeObject *type)
{
    static const char *const keywords[] = {"callback", "SpawnedLink", NULL};
    PyObject *given[] = {NULL, (PyObject *)type};
    if (arguments(method, args, n, names, keywords, 1, given) < 0)
        return NULL;
    return link_by(self, given[0], given[1]);
}

PyObject *green_link(PyObject *self, PyObject *const *args, Py_ssize_t n,
                     PyObject *names)
{
    return link_with("link", self, args, n, names, &SpawnedLink_Type);
}

PyObject *green_link_value(PyObject *self, PyObject *const *args, Py_ssize_t n,
                           PyObject *names)
{
    return link_with("link_value", self, args, n, names, &SuccessLink_Type);
}

PyObject *green_link_exception(PyObject *self, PyObject *const *args,
                               Py_ssize_t n, PyObject *names)
{
    return link_with("link_exception", self, args, n, names, &FailureLink_Type);
}

/* Equality finds a SpawnedLink by the function in it. */
PyObject *green_unlink(PyObject *self, PyObject *callback)
{
    Greenlet *g = (Greenlet *)self;
    Py_ssize_t at = g->links ? PySequence_Index(g->links, callback) : -1;
    if (at >= 0) {
        if (PySequence_DelItem(g->links, at) < 0)
            return NULL;
        green_link_gone(g, at);
    } else if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return NULL;
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

PyObject *green_unlink_all(PyObject *self, PyObject *none)
{
    Py_CLEAR(((Greenlet *)self)->links);
    green_link_gone((Greenlet *)self, -1);
    Py_RETURN_NONE;
}

PyObject *green_has_links(PyObject *self, PyObject *none)
{
    PyObject *links = ((Greenlet *)self)->links;
    return PyBool_FromLong(links && PyList_GET_SIZE(links));
}

/* ---- SpawnedLink --------------------------------------------------------- */

typedef struct SpawnedLink {
    PyObject_HEAD
    PyObject *callback; /* owned: what it calls, and is equal to */
} SpawnedLink;

static PyObject *link_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"callback", NULL};
    PyObject *callback;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:SpawnedLink", names,
                                     &callback) ||
        refuse_callback(callback) < 0)
        return NULL;
    SpawnedLink *self = (SpawnedLink *)type->tp_alloc(type, 0);
    if (self)
        self->callback = Py_NewRef(callback);
    return (PyObject *)self;
}

static int link_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((SpawnedLink *)self)->callback);
    return 0;
}

static int link_clear(PyObject *self)
{
    Py_CLEAR(((SpawnedLink *)self)->callback);
    return 0;
}

static void link_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    link_clear(self);
    Py_TYPE(self)->tp_free(self);
}

/* callback(source) in a new greenlet, now. */
static PyObject *spawn_link(PyObject *self, PyObject *source)
{
    struct py_thread *t = thread_self();
    PyObject *hub = t ? hub_object(t) : NULL;
    if (!hub)
        return NULL;
    PyObject *g = PyObject_CallFunctionObjArgs((PyObject *)&PyGreenlet_Type,
                                               ((SpawnedLink *)self)->callback,
                                               hub, NULL);
    PyObject *args = g ? PyTuple_Pack(1, source) : NULL;
    PyObject *result =
        args ? greenlet_switch((PyGreenlet *)g, args, NULL) : NULL;
    Py_XDECREF(g);
    return result;
}

static PyObject *take_source(PyObject *args)
{
    PyObject *source;
    return PyArg_ParseTuple(args, "O:SpawnedLink", &source) ? source : NULL;
}

static PyObject *link_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *source = take_source(args);
    return source ? spawn_link(self, source) : NULL;
}

/* Only when source.successful() is `wanted`. */
static PyObject *call_if(PyObject *self, PyObject *args, int wanted)
{
    PyObject *source = take_source(args);
    PyObject *answer =
        source ? PyObject_CallMethod(source, "successful", NULL) : NULL;
    int successful = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    if (successful < 0)
        return NULL;
    if (successful != wanted)
        Py_RETURN_NONE;
    return spawn_link(self, source);
}

static PyObject *success_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return call_if(self, args, 1);
}

static PyObject *failure_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return call_if(self, args, 0);
}

/* Equal to the function in it, and to another link of it. */
static PyObject *link_compare(PyObject *self, PyObject *other, int op)
{
    if (op != Py_EQ && op != Py_NE)
        Py_RETURN_NOTIMPLEMENTED;
    PyObject *callback = PyObject_TypeCheck(other, &SpawnedLink_Type)
                             ? ((SpawnedLink *)other)->callback
                             : other;
    return PyObject_RichCompare(((SpawnedLink *)self)->callback, callback, op);
}

static Py_hash_t link_hash(PyObject *self)
{
    return PyObject_Hash(((SpawnedLink *)self)->callback);
}

static PyObject *link_str(PyObject *self)
{
    return PyObject_Str(((SpawnedLink *)self)->callback);
}

static PyObject *link_repr(PyObject *self)
{
    return PyObject_Repr(((SpawnedLink *)self)->callback);
}

static PyMemberDef link_members[] = {
    {"callback", T_OBJECT, offsetof(SpawnedLink, callback), READONLY, NULL},
    {NULL}};

static PyTypeObject SpawnedLink_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.greenlet.SpawnedLink",
    .tp_doc = "A link that calls its function in a greenlet of its own.",
    .tp_basicsize = sizeof(SpawnedLink),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = link_new,
    .tp_traverse = link_traverse,
    .tp_clear = link_clear,
    .tp_dealloc = link_dealloc,
    .tp_call = link_call,
    .tp_richcompare = link_compare,
    .tp_hash = link_hash,
    .tp_str = link_str,
    .tp_repr = link_repr,
    .tp_members = link_members,
};

static PyTypeObject SuccessLink_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name =
        "grove.greenlet.SuccessSpawnedLink",
    .tp_doc = "A SpawnedLink for a greenlet that returned.",
    .tp_basicsize = sizeof(SpawnedLink),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &SpawnedLink_Type,
    .tp_traverse = link_traverse,
    .tp_clear = link_clear,
    .tp_call = success_call,
};

static PyTypeObject FailureLink_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name =
        "grove.greenlet.FailureSpawnedLink",
    .tp_doc = "A SpawnedLink for a greenlet that failed.",
    .tp_basicsize = sizeof(SpawnedLink),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &SpawnedLink_Type,
    .tp_traverse = link_traverse,
    .tp_clear = link_clear,
    .tp_call = failure_call,
};

int green_links_init(PyObject *module)
{
    if (module_add_type(module, &SpawnedLink_Type) < 0 ||
        module_add_type(module, &SuccessLink_Type) < 0)
        return -1;
    return module_add_type(module, &FailureLink_Type);
}

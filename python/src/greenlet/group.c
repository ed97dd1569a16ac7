/*
 * What of pool.Group and pool.Pool is on the way of a spawn: the set of
 * greenlets, how they come in and how they go. The rest is Python
 * (grove/pool.py), in classes derived from the two here.
 *
 * A member that is a Greenlet is told of by a node in its list of those who
 * wait for its end, so that it leaves where it ends; anything else that can be
 * linked gets a link, and leaves in the Hub. A group refers to its members and
 * not the other way round.
 *
 * Subclasses may override start, add and _discard: each is looked up on the
 * class, and called in place of what is here when it is another.
 */
#include "greenlet/private.h"

#include <stddef.h>
#include <structmember.h>

typedef struct Group Group;

/* A Greenlet that has not ended and its group. */
struct member {
    struct green_node node;
    struct member *next;
    struct member **prev; /* what points to it in group->members */
    Group *group;
    PyObject *greenlet; /* owned */
};

struct Group {
    PyObject_HEAD
    PyObject *greenlets; /* a set; NULL until __init__ */
    PyObject *dying;     /* a set */
    PyObject *empty;     /* the Event that is set while there is no member */
    PyObject *semaphore; /* a Pool's; NULL: a Group */
    struct member *members;
    bool limited; /* the semaphore must be asked */
};

static PyTypeObject GroupBase_Type;
static PyTypeObject PoolBase_Type;

static PyObject *str_add, *str_start, *str__discard, *str_greenlet_class;
static PyObject *str_rawlink, *str_unlink, *str_acquire, *str_release;
static PyObject *str_set, *str_clear;
static PyObject *base_start, *base_add, *pool_start, *pool_add, *base__discard;
static PyObject *PoolFull; /* PoolFull of grove.pool; set from there */

/* ---- calls --------------------------------------------------------------- */

/* Whether the class of self has the method that it has here. */
static bool is_ours(Group *self, PyObject *name, PyObject *base,
                    PyObject *pools)
{
    PyObject *found = _PyType_Lookup(Py_TYPE(self), name);
    return likely(found == base || found == pools);
}

static int call(PyObject *object, PyObject *name)
{
    PyObject *result = PyObject_CallMethodNoArgs(object, name);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int call_with(PyObject *object, PyObject *name, PyObject *arg)
{
    PyObject *result = PyObject_CallMethodOneArg(object, name, arg);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int check_ready(Group *self)
{
    if (likely(self->greenlets != NULL))
        return 0;
    PyErr_Format(PyExc_RuntimeError, "%s.__init__() was not called",
                 type_name(Py_TYPE(self)));
    return -1;
}

/* ---- leaving ------------------------------------------------------------- */

static void member_free(struct member *m)
{
    *m->prev = m->next;
    if (m->next)
        m->next->prev = m->prev;
    Py_DECREF(m->greenlet);
    PyMem_Free(m);
}

/* Out of the sets. -1 with an exception. */
static int leave(Group *self, PyObject *greenlet)
{
    int was = PySet_Discard(self->greenlets, greenlet);
    if (was < 0)
        return -1;
    if (PySet_GET_SIZE(self->dying) && PySet_Discard(self->dying, greenlet) < 0)
        return -1;
    if (!was)
        return 0;
    if (PySet_GET_SIZE(self->greenlets) == 0 && call(self->empty, str_set) < 0)
        return -1;
    return self->limited ? call(self->semaphore, str_release) : 0;
}

static void on_end(struct green_node *node)
{
    struct member *m = container_of(node, struct member, node);
    Group *self = (Group *)Py_NewRef((PyObject *)m->group);
    PyObject *greenlet = Py_NewRef(m->greenlet);
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    member_free(m);
    if (leave(self, greenlet) < 0)
        hub_object_report(green_of(greenlet)->thread, (PyObject *)self);
    Py_DECREF(greenlet);
    Py_DECREF(self);
    PyErr_Restore(type, value, tb);
}

static PyObject *group__discard(PyObject *o, PyObject *greenlet)
{
    Group *self = (Group *)o;
    if (check_ready(self) < 0 || leave(self, greenlet) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int unlink_member(Group *self, PyObject *greenlet)
{
    if (greenlet_is_green(greenlet)) {
        struct green_node *node = ((Greenlet *)greenlet)->first;
        while (node) {
            struct member *m = container_of(node, struct member, node);
            if (node->fired == on_end && m->group == self) {
                green_node_remove((Greenlet *)greenlet, node);
                member_free(m);
                return 0;
            }
            node = node->next == node ? NULL : node->next;
        }
    }
    PyObject *unlink = PyObject_GetAttr(greenlet, str_unlink);
    if (!unlink) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *link = PyObject_GetAttr((PyObject *)self, str__discard);
    PyObject *result = link ? PyObject_CallOneArg(unlink, link) : NULL;
    Py_DECREF(unlink);
    Py_XDECREF(link);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static PyObject *group_discard(PyObject *o, PyObject *const *args, Py_ssize_t n,
                               PyObject *names)
{
    PyObject *greenlet = argument("discard", args, n, names, "greenlet");
    if (!greenlet)
        return NULL;
    Group *self = (Group *)o;
    if (check_ready(self) < 0)
        return NULL;
    Py_INCREF(greenlet);
    int r = call_with(o, str__discard, greenlet);
    if (r == 0)
        r = unlink_member(self, greenlet);
    Py_DECREF(greenlet);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- coming in ----------------------------------------------------------- */

static int link_by_method(Group *self, PyObject *greenlet)
{
    PyObject *rawlink = PyObject_GetAttr(greenlet, str_rawlink);
    if (!rawlink) { /* a raw greenlet: nobody tells when it ends */
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *link = PyObject_GetAttr((PyObject *)self, str__discard);
    PyObject *result = link ? PyObject_CallOneArg(rawlink, link) : NULL;
    Py_DECREF(rawlink);
    Py_XDECREF(link);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int link_member(Group *self, PyObject *greenlet)
{
    if (!greenlet_is_green(greenlet) || green_ready((Greenlet *)greenlet) ||
        !is_ours(self, str__discard, base__discard, base__discard))
        return link_by_method(self, greenlet);
    struct member *m = PyMem_Malloc(sizeof(*m));
    if (!m) {
        PyErr_NoMemory();
        return -1;
    }
    *m = (struct member){.node.fired = on_end,
                         .next = self->members,
                         .prev = &self->members,
                         .group = self,
                         .greenlet = Py_NewRef(greenlet)};
    if (self->members)
        self->members->prev = &m->next;
    self->members = m;
    green_node_add((Greenlet *)greenlet, &m->node);
    return 0;
}

/* Room for one. -1 with PoolFull, or what the wait raised. */
static int acquire(Group *self, PyObject *blocking, PyObject *timeout)
{
    if (!self->limited)
        return 0;
    PyObject *got = PyObject_CallMethodObjArgs(self->semaphore, str_acquire,
                                               blocking, timeout, NULL);
    int r = got ? PyObject_IsTrue(got) : -1;
    Py_XDECREF(got);
    if (r == 0) {
        PyErr_Format(PoolFull, "%R", (PyObject *)self);
        r = -1;
    }
    return r < 0 ? -1 : 0;
}

/* Keeps the exception that is set. */
static void give_back_room(Group *self)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (self->limited && call(self->semaphore, str_release) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    PyErr_Restore(type, value, tb);
}

/* 1: added; 0: it was a member already; -1 with an exception. */
static int enter(Group *self, PyObject *greenlet)
{
    int member = PySet_Contains(self->greenlets, greenlet);
    if (member != 0)
        return member < 0 ? -1 : 0;
    if (link_member(self, greenlet) < 0 ||
        PySet_Add(self->greenlets, greenlet) < 0)
        return -1;
    if (PySet_GET_SIZE(self->greenlets) == 1 &&
        call(self->empty, str_clear) < 0)
        return -1;
    return 1;
}

static int add(Group *self, PyObject *greenlet, PyObject *blocking,
               PyObject *timeout)
{
    if (check_ready(self) < 0 || acquire(self, blocking, timeout) < 0)
        return -1;
    int r = enter(self, greenlet);
    if (r <= 0)
        give_back_room(self);
    return r < 0 ? -1 : 0;
}

static int start(Group *self, PyObject *greenlet, PyObject *blocking,
                 PyObject *timeout)
{
    int r;
    if (is_ours(self, str_add, base_add, pool_add)) {
        r = add(self, greenlet, blocking, timeout);
    } else if (self->semaphore) {
        PyObject *result = PyObject_CallMethodObjArgs(
            (PyObject *)self, str_add, greenlet, blocking, timeout, NULL);
        Py_XDECREF(result);
        r = result ? 0 : -1;
    } else {
        r = call_with((PyObject *)self, str_add, greenlet);
    }
    if (r < 0)
        return -1;
    if (likely(Py_TYPE(greenlet) == &Greenlet_Type))
        return green_start((Greenlet *)greenlet);
    return call(greenlet, str_start);
}

/* ---- methods ------------------------------------------------------------- */

static PyObject *group_add(PyObject *o, PyObject *const *args, Py_ssize_t n,
                           PyObject *names)
{
    PyObject *greenlet = argument("add", args, n, names, "greenlet");
    if (!greenlet)
        return NULL;
    if (add((Group *)o, greenlet, Py_True, Py_None) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *group_start(PyObject *o, PyObject *const *args, Py_ssize_t n,
                             PyObject *names)
{
    PyObject *greenlet = argument("start", args, n, names, "greenlet");
    if (!greenlet)
        return NULL;
    if (start((Group *)o, greenlet, Py_True, Py_None) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int take_arguments(const char *name, PyObject *const *args, Py_ssize_t n,
                          PyObject *names, PyObject **given)
{
    static const char *const keywords[] = {"greenlet", "blocking", "timeout",
                                           NULL};
    return arguments(name, args, n, names, keywords, 1, given);
}

static PyObject *pool_add_method(PyObject *o, PyObject *const *args,
                                 Py_ssize_t n, PyObject *names)
{
    PyObject *given[] = {NULL, Py_True, Py_None};
    if (take_arguments("add", args, n, names, given) < 0 ||
        add((Group *)o, given[0], given[1], given[2]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *pool_start_method(PyObject *o, PyObject *const *args,
                                   Py_ssize_t n, PyObject *names)
{
    PyObject *given[] = {NULL, Py_True, Py_None};
    if (take_arguments("start", args, n, names, given) < 0 ||
        start((Group *)o, given[0], given[1], given[2]) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *group_spawn(PyObject *o, PyObject *const *args, Py_ssize_t n,
                             PyObject *names)
{
    Group *self = (Group *)o;
    PyObject *cls = PyObject_GetAttr(o, str_greenlet_class);
    PyObject *greenlet = cls ? green_make(cls, args, n, names) : NULL;
    Py_XDECREF(cls);
    if (!greenlet)
        return NULL;
    int r = likely(is_ours(self, str_start, base_start, pool_start))
                ? start(self, greenlet, Py_True, Py_None)
                : call_with(o, str_start, greenlet);
    if (r < 0)
        Py_CLEAR(greenlet);
    return greenlet;
}

/* ---- the object ---------------------------------------------------------- */

/* What __init__ of the Python classes calls. */
static PyObject *group_begin(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    Group *self = (Group *)o;
    if (arguments_count("_begin", n, 1, 3) < 0)
        return NULL;
    PyObject *greenlets = PySet_New(NULL), *dying = PySet_New(NULL);
    if (!greenlets || !dying) {
        Py_XDECREF(greenlets);
        Py_XDECREF(dying);
        return NULL;
    }
    Py_XSETREF(self->greenlets, greenlets);
    Py_XSETREF(self->dying, dying);
    Py_XSETREF(self->empty, Py_NewRef(args[0]));
    Py_XSETREF(self->semaphore, n > 1 ? Py_NewRef(args[1]) : NULL);
    self->limited = n > 2 && PyObject_IsTrue(args[2]) == 1;
    Py_RETURN_NONE;
}

static int group_traverse(PyObject *o, visitproc visit, void *arg)
{
    Group *self = (Group *)o;
    Py_VISIT(self->greenlets);
    Py_VISIT(self->dying);
    Py_VISIT(self->empty);
    Py_VISIT(self->semaphore);
    for (struct member *m = self->members; m; m = m->next)
        Py_VISIT(m->greenlet);
    return 0;
}

static int group_clear(PyObject *o)
{
    Group *self = (Group *)o;
    while (self->members) {
        struct member *m = self->members;
        green_node_remove((Greenlet *)m->greenlet, &m->node);
        member_free(m);
    }
    Py_CLEAR(self->greenlets);
    Py_CLEAR(self->dying);
    Py_CLEAR(self->empty);
    Py_CLEAR(self->semaphore);
    return 0;
}

static void group_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    group_clear(o);
    Py_TYPE(o)->tp_free(o);
}

static Py_ssize_t group_length(PyObject *o)
{
    Group *self = (Group *)o;
    return check_ready(self) < 0 ? -1 : PySet_GET_SIZE(self->greenlets);
}

static int group_contains(PyObject *o, PyObject *greenlet)
{
    Group *self = (Group *)o;
    return check_ready(self) < 0 ? -1
                                 : PySet_Contains(self->greenlets, greenlet);
}

static PyObject *group_iter(PyObject *o)
{
    Group *self = (Group *)o;
    return check_ready(self) < 0 ? NULL : PyObject_GetIter(self->greenlets);
}

static PyMethodDef group_methods[] = {
    {"spawn", (PyCFunction)(void (*)(void))group_spawn,
     METH_FASTCALL | METH_KEYWORDS,
     "spawn($self, /, *args, **kwargs)\n--\n\n"
     "Start a greenlet of class greenlet_class, made with these arguments, in "
     "the\ngroup."},
    {"start", (PyCFunction)(void (*)(void))group_start,
     METH_FASTCALL | METH_KEYWORDS,
     "start($self, /, greenlet)\n--\n\n"
     "Add greenlet, which was not started, and start it."},
    {"add", (PyCFunction)(void (*)(void))group_add,
     METH_FASTCALL | METH_KEYWORDS,
     "add($self, /, greenlet)\n--\n\nMake greenlet a member until it ends."},
    {"discard", (PyCFunction)(void (*)(void))group_discard,
     METH_FASTCALL | METH_KEYWORDS,
     "discard($self, /, greenlet)\n--\n\nMake greenlet no member any more."},
    {"_discard", group__discard, METH_O,
     "_discard($self, greenlet, /)\n--\n\nA member has ended."},
    {"_begin", (PyCFunction)(void (*)(void))group_begin, METH_FASTCALL,
     "_begin($self, event, semaphore=..., limited=..., /)\n--\n\n"
     "Without members: what __init__ does."},
    {NULL}};

static PyMemberDef group_members[] = {
    {"greenlets", T_OBJECT, offsetof(Group, greenlets), READONLY,
     "The set of members."},
    {"dying", T_OBJECT, offsetof(Group, dying), READONLY,
     "The set of members that were killed and have not ended."},
    {"_empty_event", T_OBJECT, offsetof(Group, empty), READONLY,
     "The Event that is set while there is no member."},
    {NULL}};

static PySequenceMethods group_sequence = {
    .sq_length = group_length,
    .sq_contains = group_contains,
};

static PyTypeObject GroupBase_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.GroupBase",
    .tp_doc = "The compiled part of grove.pool.Group.",
    .tp_basicsize = sizeof(Group),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = group_traverse,
    .tp_clear = group_clear,
    .tp_dealloc = group_dealloc,
    .tp_as_sequence = &group_sequence,
    .tp_iter = group_iter,
    .tp_methods = group_methods,
    .tp_members = group_members,
};

static PyMethodDef pool_methods[] = {
    {"start", (PyCFunction)(void (*)(void))pool_start_method,
     METH_FASTCALL | METH_KEYWORDS,
     "start($self, /, greenlet, blocking=True, timeout=None)\n--\n\n"
     "Add greenlet, which was not started, and start it; see add."},
    {"add", (PyCFunction)(void (*)(void))pool_add_method,
     METH_FASTCALL | METH_KEYWORDS,
     "add($self, /, greenlet, blocking=True, timeout=None)\n--\n\n"
     "Make greenlet a member, waiting for room, timeout seconds at most.\n"
     "Raises PoolFull when there is none in time, or at once unless blocking."},
    {NULL}};

static PyMemberDef pool_members[] = {{"_semaphore", T_OBJECT,
                                      offsetof(Group, semaphore), READONLY,
                                      "Its counter is the room that is left."},
                                     {NULL}};

static PyTypeObject PoolBase_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.PoolBase",
    .tp_doc = "The compiled part of grove.pool.Pool.",
    .tp_basicsize = sizeof(Group),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &GroupBase_Type,
    .tp_new = PyType_GenericNew,
    .tp_traverse = group_traverse,
    .tp_clear = group_clear,
    .tp_dealloc = group_dealloc,
    .tp_methods = pool_methods,
    .tp_members = pool_members,
};

/* ---- the module ---------------------------------------------------------- */

static PyObject *set_pool_full(PyObject *module, PyObject *type)
{
    Py_XSETREF(PoolFull, Py_NewRef(type));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"_set_pool_full", set_pool_full, METH_O,
                                   "The exception that a full Pool raises."},
                                  {NULL}};

static int intern_names(void)
{
    const struct {
        PyObject **where;
        const char *name;
    } all[] = {
        {&str_add, "add"},           {&str_start, "start"},
        {&str__discard, "_discard"}, {&str_greenlet_class, "greenlet_class"},
        {&str_rawlink, "rawlink"},   {&str_unlink, "unlink"},
        {&str_acquire, "acquire"},   {&str_release, "release"},
        {&str_set, "set"},           {&str_clear, "clear"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (!(*all[i].where = PyUnicode_InternFromString(all[i].name)))
            return -1;
    }
    return 0;
}

int group_init(PyObject *module)
{
    if (intern_names() < 0 || module_add_type(module, &GroupBase_Type) < 0 ||
        module_add_type(module, &PoolBase_Type) < 0)
        return -1;
    base_start = _PyType_Lookup(&GroupBase_Type, str_start);
    base_add = _PyType_Lookup(&GroupBase_Type, str_add);
    base__discard = _PyType_Lookup(&GroupBase_Type, str__discard);
    pool_start = _PyType_Lookup(&PoolBase_Type, str_start);
    pool_add = _PyType_Lookup(&PoolBase_Type, str_add);
    return PyModule_AddFunctions(module, functions);
}

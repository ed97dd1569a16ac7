/*
 * What of pool.Group and pool.Pool is on the way of a spawn: the room of a
 * Pool, and having greenlets become members (members.c) and run. The rest is
 * Python (grove/pool.py), in classes derived from the two here.
 *
 * Subclasses may override start, add and _discard: each is looked up on the
 * class, and called in place of what is here when it is another.
 */
#include "greenlet/group.h"

#include <stddef.h>
#include <structmember.h>

static PyTypeObject GroupBase_Type;
static PyTypeObject PoolBase_Type;

static PyObject *str_add, *str_start, *str__discard, *str_greenlet_class;
static PyObject *str_acquire, *str_release;
/* The methods here, as the types have them; borrowed. */
static PyObject *base_start, *base_add, *pool_start, *pool_add;
static PyObject *PoolFull; /* PoolFull of grove.pool; set from there */

static int call_with(PyObject *object, PyObject *name, PyObject *arg)
{
    PyObject *result = PyObject_CallMethodOneArg(object, name, arg);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* ---- the room of a Pool ---------------------------------------------------- */

/* Room for one. -1 with PoolFull, or what the wait raised. */
static int acquire(Group *self, PyObject *blocking, PyObject *timeout)
{
    assert(!PyErr_Occurred() && (!self->limited || self->semaphore));
    if (!self->limited)
        return 0;
    PyObject *args[] = {self->semaphore, blocking, timeout};
    PyObject *got = PyObject_VectorcallMethod(str_acquire, args, 3, NULL);
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
    if (self->limited && group_call(self->semaphore, str_release) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    PyErr_Restore(type, value, tb);
}

/* ---- starting -------------------------------------------------------------- */

static int add(Group *self, PyObject *greenlet, PyObject *blocking,
               PyObject *timeout)
{
    if (group_check_ready(self) < 0 || acquire(self, blocking, timeout) < 0)
        return -1;
    int r = group_enter(self, greenlet);
    assert((r < 0) == (PyErr_Occurred() != NULL));
    if (r <= 0)
        give_back_room(self);
    return r < 0 ? -1 : 0;
}

static int start(Group *self, PyObject *greenlet, PyObject *blocking,
                 PyObject *timeout)
{
    int r;
    if (group_has_own(self, str_add, base_add, pool_add)) {
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
    return group_call(greenlet, str_start);
}

/* ---- leaving --------------------------------------------------------------- */

static PyObject *group__discard(PyObject *o, PyObject *greenlet)
{
    Group *self = (Group *)o;
    if (group_check_ready(self) < 0 || group_leave(self, greenlet) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *group_discard(PyObject *o, PyObject *const *args, Py_ssize_t n,
                               PyObject *names)
{
    PyObject *greenlet = argument("discard", args, n, names, "greenlet");
    if (!greenlet)
        return NULL;
    Group *self = (Group *)o;
    if (group_check_ready(self) < 0)
        return NULL;
    Py_INCREF(greenlet);
    int r = call_with(o, str__discard, greenlet);
    if (r == 0)
        r = group_unlink(self, greenlet);
    Py_DECREF(greenlet);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
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
    int r = likely(group_has_own(self, str_start, base_start, pool_start))
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
    return group_visit_members(self, visit, arg);
}

static int group_clear(PyObject *o)
{
    Group *self = (Group *)o;
    group_unlink_all(self);
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
    return group_check_ready(self) < 0 ? -1 : PySet_GET_SIZE(self->greenlets);
}

static int group_contains(PyObject *o, PyObject *greenlet)
{
    Group *self = (Group *)o;
    return group_check_ready(self) < 0
               ? -1
               : PySet_Contains(self->greenlets, greenlet);
}

static PyObject *group_iter(PyObject *o)
{
    Group *self = (Group *)o;
    return group_check_ready(self) < 0 ? NULL
                                       : PyObject_GetIter(self->greenlets);
}

static PyMethodDef group_methods[] = {
    {"spawn", (PyCFunction)(void (*)(void))group_spawn,
     METH_FASTCALL | METH_KEYWORDS,
     "spawn($self, /, *args, **kwargs)\n--\n\n"
     "Start a greenlet of class greenlet_class, made with these arguments, in "
     "the\ngroup.\n\n"
     "    >>> from grove.pool import Pool\n"
     "    >>> pool = Pool(2)\n"
     "    >>> task = pool.spawn(pow, 2, 3)\n"
     "    >>> task in pool\n"
     "    True\n"
     "    >>> task.get()\n"
     "    8"},
    {"start", (PyCFunction)(void (*)(void))group_start,
     METH_FASTCALL | METH_KEYWORDS,
     "start($self, /, greenlet)\n--\n\n"
     "Add greenlet, which was not started, and start it.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.pool import Group\n"
     "    >>> group = Group()\n"
     "    >>> group.start(grove.Greenlet(print, \"started\"))\n"
     "    >>> group.join()\n"
     "    started\n"
     "    True"},
    {"add", (PyCFunction)(void (*)(void))group_add,
     METH_FASTCALL | METH_KEYWORDS,
     "add($self, /, greenlet)\n--\n\n"
     "Make greenlet a member until it ends.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.pool import Group\n"
     "    >>> group = Group()\n"
     "    >>> group.add(grove.spawn(int))\n"
     "    >>> len(group)\n"
     "    1\n"
     "    >>> group.join(), len(group)\n"
     "    (True, 0)"},
    {"discard", (PyCFunction)(void (*)(void))group_discard,
     METH_FASTCALL | METH_KEYWORDS,
     "discard($self, /, greenlet)\n--\n\n"
     "Make greenlet no member any more.\n\n"
     "    >>> from grove.pool import Pool\n"
     "    >>> pool = Pool(2)\n"
     "    >>> task = pool.spawn(int)\n"
     "    >>> pool.discard(task)\n"
     "    >>> task in pool, pool.free_count()\n"
     "    (False, 2)"},
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
    .tp_new = base_new,
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
     "Add greenlet, which was not started, and start it; see add.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.pool import Pool\n"
     "    >>> pool = Pool(1)\n"
     "    >>> pool.start(grove.Greenlet(print, \"started\"))\n"
     "    >>> pool.join()\n"
     "    started\n"
     "    True"},
    {"add", (PyCFunction)(void (*)(void))pool_add_method,
     METH_FASTCALL | METH_KEYWORDS,
     "add($self, /, greenlet, blocking=True, timeout=None)\n--\n\n"
     "Make greenlet a member, waiting for room, timeout seconds at most.\n"
     "Raises PoolFull when there is none in time, or at once unless "
     "blocking.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.pool import Pool\n"
     "    >>> pool = Pool(2)\n"
     "    >>> pool.add(grove.spawn(int))\n"
     "    >>> pool.free_count()\n"
     "    1"},
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
    .tp_new = base_new,
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

static const struct interned interned[] = {
    {&str_add, "add"},
    {&str_start, "start"},
    {&str_acquire, "acquire"},
    {&str_release, "release"},
    {&str__discard, "_discard"},
    {&str_greenlet_class, "greenlet_class"},
    {NULL, NULL},
};

int group_init(PyObject *module)
{
    if (intern(interned) < 0 || module_add_type(module, &GroupBase_Type) < 0 ||
        module_add_type(module, &PoolBase_Type) < 0 ||
        group_members_init(&GroupBase_Type) < 0)
        return -1;
    base_start = _PyType_Lookup(&GroupBase_Type, str_start);
    base_add = _PyType_Lookup(&GroupBase_Type, str_add);
    pool_start = _PyType_Lookup(&PoolBase_Type, str_start);
    pool_add = _PyType_Lookup(&PoolBase_Type, str_add);
    return PyModule_AddFunctions(module, functions);
}

/*
 * RLock: a lock that the greenlet that holds it may take again. Its owner is a
 * greenlet, of whatever thread. And the RLock of the module threading, which is
 * the same with that module's arguments.
 */
#include "linkable/semaphore.h"

#include <structmember.h>

typedef struct RLock {
    PyObject_HEAD
    PyObject *block;  /* owned: a Semaphore, taken while somebody owns the lock.
                         Never NULL */
    PyObject *owner;  /* owned: the greenlet that holds it; NULL: nobody */
    Py_ssize_t count; /* how often it has taken it */
    /* Who held it when _at_fork_reinit() unlocked it, and how often: a greenlet
     * lives on in the forked child, and will release it. Compared, never looked
     * at; NULL: nobody. */
    const void *forgiven;
    Py_ssize_t forgiven_count;
    PyObject *weakrefs;
} RLock;

static PyObject *rlock_object_new(PyTypeObject *type)
{
    RLock *self = (RLock *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->block = semaphore_object_new(&Semaphore_Type);
    if (!self->block)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *rlock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"hub", NULL};
    PyObject *hub = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:RLock", names, &hub))
        return NULL;
    PyObject *o = rlock_object_new(type);
    if (o &&
        linkable_object_settle_hub((Linkable *)((RLock *)o)->block, hub) < 0)
        Py_CLEAR(o);
    return o;
}

static int rlock_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((RLock *)o)->block);
    Py_VISIT(((RLock *)o)->owner);
    return 0;
}

/* The Semaphore stays: it is no part of a cycle of its own. */
static int rlock_clear(PyObject *o)
{
    Py_CLEAR(((RLock *)o)->owner);
    return 0;
}

static void rlock_dealloc(PyObject *o)
{
    RLock *self = (RLock *)o;
    PyObject_GC_UnTrack(o);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(o);
    Py_XDECREF(self->owner);
    Py_XDECREF(self->block);
    Py_TYPE(o)->tp_free(o);
}

static PyObject *myself(void)
{
    struct py_thread *t = linkable_thread();
    return likely(t && t->current) ? (PyObject *)t->current : lock_asker();
}

static Semaphore *block_of(RLock *self)
{
    return (Semaphore *)self->block;
}

static void taken(RLock *self, PyObject *me)
{
    assert(!self->owner);
    self->owner = Py_NewRef(me);
    self->count = 1;
}

/* Without waiting: 1, 0 when another greenlet holds it, -1 with an exception.
 */
static inline int acquire_free(RLock *self)
{
    PyObject *me = myself();
    if (unlikely(!me))
        return -1;
    if (self->owner == me) {
        self->count++;
        return 1;
    }
    if (block_of(self)->counter <= 0)
        return 0;
    block_of(self)->counter--;
    taken(self, me);
    return 1;
}

/* What semaphore_acquire or lock_acquire said of the block. */
static int acquired(RLock *self, int r)
{
    assert((r < 0) == (PyErr_Occurred() != NULL));
    if (r > 0) {
        PyObject *me = myself();
        assert(me != NULL);
        taken(self, me);
    }
    return r;
}

static int acquire(RLock *self, bool blocking, PyObject *timeout)
{
    int r = acquire_free(self);
    return r ? r
             : acquired(self,
                        semaphore_acquire(block_of(self), blocking, timeout));
}

static PyObject *rlock_enter(PyObject *self, PyObject *none)
{
    int r = acquire((RLock *)self, true, Py_None);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *rlock_acquire(PyObject *self, PyObject *const *args,
                               Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"blocking", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if (likely(n == 0 && !names))
        return rlock_enter(self, NULL);
    if (arguments("acquire", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int blocking = PyObject_IsTrue(given[0]);
    int r = blocking < 0 ? -1 : acquire((RLock *)self, blocking, given[1]);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

/* It is not me who holds it. 0 if I did before a fork; -1 with RuntimeError. */
static int refuse_release(RLock *self, PyObject *me)
{
    if (self->forgiven == me && self->forgiven_count > 0) {
        self->forgiven_count--;
        return 0;
    }
    PyErr_Format(PyExc_RuntimeError,
                 "cannot release un-acquired lock. Owner: %R Current: %R",
                 self->owner ? self->owner : Py_None, me);
    return -1;
}

static int release(RLock *self)
{
    PyObject *me = myself();
    if (unlikely(!me))
        return -1;
    if (unlikely(self->owner != me))
        return refuse_release(self, me);
    if (--self->count == 0) {
        PyObject *owner = self->owner;
        self->owner = NULL;
        semaphore_release(block_of(self));
        Py_DECREF(owner);
    }
    return 0;
}

static PyObject *rlock_release(PyObject *self, PyObject *none)
{
    if (release((RLock *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *rlock_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return rlock_release(self, NULL);
}

static PyObject *rlock_locked(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(((RLock *)self)->count > 0);
}

/* ---- for threading.Condition --------------------------------------------- */

static PyObject *rlock_is_owned(PyObject *self, PyObject *none)
{
    PyObject *me = myself();
    return me ? PyBool_FromLong(((RLock *)self)->owner == me) : NULL;
}

/* (count, owner), which _acquire_restore takes. */
static PyObject *rlock_release_save(PyObject *o, PyObject *none)
{
    RLock *self = (RLock *)o;
    if (self->count == 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    PyObject *state =
        Py_BuildValue("nO", self->count, self->owner ? self->owner : Py_None);
    if (!state)
        return NULL;
    self->count = 0;
    Py_CLEAR(self->owner);
    semaphore_release(block_of(self));
    return state;
}

static PyObject *rlock_acquire_restore(PyObject *o, PyObject *state)
{
    RLock *self = (RLock *)o;
    Py_ssize_t count;
    PyObject *owner;
    if (!PyTuple_Check(state)) {
        PyErr_Format(PyExc_TypeError,
                     "what _release_save() returned was expected, not %R",
                     state);
        return NULL;
    }
    if (!PyArg_ParseTuple(state, "nO:_acquire_restore", &count, &owner))
        return NULL;
    Py_INCREF(owner);
    if (semaphore_acquire(block_of(self), true, Py_None) < 0) {
        Py_DECREF(owner);
        return NULL;
    }
    self->count = count;
    if (owner == Py_None)
        Py_CLEAR(owner);
    Py_XSETREF(self->owner, owner);
    Py_RETURN_NONE;
}

/* How often the current greenlet has taken it. */
static PyObject *rlock_recursion_count(PyObject *o, PyObject *none)
{
    RLock *self = (RLock *)o;
    PyObject *me = myself();
    return me ? PyLong_FromSsize_t(self->owner == me ? self->count : 0) : NULL;
}

/* In a forked child: unlocked. */
static PyObject *rlock_at_fork_reinit(PyObject *o, PyObject *none)
{
    RLock *self = (RLock *)o;
    if (self->owner) {
        self->forgiven = self->owner;
        self->forgiven_count = self->count;
    }
    self->count = 0;
    Py_CLEAR(self->owner);
    semaphore_at_fork_reinit(block_of(self));
    Py_RETURN_NONE;
}

static PyObject *rlock_repr(PyObject *o)
{
    RLock *self = (RLock *)o;
    return PyUnicode_FromFormat(
        "<%s at %p _block=%R _count=%zd _owner=%R>", type_name(Py_TYPE(o)), o,
        self->block, self->count, self->owner ? self->owner : Py_None);
}

static PyMethodDef rlock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))rlock_acquire,
     METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, blocking=True, timeout=None)\n--\n\n"
     "Take it, True; False when it does not become free in time.\n\n"
     "    >>> from grove.lock import RLock\n"
     "    >>> lock = RLock()\n"
     "    >>> lock.acquire(), lock.acquire()\n"
     "    (True, True)\n"
     "    >>> lock.release(), lock.release()\n"
     "    (None, None)"},
    {"release", rlock_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Undo one acquire; RuntimeError when another greenlet holds it.\n\n"
     "    >>> from grove.lock import RLock\n"
     "    >>> lock = RLock()\n"
     "    >>> lock.release()\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    RuntimeError: cannot release un-acquired lock. Owner: None ..."},
    {"locked", rlock_locked, METH_NOARGS,
     "locked($self, /)\n--\n\n"
     "Whether somebody holds it.\n\n"
     "    >>> from grove.lock import RLock\n"
     "    >>> lock = RLock()\n"
     "    >>> with lock:\n"
     "    ...     lock.locked()\n"
     "    True"},
    {"__enter__", rlock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))rlock_exit, METH_FASTCALL, NULL},
    {"_is_owned", rlock_is_owned, METH_NOARGS,
     "Whether the current greenlet holds it."},
    {"_release_save", rlock_release_save, METH_NOARGS,
     "Release it, however often it was acquired; for _acquire_restore()."},
    {"_acquire_restore", rlock_acquire_restore, METH_O,
     "Acquire it as often as it was."},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS,
     "How often the current greenlet has acquired it."},
    {"_at_fork_reinit", rlock_at_fork_reinit, METH_NOARGS,
     "Unlocked, in a forked child."},
    {NULL}};

static PyMemberDef rlock_members[] = {
    {"_block", T_OBJECT, offsetof(RLock, block), READONLY, NULL},
    {"_owner", T_OBJECT, offsetof(RLock, owner), READONLY,
     "The greenlet that holds it, or None."},
    {"_count", T_PYSSIZET, offsetof(RLock, count), READONLY,
     "How often it has taken it."},
    {NULL}};

static PyTypeObject RLock_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.lock.RLock",
    .tp_doc = "RLock(hub=None)\n--\n\n"
              "A lock that the greenlet that holds it may take again.\n\n"
              "    >>> from grove.lock import RLock\n"
              "    >>> lock = RLock()\n"
              "    >>> with lock, lock:\n"
              "    ...     lock.locked()\n"
              "    True",
    .tp_basicsize = sizeof(RLock),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = rlock_new,
    .tp_traverse = rlock_traverse,
    .tp_clear = rlock_clear,
    .tp_dealloc = rlock_dealloc,
    .tp_repr = rlock_repr,
    .tp_weaklistoffset = offsetof(RLock, weakrefs),
    .tp_methods = rlock_methods,
    .tp_members = rlock_members,
};

/* ---- threading.RLock ------------------------------------------------------ */

static PyObject *thread_rlock_new(PyTypeObject *type, PyObject *args,
                                  PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))) {
        PyErr_SetString(PyExc_TypeError, "RLock() takes no arguments");
        return NULL;
    }
    return rlock_object_new(type);
}

/* What there is to do was done by thread_rlock_new. */
static int thread_rlock_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return 0;
}

static PyObject *thread_rlock_acquire(PyObject *o, PyObject *const *args,
                                      Py_ssize_t n, PyObject *names)
{
    RLock *self = (RLock *)o;
    if (likely(n == 0 && !names))
        return rlock_enter(o, NULL);
    static const char *const keywords[] = {"blocking", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if (arguments("acquire", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int blocking = PyObject_IsTrue(given[0]);
    if (blocking < 0 || lock_timeout(blocking, &given[1]) < 0)
        return NULL;
    int r = acquire_free(self);
    if (r == 0)
        r = acquired(self, lock_acquire(block_of(self), args, n, names));
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *thread_rlock_repr(PyObject *o)
{
    RLock *self = (RLock *)o;
    return PyUnicode_FromFormat("<%s %s object owner=%zu count=%zd at %p>",
                                self->owner ? "locked" : "unlocked",
                                Py_TYPE(o)->tp_name, (size_t)self->owner,
                                self->count, o);
}

static PyMethodDef thread_rlock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))thread_rlock_acquire,
     METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
     "Take it, True; False when it does not become free in time. -1 is for\n"
     "ever.\n\n"
     "    >>> from grove.thread import RLock\n"
     "    >>> lock = RLock()\n"
     "    >>> lock.acquire(), lock.acquire()\n"
     "    (True, True)\n"
     "    >>> lock.release(), lock.release()\n"
     "    (None, None)"},
    {NULL}};

static PyTypeObject ThreadRLock_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.thread.RLock",
    .tp_doc = "RLock()\n--\n\n"
              "What threading.RLock() returns: a lock that the greenlet that "
              "holds it may take\nagain.\n\n"
              "    >>> from grove.thread import RLock\n"
              "    >>> lock = RLock()\n"
              "    >>> with lock, lock:\n"
              "    ...     print(\"taken twice\")\n"
              "    taken twice",
    .tp_basicsize = sizeof(RLock),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &RLock_Type,
    .tp_new = thread_rlock_new,
    .tp_init = thread_rlock_init,
    .tp_traverse = rlock_traverse,
    .tp_clear = rlock_clear,
    .tp_dealloc = rlock_dealloc,
    .tp_repr = thread_rlock_repr,
    .tp_methods = thread_rlock_methods,
};

int rlock_init(PyObject *module)
{
    if (module_add_type(module, &RLock_Type) < 0)
        return -1;
    /* The module has an RLock already. */
    if (PyType_Ready(&ThreadRLock_Type) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "ThreadRLock",
                                 (PyObject *)&ThreadRLock_Type);
}

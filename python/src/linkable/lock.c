/*
 * What the modules _thread and threading have in compiled form, for greenlets
 * of any thread: LockType, which is _thread.lock, and get_ident.
 *
 * A lock is a semaphore of one: who waits, and how turns are passed on, is told
 * in semaphore.c. Taking and releasing one that nobody waits for touches the
 * counter only, needs no hub and makes none. Nothing is allocated and no code
 * is run there, so that a finaliser or a signal handler may do it at any time;
 * one that would have to wait in the Hub, where nobody can, gets an exception.
 */
#include "linkable/semaphore.h"

#include <math.h>

typedef struct Lock {
    Semaphore base;
    /* Releases to come from who held it when _at_fork_reinit() unlocked it: a
     * greenlet lives on in the forked child, and does not know. */
    Py_ssize_t forgiven;
} Lock;

/* ---- arguments ------------------------------------------------------------ */

/* As _thread.TIMEOUT_MAX. */
#define TIMEOUT_MAX_SECONDS 9223372036.0

/* What is wrong with a timeout of so many seconds: an exception and its text;
 * NULL when nothing is. */
static PyObject *fault(double seconds, const char **text)
{
    *text = "timeout value is too large";
    if (seconds > TIMEOUT_MAX_SECONDS)
        return PyExc_OverflowError;
    *text = isnan(seconds) ? "Invalid value NaN (not a number)"
                           : "timeout value must be a non-negative number";
    return isnan(seconds) || seconds < 0 ? PyExc_ValueError : NULL;
}

int lock_timeout(bool blocking, PyObject **timeout)
{
    if (*timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(*timeout);
    if (seconds == -1) {
        if (PyErr_Occurred())
            return -1;
        *timeout = Py_None;
        return 0;
    }
    if (!blocking) {
        PyErr_SetString(PyExc_ValueError,
                        "can't specify a timeout for a non-blocking call");
        return -1;
    }
    const char *text;
    PyObject *type = fault(seconds, &text);
    if (type)
        PyErr_SetString(type, text);
    return type ? -1 : 0;
}

/* acquire(False) has failed. A program that spins on it waits for another
 * greenlet: give that a turn, if this was not the first try. Not in the Hub,
 * where a repr may come here. */
static int missed(Semaphore *self)
{
    if (!self->tried) {
        self->tried = true;
        return 0;
    }
    struct py_thread *t = linkable_thread();
    if (!t || t->dead || !t->hub_object ||
        (PyObject *)t->current == t->hub_object)
        return 0;
    return wait_turn(t);
}

int lock_acquire(Semaphore *self, PyObject *const *args, Py_ssize_t n,
                 PyObject *names)
{
    static const char *const keywords[] = {"blocking", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if (arguments("acquire", args, n, names, keywords, 0, given) < 0)
        return -1;
    int blocking = PyObject_IsTrue(given[0]);
    if (blocking < 0 || lock_timeout(blocking, &given[1]) < 0)
        return -1;
    int r = semaphore_acquire(self, blocking, given[1]);
    return r == 0 && !blocking ? missed(self) : r;
}

/* ---- the lock ------------------------------------------------------------- */

static PyObject *lock_acquire_method(PyObject *o, PyObject *const *args,
                                     Py_ssize_t n, PyObject *names)
{
    Semaphore *self = (Semaphore *)o;
    if (likely(n == 0 && !names && self->counter > 0)) {
        self->counter--;
        Py_RETURN_TRUE;
    }
    int r = lock_acquire(self, args, n, names);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *lock_enter(PyObject *self, PyObject *none)
{
    return lock_acquire_method(self, NULL, 0, NULL);
}

static PyObject *lock_release(PyObject *o, PyObject *none)
{
    Semaphore *self = (Semaphore *)o;
    if (likely(self->counter <= 0)) {
        semaphore_release(self);
        Py_RETURN_NONE;
    }
    Lock *lock = (Lock *)o;
    if (lock->forgiven > 0) {
        lock->forgiven--;
        Py_RETURN_NONE;
    }
    PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
    return NULL;
}

static PyObject *lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return lock_release(self, NULL);
}

static PyObject *lock_locked(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(((Semaphore *)self)->counter <= 0);
}

static PyObject *lock_at_fork_reinit(PyObject *self, PyObject *none)
{
    if (((Semaphore *)self)->counter <= 0)
        ((Lock *)self)->forgiven++;
    semaphore_at_fork_reinit((Semaphore *)self);
    Py_RETURN_NONE;
}

static PyObject *lock_repr(PyObject *o)
{
    const char *state = ((Semaphore *)o)->counter > 0 ? "unlocked" : "locked";
    return PyUnicode_FromFormat("<%s %s object at %p>", state,
                                Py_TYPE(o)->tp_name, o);
}

static PyObject *lock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))) {
        PyErr_SetString(PyExc_TypeError, "LockType() takes no arguments");
        return NULL;
    }
    return semaphore_object_new(type);
}

/* What there is to do was done by lock_new. */
static int lock_init_object(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return 0;
}

static PyMethodDef lock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire_method,
     METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
     "Take it, True; False when it does not become free in time. -1 is for\n"
     "ever.\n\n"
     "    >>> from grove.thread import LockType\n"
     "    >>> lock = LockType()\n"
     "    >>> lock.acquire(), lock.acquire(timeout=0.01)\n"
     "    (True, False)"},
    {"acquire_lock", (PyCFunction)(void (*)(void))lock_acquire_method,
     METH_FASTCALL | METH_KEYWORDS,
     "acquire_lock($self, /, blocking=True, timeout=-1)\n--\n\n"
     "The same as acquire().\n\n"
     "    >>> from grove.thread import LockType\n"
     "    >>> LockType().acquire_lock()\n"
     "    True"},
    {"release", lock_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Let others have it; RuntimeError when it is not locked.\n\n"
     "    >>> from grove.thread import LockType\n"
     "    >>> lock = LockType()\n"
     "    >>> lock.acquire(), lock.release(), lock.locked()\n"
     "    (True, None, False)"},
    {"release_lock", lock_release, METH_NOARGS,
     "release_lock($self, /)\n--\n\n"
     "The same as release().\n\n"
     "    >>> from grove.thread import LockType\n"
     "    >>> lock = LockType()\n"
     "    >>> lock.acquire_lock(), lock.release_lock()\n"
     "    (True, None)"},
    {"locked", lock_locked, METH_NOARGS,
     "locked($self, /)\n--\n\n"
     "Whether somebody holds it.\n\n"
     "    >>> from grove.thread import LockType\n"
     "    >>> with LockType() as taken:\n"
     "    ...     print(taken)\n"
     "    True\n"
     "    >>> LockType().locked()\n"
     "    False"},
    {"locked_lock", lock_locked, METH_NOARGS,
     "locked_lock($self, /)\n--\n\n"
     "The same as locked().\n\n"
     "    >>> from grove.thread import LockType\n"
     "    >>> LockType().locked_lock()\n"
     "    False"},
    /* Condition asks for it, and otherwise tries to acquire. */
    {"_is_owned", lock_locked, METH_NOARGS, "Whether somebody holds it."},
    {"_at_fork_reinit", lock_at_fork_reinit, METH_NOARGS,
     "Unlocked, in a forked child. Who held it may release it once more."},
    {"__enter__", lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL, NULL},
    {NULL}};

static PyTypeObject Lock_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.thread.LockType",
    .tp_doc = "LockType()\n--\n\n"
              "What _thread.allocate_lock() returns, for greenlets of any "
              "thread.\n\n"
              "    >>> from grove.thread import allocate_lock\n"
              "    >>> lock = allocate_lock()\n"
              "    >>> with lock:\n"
              "    ...     lock.locked()\n"
              "    True",
    .tp_basicsize = sizeof(Lock),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_base = &BoundedSemaphore_Type,
    .tp_new = lock_new,
    .tp_init = lock_init_object,
    .tp_traverse = linkable_object_traverse,
    .tp_clear = linkable_object_clear,
    .tp_dealloc = linkable_object_dealloc,
    .tp_repr = lock_repr,
    .tp_methods = lock_methods,
};

/* ---- who is asking -------------------------------------------------------- */

/* A greenlet's is its address; that of a thread's main greenlet is the thread's
 * own, so that threads begun before patching, the main one among them, keep
 * theirs. */
static PyObject *ident_of(PyObject *greenlet)
{
    struct green *g = greenlet_check(greenlet) ? green_of(greenlet) : NULL;
    if (g && g->is_main && !g->thread->dead)
        return PyLong_FromUnsignedLong(g->thread->tstate->thread_id);
    return PyLong_FromVoidPtr(greenlet);
}

static PyObject *my_ident(void)
{
    struct py_thread *t = linkable_thread();
    if (!t || t->current == t->main || !t->current)
        return PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    return PyLong_FromVoidPtr(t->current);
}

static PyObject *get_ident(PyObject *module, PyObject *const *args,
                           Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"gr", NULL};
    PyObject *who = Py_None;
    if (unlikely(n || names) &&
        arguments("get_ident", args, n, names, keywords, 0, &who) < 0)
        return NULL;
    return who == Py_None ? my_ident() : ident_of(who);
}

/* At the interpreter's end, when its struct is gone, a thread stands for
 * itself. */
PyObject *lock_asker(void)
{
    struct py_thread *t = thread_self();
    if (likely(t && t->current))
        return (PyObject *)t->current;
    if (t)
        return t->hub_object ? t->hub_object : (PyObject *)t->main;
    if (!state_is_finalizing())
        return NULL;
    PyErr_Clear();
    return Py_None;
}

static PyMethodDef functions[] = {
    {"get_ident", (PyCFunction)(void (*)(void))get_ident,
     METH_FASTCALL | METH_KEYWORDS,
     "get_ident(gr=None)\n--\n\n"
     "The number of a greenlet, by default of the current one: no other has\n"
     "the same while it lives. A thread's main greenlet has the thread's.\n\n"
     "    >>> import grove\n"
     "    >>> from grove import thread\n"
     "    >>> numbers = grove.spawn(thread.get_ident), "
     "grove.spawn(thread.get_ident)\n"
     "    >>> numbers[0].get() == numbers[1].get()\n"
     "    False"},
    {NULL}};

int lock_init(PyObject *module)
{
    if (module_add_type(module, &Lock_Type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

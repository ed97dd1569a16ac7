/*
 * Waiting for several objects, and ending them: joinall, wait, iwait, kill,
 * killall.
 */
#include "greenlet/gather.h"

/* ---- joinall, wait ------------------------------------------------------- */

/* A list or tuple of the iterable's items; new reference. */
static PyObject *items_of(PyObject *objects)
{
    return PySequence_Fast(objects, "expected an iterable of greenlets");
}

static PyObject *ready_list(const struct gather *g, size_t most)
{
    size_t n = g->done < most ? g->done : most;
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++)
        PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(gather_get(g, i)));
    return list;
}

/* Raise what ended object, if something did. -1 with it. */
static int raise_failure(PyObject *object)
{
    if (greenlet_is_green(object)) {
        if (!((Greenlet *)object)->exception)
            return 0;
        green_raise((Greenlet *)object);
        return -1;
    }
    PyObject *e = PyObject_GetAttrString(object, "exception");
    if (!e) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    if (e == Py_None) {
        Py_DECREF(e);
        return 0;
    }
    PyObject *raise = PyObject_GetAttrString(object, "_raise_exception");
    if (raise) {
        PyObject *result = PyObject_CallNoArgs(raise);
        Py_XDECREF(result);
        Py_DECREF(raise);
    }
    if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        PyErr_SetObject((PyObject *)Py_TYPE(e), e);
    }
    Py_DECREF(e);
    return -1;
}

/* One after another, so that a failure is raised as it is met. */
static int wait_raising(struct gather *g, size_t wanted, int64_t deadline)
{
    for (size_t i = 0; i < wanted; i++) {
        int r = gather_wait(g, i + 1, deadline);
        if (r <= 0)
            return r;
        if (raise_failure(gather_get(g, i)) < 0)
            return -1;
    }
    return 1;
}

static PyObject *wait_for(PyObject *objects, PyObject *timeout, PyObject *count,
                          bool raise_error)
{
    struct py_thread *t = thread_self();
    int64_t deadline;
    if (!t || !hub_object(t) || timeout_deadline(timeout, &deadline) < 0)
        return NULL;
    PyObject *items = items_of(objects);
    if (!items)
        return NULL;
    struct gather g;
    size_t wanted;
    PyObject *result = NULL;
    if (gather_begin(&g, t, items) == 0) {
        if (gather_count(count, g.n, &wanted) == 0) {
            int r = raise_error ? wait_raising(&g, wanted, deadline)
                                : gather_wait(&g, wanted, deadline);
            if (timeout_settle(timeout, r < 0 ? CORE_FAILED
                                        : r > 0
                                            ? CORE_WOKEN
                                            : CORE_TIMED_OUT) != CORE_FAILED)
                result = ready_list(&g, wanted);
        }
        gather_end(&g);
    }
    Py_DECREF(items);
    return result;
}

static PyObject *join_hub(PyObject *timeout)
{
    struct py_thread *t = thread_self();
    PyObject *hub = t ? hub_object(t) : NULL;
    return hub ? PyObject_CallMethod(hub, "join", "(O)", timeout) : NULL;
}

static PyObject *joinall(PyObject *module, PyObject *const *args, Py_ssize_t n,
                         PyObject *names)
{
    static const char *const keywords[] = {"greenlets", "timeout",
                                           "raise_error", "count", NULL};
    PyObject *given[] = {NULL, Py_None, Py_False, Py_None};
    if (arguments("joinall", args, n, names, keywords, 1, given) < 0)
        return NULL;
    int raise_error = PyObject_IsTrue(given[2]);
    if (raise_error < 0)
        return NULL;
    return wait_for(given[0], given[1], given[3], raise_error);
}

static PyObject *wait_function(PyObject *module, PyObject *const *args,
                               Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"objects", "timeout", "count", NULL};
    PyObject *given[] = {Py_None, Py_None, Py_None};
    if (arguments("wait", args, n, names, keywords, 0, given) < 0)
        return NULL;
    if (given[0] == Py_None)
        return join_hub(given[1]);
    return wait_for(given[0], given[1], given[2], false);
}

/* ---- iwait --------------------------------------------------------------- */

typedef struct Iwait {
    PyObject_HEAD
    struct gather gather; /* what it waits for; ended with the iteration */
    size_t taken;         /* returned so far */
    size_t wanted;        /* to be returned */
    int64_t deadline;     /* of all of them */
} Iwait;

static PyTypeObject Iwait_Type;

static PyObject *iwait(PyObject *module, PyObject *const *args, Py_ssize_t n,
                       PyObject *names)
{
    static const char *const keywords[] = {"objects", "timeout", "count", NULL};
    PyObject *given[] = {NULL, Py_None, Py_None};
    if (arguments("iwait", args, n, names, keywords, 1, given) < 0)
        return NULL;
    if (given[0] == Py_None) {
        PyObject *result = join_hub(given[1]);
        return result ? Py_BuildValue("[N]", result) : NULL;
    }
    struct py_thread *t = thread_self();
    PyObject *items = t && hub_object(t) ? items_of(given[0]) : NULL;
    if (!items)
        return NULL;
    Iwait *self = PyObject_GC_New(Iwait, &Iwait_Type);
    if (!self) {
        Py_DECREF(items);
        return NULL;
    }
    self->gather = (struct gather){.thread = t};
    self->taken = 0;
    PyObject_GC_Track(self);
    int r = timeout_deadline(given[1], &self->deadline);
    if (r == 0)
        r = gather_begin(&self->gather, t, items);
    if (r == 0)
        r = gather_count(given[2], self->gather.n, &self->wanted);
    Py_DECREF(items);
    if (r < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *iwait_next(PyObject *o)
{
    Iwait *self = (Iwait *)o;
    if (hub_object_check_thread(self->gather.thread) < 0)
        return NULL;
    if (self->taken < self->wanted && self->taken < self->gather.n) {
        int r = gather_wait(&self->gather, self->taken + 1, self->deadline);
        if (r < 0)
            return NULL;
        if (r > 0)
            return Py_NewRef(gather_get(&self->gather, self->taken++));
    }
    gather_end(&self->gather);
    return NULL;
}

static PyObject *iwait_enter(PyObject *self, PyObject *none)
{
    return Py_NewRef(self);
}

static PyObject *iwait_exit(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    gather_end(&((Iwait *)self)->gather);
    Py_RETURN_NONE;
}

static int iwait_traverse(PyObject *o, visitproc visit, void *arg)
{
    struct gather *g = &((Iwait *)o)->gather;
    for (size_t i = 0; i < g->n; i++) {
        Py_VISIT(g->nodes[i].object);
        Py_VISIT(g->nodes[i].link);
    }
    return 0;
}

static int iwait_clear(PyObject *o)
{
    gather_end(&((Iwait *)o)->gather);
    return 0;
}

static void iwait_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    iwait_clear(o);
    PyObject_GC_Del(o);
}

static PyMethodDef iwait_methods[] = {
    {"__enter__", iwait_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))iwait_exit, METH_FASTCALL,
     "Stop waiting for those that were not returned."},
    {NULL}};

static PyTypeObject Iwait_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.iwait",
    .tp_doc = "Yields objects in the order they become ready.",
    .tp_basicsize = sizeof(Iwait),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = iwait_traverse,
    .tp_clear = iwait_clear,
    .tp_dealloc = iwait_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = iwait_next,
    .tp_methods = iwait_methods,
};

/* ---- kill, killall ------------------------------------------------------- */

static int check_greenlet(PyObject *g)
{
    if (greenlet_check(g))
        return 0;
    PyErr_Format(PyExc_TypeError, "a greenlet was expected, not %R", g);
    return -1;
}

/* Ends g soon, or now if it never ran. 1: soon; 0: it has ended; -1 with an
 * exception. killer as green_throw_later has it. */
static int kill_soon(PyObject *g, PyObject *spec, struct green_killer *killer)
{
    if (check_greenlet(g) < 0)
        return -1;
    PyObject *exception = green_kill_exception(spec);
    if (!exception)
        return -1;
    int r = 0;
    bool done = green_of(g)->phase == GREEN_DEAD;
    if (!done && greenlet_is_green(g))
        done = green_ready((Greenlet *)g) ||
               green_kill_unstarted((Greenlet *)g, exception);
    if (!done)
        r = green_throw_later((PyGreenlet *)g, exception, killer);
    Py_DECREF(exception);
    return r < 0 ? -1 : !done;
}

static PyObject *kill_function(PyObject *module, PyObject *const *args,
                               Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"greenlet", "exception", NULL};
    PyObject *given[] = {NULL, PyExc_GreenletExit};
    if (arguments("kill", args, n, names, keywords, 1, given) < 0)
        return NULL;
    struct py_thread *t = thread_self();
    if (!t || !hub_object(t) || kill_soon(given[0], given[1], NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Those of items that can be waited for, and must be. */
static PyObject *waitable(PyObject *items)
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(items); i++) {
        PyObject *g = PyList_GET_ITEM(items, i);
        if (greenlet_is_green(g) && !green_ready((Greenlet *)g) &&
            PyList_Append(list, g) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* 1; 0 when deadline came first; -1 with an exception. */
static int join_killed(struct py_thread *t, PyObject *items, int64_t deadline)
{
    PyObject *list = waitable(items);
    if (!list)
        return -1;
    struct gather g;
    int r = PyList_GET_SIZE(list) ? gather_begin(&g, t, list) : 1;
    if (r == 0) {
        r = gather_wait(&g, g.n, deadline);
        gather_end(&g);
    }
    Py_DECREF(list);
    return r;
}

static int wait_killed(struct py_thread *t, PyObject *items,
                       struct green_killer *killer, PyObject *timeout)
{
    int64_t deadline;
    if (timeout_deadline(timeout, &deadline) < 0 ||
        green_await_throw(t, killer, deadline) < 0)
        return -1;
    int r = join_killed(t, items, deadline);
    if (r == 0 && timeout != Py_None) {
        timeout_raise(timeout);
        r = -1;
    }
    return r < 0 ? -1 : 0;
}

/* First those that never ran, which end at once. 1: some end soon. */
static int kill_each(PyObject *items, PyObject *spec,
                     struct green_killer *killer)
{
    int soon = 0;
    for (int begun = 0; begun < 2; begun++) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
            PyObject *g = PyList_GET_ITEM(items, i);
            if (check_greenlet(g) < 0)
                return -1;
            if ((green_of(g)->phase != GREEN_UNSTARTED) != begun)
                continue;
            int r = kill_soon(g, spec, killer);
            if (r < 0)
                return -1;
            soon |= r;
        }
    }
    return soon;
}

static PyObject *killall(PyObject *module, PyObject *const *args, Py_ssize_t n,
                         PyObject *names)
{
    static const char *const keywords[] = {"greenlets", "exception", "block",
                                           "timeout", NULL};
    PyObject *given[] = {NULL, PyExc_GreenletExit, Py_True, Py_None};
    if (arguments("killall", args, n, names, keywords, 1, given) < 0)
        return NULL;
    struct py_thread *t = thread_self();
    int block = PyObject_IsTrue(given[2]);
    if (!t || block < 0 || !hub_object(t))
        return NULL;
    PyObject *items = PySequence_List(given[0]); /* code may run meanwhile */
    struct green_killer killer = {.fiber = t->hub->current};
    int r = items ? kill_each(items, given[1], block ? &killer : NULL) : -1;
    if (r > 0 && block)
        r = wait_killed(t, items, &killer, given[3]);
    green_killer_leave(&killer); /* neither waits where one has failed */
    Py_XDECREF(items);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"joinall", (PyCFunction)(void (*)(void))joinall,
     METH_FASTCALL | METH_KEYWORDS,
     "joinall(greenlets, timeout=None, raise_error=False, count=None)\n--\n\n"
     "Wait until the greenlets, or count of them, have ended, at most\n"
     "timeout seconds: those that have, in that order. With raise_error\n"
     "what one of them fails by is raised.\n\n"
     "    >>> import grove\n"
     "    >>> tasks = [grove.spawn(pow, 2, n) for n in range(4)]\n"
     "    >>> len(grove.joinall(tasks))\n"
     "    4\n"
     "    >>> [task.value for task in tasks]\n"
     "    [1, 2, 4, 8]"},
    {"wait", (PyCFunction)(void (*)(void))wait_function,
     METH_FASTCALL | METH_KEYWORDS,
     "wait(objects=None, timeout=None, count=None)\n--\n\n"
     "Wait until the objects, or count of them, are ready, at most timeout\n"
     "seconds: those that are, in that order. Without objects wait until\n"
     "nothing is left to run; whether that came to be.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.event import Event\n"
     "    >>> early, late = Event(), Event()\n"
     "    >>> early.set()\n"
     "    >>> grove.wait([early, late], count=1) == [early]\n"
     "    True"},
    {"iwait", (PyCFunction)(void (*)(void))iwait, METH_FASTCALL | METH_KEYWORDS,
     "iwait(objects, timeout=None, count=None)\n--\n\n"
     "Yield the objects as they become ready.\n\n"
     "    >>> import grove\n"
     "    >>> slow = grove.spawn(grove.sleep, 0.01)\n"
     "    >>> quick = grove.spawn(grove.sleep)\n"
     "    >>> [task is quick for task in grove.iwait([slow, quick])]\n"
     "    [True, False]"},
    {"kill", (PyCFunction)(void (*)(void))kill_function,
     METH_FASTCALL | METH_KEYWORDS,
     "kill(greenlet, exception=...)\n--\n\n"
     "Raise the exception, GreenletExit unless another is given, in the\n"
     "greenlet soon; do not wait for its end.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.spawn(grove.sleep, 3600)\n"
     "    >>> grove.kill(task)\n"
     "    >>> task.join()"},
    {"killall", (PyCFunction)(void (*)(void))killall,
     METH_FASTCALL | METH_KEYWORDS,
     "killall(greenlets, exception=..., block=True, timeout=None)\n--\n\n"
     "Raise the exception, GreenletExit unless another is given, in all of\n"
     "them, and wait for their ends; Timeout when they have not come in\n"
     "time.\n\n"
     "    >>> import grove\n"
     "    >>> tasks = [grove.spawn(grove.sleep, 3600) for _ in range(3)]\n"
     "    >>> grove.killall(tasks)\n"
     "    >>> [task.dead for task in tasks]\n"
     "    [True, True, True]"},
    {NULL}};

int joinall_init(PyObject *module)
{
    if (PyType_Ready(&Iwait_Type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

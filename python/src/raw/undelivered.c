/*
 * Exceptions that were thrown into a greenlet while it waited in C code that is
 * not ours (foreign.c), and wait for the greenlet to be back in Python.
 *
 *            the call                     a bytecode boundary
 *   added ------------> armed -------------------------------------> raised
 *            has ended    |  ^                                         ^
 *                         |  | comes back, by another call's end       |
 *             is left     v  |                 the Hub throws it       |
 *                       queued ----------------------------------------+
 *
 * The interpreter raises an asynchronous exception (PyThreadState_SetAsyncExc)
 * between two bytecodes of a thread, whichever greenlet runs: so it has one
 * only while the greenlet that it is for runs. It wants a class, and is given
 * one whose instances are made by handing out what waits. Where C code looks at
 * how Python code has ended, and no bytecode comes first, whoever knows of
 * greenlets takes it there: the end of a greenlet's body, of a Timeout's block.
 *
 * An exception is raised once. On the greenlet's own thread, with the GIL, but
 * for undelivered_has.
 */
#include "raw/private.h"

struct undelivered {
    struct undelivered *next; /* thrown later; of whichever greenlet */
    PyGreenlet *target;       /* owned */
    PyObject *exception;      /* owned */
    struct run run;           /* while it is queued */
    bool armed;               /* the interpreter was asked to raise it */
};

static PyTypeObject Delivery_Type;
void (*undelivered_throw)(PyGreenlet *target, PyObject *exception);

/* ---- the list ------------------------------------------------------------------------ */

static struct undelivered *first_of(const struct py_thread *t,
                                    const struct green *g)
{
    struct undelivered *u = t->undelivered;
    while (u && u->target->green != g)
        u = u->next;
    return u;
}

bool undelivered_has(const struct py_thread *t, const struct green *g)
{
    return first_of(t, g) != NULL;
}

static void disarm(struct py_thread *t, struct undelivered *u)
{
    if (u->armed && state_async_is(t->tstate, (PyObject *)&Delivery_Type))
        PyThreadState_SetAsyncExc(t->tstate->thread_id, NULL);
    u->armed = false;
}

/* It does not wait any more. Its exception, which is the caller's. */
static PyObject *remove_from(struct py_thread *t, struct undelivered *u)
{
    struct undelivered **at = &t->undelivered;
    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
    disarm(t, u);
    if (run_queued(&u->run))
        run_queue_remove(&u->run);
    thread_set_alert(t);
    foreign_watch(t);
    PyObject *exception = u->exception;
    PyGreenlet *target = u->target;
    PyMem_Free(u);
    Py_DECREF(target);
    return exception;
}

/* Without memory it is told of at once, and to nobody. */
void undelivered_add(struct py_thread *t, PyObject *exception)
{
    struct undelivered *u = PyMem_Calloc(1, sizeof(*u));
    if (!u) {
        exception_set(exception);
        PyErr_WriteUnraisable((PyObject *)t->current);
        return;
    }
    u->exception = exception;
    u->target = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    struct undelivered **at = &t->undelivered;
    while (*at)
        at = &(*at)->next;
    *at = u;
    thread_set_alert(t);
    foreign_watch(t);
}

/* ---- by the interpreter --------------------------------------------------------------- */

void undelivered_arm(struct py_thread *t)
{
    struct undelivered *u = first_of(t, t->current->green);
    if (!u || u->armed)
        return;
    if (run_queued(&u->run))
        run_queue_remove(&u->run);
    u->armed = true;
    PyThreadState_SetAsyncExc(t->tstate->thread_id, (PyObject *)&Delivery_Type);
}

PyObject *undelivered_take(struct py_thread *t)
{
    struct undelivered *u = first_of(t, t->current->green);
    PyObject *exception = u ? remove_from(t, u) : NULL;
    if (t->undelivered)
        undelivered_arm(t); /* another one, for the next boundary */
    return exception;
}

/* Calling the class: what the interpreter does to raise it. Up to 3.11 it may
 * do so again, with the exception that it has, for that is none of the class.
 */
static PyObject *delivery_new(PyTypeObject *type, PyObject *args,
                              PyObject *kwargs)
{
    (void)type;
    (void)kwargs;
    if (PyTuple_GET_SIZE(args) == 1 &&
        PyExceptionInstance_Check(PyTuple_GET_ITEM(args, 0)))
        return Py_NewRef(PyTuple_GET_ITEM(args, 0));
    struct py_thread *t = thread_look_up(state_current_tstate());
    PyObject *exception = t ? undelivered_take(t) : NULL;
    if (!exception && !PyErr_Occurred())
        PyErr_SetString(PyExc_SystemError, "there is nothing to deliver");
    return exception;
}

/* ---- by the Hub --------------------------------------------------------------------------- */

static void on_turn(struct run *run)
{
    struct undelivered *u = container_of(run, struct undelivered, run);
    PyGreenlet *target = (PyGreenlet *)Py_NewRef((PyObject *)u->target);
    PyObject *exception = remove_from(target->green->thread, u);
    undelivered_throw(target, exception);
    Py_DECREF(exception);
    Py_DECREF(target);
}

void undelivered_leave(struct py_thread *t)
{
    const struct green *g = t->current->green;
    struct undelivered *u = first_of(t, g);
    if (!u || run_queued(&u->run))
        return;
    disarm(t, u);
    if (g->foreign != FOREIGN_NONE)
        return; /* a wait that nothing ends, for a lock; then it is armed */
    u->run.call = on_turn;
    run_queue_push_first(&t->hub->queue, &u->run);
}

/* ---- where no bytecode comes first --------------------------------------------------------- */

/* The exception that is set, if any, is what exception was raised in the middle
 * of; nothing is set afterwards. */
static void set_context(PyObject *exception)
{
    if (!PyErr_Occurred())
        return;
    if (PyErr_ExceptionMatches((PyObject *)&Delivery_Type)) {
        PyErr_Clear(); /* it was about to be raised */
        return;
    }
    PyObject *before = exception_take();
    if (before == exception)
        Py_DECREF(before);
    else
        PyException_SetContext(exception, before);
}

PyObject *undelivered_settle(struct py_thread *t, PyObject *result)
{
    PyObject *exception = undelivered_take(t);
    if (!exception)
        return result;
    Py_XDECREF(result);
    set_context(exception);
    exception_set(exception);
    return NULL;
}

void undelivered_forget(struct py_thread *t, const struct green *g)
{
    for (struct undelivered *u; (u = first_of(t, g));)
        Py_DECREF(remove_from(t, u));
}

void undelivered_abandon(struct py_thread *t)
{
    while (t->undelivered) {
        struct undelivered *u = t->undelivered;
        t->undelivered = u->next;
        if (t->hub == hub_of_thread && run_queued(&u->run))
            run_queue_remove(&u->run);
        Py_DECREF(u->exception);
        Py_DECREF((PyObject *)u->target);
        PyMem_Free(u);
    }
}

/* ---- the module -------------------------------------------------------------------------------- */

static PyTypeObject Delivery_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core._Delivery",
    .tp_doc = "What the interpreter is asked to raise in the place of an "
              "exception that was thrown into C code.",
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = delivery_new,
};

int undelivered_init(void)
{
    Delivery_Type.tp_base = (PyTypeObject *)PyExc_BaseException;
    return PyType_Ready(&Delivery_Type);
}

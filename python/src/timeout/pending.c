/*
 * A Timeout while it counts: started, cancelled, raised.
 *
 *          start                deadline              its turn
 *   idle ---------> timer armed ---------> run queued ---------> idle
 *    ^                  |                      |      thrown from the Hub
 *    +------------------+----------------------+
 *                     cancel
 *
 * A pending Timeout holds a reference to itself and to the greenlet that
 * started it. Cancelled in time, which includes the way from the timer to the
 * Hub, it is never raised. Once the target's thread is dead its timers and its
 * queue have gone with it, and nothing is taken out of them.
 */
#include "timeout/private.h"

int timeout_deadline(PyObject *timeout, int64_t *deadline)
{
    if (!PyObject_TypeCheck(timeout, &Timeout_Type))
        return argument_deadline(timeout, deadline);
    Timeout *given = (Timeout *)timeout;
    if (!timer_pending(&given->timer))
        return argument_deadline(given->seconds, deadline);
    *deadline = given->timer.deadline;
    return 0;
}

/* What is raised: itself, or another exception that was asked for. Borrowed. */
static PyObject *throws(Timeout *self)
{
    PyObject *e = self->exception;
    if (!e || e == Py_None || PyBool_Check(e) || PyUnicode_Check(e))
        return (PyObject *)self;
    return e;
}

void timeout_raise_given(Timeout *self)
{
    PyObject *e = throws(self);
    if (PyExceptionInstance_Check(e))
        exception_set(Py_NewRef(e));
    else if (PyExceptionClass_Check(e))
        PyErr_SetNone(e);
    else
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes, or instances, not %s",
                     Py_TYPE(e)->tp_name);
}

/* Whether the exception that is set is e; then it is cleared. */
static bool caught(PyObject *e)
{
    PyObject *exception = exception_take();
    if (exception == e) {
        Py_DECREF(exception);
        return true;
    }
    exception_set(exception);
    return false;
}

enum core_wait_result timeout_settle_object(PyObject *timeout,
                                            enum core_wait_result r)
{
    Timeout *self = (Timeout *)timeout;
    timeout_cancel(self);
    if (r == CORE_FAILED && caught(timeout))
        r = CORE_TIMED_OUT;
    if (r == CORE_TIMED_OUT && throws(self) != timeout) {
        timeout_raise_given(self);
        r = CORE_FAILED;
    }
    return r;
}

static void disarm(Timeout *self)
{
    struct hub *hub = self->target->green->thread->hub;
    assert(timer_pending(&self->timer) != run_queued(&self->run));
    if (timer_pending(&self->timer)) {
        timer_remove(&hub->timers, &self->timer);
        timer_unclaim(&hub->timers);
        hub->unref -= !self->ref;
    }
    if (run_queued(&self->run))
        run_queue_remove(&self->run);
    assert(!timer_pending(&self->timer) && !run_queued(&self->run));
}

void timeout_cancel(Timeout *self)
{
    if (!timeout_pending(self))
        return;
    if (!self->target->green->thread->dead)
        disarm(self);
    Py_CLEAR(self->target);
    Py_DECREF(self);
}

/* A subclass may want to see it happen. */
static PyObject *expire(Timeout *self, PyGreenlet *target)
{
    PyObject *e = throws(self);
    if (Py_TYPE(self) == &Timeout_Type)
        return greenlet_throw(target, e, NULL, NULL);
    return PyObject_CallMethod((PyObject *)self, "_on_expiration", "OO", target,
                               e);
}

void timeout_on_turn(struct run *run)
{
    Timeout *self = container_of(run, Timeout, run);
    assert(timeout_pending(self) && !timer_pending(&self->timer));
    assert(!run_queued(run) && !PyErr_Occurred());
    PyGreenlet *target = self->target;
    struct py_thread *t = target->green->thread;
    self->target = NULL;
    if (target->green->phase == GREEN_ACTIVE) {
        PyObject *result = expire(self, target);
        assert(!result == (PyErr_Occurred() != NULL));
        if (!result)
            hub_object_report(t, (PyObject *)self);
        Py_XDECREF(result);
    }
    Py_DECREF(target);
    Py_DECREF(self);
}

void timeout_on_timer(struct timer *timer)
{
    Timeout *self = container_of(timer, Timeout, timer);
    assert(timeout_pending(self) && !timer_pending(timer));
    struct hub *hub = self->target->green->thread->hub;
    timer_unclaim(&hub->timers);
    hub->unref -= !self->ref;
    hub_queue(hub, &self->run);
}

static bool take(struct run *run)
{
    if (run->call != timeout_on_turn)
        return false;
    timeout_cancel(container_of(run, Timeout, run));
    return true;
}

void timeouts_abandon(struct py_thread *t)
{
    struct timer *timer;
    while ((timer = timer_find(&t->hub->timers, timeout_on_timer)))
        timeout_cancel(container_of(timer, Timeout, timer));
    thread_take_due(t->hub, take);
}

int timeout_start(Timeout *self)
{
    if (timeout_pending(self)) {
        PyErr_Format(PyExc_AssertionError,
                     "%R is already started; to restart it, cancel it first",
                     self);
        return -1;
    }
    int64_t deadline;
    if (argument_deadline(self->seconds, &deadline) < 0)
        return -1;
    if (deadline == GROVE_NEVER)
        return 0;
    struct py_thread *t = thread_self();
    if (!t || !hub_object(t))
        return -1;
    if (timer_claim(&t->hub->timers) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    assert(!timeout_pending(self) && t->current->green->thread == t);
    self->target = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    Py_INCREF(self);
    timer_add(&t->hub->timers, &self->timer, deadline_in_order(deadline));
    t->hub->unref += !self->ref;
    return 0;
}

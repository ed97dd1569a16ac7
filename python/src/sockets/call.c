/*
 * A call on a descriptor: its time-out, the turn it gives to others now and
 * then, its wait, the exception it ends with.
 *
 *   call_begin --> the system call ------------------------> call_end
 *                   ^     | would block: parks in net_*         |
 *                   |     v                                     v
 *                  call_wait                          a result, call_raise
 *
 * A time-out is None (never), 0 (do not wait: BlockingIOError) or seconds.
 */
#include "sockets/private.h"

int call_give_turn(const struct call *call)
{
    struct py_thread *t = call->thread;
    if (likely(!hub_turn_due(t->hub)))
        return 0;
    assert(t->tstate == state_current_tstate() && !PyErr_Occurred());
    bool is_open = hub_turn_on_slow(t->hub, call->fd);
    if (core_after_wait(t) < 0)
        return -1;
    if (likely(is_open))
        return 0;
    errno = EBADF;
    return call_raise(call);
}

int call_begin(struct call *call, int fd, PyObject *timeout)
{
    assert(!PyErr_Occurred());
    call->fd = fd;
    call->blocking = true;
    call->has_timeout = timeout != Py_None;
    call->unref = unreferenced(fd);
    call->deadline = GROVE_NEVER;
    call->thread = thread_self();
    if (!call->thread)
        return -1;
    if (call->has_timeout) {
        double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0 && PyErr_Occurred())
            return -1;
        call->blocking = seconds > 0;
        if (argument_deadline(timeout, &call->deadline) < 0)
            return -1;
    }
    /* The hub cannot wait; what need not wait may be called there. */
    call->in_hub =
        (PyObject *)call->thread->current == call->thread->hub_object;
    if (call->blocking && !call->in_hub) {
        if (core_before_wait(call->thread) < 0)
            return -1;
        return call_give_turn(call);
    }
    call->in_hub &= call->blocking;
    call->blocking = false;
    return 0;
}

int call_raise_timeout(void)
{
    assert(!PyErr_Occurred());
    PyErr_SetString(PyExc_TimeoutError, "timed out");
    return -1;
}

int call_raise(const struct call *call)
{
    assert(errno != 0 && !PyErr_Occurred());
    if (errno == ETIMEDOUT && call->has_timeout &&
        hub_clock() >= call->deadline)
        return call_raise_timeout();
    if (errno == EAGAIN && call->in_hub)
        return core_before_wait(call->thread);
    if (errno == ECANCELED)
        PyErr_SetNone(PyExc_GreenletExit);
    else if (errno == ENOMEM)
        PyErr_NoMemory();
    else if (errno == EBADF && call->fd >= 0)
        PyErr_SetNone(PyExc_ClosedElsewhere);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

int call_wait(struct call *call, unsigned direction, const char *what)
{
    assert((call->blocking || call->in_hub) && !PyErr_Occurred());
    call_parks(call, 1);
    enum core_wait_result r =
        core_wait_fd(call->thread, call->fd, direction, call->deadline, what);
    call_parked(call, 1);
    switch (r) {
    case CORE_WOKEN:
        return 0;
    case CORE_TIMED_OUT:
        return call_raise_timeout();
    default:
        return -1;
    }
}

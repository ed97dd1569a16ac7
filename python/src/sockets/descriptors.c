/*
 * Descriptors of anybody: waiting for them, and being told of ours.
 *
 * Those of other libraries may be closed without our notice, and their numbers
 * come back as other files; the loop would then wait for a registration that
 * the kernel has dropped. wait_read and its like therefore register afresh each
 * time when nobody else waits for the number. Our own sockets tell of their
 * beginning and their end: fd_opened or fd_adopted, fd_closed or fd_disowned.
 */
#include "sockets/private.h"

/* What tell(fd) is called for. */
static PyObject *told(PyObject *arg, void (*tell)(int fd))
{
    int fd = state_as_int(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    unreferenced_forget(fd);
    if (fd >= 0)
        tell(fd);
    Py_RETURN_NONE;
}

/* A function of the module that tells so, by `tell`. */
#define TELLS(name, tell, doc) \
    PyDoc_STRVAR(name##_doc, doc); \
    static PyObject *name(PyObject *module, PyObject *arg) \
    { \
        return told(arg, tell); \
    }

TELLS(fd_opened, hub_opened,
      "fd_opened(fd)\n\n"
      "The caller has just opened fd, and will call fd_closed before\n"
      "closing it: waits for it then cost no system call.")
TELLS(fd_adopted, hub_adopt,
      "fd_adopted(fd)\n\n"
      "As fd_opened, of one that has been open already and may be in\n"
      "use: whoever waits for it goes on waiting.")
TELLS(fd_disowned, hub_disown,
      "fd_disowned(fd)\n\n"
      "fd may be closed by anybody from now on: it is looked at before\n"
      "each wait.")
TELLS(fd_closed, hub_closing,
      "fd_closed(fd)\n\n"
      "fd is about to be closed: whoever waits for it, in whichever thread, "
      "gets\n"
      "OSError EBADF.")

/* poll(2) for one who does not want to wait. Whoever asks again and again, as
 * an event loop inside a greenlet does, starves nobody: it gives a turn when
 * nothing is ready, and now and then when something is. */
static int poll_at_once(const struct call *call, struct pollfd *fds, size_t n)
{
    struct py_thread *t = call->thread;
    bool in_hub = (PyObject *)t->current == t->hub_object;
    if (!in_hub && (core_before_wait(t) < 0 || call_give_turn(call) < 0))
        return -1;
    int ready = poll(fds, n, 0);
    if (ready < 0)
        return call_raise(call);
    if (ready == 0 && !in_hub && wait_turn(t) < 0)
        return -1;
    return ready;
}

/* How many waits net_poll begins for those of wait_events. */
static size_t waits_for(short events)
{
    return events == (POLLIN | POLLOUT) ? 2 : 1;
}

/* poll(2) on behalf of a greenlet: how many are ready, 0 when the deadline
 * passed, -1 with an exception. What came is reported even if somebody has
 * taken it since, as gevent does: libraries read descriptors that stand for
 * something else (ZeroMQ's ZMQ_FD) on behalf of all who wait for them. */
static int poll_until(const struct call *call, struct pollfd *fds, size_t n)
{
    assert(!PyErr_Occurred());
    if (!call->blocking) {
        int ready = poll_at_once(call, fds, n);
        if (ready != 0 || !call->in_hub)
            return ready;
        errno = EAGAIN;
        return call_raise(call); /* BlockingSwitchOutError */
    }
    size_t waits = call->unref ? waits_for(fds->events) : 0;
    call_parks(call, waits);
    int ready = net_poll(fds, n, call->deadline, NET_POLL_EDGES);
    call_parked(call, waits);
    return (int)call_end(call, ready);
}

/* The wait of that name under a Timeout, which raises what it likes. Timeout's
 * room is beside this one: it is reached through Python. */
static PyObject *wait_under(PyObject *module, const char *name, int fd,
                            PyObject *timeout, PyObject *exception)
{
    PyObject *wait = PyObject_GetAttrString(module, name);
    PyObject *late = wait ? PyImport_ImportModule("grove.sync.late") : NULL;
    PyObject *result = late ? PyObject_CallMethod(late, "wait_under", "OiOO",
                                                  wait, fd, timeout, exception)
                            : NULL;
    Py_XDECREF(late);
    Py_XDECREF(wait);
    return result;
}

/* At most timeout, with socket.timeout. */
static PyObject *wait_events(int fd, short events, PyObject *timeout)
{
    struct call call;
    if (call_begin(&call, fd, timeout) < 0)
        return NULL;
    struct pollfd pfd = {.fd = fd, .events = events};
    int ready = poll_until(&call, &pfd, 1);
    if (ready < 0)
        return NULL;
    if (ready > 0 && (pfd.revents & POLLNVAL)) {
        PyErr_SetNone(PyExc_ClosedElsewhere);
        return NULL;
    }
    if (ready > 0) {
        assert(pfd.revents != 0);
        Py_RETURN_NONE;
    }
    call_raise_timeout();
    return NULL;
}

/* wait_read and its like, by their name. A timeout that is no number may be a
 * Timeout. */
static PyObject *wait_named(PyObject *module, const char *name, short events,
                            PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"fileno", (char *)"timeout",
                            (char *)"timeout_exc", NULL};
    int fd;
    PyObject *timeout = Py_None, *exception = socket_timeout_default;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|OO", names, &fd, &timeout,
                                     &exception))
        return NULL;
    if (fd < 0) {
        PyErr_Format(PyExc_ValueError, "negative file descriptor: %d", fd);
        return NULL;
    }
    if (timeout != Py_None &&
        (exception != socket_timeout_default || !PyNumber_Check(timeout)))
        return wait_under(module, name, fd, timeout, exception);
    return wait_events(fd, events, timeout);
}

PyDoc_STRVAR(
    wait_read_doc,
    "wait_read(fileno, timeout=None, timeout_exc=...)\n--\n\n"
    "Park this greenlet until descriptor fileno can be read without\n"
    "blocking, or timeout, seconds or a Timeout, has passed: then raise\n"
    "timeout_exc, as Timeout takes it, socket.timeout unless another is\n"
    "given. OSError EBADF when it is closed.\n\n"
    "    >>> from grove import socket\n"
    "    >>> left, right = socket.socketpair()\n"
    "    >>> right.send(b\"!\")\n"
    "    1\n"
    "    >>> socket.wait_read(left.fileno(), timeout=1)");

static PyObject *wait_read(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return wait_named(module, "wait_read", POLLIN, args, kwargs);
}

PyDoc_STRVAR(wait_write_doc,
             "wait_write(fileno, timeout=None, timeout_exc=...)\n--\n\n"
             "As wait_read, until it can be written to.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> socket.wait_write(right.fileno(), timeout=1)");

static PyObject *wait_write(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return wait_named(module, "wait_write", POLLOUT, args, kwargs);
}

PyDoc_STRVAR(wait_readwrite_doc,
             "wait_readwrite(fileno, timeout=None, timeout_exc=...)"
             "\n--\n\n"
             "As wait_read, until it can be read or written to.\n\n"
             "    >>> from grove import socket\n"
             "    >>> a, b = socket.socketpair()\n"
             "    >>> socket.wait_readwrite(a.fileno(), timeout=60)\n"
             "    >>> a.close(), b.close()\n"
             "    (None, None)");

static PyObject *wait_readwrite(PyObject *module, PyObject *args,
                                PyObject *kwargs)
{
    return wait_named(module, "wait_readwrite", POLLIN | POLLOUT, args, kwargs);
}

/* fds[i] from a pair (descriptor, events). 0 or -1 with an exception. */
static int pollfd_from(struct pollfd *fd, PyObject *pair)
{
    unsigned short events;
    if (!PyTuple_Check(pair)) {
        PyErr_SetString(PyExc_TypeError, "pairs of descriptor and events");
        return -1;
    }
    if (!PyArg_ParseTuple(pair, "iH", &fd->fd, &events))
        return -1;
    fd->events = (short)events;
    return 0;
}

static PyObject *list_of_ready(const struct pollfd *fds, Py_ssize_t n)
{
    assert(!PyErr_Occurred());
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        if (!fds[i].revents)
            continue;
        PyObject *pair =
            Py_BuildValue("(iH)", fds[i].fd, (unsigned short)fds[i].revents);
        if (!pair || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

PyDoc_STRVAR(
    poll_doc,
    "poll(pairs, timeout, /)\n--\n\n"
    "Park until one of the (descriptor, events) pairs is ready; the\n"
    "ready ones as (descriptor, events). [] when timeout seconds have\n"
    "passed. The events are select.POLLIN and so on.");

static PyObject *poll_pairs(PyObject *module, PyObject *args)
{
    PyObject *pairs, *timeout;
    if (!PyArg_ParseTuple(args, "OO:poll", &pairs, &timeout))
        return NULL;
    struct call call;
    if (call_begin(&call, -1, timeout) < 0)
        return NULL;
    PyObject *sequence = PySequence_Fast(pairs, "a sequence of pairs");
    if (!sequence)
        return NULL;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(sequence);
    struct pollfd *fds = PyMem_Calloc(n ? (size_t)n : 1, sizeof(*fds));
    if (!fds) {
        Py_DECREF(sequence);
        return PyErr_NoMemory();
    }
    int ready = 0;
    for (Py_ssize_t i = 0; i < n && ready == 0; i++)
        ready = pollfd_from(&fds[i], PySequence_Fast_GET_ITEM(sequence, i));
    Py_DECREF(sequence);
    if (ready == 0)
        ready = poll_until(&call, fds, (size_t)n);
    PyObject *list = ready < 0 ? NULL : list_of_ready(fds, n);
    PyMem_Free(fds);
    return list;
}

/* ---- the module ----------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"fd_opened", fd_opened, METH_O, fd_opened_doc},
    {"fd_adopted", fd_adopted, METH_O, fd_adopted_doc},
    {"fd_disowned", fd_disowned, METH_O, fd_disowned_doc},
    {"fd_closed", fd_closed, METH_O, fd_closed_doc},
    {"wait_read", (PyCFunction)(void (*)(void))wait_read,
     METH_VARARGS | METH_KEYWORDS, wait_read_doc},
    {"wait_write", (PyCFunction)(void (*)(void))wait_write,
     METH_VARARGS | METH_KEYWORDS, wait_write_doc},
    {"wait_readwrite", (PyCFunction)(void (*)(void))wait_readwrite,
     METH_VARARGS | METH_KEYWORDS, wait_readwrite_doc},
    {"poll", poll_pairs, METH_VARARGS, poll_doc},
    {NULL, NULL, 0, NULL},
};

int descriptors_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

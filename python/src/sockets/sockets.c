/*
 * The waiting part of sockets.
 *
 * The Python class grove.socket.socket wraps a non-blocking _socket.socket. It
 * calls the functions here with the descriptor and its time-out; they try the
 * system call first and park the greenlet while it would block. Calls whose
 * addresses or ancillary data _socket already knows how to build (accept,
 * recvfrom, sendmsg, ...) go through socket_retry, which does the same around a
 * method of the wrapped socket.
 *
 * A time-out is None (never), 0 (do not wait: BlockingIOError) or seconds.
 *
 * Descriptors of other libraries may be closed without our notice, and their
 * numbers come back as other files; the loop would then wait for a registration
 * that the kernel has dropped. wait_read and its like therefore register afresh
 * each time when nobody else waits for the number. Our own sockets tell of both
 * ends: fd_opened and fd_closed.
 */
#include "sockets/sockets.h"

#include "hub_object/hub_object.h"
#include "net/net.h"

struct call {
    struct py_thread *thread;
    int fd;
    bool blocking; /* false: the time-out is 0, or it runs in the hub */
    bool in_hub;
    bool has_timeout;
    int64_t deadline;
};

/* The arguments of the OSError of whoever waited for a descriptor that another
 * greenlet closed. */
static PyObject *closed_elsewhere;

/* Calls a thread makes between two turns for others. A greenlet whose calls
 * never have to wait (its peer is quicker, or has hung up and it does not mind)
 * would starve the rest; a turn costs 30 to 60 ns, 2 a call. */
#define CALLS_A_TURN 32

/* Before the call, so that nothing is lost when an exception comes meanwhile.
 * 0, or -1 with that exception. */
static int give_turn(struct py_thread *t)
{
    static __thread unsigned calls;
    if (likely(++calls % CALLS_A_TURN != 0))
        return 0;
    grove_yield();
    return core_after_wait(t);
}

/* 0, or -1 with TypeError, ValueError, MemoryError, BlockingSwitchOutError or
 * what was thrown here. */
static int call_begin(struct call *call, int fd, PyObject *timeout)
{
    call->fd = fd;
    call->blocking = true;
    call->has_timeout = timeout != Py_None;
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
        return give_turn(call->thread);
    }
    call->in_hub &= call->blocking;
    call->blocking = false;
    return 0;
}

static int raise_timeout(void)
{
    PyErr_SetString(PyExc_TimeoutError, "timed out");
    return -1;
}

/* The exception of a call that failed with errno: -1. */
static int call_raise(const struct call *call)
{
    if (errno == ETIMEDOUT && call->has_timeout &&
        hub_clock() >= call->deadline)
        return raise_timeout();
    if (errno == EAGAIN && call->in_hub)
        return core_before_wait(call->thread);
    if (errno == ECANCELED)
        PyErr_SetNone(PyExc_GreenletExit);
    else if (errno == ENOMEM)
        PyErr_NoMemory();
    else if (errno == EBADF && call->fd >= 0)
        PyErr_SetObject(PyExc_OSError, closed_elsewhere);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* What a net_ function returned, or -1 with an exception. */
static Py_ssize_t call_end(const struct call *call, ssize_t n)
{
    int error = errno;
    if (call->blocking && core_after_wait(call->thread) < 0)
        return -1;
    errno = error;
    return n >= 0 ? n : call_raise(call);
}

/* The flags for a call that may or may not wait. With a time-out MSG_DONTWAIT
 * changes nothing, as with the standard sockets, which poll before they call.
 */
static int call_flags(const struct call *call, int flags)
{
    if (!call->blocking)
        return flags | MSG_DONTWAIT;
    return call->has_timeout ? flags & ~MSG_DONTWAIT : flags;
}

/* ---- receiving ------------------------------------------------------------ */

static Py_ssize_t receive(struct call *call, void *buffer, size_t size,
                          int flags)
{
    return call_end(call,
                    net_recv(call->fd, buffer, size, call_flags(call, flags),
                             call->deadline, NET_PARK));
}

PyDoc_STRVAR(recv_doc, "socket_recv(fd, size, flags, timeout) -> bytes\n\n"
                       "Up to size bytes; b'' at the end of the stream.");

static PyObject *socket_recv(PyObject *module, PyObject *const *args,
                             Py_ssize_t nargs)
{
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "socket_recv takes 4 arguments");
        return NULL;
    }
    int fd = state_as_int(args[0]);
    Py_ssize_t size = PyNumber_AsSsize_t(args[1], PyExc_OverflowError);
    if (PyErr_Occurred())
        return NULL;
    int flags = state_as_int(args[2]);
    if (PyErr_Occurred())
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    struct call call;
    if (call_begin(&call, fd, args[3]) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes)
        return NULL;
    Py_ssize_t n =
        receive(&call, PyBytes_AS_STRING(bytes), (size_t)size, flags);
    if (n < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    if (n != size)
        _PyBytes_Resize(&bytes, n);
    return bytes;
}

PyDoc_STRVAR(recv_into_doc,
             "socket_recv_into(fd, buffer, size, flags, timeout) -> int\n\n"
             "Up to size bytes (0: as many as fit) into buffer; how many.");

static PyObject *socket_recv_into(PyObject *module, PyObject *args)
{
    int fd, flags;
    Py_buffer buffer;
    Py_ssize_t size;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "iw*niO:recv_into", &fd, &buffer, &size, &flags,
                          &timeout))
        return NULL;
    PyObject *result = NULL;
    struct call call;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv_into");
    } else if (size > buffer.len) {
        PyErr_SetString(PyExc_ValueError,
                        "buffer too small for requested bytes");
    } else if (call_begin(&call, fd, timeout) == 0) {
        Py_ssize_t n = receive(&call, buffer.buf,
                               (size_t)(size ? size : buffer.len), flags);
        if (n >= 0)
            result = PyLong_FromSsize_t(n);
    }
    PyBuffer_Release(&buffer);
    return result;
}

/* Park until the descriptor may be ready. 0: try again; -1 with an exception.
 */
static int call_wait(struct call *call, unsigned direction, const char *what)
{
    switch (
        core_wait_fd(call->thread, call->fd, direction, call->deadline, what)) {
    case CORE_WOKEN:
        return 0;
    case CORE_TIMED_OUT:
        return raise_timeout();
    default:
        return -1;
    }
}

/* ---- sending -------------------------------------------------------------- */

/* What there is room for, waiting for at least a byte's; -1 with an exception.
 * (A blocking send of the kernel's, and net_send, take everything; users of a
 * socket with a time-out are used to less.) */
static Py_ssize_t send_some(struct call *call, const char *data, size_t size,
                            int flags)
{
    flags = call_flags(call, flags) | MSG_NOSIGNAL;
    for (;;) {
        ssize_t n = send(call->fd, data, size, flags | MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (errno != EAGAIN || (flags & MSG_DONTWAIT))
            return call_raise(call);
        if (call_wait(call, LOOP_WRITE, "send") < 0)
            return -1;
    }
}

/* All of it: size, or -1 with an exception. */
static Py_ssize_t send_all(struct call *call, const char *data, size_t size,
                           int flags)
{
    flags = call_flags(call, flags) | MSG_NOSIGNAL;
    size_t sent = 0;
    do {
        Py_ssize_t n =
            call_end(call, net_send(call->fd, data + sent, size - sent, flags,
                                    call->deadline, NET_PARK));
        if (n < 0)
            return -1;
        /* Less than all: why, the next call tells. */
        sent += (size_t)n;
    } while (sent < size);
    return (Py_ssize_t)sent;
}

PyDoc_STRVAR(send_doc, "socket_send(fd, data, flags, timeout) -> int\n\n"
                       "How many bytes of data were sent.");

static PyObject *socket_send(PyObject *module, PyObject *args)
{
    int fd, flags;
    Py_buffer data;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "iy*iO:send", &fd, &data, &flags, &timeout))
        return NULL;
    struct call call;
    Py_ssize_t n = -1;
    if (call_begin(&call, fd, timeout) == 0)
        n = send_some(&call, data.buf, (size_t)data.len, flags);
    PyBuffer_Release(&data);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(sendall_doc, "socket_sendall(fd, data, flags, timeout)\n\n"
                          "Send all of data; the time-out is for the whole.");

static PyObject *socket_sendall(PyObject *module, PyObject *args)
{
    int fd, flags;
    Py_buffer data;
    PyObject *timeout;
    if (!PyArg_ParseTuple(args, "iy*iO:sendall", &fd, &data, &flags, &timeout))
        return NULL;
    struct call call;
    Py_ssize_t n = -1;
    if (call_begin(&call, fd, timeout) == 0)
        n = send_all(&call, data.buf, (size_t)data.len, flags);
    PyBuffer_Release(&data);
    if (n < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- through the wrapped socket ------------------------------------------- */

PyDoc_STRVAR(retry_doc,
             "socket_retry(fd, direction, timeout, method, *args)\n\n"
             "method(*args), again and again while it raises BlockingIOError,\n"
             "waiting in between until fd is ready for direction (READ or\n"
             "WRITE).");

static PyObject *socket_retry(PyObject *module, PyObject *const *args,
                              Py_ssize_t nargs)
{
    if (nargs < 4) {
        PyErr_SetString(PyExc_TypeError, "socket_retry takes 4 arguments");
        return NULL;
    }
    int fd = state_as_int(args[0]);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    unsigned direction = (unsigned)PyLong_AsUnsignedLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    struct call call;
    if (call_begin(&call, fd, args[2]) < 0)
        return NULL;
    for (;;) {
        PyObject *result =
            PyObject_Vectorcall(args[3], args + 4, (size_t)nargs - 4, NULL);
        if (result || !(call.blocking || call.in_hub) ||
            !PyErr_ExceptionMatches(PyExc_BlockingIOError))
            return result;
        PyErr_Clear();
        if (call_wait(&call, direction,
                      direction == LOOP_READ ? "recv" : "send") < 0)
            return NULL;
    }
}

/* ---- descriptors of anybody ----------------------------------------------- */

/* The calling thread's loop, if there is one: nothing is made for a call that
 * only forgets. */
static struct loop *existing_loop(void)
{
    return hub_of_thread ? &hub_of_thread->loop : NULL;
}

PyDoc_STRVAR(fd_opened_doc,
             "fd_opened(fd)\n\n"
             "The caller has just opened fd, and will call fd_closed before\n"
             "closing it: waits for it then cost no system call.");

static PyObject *fd_opened(PyObject *module, PyObject *arg)
{
    int fd = state_as_int(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    struct loop *loop = existing_loop();
    struct loop_fd *record = loop ? loop_fd(loop, fd) : NULL;
    /* One that is waited for is another view of a socket in use. */
    if (record && !loop_waited(record))
        loop_own(loop, fd);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    fd_closed_doc,
    "fd_closed(fd)\n\n"
    "fd is about to be closed: whoever waits for it gets OSError EBADF.");

static PyObject *fd_closed(PyObject *module, PyObject *arg)
{
    int fd = state_as_int(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    struct loop *loop = existing_loop();
    if (loop)
        loop_forget(loop, fd);
    Py_RETURN_NONE;
}

/* poll(2) on behalf of a greenlet: how many are ready, 0 when the deadline
 * passed, -1 with an exception. */
static int poll_until(struct call *call, struct pollfd *fds, size_t n)
{
    int ready = poll(fds, n, 0);
    if (ready < 0)
        return call_raise(call);
    if (ready || !call->blocking)
        return ready;
    return (int)call_end(call, net_poll(fds, n, call->deadline));
}

/* Raise exception, a class or an instance. */
static void raise_object(PyObject *exception)
{
    if (PyExceptionInstance_Check(exception))
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    else
        PyErr_SetNone(exception);
}

static PyObject *wait_events(PyObject *args, PyObject *kwargs, short events)
{
    static char *names[] = {(char *)"fileno", (char *)"timeout",
                            (char *)"timeout_exc", NULL};
    int fd;
    PyObject *timeout = Py_None, *exception = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|OO", names, &fd, &timeout,
                                     &exception))
        return NULL;
    if (fd < 0) {
        PyErr_Format(PyExc_ValueError, "negative file descriptor: %d", fd);
        return NULL;
    }
    struct call call;
    if (call_begin(&call, fd, timeout) < 0)
        return NULL;
    struct pollfd pfd = {.fd = fd, .events = events};
    int ready = poll_until(&call, &pfd, 1);
    if (ready < 0)
        return NULL;
    if (ready > 0 && (pfd.revents & POLLNVAL)) {
        PyErr_SetObject(PyExc_OSError, closed_elsewhere);
        return NULL;
    }
    if (ready > 0)
        Py_RETURN_NONE;
    if (exception && exception != Py_None)
        raise_object(exception);
    else
        raise_timeout();
    return NULL;
}

PyDoc_STRVAR(
    wait_read_doc,
    "wait_read(fileno, timeout=None, timeout_exc=socket.timeout)\n\n"
    "Park this greenlet until descriptor fileno can be read without\n"
    "blocking, or timeout seconds have passed: then raise timeout_exc.\n"
    "OSError EBADF when it is closed.");

static PyObject *wait_read(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return wait_events(args, kwargs, POLLIN);
}

PyDoc_STRVAR(wait_write_doc,
             "wait_write(fileno, timeout=None, timeout_exc=socket.timeout)\n\n"
             "As wait_read, until it can be written to.");

static PyObject *wait_write(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return wait_events(args, kwargs, POLLOUT);
}

PyDoc_STRVAR(wait_readwrite_doc,
             "wait_readwrite(fileno, timeout=None, timeout_exc=socket.timeout)"
             "\n\nAs wait_read, until it can be read or written to.");

static PyObject *wait_readwrite(PyObject *module, PyObject *args,
                                PyObject *kwargs)
{
    return wait_events(args, kwargs, POLLIN | POLLOUT);
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
    "poll(pairs, timeout) -> list\n\n"
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

static PyMethodDef methods[] = {
    {"socket_recv", (PyCFunction)(void (*)(void))socket_recv, METH_FASTCALL,
     recv_doc},
    {"socket_recv_into", socket_recv_into, METH_VARARGS, recv_into_doc},
    {"socket_send", socket_send, METH_VARARGS, send_doc},
    {"socket_sendall", socket_sendall, METH_VARARGS, sendall_doc},
    {"socket_retry", (PyCFunction)(void (*)(void))socket_retry, METH_FASTCALL,
     retry_doc},
    {"fd_opened", fd_opened, METH_O, fd_opened_doc},
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

int sockets_init(PyObject *module)
{
    closed_elsewhere = Py_BuildValue(
        "(is)", EBADF, "File descriptor was closed in another greenlet");
    if (!closed_elsewhere)
        return -1;
    if (PyModule_AddIntConstant(module, "READ", LOOP_READ) < 0 ||
        PyModule_AddIntConstant(module, "WRITE", LOOP_WRITE) < 0)
        return -1;
    return PyModule_AddFunctions(module, methods);
}

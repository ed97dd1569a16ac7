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
#include "core.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

struct call {
    struct py_thread *thread;
    int fd;
    bool blocking; /* false: the time-out is 0 */
    bool has_timeout;
    int64_t deadline; /* known once has_timeout */
};

/* 0, or -1 with TypeError, ValueError, MemoryError. */
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
        return core_deadline(timeout, &call->deadline);
    }
    return 0;
}

static int raise_timeout(void)
{
    PyErr_SetString(PyExc_TimeoutError, "timed out");
    return -1;
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

/* A system call failed with errno. 0: try again, maybe after having waited; -1
 * with an exception. */
static int call_failed(struct call *call, int flags, unsigned direction,
                       const char *what)
{
    if (errno == EINTR)
        return PyErr_CheckSignals();
    bool would_block = errno == EAGAIN || errno == EWOULDBLOCK;
    bool dont_wait =
        !call->blocking || ((flags & MSG_DONTWAIT) && !call->has_timeout);
    if (!would_block || dont_wait) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return call_wait(call, direction, what);
}

/* ---- receiving -------------------------------------------------------------
 */

static Py_ssize_t receive(struct call *call, void *buffer, size_t size,
                          int flags)
{
    for (;;) {
        ssize_t n = recv(call->fd, buffer, size, flags | MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (call_failed(call, flags, LOOP_READ, "recv") < 0)
            return -1;
    }
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
    int fd = _PyLong_AsInt(args[0]);
    Py_ssize_t size = PyNumber_AsSsize_t(args[1], PyExc_OverflowError);
    if (PyErr_Occurred())
        return NULL;
    int flags = _PyLong_AsInt(args[2]);
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

/* ---- sending
 * ----------------------------------------------------------------- */

/* What one call sends, at least a byte unless size is 0; -1 with an exception.
 */
static Py_ssize_t send_some(struct call *call, const char *data, size_t size,
                            int flags, const char *what)
{
    for (;;) {
        ssize_t n =
            send(call->fd, data, size, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (call_failed(call, flags, LOOP_WRITE, what) < 0)
            return -1;
    }
}

static Py_ssize_t send_all(struct call *call, const char *data, size_t size,
                           int flags)
{
    size_t sent = 0;
    do {
        Py_ssize_t n =
            send_some(call, data + sent, size - sent, flags, "sendall");
        if (n < 0)
            return -1;
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
        n = send_some(&call, data.buf, (size_t)data.len, flags, "send");
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

/* ---- through the wrapped socket
 * ------------------------------------------------- */

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
    int fd = _PyLong_AsInt(args[0]);
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
        if (result || !call.blocking ||
            !PyErr_ExceptionMatches(PyExc_BlockingIOError))
            return result;
        PyErr_Clear();
        if (call_wait(&call, direction,
                      direction == LOOP_READ ? "recv" : "send") < 0)
            return NULL;
    }
}

/* ---- descriptors of anybody
 * -------------------------------------------------------- */

/* The calling thread's loop, if there is one: nothing is made for a call that
 * only forgets. */
static struct loop *existing_loop(void)
{
    return hub_of_thread ? &hub_of_thread->loop : NULL;
}

static void forget_unwaited(struct loop *loop, int fd)
{
    struct loop_fd *record = fd >= 0 ? loop_fd(loop, fd) : NULL;
    if (record && record->registered && !record->readers.first &&
        !record->writers.first)
        loop_forget(loop, fd);
}

PyDoc_STRVAR(fd_opened_doc,
             "fd_opened(fd)\n\n"
             "The number fd now stands for a file that is new to the loop.");

static PyObject *fd_opened(PyObject *module, PyObject *arg)
{
    int fd = _PyLong_AsInt(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    struct loop *loop = existing_loop();
    if (loop)
        forget_unwaited(loop, fd);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    fd_closed_doc,
    "fd_closed(fd)\n\n"
    "fd is about to be closed: whoever waits for it gets OSError EBADF.");

static PyObject *fd_closed(PyObject *module, PyObject *arg)
{
    int fd = _PyLong_AsInt(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    struct loop *loop = existing_loop();
    if (loop)
        loop_forget(loop, fd);
    Py_RETURN_NONE;
}

/* One of those a poll waits for. */
struct poll_wait {
    struct loop_wait wait;
    struct grove_fiber *fiber;
    bool closed; /* its number may be another file's by now */
};

static void poll_ready(struct loop_wait *wait, int result)
{
    struct poll_wait *w = container_of(wait, struct poll_wait, wait);
    w->closed = result < 0;
    hub_wake(w->fiber, 0);
}

/* Link waits for the directions of fds[i]. 1, 0 when it cannot be waited for
 * (a file: always ready), -1 with an exception. */
static int poll_link(struct hub *hub, const struct pollfd *fd,
                     struct poll_wait *waits)
{
    if (fd->fd < 0)
        return 1;
    forget_unwaited(&hub->loop, fd->fd);
    struct loop_fd *record = loop_fd(&hub->loop, fd->fd);
    int r = record ? loop_register(&hub->loop, record) : -errno;
    if (r == -EBADF || (r == 0 && record->always_ready))
        return 0;
    if (r < 0) {
        errno = -r;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    bool writes = fd->events & (POLLOUT | POLLWRNORM | POLLWRBAND);
    bool reads = !writes || (fd->events & ~(POLLOUT | POLLWRNORM | POLLWRBAND));
    for (unsigned i = 0; i < 2; i++) {
        unsigned direction = i ? LOOP_WRITE : LOOP_READ;
        if (i ? !writes : !reads)
            continue;
        waits[i].fiber = hub->current;
        waits[i].wait.direction = direction;
        waits[i].wait.fn = poll_ready;
        loop_wait_add(&hub->loop, record, &waits[i].wait);
    }
    return 1;
}

/* Park until one of fds may be ready. As core_wait; also CORE_WOKEN at once
 * when one of them cannot be waited for. Those closed meanwhile get POLLNVAL;
 * *closed is how many. */
static enum core_wait_result poll_park(struct py_thread *t, struct pollfd *fds,
                                       size_t n, int64_t deadline,
                                       const char *what, int *closed)
{
    struct poll_wait *waits = PyMem_Calloc(n ? 2 * n : 1, sizeof(*waits));
    if (!waits) {
        PyErr_NoMemory();
        return CORE_FAILED;
    }
    int linked = 1;
    for (size_t i = 0; i < n && linked == 1; i++)
        linked = poll_link(t->hub, &fds[i], waits + 2 * i);
    enum core_wait_result result = CORE_FAILED;
    if (linked == 0)
        result = CORE_WOKEN;
    else if (linked == 1)
        result = core_wait(t, deadline, what, n == 1 ? fds->fd : -1, NULL);
    for (size_t i = 0; i < 2 * n; i++) {
        loop_wait_remove(&t->hub->loop, &waits[i].wait);
        if (waits[i].closed) {
            *closed += fds[i / 2].revents != POLLNVAL;
            fds[i / 2].revents = POLLNVAL;
        }
    }
    PyMem_Free(waits);
    return result;
}

/* poll(2) on behalf of a greenlet: how many are ready, 0 when the deadline
 * passed, -1 with an exception. */
static int poll_until(struct py_thread *t, struct pollfd *fds, size_t n,
                      int64_t deadline, bool blocking, const char *what)
{
    for (;;) {
        int ready = poll(fds, n, 0);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (ready || !blocking)
            return ready;
        int closed = 0;
        enum core_wait_result r = poll_park(t, fds, n, deadline, what, &closed);
        if (r == CORE_FAILED)
            return -1;
        if (closed)
            return closed;
        blocking = r == CORE_WOKEN;
    }
}

/* The arguments of the OSError of whoever waited for a descriptor that another
 * greenlet closed. */
static PyObject *closed_elsewhere;

/* Raise exception, a class or an instance. */
static void raise_object(PyObject *exception)
{
    if (PyExceptionInstance_Check(exception))
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    else
        PyErr_SetNone(exception);
}

static PyObject *wait_events(PyObject *args, PyObject *kwargs, short events,
                             const char *what)
{
    static char *names[] = {"fileno", "timeout", "timeout_exc", NULL};
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
    int ready =
        poll_until(call.thread, &pfd, 1, call.deadline, call.blocking, what);
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
    return wait_events(args, kwargs, POLLIN, "wait_read");
}

PyDoc_STRVAR(wait_write_doc,
             "wait_write(fileno, timeout=None, timeout_exc=socket.timeout)\n\n"
             "As wait_read, until it can be written to.");

static PyObject *wait_write(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return wait_events(args, kwargs, POLLOUT, "wait_write");
}

PyDoc_STRVAR(wait_readwrite_doc,
             "wait_readwrite(fileno, timeout=None, timeout_exc=socket.timeout)"
             "\n\nAs wait_read, until it can be read or written to.");

static PyObject *wait_readwrite(PyObject *module, PyObject *args,
                                PyObject *kwargs)
{
    return wait_events(args, kwargs, POLLIN | POLLOUT, "wait_readwrite");
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
        ready = poll_until(call.thread, fds, (size_t)n, call.deadline,
                           call.blocking, "poll");
    PyObject *list = ready < 0 ? NULL : list_of_ready(fds, n);
    PyMem_Free(fds);
    return list;
}

/* ---- the module
 * ------------------------------------------------------------------------ */

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

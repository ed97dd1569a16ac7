/*
 * The waiting part of sockets.
 *
 * The Python class grove.socket.socket wraps a non-blocking _socket.socket. It
 * calls the functions here with the descriptor and its time-out; they try the
 * system call first and park the greenlet while it would block. Calls whose
 * addresses or ancillary data _socket already knows how to build (accept,
 * recvfrom, sendmsg, ...) go through socket_retry, which does the same around a
 * method of the wrapped socket.
 */
#include "sockets/private.h"

/* ---- receiving ------------------------------------------------------------ */

/* As net_recv. */
static ssize_t recv_parking(const struct call *call, void *buffer, size_t size,
                            int flags)
{
    call_parks(call, 1);
    ssize_t n = net_recv(call->fd, buffer, size, call_flags(call, flags),
                         call->deadline, NET_PARK);
    call_parked(call, 1);
    return n;
}

static Py_ssize_t receive(struct call *call, void *buffer, size_t size,
                          int flags)
{
    return call_end(call, recv_parking(call, buffer, size, flags));
}

/* Where a short receive lands before it is known how much has come: a bytes
 * object of that length is made then, which is cheaper than to make one of the
 * size asked for and to cut it, and whoever waits has none at all. One for all
 * threads: the system call has the GIL, and nobody runs between it and the
 * copy (NET_PARK gives no turns). Without memory for that what has come is
 * lost, and MemoryError says so. */
static char landing[8 << 10];

static PyObject *recv_short(struct call *call, size_t size)
{
    assert(size <= sizeof(landing));
    ssize_t n = recv_parking(call, landing, size, 0);
    PyObject *bytes = n < 0 ? NULL : PyBytes_FromStringAndSize(landing, n);
    if (call_end(call, n) < 0)
        Py_CLEAR(bytes);
    assert(!bytes == (PyErr_Occurred() != NULL));
    return bytes;
}

/* MSG_TRUNC has the system tell the length of what came, of which it may have
 * filled in less, or nothing: the rest of so many bytes is zeros. */
static void resize_received(PyObject **bytes, Py_ssize_t size, Py_ssize_t n)
{
    if (n == size || _PyBytes_Resize(bytes, n) < 0)
        return;
    if (n > size)
        memset(PyBytes_AS_STRING(*bytes) + size, 0, (size_t)(n - size));
}

static PyObject *recv_long(struct call *call, Py_ssize_t size, int flags)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes)
        return NULL;
    if (flags & MSG_TRUNC)
        memset(PyBytes_AS_STRING(bytes), 0, (size_t)size);
    Py_ssize_t n = receive(call, PyBytes_AS_STRING(bytes), (size_t)size, flags);
    if (n < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    assert((n <= size || (flags & MSG_TRUNC)) && !PyErr_Occurred());
    resize_received(&bytes, size, n);
    return bytes;
}

PyDoc_STRVAR(recv_doc, "socket_recv(fd, size, flags, timeout) -> bytes\n\n"
                       "Up to size bytes; b'' at the end of the stream. 0 of\n"
                       "them are there at once, and nothing is taken for it.");

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
    if (size == 0) /* of a datagram, too, which stays */
        return PyBytes_FromStringAndSize(NULL, 0);
    /* Flags may make it tell a length and fill in nothing. */
    return size <= (Py_ssize_t)sizeof(landing) && flags == 0
               ? recv_short(&call, (size_t)size)
               : recv_long(&call, size, flags);
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
        Py_ssize_t room = size ? size : buffer.len;
        Py_ssize_t n =
            room ? receive(&call, buffer.buf, (size_t)room, flags) : 0;
        if (n >= 0)
            result = PyLong_FromSsize_t(n);
    }
    PyBuffer_Release(&buffer);
    return result;
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
        assert(!PyErr_Occurred());
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
        call_parks(call, 1);
        ssize_t now = net_send(call->fd, data + sent, size - sent, flags,
                               call->deadline, NET_PARK);
        call_parked(call, 1);
        Py_ssize_t n = call_end(call, now);
        if (n < 0)
            return -1;
        /* Less than all: why, the next call tells. */
        assert((size_t)n <= size - sent);
        sent += (size_t)n;
    } while (sent < size);
    return (Py_ssize_t)sent;
}

/* The arguments (fd, data, flags, timeout) are taken apart, and the call
 * begins, or -1 with an exception. */
static int send_begin(struct call *call, PyObject *const *args,
                      Py_ssize_t nargs, Py_buffer *data, int *flags)
{
    if (nargs != 4) {
        PyErr_SetString(PyExc_TypeError, "send takes 4 arguments");
        return -1;
    }
    int fd = state_as_int(args[0]);
    if (fd == -1 && PyErr_Occurred())
        return -1;
    *flags = state_as_int(args[2]);
    if ((*flags == -1 && PyErr_Occurred()) ||
        PyObject_GetBuffer(args[1], data, PyBUF_SIMPLE) < 0)
        return -1;
    if (call_begin(call, fd, args[3]) == 0)
        return 0;
    PyBuffer_Release(data);
    return -1;
}

PyDoc_STRVAR(send_doc, "socket_send(fd, data, flags, timeout) -> int\n\n"
                       "How many bytes of data were sent.");

static PyObject *socket_send(PyObject *module, PyObject *const *args,
                             Py_ssize_t nargs)
{
    int flags;
    Py_buffer data;
    struct call call;
    if (send_begin(&call, args, nargs, &data, &flags) < 0)
        return NULL;
    Py_ssize_t n = send_some(&call, data.buf, (size_t)data.len, flags);
    PyBuffer_Release(&data);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(sendall_doc, "socket_sendall(fd, data, flags, timeout)\n\n"
                          "Send all of data; the time-out is for the whole.");

static PyObject *socket_sendall(PyObject *module, PyObject *const *args,
                                Py_ssize_t nargs)
{
    int flags;
    Py_buffer data;
    struct call call;
    if (send_begin(&call, args, nargs, &data, &flags) < 0)
        return NULL;
    Py_ssize_t n = send_all(&call, data.buf, (size_t)data.len, flags);
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

/* ---- the module ----------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"socket_recv", (PyCFunction)(void (*)(void))socket_recv, METH_FASTCALL,
     recv_doc},
    {"socket_recv_into", socket_recv_into, METH_VARARGS, recv_into_doc},
    {"socket_send", (PyCFunction)(void (*)(void))socket_send, METH_FASTCALL,
     send_doc},
    {"socket_sendall", (PyCFunction)(void (*)(void))socket_sendall,
     METH_FASTCALL, sendall_doc},
    {"socket_retry", (PyCFunction)(void (*)(void))socket_retry, METH_FASTCALL,
     retry_doc},
    {NULL, NULL, 0, NULL},
};

int transfer_init(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "READ", LOOP_READ) < 0 ||
        PyModule_AddIntConstant(module, "WRITE", LOOP_WRITE) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

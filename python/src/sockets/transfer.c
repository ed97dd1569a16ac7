/*
 * The methods of sockets that receive and send bytes: they make the system call
 * and park the greenlet while it would block.
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

/* An argument that is an int, or 0 when it is not given. -1 with an exception.
 */
static int optional_int(PyObject *argument)
{
    return argument ? state_as_int(argument) : 0;
}

PyDoc_STRVAR(recv_doc,
             "recv($self, /, bufsize, flags=0)\n--\n\n"
             "Up to bufsize bytes; b\"\" at the end of the stream.\n\n"
             "0 of them are there at once, and nothing is taken for it.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> right.send(b\"hello\")\n"
             "    5\n"
             "    >>> left.recv(4)\n"
             "    b'hell'");

static PyObject *socket_recv(PyObject *self, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *names)
{
    static const char *const parameters[] = {"bufsize", "flags", NULL};
    PyObject *given[2] = {NULL, NULL};
    if (arguments("recv", args, nargs, names, parameters, 1, given) < 0)
        return NULL;
    Py_ssize_t size = PyNumber_AsSsize_t(given[0], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    int flags = optional_int(given[1]);
    if (flags == -1 && PyErr_Occurred())
        return NULL;
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv");
        return NULL;
    }
    struct call call;
    if (socket_begin(&call, (Socket *)self, socket_timeout_default) < 0)
        return NULL;
    if (size == 0) /* of a datagram, too, which stays */
        return PyBytes_FromStringAndSize(NULL, 0);
    /* Flags may make it tell a length and fill in nothing. */
    return size <= (Py_ssize_t)sizeof(landing) && flags == 0
               ? recv_short(&call, (size_t)size)
               : recv_long(&call, size, flags);
}

/* Up to size bytes, 0 for as many as fit, or -1 with an exception. */
static Py_ssize_t receive_into(Socket *s, const Py_buffer *buffer,
                               Py_ssize_t size, int flags)
{
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative buffersize in recv_into");
        return -1;
    }
    if (size > buffer->len) {
        PyErr_SetString(PyExc_ValueError,
                        "buffer too small for requested bytes");
        return -1;
    }
    struct call call;
    if (socket_begin(&call, s, socket_timeout_default) < 0)
        return -1;
    Py_ssize_t room = size ? size : buffer->len;
    return room ? receive(&call, buffer->buf, (size_t)room, flags) : 0;
}

/* The memory of object, to be written to; -1 with TypeError when it has none.
 */
static int writable(PyObject *object, Py_buffer *buffer)
{
    if (likely(PyObject_GetBuffer(object, buffer, PyBUF_WRITABLE) == 0))
        return 0;
    PyErr_Clear();
    /* which says what it is */
    return PyArg_Parse(object, "w*:recv_into", buffer) ? 0 : -1;
}

PyDoc_STRVAR(recv_into_doc,
             "recv_into($self, /, buffer, nbytes=0, flags=0)\n--\n\n"
             "Up to nbytes (0: as many as fit) into buffer; how many.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> right.send(b\"hello\")\n"
             "    5\n"
             "    >>> buffer = bytearray(8)\n"
             "    >>> left.recv_into(buffer), bytes(buffer)\n"
             "    (5, b'hello\\x00\\x00\\x00')");

static PyObject *socket_recv_into(PyObject *self, PyObject *const *args,
                                  Py_ssize_t nargs, PyObject *names)
{
    static const char *const parameters[] = {"buffer", "nbytes", "flags", NULL};
    PyObject *given[3] = {NULL, NULL, NULL};
    if (arguments("recv_into", args, nargs, names, parameters, 1, given) < 0)
        return NULL;
    Py_ssize_t size = 0;
    if (given[1] && given[1] != Py_None)
        size = PyNumber_AsSsize_t(given[1], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    int flags = optional_int(given[2]);
    Py_buffer buffer;
    if ((flags == -1 && PyErr_Occurred()) || writable(given[0], &buffer) < 0)
        return NULL;
    Py_ssize_t n = receive_into((Socket *)self, &buffer, size, flags);
    PyBuffer_Release(&buffer);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
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

/* The arguments data, flags and timeout are taken apart, and the call begins;
 * or -1 with an exception. */
static int send_begin(struct call *call, PyObject *self, PyObject *const *given,
                      PyObject *timeout, Py_buffer *data, int *flags)
{
    *flags = optional_int(given[1]);
    if ((*flags == -1 && PyErr_Occurred()) ||
        PyObject_GetBuffer(given[0], data, PyBUF_SIMPLE) < 0)
        return -1;
    if (socket_begin(call, (Socket *)self, timeout) == 0)
        return 0;
    PyBuffer_Release(data);
    return -1;
}

PyDoc_STRVAR(send_doc,
             "send($self, /, data, flags=0, timeout=...)\n--\n\n"
             "Send some of data; how many bytes.\n\n"
             "Args:\n"
             "    timeout: seconds, None or 0, instead of the socket's own.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> right.send(b\"hello\", timeout=1)\n"
             "    5");

static PyObject *socket_send(PyObject *self, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *names)
{
    static const char *const parameters[] = {"data", "flags", "timeout", NULL};
    PyObject *given[3] = {NULL, NULL, socket_timeout_default};
    if (arguments("send", args, nargs, names, parameters, 1, given) < 0)
        return NULL;
    int flags;
    Py_buffer data;
    struct call call;
    if (send_begin(&call, self, given, given[2], &data, &flags) < 0)
        return NULL;
    Py_ssize_t n = send_some(&call, data.buf, (size_t)data.len, flags);
    PyBuffer_Release(&data);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(sendall_doc,
             "sendall($self, /, data, flags=0)\n--\n\n"
             "Send all of data, within the time-out.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> import grove\n"
             "    >>> sending = grove.spawn(right.sendall, b\"x\" * 1000000)\n"
             "    >>> len(left.recv(1000000, socket.MSG_WAITALL))\n"
             "    1000000");

static PyObject *socket_sendall(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *names)
{
    static const char *const parameters[] = {"data", "flags", NULL};
    PyObject *given[2] = {NULL, NULL};
    if (arguments("sendall", args, nargs, names, parameters, 1, given) < 0)
        return NULL;
    int flags;
    Py_buffer data;
    struct call call;
    if (send_begin(&call, self, given, socket_timeout_default, &data, &flags) <
        0)
        return NULL;
    Py_ssize_t n = send_all(&call, data.buf, (size_t)data.len, flags);
    PyBuffer_Release(&data);
    if (n < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the type ---------------------------------------------------------------- */

#define WITH_NAMES METH_FASTCALL | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"recv", (PyCFunction)(void (*)(void))socket_recv, WITH_NAMES, recv_doc},
    {"recv_into", (PyCFunction)(void (*)(void))socket_recv_into, WITH_NAMES,
     recv_into_doc},
    {"send", (PyCFunction)(void (*)(void))socket_send, WITH_NAMES, send_doc},
    {"sendall", (PyCFunction)(void (*)(void))socket_sendall, WITH_NAMES,
     sendall_doc},
    {NULL, NULL, 0, NULL},
};

int transfer_init(PyTypeObject *type)
{
    return type_add_methods(type, methods);
}

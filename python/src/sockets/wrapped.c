/*
 * Calls through the wrapped socket: those whose addresses or ancillary data
 * _socket already knows how to read and to build (accept, recvfrom, sendmsg and
 * the like). Its method is tried, and tried again whenever the descriptor is
 * ready, until it no longer raises BlockingIOError.
 */
#include "sockets/private.h"

#include <arpa/inet.h>

/* Of the wrapped socket's methods, and of the derived class's. */
static struct {
    PyObject *accept, *recvfrom, *recvfrom_into, *recvmsg, *recvmsg_into,
        *sendto, *sendmsg, *resolved;
} names;

static PyObject *zero, *empty;

/* ---- again and again -------------------------------------------------------- */

/* The method `name` of args[0], or with NULL args[0] itself, called with the
 * other n - 1 of args. */
static PyObject *attempt(PyObject *name, PyObject *const *args, size_t n)
{
    return name ? PyObject_VectorcallMethod(name, args, n, NULL)
                : PyObject_Vectorcall(args[0], args + 1, n - 1, NULL);
}

/* That, until it no longer raises BlockingIOError, waiting in between. call has
 * begun. */
static PyObject *repeat(struct call *call, unsigned direction, PyObject *name,
                        PyObject *const *args, size_t n)
{
    const char *what = direction == LOOP_READ ? "recv" : "send";
    for (;;) {
        assert(!PyErr_Occurred());
        PyObject *result = attempt(name, args, n);
        if (result || !(call->blocking || call->in_hub) ||
            !PyErr_ExceptionMatches(PyExc_BlockingIOError))
            return result;
        PyErr_Clear();
        if (call_wait(call, direction, what) < 0)
            return NULL;
    }
}

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
    return repeat(&call, direction, NULL, args + 3, (size_t)nargs - 3);
}

/* ---- methods ---------------------------------------------------------------- */

/* The most arguments that one of them passes on. */
#define MOST_ARGUMENTS 4

/* What is to wait by flags, a Python int or what the method will refuse. */
static int bits_of(PyObject *flags)
{
    return PyLong_Check(flags) ? (int)PyLong_AsUnsignedLongMask(flags) : 0;
}

/* _sock's method `name` with the n arguments, waiting unless flags say not to.
 */
static PyObject *through(PyObject *self, unsigned direction, PyObject *name,
                         PyObject *const *args, size_t n, PyObject *flags)
{
    assert(n <= MOST_ARGUMENTS);
    Socket *s = (Socket *)self;
    struct call call;
    if (socket_begin(&call, s, socket_timeout_default) < 0)
        return NULL;
    if (!call.has_timeout && (bits_of(flags) & MSG_DONTWAIT))
        call.blocking = call.in_hub = false; /* see call_flags */
    PyObject *stack[1 + MOST_ARGUMENTS] = {Py_NewRef(s->sock)};
    memcpy(stack + 1, args, n * sizeof(*args));
    PyObject *result = repeat(&call, direction, name, stack, n + 1);
    Py_DECREF(stack[0]);
    return result;
}

PyDoc_STRVAR(accept_doc, "_accept($self, /)\n--\n\n"
                         "The next connection's descriptor and address.");

static PyObject *socket_accept(PyObject *self, PyObject *none)
{
    return through(self, LOOP_READ, names.accept, NULL, 0, zero);
}

/* MSG_TRUNC has data be as long as what came, of which only the first `size`
 * bytes are known: the others are zeros. Takes the reference to received, which
 * is (data, address). */
static PyObject *with_zeros(PyObject *received, Py_ssize_t size)
{
    PyObject *data, *address;
    if (!PyArg_ParseTuple(received, "SO", &data, &address) ||
        PyBytes_GET_SIZE(data) <= size)
        return received;
    Py_ssize_t length = PyBytes_GET_SIZE(data);
    PyObject *padded = PyBytes_FromStringAndSize(NULL, length);
    PyObject *result = NULL;
    if (padded) {
        memcpy(PyBytes_AS_STRING(padded), PyBytes_AS_STRING(data),
               (size_t)size);
        memset(PyBytes_AS_STRING(padded) + size, 0, (size_t)(length - size));
        result = PyTuple_Pack(2, padded, address);
    }
    Py_XDECREF(padded);
    Py_DECREF(received);
    return result;
}

PyDoc_STRVAR(recvfrom_doc,
             "recvfrom($self, /, bufsize, flags=0)\n--\n\n"
             "As the standard class's.\n\n"
             "    >>> from grove import socket\n"
             "    >>> here = socket.socket(type=socket.SOCK_DGRAM)\n"
             "    >>> here.bind((\"127.0.0.1\", 0))\n"
             "    >>> here.sendto(b\"to myself\", here.getsockname())\n"
             "    9\n"
             "    >>> data, address = here.recvfrom(100)\n"
             "    >>> data, address == here.getsockname()\n"
             "    (b'to myself', True)");

static PyObject *socket_recvfrom(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *keywords)
{
    static const char *const parameters[] = {"bufsize", "flags", NULL};
    PyObject *given[] = {NULL, zero};
    if (arguments("recvfrom", args, nargs, keywords, parameters, 1, given) < 0)
        return NULL;
    PyObject *received =
        through(self, LOOP_READ, names.recvfrom, given, 2, given[1]);
    if (!received || !(bits_of(given[1]) & MSG_TRUNC))
        return received;
    return with_zeros(received, PyNumber_AsSsize_t(given[0], NULL));
}

/* A method of three parameters, of which the last two, a number and flags, are
 * 0 by default. */
static PyObject *receive(PyObject *self, PyObject *name,
                         const char *const *parameters, PyObject *const *args,
                         Py_ssize_t nargs, PyObject *keywords)
{
    PyObject *given[] = {NULL, zero, zero};
    if (arguments(PyUnicode_AsUTF8(name), args, nargs, keywords, parameters, 1,
                  given) < 0)
        return NULL;
    return through(self, LOOP_READ, name, given, 3, given[2]);
}

PyDoc_STRVAR(recvfrom_into_doc,
             "recvfrom_into($self, /, buffer, nbytes=0, flags=0)\n--\n\n"
             "As the standard class's.\n\n"
             "    >>> from grove import socket\n"
             "    >>> here = socket.socket(type=socket.SOCK_DGRAM)\n"
             "    >>> here.bind((\"127.0.0.1\", 0))\n"
             "    >>> here.sendto(b\"to myself\", here.getsockname())\n"
             "    9\n"
             "    >>> size, address = here.recvfrom_into(bytearray(100))\n"
             "    >>> size, address == here.getsockname()\n"
             "    (9, True)");

static PyObject *socket_recvfrom_into(PyObject *self, PyObject *const *args,
                                      Py_ssize_t nargs, PyObject *keywords)
{
    static const char *const parameters[] = {"buffer", "nbytes", "flags", NULL};
    return receive(self, names.recvfrom_into, parameters, args, nargs,
                   keywords);
}

PyDoc_STRVAR(recvmsg_doc,
             "recvmsg($self, /, bufsize, ancbufsize=0, flags=0)\n--\n\n"
             "As the standard class's.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> right.send(b\"hello\")\n"
             "    5\n"
             "    >>> left.recvmsg(100)[:2]\n"
             "    (b'hello', [])");

static PyObject *socket_recvmsg(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *keywords)
{
    static const char *const parameters[] = {"bufsize", "ancbufsize", "flags",
                                             NULL};
    return receive(self, names.recvmsg, parameters, args, nargs, keywords);
}

PyDoc_STRVAR(recvmsg_into_doc,
             "recvmsg_into($self, /, buffers, ancbufsize=0, flags=0)\n--\n\n"
             "As the standard class's.\n\n"
             "    >>> from grove import socket\n"
             "    >>> left, right = socket.socketpair()\n"
             "    >>> right.send(b\"hello\")\n"
             "    5\n"
             "    >>> head, body = bytearray(1), bytearray(4)\n"
             "    >>> left.recvmsg_into([head, body])[0], bytes(body)\n"
             "    (5, b'ello')");

static PyObject *socket_recvmsg_into(PyObject *self, PyObject *const *args,
                                     Py_ssize_t nargs, PyObject *keywords)
{
    static const char *const parameters[] = {"buffers", "ancbufsize", "flags",
                                             NULL};
    PyObject *given[] = {NULL, zero, zero};
    if (arguments("recvmsg_into", args, nargs, keywords, parameters, 1, given) <
        0)
        return NULL;
    /* Read again and again, so it must not be an iterator. */
    PyObject *buffers = given[0] = PySequence_List(given[0]);
    if (!buffers)
        return NULL;
    PyObject *received =
        through(self, LOOP_READ, names.recvmsg_into, given, 3, given[2]);
    Py_DECREF(buffers);
    return received;
}

/* Whether host is an address in numbers, as the system's calls take it. */
static bool is_numeric(PyObject *host)
{
    const char *text = PyUnicode_AsUTF8(host);
    if (!text) {
        PyErr_Clear();
        return false;
    }
    char address[sizeof(struct in6_addr)];
    return inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, address) ==
           1;
}

/* Whether address may have a name for a host, which is to be looked up. */
static bool may_be_named(PyObject *address)
{
    if (!PyTuple_Check(address) || PyTuple_GET_SIZE(address) == 0)
        return false;
    PyObject *host = PyTuple_GET_ITEM(address, 0);
    if (PyUnicode_Check(host))
        return !is_numeric(host);
    return PyBytes_Check(host) || PyByteArray_Check(host);
}

PyDoc_STRVAR(sendto_doc,
             "sendto($self, data, /, *flags_and_address)\n--\n\n"
             "sendto(data, [flags,] address), as the standard class's.\n\n"
             "    >>> from grove import socket\n"
             "    >>> here = socket.socket(type=socket.SOCK_DGRAM)\n"
             "    >>> here.bind((\"127.0.0.1\", 0))\n"
             "    >>> here.sendto(b\"to myself\", here.getsockname())\n"
             "    9");

static PyObject *socket_sendto(PyObject *self, PyObject *const *args,
                               Py_ssize_t nargs)
{
    if (arguments_count("sendto", nargs, 2, 3) < 0)
        return NULL;
    PyObject *given[3];
    memcpy(given, args, (size_t)nargs * sizeof(*args));
    PyObject *address = given[nargs - 1];
    address = may_be_named(address)
                  ? PyObject_CallMethodOneArg(self, names.resolved, address)
                  : Py_NewRef(address);
    if (!address)
        return NULL;
    given[nargs - 1] = address;
    PyObject *sent = through(self, LOOP_WRITE, names.sendto, given,
                             (size_t)nargs, nargs == 3 ? given[1] : zero);
    Py_DECREF(address);
    return sent;
}

PyDoc_STRVAR(sendmsg_doc, "sendmsg($self, /, buffers, ancdata=(), flags=0, "
                          "address=None)\n--\n\n"
                          "As the standard class's.\n\n"
                          "    >>> from grove import socket\n"
                          "    >>> left, right = socket.socketpair()\n"
                          "    >>> right.sendmsg([b\"head \", b\"body\"])\n"
                          "    9\n"
                          "    >>> left.recv(100)\n"
                          "    b'head body'");

static PyObject *socket_sendmsg(PyObject *self, PyObject *const *args,
                                Py_ssize_t nargs, PyObject *keywords)
{
    static const char *const parameters[] = {"buffers", "ancdata", "flags",
                                             "address", NULL};
    PyObject *given[] = {NULL, empty, zero, Py_None};
    if (arguments("sendmsg", args, nargs, keywords, parameters, 1, given) < 0)
        return NULL;
    /* Read again and again, so they must not be iterators. */
    PyObject *buffers = given[0] = PySequence_List(given[0]);
    PyObject *ancillary = given[1] = buffers ? PySequence_List(given[1]) : NULL;
    PyObject *sent = NULL;
    if (ancillary)
        sent = through(self, LOOP_WRITE, names.sendmsg, given, 4, given[2]);
    Py_XDECREF(ancillary);
    Py_XDECREF(buffers);
    return sent;
}

/* ---- the module -------------------------------------------------------------- */

#define WITH_NAMES METH_FASTCALL | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"_accept", socket_accept, METH_NOARGS, accept_doc},
    {"recvfrom", (PyCFunction)(void (*)(void))socket_recvfrom, WITH_NAMES,
     recvfrom_doc},
    {"recvfrom_into", (PyCFunction)(void (*)(void))socket_recvfrom_into,
     WITH_NAMES, recvfrom_into_doc},
    {"recvmsg", (PyCFunction)(void (*)(void))socket_recvmsg, WITH_NAMES,
     recvmsg_doc},
    {"recvmsg_into", (PyCFunction)(void (*)(void))socket_recvmsg_into,
     WITH_NAMES, recvmsg_into_doc},
    {"sendto", (PyCFunction)(void (*)(void))socket_sendto, METH_FASTCALL,
     sendto_doc},
    {"sendmsg", (PyCFunction)(void (*)(void))socket_sendmsg, WITH_NAMES,
     sendmsg_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef functions[] = {
    {"socket_retry", (PyCFunction)(void (*)(void))socket_retry, METH_FASTCALL,
     retry_doc},
    {NULL, NULL, 0, NULL},
};

static const struct interned interned[] = {
    {&names.accept, "_accept"},
    {&names.recvfrom, "recvfrom"},
    {&names.recvfrom_into, "recvfrom_into"},
    {&names.recvmsg, "recvmsg"},
    {&names.recvmsg_into, "recvmsg_into"},
    {&names.sendto, "sendto"},
    {&names.sendmsg, "sendmsg"},
    {&names.resolved, "_resolved"},
    {NULL, NULL},
};

int wrapped_init(PyObject *module, PyTypeObject *type)
{
    zero = PyLong_FromLong(0);
    empty = PyTuple_New(0);
    if (!zero || !empty || intern(interned) < 0 ||
        type_add_methods(type, methods) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

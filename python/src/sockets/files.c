/*
 * Reading and writing descriptors of every kind: os.read and os.write as
 * greenlets call them, and the raw part of file objects.
 *
 * net_read and net_write know how each kind is tried without blocking: pipes
 * and terminals park the greenlet until they are ready, regular files go
 * through the runtime's file layer. None of them changes the flags of a pipe
 * that a child process may have been given.
 *
 *   os_read, os_readinto,         as posix.read, readinto and write: a
 *   os_write                      descriptor that is O_NONBLOCK gets
 *                                 BlockingIOError. Where no greenlet can run
 *                                 meanwhile, in a thread without a hub or in
 *                                 the hub itself, and in a forked child before
 *                                 its first other wait, they are those
 *                                 functions, but for descriptors that the
 *                                 runtime made non-blocking, where these would
 *                                 not wait.
 *   os_close                      posix.close, which whoever waits there is
 *                                 told of
 *   file_read_into, file_write    for file objects: O_NONBLOCK is not looked
 *                                 at, and waiting in the hub is
 *                                 BlockingSwitchOutError
 */
#include "sockets/private.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* posix.read, readinto, write and close, as they were when the module was
 * imported. posix_readinto is NULL before Python 3.14, which has it first. */
static PyObject *posix_read, *posix_readinto, *posix_write, *posix_close;

/* What is to wait for a descriptor. */
enum waits {
    WAITS_NOBODY,   /* it is O_NONBLOCK, or there is no such descriptor */
    WAITS_SYSTEM,   /* the system's call does */
    WAITS_GREENLET, /* it was the runtime that made it non-blocking, and its
                       owner's calls are to wait nevertheless */
};

/* (What the loop knows of that may be out of date: os.set_blocking does not
 * tell it.) */
static enum waits who_waits(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return WAITS_NOBODY;
    if (!(flags & O_NONBLOCK))
        return WAITS_SYSTEM;
    return fcntl(fd, F_GETSIG) == SIGIO ? WAITS_GREENLET : WAITS_NOBODY;
}

/* *call begins, for fd, of which later errors are told as the system's. 0, or
 * -1 with an exception. */
static int begin(struct call *call, int fd)
{
    if (call_begin(call, fd, Py_None) < 0)
        return -1;
    assert(!call->has_timeout && call->deadline == GROVE_NEVER);
    call->fd = -1;
    return 0;
}

/* In a forked child: how many switches its hub had made, and what stood last in
 * its queue. The greenlets that are due are the parent's: until the child has
 * waited by another call, or has somebody to run, it is about to become another
 * program, and nobody runs because it reads and writes pipes until then. */
static struct {
    const struct hub *hub; /* NULL: it is no child */
    uint64_t switches;
    const struct run *last;
} child;

static void forked(struct py_thread *t)
{
    child.hub = t->hub;
    child.switches = hub_switches(t->hub);
    child.last = t->hub->queue.ends.prev;
}

static bool is_fresh_child(const struct hub *hub)
{
    return unlikely(child.hub == hub) && child.switches == hub_switches(hub) &&
           child.last == hub->queue.ends.prev;
}

/* 1: *call has begun, for the descriptor that file is, *fd, and may park. 0:
 * the system's call does, as it cannot wait or no greenlet could run meanwhile.
 * -1 with an exception. */
static int begin_if_others(struct call *call, PyObject *file, int *fd)
{
    struct py_thread *t = thread_self();
    if (!t)
        return -1;
    *fd = state_as_int(file);
    if (*fd == -1 && PyErr_Occurred())
        return -1;
    enum waits waits = who_waits(*fd);
    if (waits == WAITS_NOBODY ||
        (waits == WAITS_SYSTEM && (!t->hub_object || is_fresh_child(t->hub))))
        return 0;
    return begin(call, *fd) < 0 ? -1 : call->blocking;
}

/* (EINTR: another greenlet has switched or thrown in, which call_end raises.
 * The system never says so of a call that does not wait.) */
static Py_ssize_t read_some(struct call *call, int fd, void *buffer,
                            size_t size, enum net_mode mode)
{
    assert(!PyErr_Occurred());
    return call_end(call, call->blocking
                              ? net_read(fd, buffer, size, call->deadline, mode)
                              : read(fd, buffer, size));
}

static Py_ssize_t write_some(struct call *call, int fd, const void *data,
                             size_t size, enum net_mode mode)
{
    assert(!PyErr_Occurred());
    return call_end(call, call->blocking
                              ? net_write(fd, data, size, call->deadline, mode)
                              : write(fd, data, size));
}

/* ---- os.read and os.write -------------------------------------------------- */

PyDoc_STRVAR(os_read_doc,
             "os_read(fd, length, /)\n--\n\n"
             "As os.read, while other greenlets run. A descriptor that is set\n"
             "non-blocking raises BlockingIOError.\n\n"
             "    >>> import grove.os, os\n"
             "    >>> r, w = os.pipe()\n"
             "    >>> writing = grove.spawn(os.write, w, b\"hello\")\n"
             "    >>> grove.os.read(r, 100)\n"
             "    b'hello'\n"
             "    >>> os.close(r), os.close(w)\n"
             "    (None, None)");

static PyObject *os_read(PyObject *module, PyObject *const *args,
                         Py_ssize_t nargs)
{
    struct call call;
    int fd, others = nargs == 2 ? begin_if_others(&call, args[0], &fd) : 0;
    if (others < 0)
        return NULL;
    if (!others)
        return PyObject_Vectorcall(posix_read, args, (size_t)nargs, NULL);
    Py_ssize_t size = PyNumber_AsSsize_t(args[1], PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred())
        return NULL;
    if (size < 0) {
        errno = EINVAL;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes)
        return NULL;
    Py_ssize_t n =
        read_some(&call, fd, PyBytes_AS_STRING(bytes), (size_t)size, NET_POSIX);
    if (n < 0) {
        Py_DECREF(bytes);
        return NULL;
    }
    assert(n <= size);
    if (n != size)
        _PyBytes_Resize(&bytes, n);
    return bytes;
}

PyDoc_STRVAR(os_readinto_doc,
             "os_readinto(fd, buffer, /)\n--\n\n"
             "As os.readinto, while other greenlets run. A descriptor that is\n"
             "set non-blocking raises BlockingIOError.\n\n"
             "    >>> from grove import os\n"
             "    >>> reading, writing = os.pipe()\n"
             "    >>> os.write(writing, b\"four\")\n"
             "    4\n"
             "    >>> buffer = bytearray(8)\n"
             "    >>> os.readinto(reading, buffer)\n"
             "    4\n"
             "    >>> bytes(buffer[:4])\n"
             "    b'four'\n"
             "    >>> os.close(reading), os.close(writing)\n"
             "    (None, None)");

static PyObject *os_readinto(PyObject *module, PyObject *const *args,
                             Py_ssize_t nargs)
{
    assert(posix_readinto);
    struct call call;
    int fd, others = nargs == 2 ? begin_if_others(&call, args[0], &fd) : 0;
    if (others < 0)
        return NULL;
    Py_buffer buffer;
    if (others && PyObject_GetBuffer(args[1], &buffer, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        others = 0; /* which raises the error in its own words */
    }
    if (!others)
        return PyObject_Vectorcall(posix_readinto, args, (size_t)nargs, NULL);
    Py_ssize_t n =
        read_some(&call, fd, buffer.buf, (size_t)buffer.len, NET_POSIX);
    PyBuffer_Release(&buffer);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(
    os_write_doc,
    "os_write(fd, data, /)\n--\n\n"
    "As os.write, while other greenlets run: as much as a write that\n"
    "blocks would write. A descriptor that is set non-blocking raises\n"
    "BlockingIOError.\n\n"
    "    >>> import grove.os, os\n"
    "    >>> r, w = os.pipe()\n"
    "    >>> grove.os.write(w, b\"hello\")\n"
    "    5\n"
    "    >>> os.close(r), os.close(w)\n"
    "    (None, None)");

static PyObject *os_write(PyObject *module, PyObject *const *args,
                          Py_ssize_t nargs)
{
    struct call call;
    int fd, others = nargs == 2 ? begin_if_others(&call, args[0], &fd) : 0;
    if (others < 0)
        return NULL;
    if (!others)
        return PyObject_Vectorcall(posix_write, args, (size_t)nargs, NULL);
    Py_buffer data;
    if (PyObject_GetBuffer(args[1], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_ssize_t n = write_some(&call, fd, data.buf, (size_t)data.len, NET_POSIX);
    PyBuffer_Release(&data);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(
    os_close_doc,
    "os_close(fd)\n--\n\n"
    "As os.close. Whoever waits for the descriptor gets OSError EBADF.\n\n"
    "    >>> import grove.os, os\n"
    "    >>> r, w = os.pipe()\n"
    "    >>> reading = grove.spawn(grove.os.read, r, 1)\n"
    "    >>> grove.sleep()\n"
    "    >>> grove.os.close(r)\n"
    "    >>> reading.join()\n"
    "    >>> reading.exception\n"
    "    OSError(9, 'Bad file descriptor')\n"
    "    >>> grove.os.close(w)");

static PyObject *os_close(PyObject *module, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *names)
{
    PyObject *file = argument("close", args, nargs, names, "fd");
    if (!file)
        return NULL;
    int fd = state_as_int(file);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    if (fd >= 0)
        hub_closing(fd);
    return PyObject_CallOneArg(posix_close, file);
}

/* ---- file objects ----------------------------------------------------------- */

/* 0; or -1 with an exception, BlockingSwitchOutError in the hub where it would
 * have to wait for events. */
static int begin_file(struct call *call, int fd, short events)
{
    if (begin(call, fd) < 0)
        return -1;
    struct pollfd pfd = {.fd = fd, .events = events};
    if (call->blocking || poll(&pfd, 1, 0) != 0)
        return 0;
    errno = EAGAIN;
    return call_raise(call);
}

PyDoc_STRVAR(file_read_into_doc,
             "file_read_into(fd, buffer, /)\n--\n\n"
             "Up to as many bytes as fit into buffer; 0 at the end.");

static PyObject *file_read_into(PyObject *module, PyObject *args)
{
    int fd;
    Py_buffer buffer;
    if (!PyArg_ParseTuple(args, "iw*:file_read_into", &fd, &buffer))
        return NULL;
    struct call call;
    Py_ssize_t n = -1;
    if (begin_file(&call, fd, POLLIN) == 0)
        n = read_some(&call, fd, buffer.buf, (size_t)buffer.len, NET_PARK);
    PyBuffer_Release(&buffer);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(file_write_doc, "file_write(fd, data, /)\n--\n\n"
                             "Write data; how many bytes were written.");

static PyObject *file_write(PyObject *module, PyObject *args)
{
    int fd;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "iy*:file_write", &fd, &data))
        return NULL;
    struct call call;
    Py_ssize_t n = -1;
    if (begin_file(&call, fd, POLLOUT) == 0)
        n = write_some(&call, fd, data.buf, (size_t)data.len, NET_PARK);
    PyBuffer_Release(&data);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

/* ---- the module ------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"os_read", (PyCFunction)(void (*)(void))os_read, METH_FASTCALL,
     os_read_doc},
    {"os_write", (PyCFunction)(void (*)(void))os_write, METH_FASTCALL,
     os_write_doc},
    {"os_close", (PyCFunction)(void (*)(void))os_close,
     METH_FASTCALL | METH_KEYWORDS, os_close_doc},
    {"file_read_into", file_read_into, METH_VARARGS, file_read_into_doc},
    {"file_write", file_write, METH_VARARGS, file_write_doc},
    {NULL, NULL, 0, NULL},
};

/* Those that there are if posix has them. */
static PyMethodDef newer_functions[] = {
    {"os_readinto", (PyCFunction)(void (*)(void))os_readinto, METH_FASTCALL,
     os_readinto_doc},
    {NULL, NULL, 0, NULL},
};

static struct raw_hooks hooks = {.forked = forked};

int files_init(PyObject *module)
{
    PyObject *posix = PyImport_ImportModule("posix");
    if (!posix)
        return -1;
    posix_read = PyObject_GetAttrString(posix, "read");
    posix_write = PyObject_GetAttrString(posix, "write");
    posix_close = PyObject_GetAttrString(posix, "close");
    posix_readinto = PyObject_HasAttrString(posix, "readinto")
                         ? PyObject_GetAttrString(posix, "readinto")
                         : NULL;
    Py_DECREF(posix);
    if (!posix_read || !posix_write || !posix_close)
        return -1;
    if (posix_readinto && PyModule_AddFunctions(module, newer_functions) < 0)
        return -1;
    raw_hooks_add(&hooks);
    return PyModule_AddFunctions(module, functions);
}

/*
 * A connection, for reading: its buffer, and waiting for more. (What Python
 * sees of it is in reader_file.c.)
 *
 * A socket of the package is read by its descriptor, another one (TLS) by its
 * recv(), which is given a time-out for the call where the socket has none.
 *
 *     buffer:   | read already | has come, not read |        room |
 *               0          begin                  end          room
 *
 * Invariants:
 *   1. There is a buffer only while something in it was not read: a connection
 *      that waits for its next request has none.
 *   2. What a system call has brought is in the buffer before anybody else
 * runs.
 */
#include "wsgi/private.h"

#include "net/net.h"

/* Where a read lands before it is known how much has come. One for all threads:
 * between the system call and the copy nobody runs (NET_PARK gives no turns).
 */
static char landing[READER_PIECE];

/* A peer that says nothing for so long is not about to, in nanoseconds. */
#define QUICK GROVE_SECOND

/* ---- bytes that are there --------------------------------------------------------- */

/* A large buffer that no reader has, for the next that needs one: each piece of
 * a body in chunks would else be memory that malloc takes from the system and
 * gives back. One for all threads, which have the interpreter's lock here. */
static struct {
    char *buffer; /* NULL: there is none */
    size_t room;  /* bytes of it */
} spare;

#define SPARE_LEAST (READER_PIECE / 2)
#define SPARE_MOST (2 * (size_t)READER_PIECE)

/* Memory for at least *room bytes, which becomes how many it is for. NULL
 * without an exception. */
static char *take_room(size_t *room)
{
    if (*room < SPARE_LEAST || *room > spare.room)
        return PyMem_Malloc(*room);
    char *buffer = spare.buffer;
    *room = spare.room;
    spare.buffer = NULL;
    spare.room = 0;
    return buffer;
}

/* The larger one stays. */
static void give_room(char *buffer, size_t room)
{
    if (room < SPARE_LEAST || room > SPARE_MOST || room <= spare.room) {
        PyMem_Free(buffer);
        return;
    }
    PyMem_Free(spare.buffer);
    spare.buffer = buffer;
    spare.room = room;
}

void reader_empty(struct reader *r)
{
    give_room(r->buffer, r->room);
    r->buffer = NULL;
    r->begin = r->end = r->room = 0;
}

void reader_drop(struct reader *r, size_t n)
{
    assert(n <= reader_count(r));
    r->begin += n;
    if (r->begin == r->end)
        reader_empty(r);
}

/* There is room for n more bytes behind those there. */
static int make_room(struct reader *r, size_t n)
{
    size_t count = reader_count(r);
    if (r->room - r->end >= n)
        return 0;
    if (r->room - count >= n && count <= r->begin) {
        memcpy(r->buffer, r->buffer + r->begin, count);
        r->begin = 0;
        r->end = count;
        return 0;
    }
    size_t room = count + n > 2 * r->room ? count + n : 2 * r->room;
    char *buffer = take_room(&room);
    if (!buffer) {
        PyErr_NoMemory();
        return -1;
    }
    if (count)
        memcpy(buffer, r->buffer + r->begin, count);
    give_room(r->buffer, r->room);
    *r = (struct reader){.ob_base = r->ob_base,
                         .socket = r->socket,
                         .raw = r->raw,
                         .paced = r->paced,
                         .patience = r->patience,
                         .buffer = buffer,
                         .end = count,
                         .room = room};
    return 0;
}

int reader_append(struct reader *r, const char *at, size_t n)
{
    if (n == 0)
        return 0;
    if (make_room(r, n) < 0)
        return -1;
    memcpy(r->buffer + r->end, at, n);
    r->end += n;
    return 0;
}

/* ---- waiting for more ------------------------------------------------------------- */

int reader_descriptor(PyObject *raw)
{
    long fd = -1;
    if (raw) {
        PyObject *number = PyObject_CallMethodNoArgs(raw, names.fileno);
        if (!number)
            return -1;
        fd = PyLong_AsLong(number);
        Py_DECREF(number);
    }
    if (fd >= 0)
        return (int)fd;
    if (!PyErr_Occurred()) {
        errno = EBADF;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return -1;
}

int reader_raise(int64_t deadline)
{
    assert(errno != 0 && !PyErr_Occurred());
    if (errno == ETIMEDOUT && deadline != GROVE_NEVER &&
        hub_clock() >= deadline)
        PyErr_SetString(PyExc_TimeoutError, "timed out");
    else if (errno == ECANCELED)
        PyErr_SetNone(PyExc_GreenletExit);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* Before a call that may park: who has a peer that is always quicker gives the
 * others a turn now and then. NULL with an exception. */
static struct py_thread *begin_wait(void)
{
    struct py_thread *t = thread_self();
    if (!t || core_before_wait(t) < 0)
        return NULL;
    if (likely(!hub_turn_due(t->hub)))
        return t;
    hub_turn_slow(t->hub, true);
    return core_after_wait(t) < 0 ? NULL : t;
}

/* n, which net_recv has returned; or -1 with an exception. late, unless it is
 * NULL: at the deadline it is true, and there is no exception. */
static Py_ssize_t end_wait(struct py_thread *t, ssize_t n, int64_t deadline,
                           bool *late)
{
    int error = errno;
    if (core_after_wait(t) < 0)
        return -1;
    if (late && n < 0 && error == ETIMEDOUT) {
        *late = true;
        return -1;
    }
    errno = error;
    return n >= 0 ? n : reader_raise(deadline);
}

int reader_receive(struct reader *r, char *to, size_t size, int64_t deadline,
                   size_t *came)
{
    *came = 0;
    struct py_thread *t = begin_wait();
    int fd = t ? reader_descriptor(r->raw) : -1;
    if (fd < 0)
        return -1;
    ssize_t n = net_recv(fd, to, size, 0, deadline, NET_PARK);
    if (n > 0)
        *came = (size_t)n;
    return end_wait(t, n, deadline, NULL) < 0 ? -1 : 0;
}

static Py_ssize_t fill_by_descriptor(struct reader *r, int64_t deadline,
                                     bool *late)
{
    struct py_thread *t = begin_wait();
    int fd = t ? reader_descriptor(r->raw) : -1;
    if (fd < 0)
        return -1;
    ssize_t n = net_recv(fd, landing, sizeof(landing), 0, deadline, NET_PARK);
    int error = errno;
    if (n > 0 && reader_append(r, landing, (size_t)n) < 0)
        return -1;
    errno = error;
    return end_wait(t, n, deadline, late);
}

/* The exception that is set, if any, stays. */
static void forget_timeout(PyObject *socket)
{
    PyObject *aside = PyErr_Occurred() ? exception_take() : NULL;
    if (PyObject_SetAttr(socket, names.timeout, Py_None) < 0)
        PyErr_WriteUnraisable(socket);
    if (aside)
        exception_set(aside);
}

PyObject *reader_call(PyObject *socket, PyObject *name, PyObject *argument,
                      int64_t nanoseconds)
{
    if (nanoseconds == 0)
        return PyObject_CallMethodOneArg(socket, name, argument);
    PyObject *seconds = PyFloat_FromDouble((double)nanoseconds * 1e-9);
    /* Not by settimeout(): nobody else sees it, or has to be told. */
    int r = seconds ? PyObject_SetAttr(socket, names.timeout, seconds) : -1;
    Py_XDECREF(seconds);
    if (r < 0)
        return NULL;
    PyObject *result = PyObject_CallMethodOneArg(socket, name, argument);
    forget_timeout(socket);
    return result;
}

/* What is left until deadline, as reader_call wants it: one that has passed is
 * for recv() to find. */
static int64_t left_until(int64_t deadline)
{
    if (deadline == GROVE_NEVER)
        return 0;
    int64_t left = deadline - hub_clock();
    return left > 0 ? left : 1;
}

static PyObject *recv_piece(struct reader *r, int64_t deadline)
{
    PyObject *size = PyLong_FromLong(READER_PIECE);
    PyObject *socket = Py_NewRef(r->socket);
    PyObject *data = size ? reader_call(socket, names.recv, size,
                                        r->paced ? left_until(deadline) : 0)
                          : NULL;
    Py_DECREF(socket);
    Py_XDECREF(size);
    return data;
}

/* By socket.recv(); who has set a time-out of the socket's has its way. */
static Py_ssize_t fill_by_method(struct reader *r, int64_t deadline)
{
    PyObject *data = recv_piece(r, deadline);
    Py_buffer view;
    if (!data || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(data);
        return -1;
    }
    int result = reader_append(r, view.buf, (size_t)view.len);
    Py_ssize_t n = result < 0 ? -1 : view.len;
    PyBuffer_Release(&view);
    Py_DECREF(data);
    return n;
}

Py_ssize_t reader_fill(struct reader *r, int64_t deadline)
{
    if (!r->socket) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
        return -1;
    }
    return r->raw ? fill_by_descriptor(r, deadline, NULL)
                  : fill_by_method(r, deadline);
}

Py_ssize_t reader_fill_idle(struct reader *r, int64_t deadline)
{
    int64_t soon = hub_clock() + QUICK;
    if (!r->raw || soon >= deadline)
        return reader_fill(r, deadline);
    bool late = false;
    Py_ssize_t n = fill_by_descriptor(r, soon, &late);
    if (!late)
        return n;
    raw_rest_stack();
    return reader_fill(r, deadline);
}

int64_t reader_deadline(const struct reader *r)
{
    return r->patience ? hub_clock() + r->patience : GROVE_NEVER;
}

/*
 * HTTPReader: a connection, for reading; what a handler has as rfile.
 *
 * It is a buffered file of which only what a server asks for is there. A
 * socket of the package is read by its descriptor, another one (TLS) by its
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

static void free_buffer(struct reader *r)
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
        free_buffer(r);
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

static int append(struct reader *r, const char *at, size_t n)
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

static Py_ssize_t receive(struct reader *r, char *to, size_t size,
                          int64_t deadline)
{
    struct py_thread *t = begin_wait();
    int fd = t ? reader_descriptor(r->raw) : -1;
    if (fd < 0)
        return -1;
    return end_wait(t, net_recv(fd, to, size, 0, deadline, NET_PARK), deadline,
                    NULL);
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
    if (n > 0 && append(r, landing, (size_t)n) < 0)
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
    int result = append(r, view.buf, (size_t)view.len);
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

static int64_t read_deadline(const struct reader *r)
{
    return r->patience ? hub_clock() + r->patience : GROVE_NEVER;
}

/* ---- reading ------------------------------------------------------------------------ */

static PyObject *take(struct reader *r, size_t n)
{
    PyObject *bytes =
        PyBytes_FromStringAndSize(r->buffer + r->begin, (Py_ssize_t)n);
    if (bytes && n > 0)
        reader_drop(r, n);
    return bytes;
}

/* Until count bytes are there, or the end. */
static int fill_up_to(struct reader *r, size_t count)
{
    Py_ssize_t n = 1;
    while (reader_count(r) < count && n > 0)
        n = reader_fill(r, read_deadline(r));
    return n < 0 ? -1 : 0;
}

/* Many bytes land where they will stay. */
static PyObject *read_long(struct reader *r, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!bytes)
        return NULL;
    size_t count = reader_count(r);
    if (count) {
        memcpy(PyBytes_AS_STRING(bytes), r->buffer + r->begin, count);
        reader_drop(r, count);
    }
    while (count < size) {
        Py_ssize_t n = receive(r, PyBytes_AS_STRING(bytes) + count,
                               size - count, read_deadline(r));
        if (n < 0) {
            Py_DECREF(bytes);
            return NULL;
        }
        if (n == 0)
            break;
        count += (size_t)n;
    }
    if (count < size)
        _PyBytes_Resize(&bytes, (Py_ssize_t)count);
    return bytes;
}

/* A read that asks for more than may well come: memory for that is taken as it
 * does. */
#define LONG_READ (1 << 20)

static PyObject *read_size(struct reader *r, Py_ssize_t size)
{
    size_t wanted = size < 0 ? SIZE_MAX : (size_t)size;
    if (r->raw && wanted > reader_count(r) && wanted >= READER_PIECE &&
        wanted <= LONG_READ)
        return read_long(r, wanted);
    if (fill_up_to(r, wanted) < 0)
        return NULL;
    return take(r, reader_count(r) < wanted ? reader_count(r) : wanted);
}

/* The only argument, a size; -1 without it, or with None. */
static int size_argument(const char *name, PyObject *const *args, Py_ssize_t n,
                         Py_ssize_t *size)
{
    *size = -1;
    if (arguments_count(name, n, 0, 1) < 0)
        return -1;
    if (n == 1 && args[0] != Py_None)
        *size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *reader_read(PyObject *self, PyObject *const *args,
                             Py_ssize_t n)
{
    Py_ssize_t size;
    if (size_argument("read", args, n, &size) < 0)
        return NULL;
    return read_size((struct reader *)self, size);
}

static PyObject *reader_read1(PyObject *self, PyObject *const *args,
                              Py_ssize_t n)
{
    struct reader *r = (struct reader *)self;
    Py_ssize_t size;
    if (size_argument("read1", args, n, &size) < 0)
        return NULL;
    if (size != 0 && reader_count(r) == 0 &&
        reader_fill(r, read_deadline(r)) < 0)
        return NULL;
    size_t there = reader_count(r);
    return take(r, size < 0 || (size_t)size > there ? there : (size_t)size);
}

static PyObject *reader_readinto(PyObject *self, PyObject *arg)
{
    struct reader *r = (struct reader *)self;
    Py_buffer view;
    if (PyObject_GetBuffer(arg, &view, PyBUF_WRITABLE) < 0)
        return NULL;
    size_t size = (size_t)view.len;
    int result = fill_up_to(r, size);
    size_t n = reader_count(r) < size ? reader_count(r) : size;
    if (result == 0 && n > 0) {
        memcpy(view.buf, r->buffer + r->begin, n);
        reader_drop(r, n);
    }
    PyBuffer_Release(&view);
    return result < 0 ? NULL : PyLong_FromSize_t(n);
}

/* Bytes of a line with its end, if that is among the first most; as many as
 * may be returned without it otherwise; 0: not all of it is there. */
static size_t line_size(const struct reader *r, size_t most, size_t *seen)
{
    size_t count = reader_count(r) < most ? reader_count(r) : most;
    const char *at = r->buffer + r->begin;
    const char *end =
        count > *seen ? memchr(at + *seen, '\n', count - *seen) : NULL;
    *seen = count;
    if (end)
        return (size_t)(end - at) + 1;
    return count == most ? count : 0;
}

static PyObject *reader_readline(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n)
{
    struct reader *r = (struct reader *)self;
    Py_ssize_t limit;
    if (size_argument("readline", args, n, &limit) < 0)
        return NULL;
    size_t most = limit < 0 ? SIZE_MAX : (size_t)limit, seen = 0;
    size_t size = most ? line_size(r, most, &seen) : 0;
    while (size == 0 && most > 0) {
        Py_ssize_t more = reader_fill(r, read_deadline(r));
        if (more < 0)
            return NULL;
        size = more == 0 ? reader_count(r) : line_size(r, most, &seen);
        if (more == 0)
            break;
    }
    return take(r, size);
}

static PyObject *reader_next(PyObject *self)
{
    PyObject *line = reader_readline(self, NULL, 0);
    if (line && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

/* ---- the rest of a file ---------------------------------------------------------------- */

static PyObject *reader_close(PyObject *self, PyObject *none)
{
    (void)none;
    struct reader *r = (struct reader *)self;
    free_buffer(r);
    Py_CLEAR(r->socket);
    Py_CLEAR(r->raw);
    Py_RETURN_NONE;
}

static PyObject *reader_patience(PyObject *self, void *closure)
{
    (void)closure;
    int64_t patience = ((struct reader *)self)->patience;
    return patience ? PyFloat_FromDouble((double)patience * 1e-9)
                    : Py_NewRef(Py_None);
}

static PyObject *reader_closed(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((struct reader *)self)->socket == NULL);
}

static PyObject *reader_readable(PyObject *self, PyObject *none)
{
    (void)self;
    (void)none;
    Py_RETURN_TRUE;
}

static PyObject *reader_fileno(PyObject *self, PyObject *none)
{
    (void)none;
    struct reader *r = (struct reader *)self;
    if (r->socket)
        return PyObject_CallMethodNoArgs(r->socket, names.fileno);
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
    return NULL;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args,
                            PyObject *keywords)
{
    static char *known[] = {(char *)"socket", (char *)"raw", (char *)"paced",
                            NULL};
    PyObject *socket, *raw = Py_None;
    int paced = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|Op:HTTPReader", known,
                                     &socket, &raw, &paced))
        return NULL;
    struct reader *r = (struct reader *)type->tp_alloc(type, 0);
    if (!r)
        return NULL;
    r->socket = Py_NewRef(socket);
    r->raw = raw == Py_None ? NULL : Py_NewRef(raw);
    r->paced = paced;
    return (PyObject *)r;
}

static int reader_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct reader *r = (struct reader *)self;
    Py_VISIT(r->socket);
    Py_VISIT(r->raw);
    return 0;
}

static int reader_clear(PyObject *self)
{
    Py_CLEAR(((struct reader *)self)->socket);
    Py_CLEAR(((struct reader *)self)->raw);
    return 0;
}

static void reader_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    free_buffer((struct reader *)self);
    reader_clear(self);
    Py_TYPE(self)->tp_free(self);
}

/* ---- the type ----------------------------------------------------------------------------- */

#define FAST(f) (PyCFunction)(void (*)(void)) f

static PyMethodDef methods[] = {
    {"read", FAST(reader_read), METH_FASTCALL,
     "read(size=-1): so many bytes, fewer only at the end; all of them by\n"
     "default. TimeoutError when they do not come in time, OSError."},
    {"read1", FAST(reader_read1), METH_FASTCALL,
     "read1(size=-1): what is there, at most size; b'' only at the end."},
    {"readinto", reader_readinto, METH_O,
     "readinto($self, buffer, /)\n--\n\n"
     "As read, into a buffer; how many."},
    {"readline", FAST(reader_readline), METH_FASTCALL,
     "readline(size=-1): a line with its end, at most size bytes of it."},
    {"close", reader_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Forget what has come; the socket stays as it is."},
    {"readable", reader_readable, METH_NOARGS,
     "readable($self, /)\n--\n\n"
     "True."},
    {"fileno", reader_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "The socket's."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef attributes[] = {
    {"closed", reader_closed, NULL, "Whether close was called.", NULL},
    {"patience", reader_patience, NULL,
     "Seconds that a read may wait; None: for ever.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject Reader_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.HTTPReader",
    .tp_doc = "HTTPReader(socket, raw=None, paced=False)\n--\n\n"
              "A connection, for reading. raw: the standard socket in socket,\n"
              "if its descriptor may be read instead of calling recv();\n"
              "paced: whether recv() is to wait as long as its server says.",
    .tp_basicsize = sizeof(struct reader),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = reader_new,
    .tp_traverse = reader_traverse,
    .tp_clear = reader_clear,
    .tp_dealloc = reader_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = reader_next,
    .tp_methods = methods,
    .tp_getset = attributes,
};

int reader_init(PyObject *module)
{
    return module_add_type(module, &Reader_Type);
}

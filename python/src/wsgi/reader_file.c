/*
 * HTTPReader: a connection as a buffered file, of which only what a server asks
 * for is there; what a handler has as rfile. The bytes are reader.c's.
 */
#include "wsgi/private.h"

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
        n = reader_fill(r, reader_deadline(r));
    return n < 0 ? -1 : 0;
}

/* They are to be read again: bytes of a read that fails, with an exception. */
static void put_back(struct reader *r, const char *at, size_t n)
{
    PyObject *error = exception_take();
    if (reader_append(r, at, n) == 0)
        exception_set(error);
    else
        Py_DECREF(error); /* out of memory: that it says */
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
    size_t came = 1;
    int result = 0;
    while (result == 0 && came > 0 && count < size) {
        result = reader_receive(r, PyBytes_AS_STRING(bytes) + count,
                                size - count, reader_deadline(r), &came);
        count += came;
    }
    if (result < 0) {
        put_back(r, PyBytes_AS_STRING(bytes), count);
        Py_CLEAR(bytes);
        return NULL;
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
        reader_fill(r, reader_deadline(r)) < 0)
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
        Py_ssize_t more = reader_fill(r, reader_deadline(r));
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
    reader_empty(r);
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
    reader_empty((struct reader *)self);
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

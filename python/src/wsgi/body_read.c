/*
 * Reading a body: piece by piece, until what was asked for is together.
 *
 *     a body of so many bytes:   rfile.read() and its kin
 *     a body in chunks:          chunks.c
 *
 * rfile is the connection's reader, or any file that a program has put in its
 * place. In time is what comes in the reader's patience: else the client is
 * told so.
 */
#include "wsgi/private.h"

/* ---- errors -------------------------------------------------------------------- */

int body_refuse(struct body *b, const char *why, int status)
{
    PyObject *text = PyUnicode_FromString(why);
    PyObject *code = text ? PyLong_FromLong(status) : NULL;
    PyObject *args[] = {(PyObject *)b, text, code};
    PyObject *error =
        code ? PyObject_VectorcallMethod(names._invalid, args, 3, NULL) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(code);
    if (error)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_XDECREF(error);
    return -1;
}

/* r, of a wait: one that was too long is the client's fault. */
static int in_time(struct body *b, int r)
{
    if (r >= 0 || !PyErr_ExceptionMatches(PyExc_TimeoutError))
        return r;
    PyErr_Clear();
    return body_refuse(b, "the body did not come in time", 408);
}

PyObject *body_call_file(struct body *b, PyObject *name, PyObject *size,
                         size_t most)
{
    PyObject *rfile = Py_NewRef(or_none(b->rfile));
    PyObject *bytes = PyObject_CallMethodOneArg(rfile, name, size);
    Py_DECREF(rfile);
    if (!bytes)
        return NULL;
    if (PyBytes_Check(bytes) && (size_t)PyBytes_GET_SIZE(bytes) <= most)
        return bytes;
    if (PyBytes_Check(bytes))
        PyErr_Format(PyExc_ValueError, "%U() of %R returned %zd of %zu bytes",
                     name, or_none(b->rfile), PyBytes_GET_SIZE(bytes), most);
    else
        PyErr_Format(PyExc_TypeError, "%U() of %R returned %.200s, not bytes",
                     name, or_none(b->rfile), Py_TYPE(bytes)->tp_name);
    Py_DECREF(bytes);
    return NULL;
}

/* ---- what is together ----------------------------------------------------------- */

/* Bytes of one call: an object that another has made, as long as it is all. */
struct together {
    PyObject *bytes; /* NULL: none */
    size_t size;     /* of them, those that are there */
    bool given;      /* bytes was another's: not to be changed */
};

/* Room for n more, of which there will be `most` at most. */
static int make_room(struct together *t, size_t n, size_t most)
{
    size_t room =
        t->bytes && !t->given ? (size_t)PyBytes_GET_SIZE(t->bytes) : 0;
    if (room - t->size >= n && room > 0)
        return 0;
    size_t wanted = t->size + n > 2 * room ? t->size + n : 2 * room;
    if (wanted < most && most <= READER_PIECE)
        wanted = most; /* it is likely to come */
    PyObject *bytes = PyBytes_FromStringAndSize(
        NULL, (Py_ssize_t)(wanted < most ? wanted : most));
    if (!bytes)
        return -1;
    if (t->size)
        memcpy(PyBytes_AS_STRING(bytes), PyBytes_AS_STRING(t->bytes), t->size);
    handler_set(&t->bytes, bytes);
    t->given = false;
    return 0;
}

static int add(struct together *t, const char *at, size_t n, size_t most)
{
    if (make_room(t, n, most) < 0)
        return -1;
    memcpy(PyBytes_AS_STRING(t->bytes) + t->size, at, n);
    t->size += n;
    return 0;
}

/* object is stolen. */
static int add_object(struct together *t, PyObject *object, size_t most)
{
    size_t n = (size_t)PyBytes_GET_SIZE(object);
    if (!t->bytes) {
        *t = (struct together){object, n, true};
        return 0;
    }
    int r = add(t, PyBytes_AS_STRING(object), n, most);
    Py_DECREF(object);
    return r;
}

static PyObject *end_together(struct together *t)
{
    if (!t->bytes)
        return PyBytes_FromStringAndSize(NULL, 0);
    if (!t->given && (size_t)PyBytes_GET_SIZE(t->bytes) != t->size)
        _PyBytes_Resize(&t->bytes, (Py_ssize_t)t->size);
    return t->bytes;
}

/* ---- pieces ------------------------------------------------------------------------ */

/* What a call wants: a file's method of that name. */
enum wanted { ALL, WHAT_IS_THERE, A_LINE };

static int say_continue(struct body *b)
{
    if (!b->socket || b->socket == Py_None || b->answered)
        return 0;
    PyObject *r =
        PyObject_CallMethodNoArgs((PyObject *)b, names._send_100_continue);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

static int add_counted(struct body *b, enum wanted wanted, struct together *t,
                       size_t most)
{
    PyObject *const methods[] = {names.read, names.read1, names.readline};
    size_t n =
        most - t->size < (uint64_t)b->left ? most - t->size : (size_t)b->left;
    PyObject *size = PyLong_FromSize_t(n);
    PyObject *bytes = size ? body_call_file(b, methods[wanted], size, n) : NULL;
    Py_XDECREF(size);
    if (!bytes)
        return -1;
    int64_t came = PyBytes_GET_SIZE(bytes);
    if (came == 0) {
        Py_DECREF(bytes);
        return body_refuse(b, "the body breaks off", 400);
    }
    b->left -= came < b->left ? came : b->left;
    b->ended = b->left == 0;
    return add_object(t, bytes, most);
}

static int add_chunk(struct body *b, enum wanted wanted, struct together *t,
                     size_t most)
{
    grove_http_piece piece;
    if (!b->chunks.parser && chunks_begin(&b->chunks) < 0)
        return -1;
    int r = chunks_next(b, most - t->size, wanted == A_LINE, &piece);
    if (r <= 0)
        return r;
    r = add(t, piece.data.at, piece.data.size, most);
    chunks_done(b, &piece);
    return r;
}

static int add_piece(struct body *b, enum wanted wanted, struct together *t,
                     size_t most)
{
    return b->chunked ? add_chunk(b, wanted, t, most)
                      : add_counted(b, wanted, t, most);
}

/* From what a read that failed has left. */
static int add_kept(struct body *b, enum wanted wanted, struct together *t,
                    size_t most)
{
    const char *at = PyBytes_AS_STRING(b->kept) + b->kept_used;
    size_t there = (size_t)PyBytes_GET_SIZE(b->kept) - b->kept_used;
    size_t n = there < most - t->size ? there : most - t->size;
    const char *end = wanted == A_LINE ? memchr(at, '\n', n) : NULL;
    if (end)
        n = (size_t)(end - at) + 1;
    if (add(t, at, n, most) < 0)
        return -1;
    b->kept_used += n;
    if (n == there)
        Py_CLEAR(b->kept);
    return 0;
}

/* A read fails, with an exception: who catches that and reads on must not find
 * a hole. */
static void keep(struct body *b, struct together *t)
{
    PyObject *error = exception_take();
    if (t->size > 0 && !b->kept) {
        b->kept = end_together(t);
        b->kept_used = 0;
    } else {
        Py_XDECREF(t->bytes);
    }
    exception_set(error);
}

static bool is_all(enum wanted wanted, const struct together *t)
{
    if (wanted == ALL || t->size == 0)
        return false;
    return wanted == WHAT_IS_THERE ||
           PyBytes_AS_STRING(t->bytes)[t->size - 1] == '\n';
}

/* At most `most` bytes; none only at the end. */
static PyObject *collect(struct body *b, enum wanted wanted, size_t most)
{
    struct together t = {NULL};
    int r = b->ended || most == 0 ? 0 : in_time(b, say_continue(b));
    while (r >= 0 && (b->kept || !b->ended) && t.size < most &&
           !is_all(wanted, &t))
        r = b->kept ? add_kept(b, wanted, &t, most)
                    : in_time(b, add_piece(b, wanted, &t, most));
    if (r >= 0) {
        b->position += (int64_t)t.size;
        return end_together(&t);
    }
    keep(b, &t);
    return NULL;
}

/* ---- methods ------------------------------------------------------------------------ */

/* The argument, a size: -1 and None are no limit. */
static PyObject *call(const char *name, const char *keyword, PyObject *self,
                      enum wanted wanted, PyObject *const *args, Py_ssize_t n,
                      PyObject *kwnames)
{
    const char *const keywords[] = {keyword, NULL};
    PyObject *given = Py_None;
    if (arguments(name, args, n, kwnames, keywords, 0, &given) < 0)
        return NULL;
    Py_ssize_t size = -1;
    if (given != Py_None)
        size = PyNumber_AsSsize_t(given, PyExc_OverflowError);
    if (PyErr_Occurred())
        return NULL;
    return collect((struct body *)self, wanted,
                   size < 0 ? PY_SSIZE_T_MAX : (size_t)size);
}

static PyObject *body_read(PyObject *self, PyObject *const *args, Py_ssize_t n,
                           PyObject *kwnames)
{
    return call("read", "length", self, ALL, args, n, kwnames);
}

static PyObject *body_read1(PyObject *self, PyObject *const *args, Py_ssize_t n,
                            PyObject *kwnames)
{
    return call("read1", "size", self, WHAT_IS_THERE, args, n, kwnames);
}

static PyObject *body_readline(PyObject *self, PyObject *const *args,
                               Py_ssize_t n, PyObject *kwnames)
{
    return call("readline", "size", self, A_LINE, args, n, kwnames);
}

PyObject *body_next_line(PyObject *self)
{
    PyObject *line = collect((struct body *)self, A_LINE, PY_SSIZE_T_MAX);
    if (line && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

#define FAST(f) (PyCFunction)(void (*)(void)) f

PyMethodDef body_methods[] = {
    {"read", FAST(body_read), METH_FASTCALL | METH_KEYWORDS,
     "read($self, /, length=None)\n--\n\n"
     "length bytes, fewer only at the end; all when None or negative."},
    {"read1", FAST(body_read1), METH_FASTCALL | METH_KEYWORDS,
     "read1($self, /, size=-1)\n--\n\n"
     "What is there, at most size bytes; b\"\" only at the end."},
    {"readline", FAST(body_readline), METH_FASTCALL | METH_KEYWORDS,
     "readline($self, /, size=None)\n--\n\n"
     "A line with its end, at most size bytes of it."},
    {NULL, NULL, 0, NULL}};

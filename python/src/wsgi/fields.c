/*
 * The head of a response: the application's fields, and those that it leaves to
 * the server.
 *
 *     Date               unless the application has told one
 *     Content-Length     when all of the body is known, else
 *     Transfer-Encoding  chunked, in HTTP/1.1, else the connection ends the
 * body Connection         close, or keep-alive in HTTP/1.0
 */
#include "wsgi/private.h"

bool fields_has_body(const struct handler *h)
{
    return h->code != 204 && h->code != 304 && (h->code < 100 || h->code > 199);
}

/* ---- which the server adds ---------------------------------------------------------------- */

int64_t fields_length(PyObject *string)
{
    if (!PyUnicode_Check(string) ||
        PyUnicode_KIND(string) != PyUnicode_1BYTE_KIND)
        return -1;
    const unsigned char *at = PyUnicode_1BYTE_DATA(string);
    Py_ssize_t size = PyUnicode_GET_LENGTH(string);
    int64_t length = 0;
    for (Py_ssize_t i = 0; i < size; i++) {
        if (at[i] < '0' || at[i] > '9' || length > INT64_MAX / 10 - 1)
            return -1;
        length = length * 10 + (at[i] - '0');
    }
    return size > 0 ? length : -1;
}

static void frame_body(struct handler *h, int64_t total)
{
    h->adds_length = h->body_room = -1;
    h->response_use_chunked = false;
    if (!fields_has_body(h))
        return;
    if (h->provided_content_length)
        h->body_room = fields_length(h->provided_content_length);
    else if (total >= 0)
        h->adds_length = h->body_room = total;
    else if (!is_old(h) && !h->connection_upgraded)
        h->response_use_chunked = true;
    else
        h->close_connection = true;
}

int fields_finalize(struct handler *h, int64_t total)
{
    h->connection_upgraded |= h->code == 101;
    frame_body(h, total);
    h->adds_date = !h->provided_date;
    h->adds_chunked = h->response_use_chunked;
    h->adds_close = !h->names_connection && h->close_connection;
    h->adds_keep_alive =
        !h->names_connection && !h->close_connection && is_old(h);
    return h->response_headers && !fields_list(h) ? -1 : 0;
}

int fields_finalize_any(struct handler *h, int64_t total)
{
    if (!(h->overridden & FINALIZE_HEADERS))
        return fields_finalize(h, total);
    PyObject *r =
        PyObject_CallMethodNoArgs((PyObject *)h, names.finalize_headers);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

/* Bytes of a list or a tuple of bytes; -1: it is another thing. */
static int64_t total_of(PyObject *result)
{
    if (!result || !(PyList_Check(result) || PyTuple_Check(result)))
        return -1;
    int64_t total = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(result); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(result, i);
        Py_ssize_t size =
            PyBytes_Check(item) ? PyBytes_GET_SIZE(item) : PyObject_Size(item);
        if (size < 0) {
            PyErr_Clear(); /* the write of it will say so */
            return -1;
        }
        total += size;
    }
    return total;
}

static PyObject *finalize_headers(PyObject *self, PyObject *none)
{
    (void)none;
    struct handler *h = handler_of(self);
    if (fields_finalize(h, total_of(h->result)) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- as a list -------------------------------------------------------------------------------- */

static int add(PyObject *list, const char *name, const char *value, size_t size)
{
    PyObject *pair = Py_BuildValue("(yy#)", name, value, (Py_ssize_t)size);
    int r = pair ? PyList_Append(list, pair) : -1;
    Py_XDECREF(pair);
    return r;
}

static int add_string(PyObject *list, const char *name, const char *value)
{
    return add(list, name, value, strlen(value));
}

static int add_own(struct handler *h, PyObject *list)
{
    char number[24];
    int n = snprintf(number, sizeof(number), "%lld", (long long)h->adds_length);
    grove_http_text date = grove_http_date();
    if ((h->adds_date && add(list, "Date", date.at, date.size) < 0) ||
        (h->adds_length >= 0 &&
         add(list, "Content-Length", number, (size_t)n) < 0) ||
        (h->adds_chunked &&
         add_string(list, "Transfer-Encoding", "chunked") < 0) ||
        (h->adds_close && add_string(list, "Connection", "close") < 0) ||
        (h->adds_keep_alive &&
         add_string(list, "Connection", "keep-alive") < 0))
        return -1;
    h->adds_date = h->adds_chunked = h->adds_close = h->adds_keep_alive = false;
    h->adds_length = -1;
    return 0;
}

static int add_given(PyObject *list, PyObject *pair)
{
    PyObject *octets = Py_BuildValue(
        "(NN)", PyUnicode_AsLatin1String(PyTuple_GET_ITEM(pair, 0)),
        PyUnicode_AsLatin1String(PyTuple_GET_ITEM(pair, 1)));
    int r = octets ? PyList_Append(list, octets) : -1;
    Py_XDECREF(octets);
    return r;
}

static PyObject *encoded(PyObject *given)
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(given); i++) {
        if (add_given(list, PyList_GET_ITEM(given, i)) < 0)
            Py_CLEAR(list);
    }
    return list;
}

PyObject *fields_list(struct handler *h)
{
    if (!h->response_headers) {
        h->response_headers = h->given ? encoded(h->given) : PyList_New(0);
        if (!h->response_headers)
            return NULL;
        handler_set(&h->given, NULL);
    }
    if (!PyList_Check(h->response_headers)) {
        PyErr_SetString(PyExc_TypeError, "response_headers is no list");
        return NULL;
    }
    return add_own(h, h->response_headers) < 0 ? NULL : h->response_headers;
}

PyObject *fields_status(struct handler *h)
{
    PyObject *status = h->status ? h->status : h->told_status;
    if (status && PyBytes_Check(status))
        return Py_NewRef(status);
    if (status && PyUnicode_Check(status))
        return PyUnicode_AsLatin1String(status);
    PyErr_SetString(PyExc_TypeError, "the status is neither bytes nor a str");
    return NULL;
}

/* ---- as bytes ------------------------------------------------------------------------------------ */

/* Where the head is written; without memory, it is counted. */
struct out {
    char *to; /* NULL: count */
    size_t size;
};

static void put(struct out *out, const void *at, size_t n)
{
    if (out->to)
        memcpy(out->to + out->size, at, n);
    out->size += n;
}

#define PUT(out, string) put(out, string, sizeof(string) - 1)

static void put_field(struct out *out, const void *name, size_t name_size,
                      const void *value, size_t size)
{
    put(out, name, name_size);
    PUT(out, ": ");
    put(out, value, size);
    PUT(out, "\r\n");
}

static void put_given(struct out *out, PyObject *given)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(given); i++) {
        PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(given, i), 0);
        PyObject *value = PyTuple_GET_ITEM(PyList_GET_ITEM(given, i), 1);
        put_field(
            out, PyUnicode_1BYTE_DATA(name), (size_t)PyUnicode_GET_LENGTH(name),
            PyUnicode_1BYTE_DATA(value), (size_t)PyUnicode_GET_LENGTH(value));
    }
}

/* Programs may have put there what they like. */
static int put_list(struct out *out, PyObject *list)
{
    if (!PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "response_headers is no list: %R", list);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = PyList_GET_ITEM(list, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
            !PyBytes_Check(PyTuple_GET_ITEM(pair, 0)) ||
            !PyBytes_Check(PyTuple_GET_ITEM(pair, 1))) {
            PyErr_Format(PyExc_TypeError,
                         "a response header is a tuple of bytes, not %R", pair);
            return -1;
        }
        PyObject *name = PyTuple_GET_ITEM(pair, 0);
        PyObject *value = PyTuple_GET_ITEM(pair, 1);
        put_field(out, PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name),
                  PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value));
    }
    return 0;
}

/* A number of its own, which is quicker than snprintf. */
static void put_length(struct out *out, int64_t length)
{
    char digits[24], *at = digits + sizeof(digits);
    do
        *--at = (char)('0' + length % 10);
    while (length /= 10);
    put_field(out, "Content-Length", 14, at,
              (size_t)(digits + sizeof(digits) - at));
}

static void put_own(struct out *out, const struct handler *h)
{
    if (h->adds_date) {
        grove_http_text date = grove_http_date();
        put_field(out, "Date", 4, date.at, date.size);
    }
    if (h->adds_length >= 0)
        put_length(out, h->adds_length);
    if (h->adds_chunked)
        PUT(out, "Transfer-Encoding: chunked\r\n");
    if (h->adds_close)
        PUT(out, "Connection: close\r\n");
    if (h->adds_keep_alive)
        PUT(out, "Connection: keep-alive\r\n");
}

static int put_head(struct out *out, const struct handler *h, PyObject *status)
{
    PUT(out, "HTTP/1.1 ");
    put(out, PyBytes_AS_STRING(status), (size_t)PyBytes_GET_SIZE(status));
    PUT(out, "\r\n");
    if (h->response_headers && put_list(out, h->response_headers) < 0)
        return -1;
    if (!h->response_headers && h->given)
        put_given(out, h->given);
    put_own(out, h);
    PUT(out, "\r\n");
    return 0;
}

char *fields_head(struct handler *h, size_t extra, size_t *used)
{
    PyObject *status = fields_status(h);
    struct out out = {NULL, 0};
    if (status && put_head(&out, h, status) == 0) {
        out.to = PyMem_Malloc(out.size + extra);
        out.size = 0;
        if (out.to)
            put_head(&out, h, status);
        else
            PyErr_NoMemory();
    }
    Py_XDECREF(status);
    *used = out.size;
    h->head_length = (Py_ssize_t)out.size;
    return out.to;
}

PyMethodDef fields_methods[] = {
    {"finalize_headers", finalize_headers, METH_NOARGS,
     "finalize_headers($self, /)\n"
     "--\n"
     "\n"
     "Add what the application left to the server: Date, Content-Length or\n"
     "Transfer-Encoding, Connection.\n\n"
     "    >>> class Branded(WSGIHandler):\n"
     "    ...     def finalize_headers(self):\n"
     "    ...         self.response_headers.append((b\"Server\", b\"mine\"))\n"
     "    ...         super().finalize_headers()\n"
     "    >>> \"Server: mine\" in ask(Branded)\n"
     "    True"},
    {NULL, NULL, 0, NULL}};

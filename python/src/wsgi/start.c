/*
 * start_response: the status and the fields that the application tells are
 * looked at, and kept as they are until the head is sent.
 *
 * A string that would end its line, and let what follows be taken for another
 * field or for the next response, is refused here, while the application runs.
 * So are lengths that are none, or two; and how the body is sent is the
 * server's to say: a Transfer-Encoding is left out.
 */
#include "wsgi/private.h"

void start_reset(struct handler *h)
{
    handler_set(&h->status, NULL);
    handler_set(&h->told_status, NULL);
    handler_set(&h->given, NULL);
    handler_set(&h->response_headers, NULL);
    handler_set(&h->provided_date, NULL);
    handler_set(&h->provided_content_length, NULL);
    handler_set(&h->result, NULL);
    h->code = 0;
    h->response_length = h->head_length = 0;
    h->headers_sent = h->response_use_chunked = h->connection_upgraded = false;
    h->names_connection = false;
    h->adds_date = h->adds_chunked = h->adds_close = h->adds_keep_alive = false;
    h->adds_length = h->body_room = -1;
    h->overlong = false;
}

/* ---- strings --------------------------------------------------------------------------- */

static bool ends_line(PyObject *string)
{
    const unsigned char *at = PyUnicode_1BYTE_DATA(string);
    bool ends = false;
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(string); i++)
        ends |= at[i] == '\r' || at[i] == '\n' || at[i] == 0;
    return ends;
}

/* 0: it may stand in a head, as a `what`. */
static int check(PyObject *string, const char *what)
{
    if (!PyUnicode_Check(string))
        PyErr_Format(PyExc_UnicodeError,
                     "The %s must be a native string, not %R", what, string);
    else if (PyUnicode_KIND(string) != PyUnicode_1BYTE_KIND)
        PyErr_Format(PyExc_UnicodeError, "Non-latin1 %s: %R", what, string);
    else if (ends_line(string))
        PyErr_Format(PyExc_ValueError, "carriage return or newline in %s: %R",
                     what, string);
    else
        return 0;
    return -1;
}

static grove_http_text text_of(PyObject *string)
{
    return (grove_http_text){(const char *)PyUnicode_1BYTE_DATA(string),
                             (size_t)PyUnicode_GET_LENGTH(string)};
}

static bool is(PyObject *string, const char *name)
{
    return grove_http_equal_nocase(text_of(string), name);
}

/* ---- fields ------------------------------------------------------------------------------ */

/* -1 with ValueError: what it says of the body is not to be believed. */
static int note_length(struct handler *h, PyObject *value)
{
    PyObject *before = h->provided_content_length;
    if (fields_length(value) < 0)
        PyErr_Format(PyExc_ValueError, "a Content-Length that is no length: %R",
                     value);
    else if (before && PyUnicode_Compare(before, value) != 0)
        PyErr_Format(PyExc_ValueError, "two Content-Lengths: %R and %R", before,
                     value);
    else
        handler_set(&h->provided_content_length, Py_NewRef(value));
    return PyErr_Occurred() ? -1 : 0;
}

/* What the server looks at. */
static int note(struct handler *h, PyObject *name, PyObject *value)
{
    switch (PyUnicode_GET_LENGTH(name)) {
    case 4:
        if (is(name, "Date"))
            handler_set(&h->provided_date, Py_NewRef(value));
        break;
    case 10:
        if (!is(name, "Connection"))
            break;
        h->names_connection = true;
        h->close_connection |= is(value, "close");
        h->connection_upgraded |= is(value, "upgrade");
        break;
    case 14:
        if (is(name, "Content-Length"))
            return note_length(h, value);
        break;
    }
    return 0;
}

/* One of what the application has told, as a tuple of two strings: new. */
static PyObject *checked(PyObject *item)
{
    PyObject *pair = PySequence_Tuple(item);
    if (!pair)
        return NULL;
    if (PyTuple_GET_SIZE(pair) != 2)
        PyErr_Format(PyExc_ValueError, "a header is a name and a value, not %R",
                     pair);
    else if (check(PyTuple_GET_ITEM(pair, 0), "header name") == 0 &&
             check(PyTuple_GET_ITEM(pair, 1), "header value") == 0)
        return pair;
    Py_DECREF(pair);
    return NULL;
}

/* Put pair, which is stolen, in the place i, or take that out. */
static int put_or_leave_out(PyObject *list, Py_ssize_t *i, PyObject *pair)
{
    if (!is(PyTuple_GET_ITEM(pair, 0), "Transfer-Encoding"))
        return PyList_SetItem(list, *i, pair);
    Py_DECREF(pair);
    Py_ssize_t at = (*i)--;
    return PyList_SetSlice(list, at, at + 1, NULL);
}

/* All of them, as a list of its own. */
static PyObject *checked_all(PyObject *headers)
{
    PyObject *list = PySequence_List(headers);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = checked(PyList_GET_ITEM(list, i));
        if (!pair || put_or_leave_out(list, &i, pair) < 0)
            Py_CLEAR(list);
    }
    return list;
}

static int note_all(struct handler *h)
{
    int r = 0;
    for (Py_ssize_t i = 0; r == 0 && i < PyList_GET_SIZE(h->given); i++) {
        PyObject *pair = PyList_GET_ITEM(h->given, i);
        r = note(h, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    }
    return r;
}

/* ---- the status --------------------------------------------------------------------------- */

/* -1 with ValueError. */
static int code_of(PyObject *status)
{
    grove_http_text text = text_of(status);
    int code = 0;
    size_t i = 0;
    for (; i < text.size && i < 4 && text.at[i] >= '0' && text.at[i] <= '9';
         i++)
        code = code * 10 + (text.at[i] - '0');
    if (i == 3 && (text.size == 3 || text.at[3] == ' '))
        return code;
    PyErr_Format(PyExc_ValueError, "a status begins with three digits: %R",
                 status);
    return -1;
}

/* -1 with the handler's ApplicationError: a length of what has no body. */
static int check_length(struct handler *h)
{
    PyObject *length = h->provided_content_length;
    if (fields_has_body(h) || !length || is(length, "0"))
        return 0;
    PyObject *error = PyObject_GetAttrString((PyObject *)h, "ApplicationError");
    if (error)
        PyErr_Format(error,
                     "Invalid Content-Length for %d response: %R (must be "
                     "absent or zero)",
                     h->code, length);
    Py_XDECREF(error);
    return -1;
}

/* ---- the call ------------------------------------------------------------------------------- */

/* Raise what befell the application, if it is too late for another response. */
static int raise_if_sent(struct handler *h, PyObject *exc_info)
{
    if (!exc_info || exc_info == Py_None || !h->headers_sent)
        return 0;
    PyObject *kind, *value, *traceback;
    if (!PyArg_ParseTuple(exc_info, "OOO", &kind, &value, &traceback))
        return -1;
    if (PyExceptionInstance_Check(value))
        kind = (PyObject *)Py_TYPE(value);
    PyErr_Restore(Py_NewRef(kind), Py_NewRef(value),
                  traceback == Py_None ? NULL : Py_NewRef(traceback));
    return -1;
}

static int start(struct handler *h, PyObject *status, PyObject *headers)
{
    PyObject *list = checked_all(headers);
    if (!list)
        return -1;
    int code = check(status, "status") == 0 ? code_of(status) : -1;
    if (code < 0) {
        Py_DECREF(list);
        return -1;
    }
    handler_set(&h->status, NULL);
    handler_set(&h->told_status, Py_NewRef(status));
    handler_set(&h->response_headers, NULL);
    handler_set(&h->given, list);
    handler_set(&h->provided_date, NULL);
    handler_set(&h->provided_content_length, NULL);
    h->code = code;
    h->names_connection = false;
    return note_all(h) < 0 ? -1 : check_length(h);
}

static PyObject *start_response(PyObject *self, PyObject *const *args,
                                Py_ssize_t n, PyObject *keywords)
{
    static const char *const known[] = {"status", "headers", "exc_info", NULL};
    PyObject *given[3] = {NULL, NULL, NULL};
    struct handler *h = handler_of(self);
    if (arguments("start_response", args, n, keywords, known, 2, given) < 0 ||
        raise_if_sent(h, given[2]) < 0 || start(h, given[0], given[1]) < 0)
        return NULL;
    return PyObject_GetAttr(self, names.write);
}

PyMethodDef start_methods[] = {
    {"start_response", (PyCFunction)(void (*)(void))start_response,
     METH_FASTCALL | METH_KEYWORDS,
     "start_response($self, /, status, headers, exc_info=None)\n"
     "--\n"
     "\n"
     "The application's: the status and (name, value) of each header, as\n"
     "strings. Returns write. UnicodeError and ValueError when they cannot\n"
     "be sent; what exc_info says when the head was sent already.\n\n"
     "    >>> class Marking(WSGIHandler):\n"
     "    ...     def start_response(self, status, headers, exc_info=None):\n"
     "    ...         headers = [*headers, (\"X-Mark\", \"yes\")]\n"
     "    ...         return super().start_response(status, headers, "
     "exc_info)\n"
     "    >>> \"X-Mark: yes\" in ask(Marking)\n"
     "    True"},
    {NULL, NULL, 0, NULL}};

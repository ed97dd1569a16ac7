/*
 * HTTPHandler: the attributes of a handler, and the methods that the other
 * files of the room have for it. The package's WSGIHandler is its subclass and
 * has the rest.
 *
 * Some attributes are asked for by few programs, and are made then: the request
 * line and the headers, of the head's bytes; the status and the fields of the
 * response, of what the application has told.
 */
#include "wsgi/private.h"

#include <structmember.h>

/* ---- made when asked for --------------------------------------------------------------- */

static PyObject *new_or_none(PyObject *value)
{
    return Py_NewRef(or_none(value));
}

static PyObject *get_requestline(PyObject *self, void *closure)
{
    struct handler *h = handler_of(self);
    struct head head;
    (void)closure;
    if (!h->requestline && h->head) {
        if (head_again(h->head, &head) < 0)
            return NULL;
        h->requestline = head_str(head.line);
        head_end(&head);
        if (!h->requestline)
            return NULL;
    }
    return new_or_none(h->requestline);
}

/* (name, value) of each field. */
static PyObject *pairs_of(PyObject *bytes)
{
    struct head head;
    if (head_again(bytes, &head) < 0)
        return NULL;
    PyObject *pairs = PyList_New(0);
    for (size_t i = 0; pairs && i < head.parsed.field_count; i++) {
        const grove_http_field *f = &head.parsed.fields[i];
        PyObject *pair =
            Py_BuildValue("(NN)", head_str(f->name), head_str(f->value));
        if (!pair || PyList_Append(pairs, pair) < 0)
            Py_CLEAR(pairs);
        Py_XDECREF(pair);
    }
    head_end(&head);
    return pairs;
}

/* By Python's _headers_of(pairs). */
static PyObject *get_headers(PyObject *self, void *closure)
{
    struct handler *h = handler_of(self);
    (void)closure;
    if (!h->headers) {
        PyObject *pairs = h->head ? pairs_of(h->head) : PyList_New(0);
        PyObject *made =
            pairs ? PyObject_CallMethodOneArg(self, names._headers_of, pairs)
                  : NULL;
        Py_XDECREF(pairs);
        if (!made)
            return NULL;
        handler_set(&h->headers, made);
    }
    return Py_NewRef(h->headers);
}

/* None: the request tells none. */
static PyObject *made_length(struct handler *h)
{
    struct head head;
    if (!h->head || h->length < 0)
        return Py_NewRef(Py_None);
    if (head_again(h->head, &head) < 0)
        return NULL;
    bool told = grove_http_find(&head.parsed, "Content-Length") != NULL;
    head_end(&head);
    return told ? PyLong_FromLongLong(h->length) : Py_NewRef(Py_None);
}

static PyObject *get_content_length(PyObject *self, void *closure)
{
    struct handler *h = handler_of(self);
    (void)closure;
    if (!h->content_length)
        h->content_length = made_length(h);
    return Py_XNewRef(h->content_length);
}

static PyObject *get_status(PyObject *self, void *closure)
{
    struct handler *h = handler_of(self);
    (void)closure;
    if (!h->status && h->told_status)
        h->status = PyUnicode_AsLatin1String(h->told_status);
    return PyErr_Occurred() ? NULL : new_or_none(h->status);
}

static int set_status(PyObject *self, PyObject *value, void *closure)
{
    struct handler *h = handler_of(self);
    (void)closure;
    handler_set(&h->told_status, NULL);
    handler_set(&h->status, value == Py_None ? NULL : Py_XNewRef(value));
    return 0;
}

static PyObject *get_response_headers(PyObject *self, void *closure)
{
    struct handler *h = handler_of(self);
    (void)closure;
    if (!h->given && !h->response_headers)
        Py_RETURN_NONE;
    return Py_XNewRef(fields_list(h));
}

static int set_response_headers(PyObject *self, PyObject *value, void *closure)
{
    struct handler *h = handler_of(self);
    (void)closure;
    handler_set(&h->given, NULL);
    handler_set(&h->response_headers,
                value == Py_None ? NULL : Py_XNewRef(value));
    return 0;
}

static PyObject *get_code(PyObject *self, void *closure)
{
    (void)closure;
    int code = handler_of(self)->code;
    return code ? PyLong_FromLong(code) : Py_NewRef(Py_None);
}

static int set_code(PyObject *self, PyObject *value, void *closure)
{
    (void)closure;
    long code = value && value != Py_None ? PyLong_AsLong(value) : 0;
    if (code == -1 && PyErr_Occurred())
        return -1;
    handler_of(self)->code = (int)code;
    return 0;
}

/* ---- truth values --------------------------------------------------------------------------- */

static bool *flag_at(PyObject *self, void *offset)
{
    return (bool *)((char *)self + (uintptr_t)offset);
}

static PyObject *get_flag(PyObject *self, void *offset)
{
    return PyBool_FromLong(*flag_at(self, offset));
}

static int set_flag(PyObject *self, PyObject *value, void *offset)
{
    int truth = value ? PyObject_IsTrue(value) : 0;
    if (truth < 0)
        return -1;
    *flag_at(self, offset) = truth;
    return 0;
}

/* An object at an offset, for an attribute that has a getter of its own. */
static int set_object(PyObject *self, PyObject *value, void *offset)
{
    handler_set((PyObject **)((char *)self + (uintptr_t)offset),
                Py_XNewRef(value));
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------- */

/* The connection: what __init__ of the package's class calls. */
static PyObject *begin(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    struct handler *h = handler_of(self);
    if (arguments_count("_begin", n, 6, 6) < 0)
        return NULL;
    handler_set(&h->socket, Py_NewRef(args[0]));
    handler_set(&h->raw, args[1] == Py_None ? NULL : Py_NewRef(args[1]));
    handler_set(&h->raw_of, Py_NewRef(args[0]));
    handler_set(&h->client_address, Py_NewRef(args[2]));
    handler_set(&h->server, Py_NewRef(args[3]));
    handler_set(&h->rfile, Py_NewRef(args[4]));
    h->paced = args[5] == Py_True;
    h->max_line = HEAD_LINE;
    Py_RETURN_NONE;
}

#define EACH_OBJECT(X) \
    X(socket) \
    X(client_address) \
    X(server) \
    X(rfile) \
    X(raw) \
    X(raw_of) \
    X(remote_addr) \
    X(remote_port) \
    X(head) \
    X(requestline) \
    X(headers) \
    X(content_length) \
    X(command) \
    X(path) \
    X(request_version) \
    X(environ) \
    X(application) \
    X(wsgi_input) \
    X(status) \
    X(told_status) \
    X(given) \
    X(response_headers) \
    X(provided_date) \
    X(provided_content_length) \
    X(result)

static int handler_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct handler *h = handler_of(self);
#define X(name) Py_VISIT(h->name);
    EACH_OBJECT(X)
#undef X
    return 0;
}

static int handler_clear(PyObject *self)
{
    struct handler *h = handler_of(self);
#define X(name) Py_CLEAR(h->name);
    EACH_OBJECT(X)
#undef X
    return 0;
}

static void handler_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    handler_clear(self);
    Py_TYPE(self)->tp_free(self);
}

/* ---- the type ------------------------------------------------------------------------------------ */

#define PLACE(field) offsetof(struct handler, field)
#define OBJECT(field, text) \
    { \
#field, T_OBJECT, PLACE(field), 0, text \
    }
#define FLAG(field, text) \
    { \
#field, get_flag, set_flag, text, (void *)PLACE(field) \
    }

static PyMemberDef members[] = {
    OBJECT(socket, "The connection; None once it is done with."),
    OBJECT(client_address, "Its peer's address."),
    OBJECT(server, "The server."),
    OBJECT(rfile, "The connection, for reading."),
    OBJECT(command, "The request's method."),
    OBJECT(path, "What it asks for, as it came."),
    OBJECT(request_version, "As \"HTTP/1.1\"."),
    OBJECT(environ, "What the application is called with."),
    OBJECT(application, "Which is that."),
    OBJECT(wsgi_input, "The body of the request."),
    OBJECT(provided_date, "The application's Date."),
    OBJECT(provided_content_length, "The application's Content-Length."),
    OBJECT(result, "What it returned, until that is sent."),
    {"_orig_status", T_OBJECT, PLACE(told_status), 0,
     "The status as the application told it."},
    {"response_length", T_PYSSIZET, PLACE(response_length), 0,
     "Bytes of the response that were sent."},
    {"_head_length", T_PYSSIZET, PLACE(head_length), READONLY,
     "Of these, the head's."},
    {"time_start", T_DOUBLE, PLACE(time_start), 0,
     "Seconds of the epoch when the application was called."},
    {"time_finish", T_DOUBLE, PLACE(time_finish), 0,
     "When the response was sent; 0: it was not."},
    {NULL}};

static PyGetSetDef attributes[] = {
    {"requestline", get_requestline, set_object, "The request's first line.",
     (void *)PLACE(requestline)},
    {"headers", get_headers, set_object, "The request's, a MessageClass.",
     (void *)PLACE(headers)},
    {"content_length", get_content_length, set_object,
     "Bytes of the request's body; None: it does not tell.",
     (void *)PLACE(content_length)},
    {"status", get_status, set_status, "The response's, in bytes.", NULL},
    {"code", get_code, set_code, "The number in it.", NULL},
    {"response_headers", get_response_headers, set_response_headers,
     "The response's fields: (bytes, bytes) each.", NULL},
    FLAG(close_connection, "Whether the connection ends with this request."),
    FLAG(headers_sent, "Whether the response's head was sent."),
    FLAG(response_use_chunked, "Whether its body is sent in chunks."),
    FLAG(connection_upgraded, "Whether it changes to another protocol."),
    {NULL}};

static PyMethodDef own_methods[] = {
    {"_begin", (PyCFunction)(void (*)(void))begin, METH_FASTCALL,
     "_begin(socket, raw, client_address, server, rfile, paced, /)\n--\n\n"
     "The connection that it serves."},
    {NULL, NULL, 0, NULL}};

PyTypeObject Handler_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.HTTPHandler",
    .tp_doc = "Serves a connection: the compiled part of WSGIHandler.",
    .tp_basicsize = sizeof(struct handler),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_traverse = handler_traverse,
    .tp_clear = handler_clear,
    .tp_dealloc = handler_dealloc,
    .tp_members = members,
    .tp_getset = attributes,
    .tp_methods = own_methods,
};

int handler_init(PyObject *module)
{
    if (module_add_type(module, &Handler_Type) < 0)
        return -1;
    PyMethodDef *const of_files[] = {connection_methods, request_methods,
                                     environ_methods,    start_methods,
                                     fields_methods,     write_methods};
    for (size_t i = 0; i < sizeof(of_files) / sizeof(*of_files); i++) {
        if (type_add_methods(&Handler_Type, of_files[i]) < 0)
            return -1;
    }
    return 0;
}

/*
 * The base of wsgi.input's type: its attributes, so that one is made without a
 * call of Python's. What is read, and how, is in body_read.c.
 */
#include "wsgi/private.h"

#include <structmember.h>

static int begin(struct body *b, PyObject *rfile, int64_t length,
                 PyObject *socket)
{
    handler_set(&b->rfile, Py_NewRef(rfile));
    handler_set(&b->socket, Py_XNewRef(socket));
    b->chunked = length == BODY_CHUNKED;
    b->answered = false;
    b->told = length >= 0;
    b->length = b->left = b->told ? length : 0;
    b->ended = b->left == 0 && !b->chunked;
    b->position = 0;
    Py_CLEAR(b->kept);
    b->kept_used = 0;
    return b->chunked ? chunks_begin(&b->chunks) : 0;
}

PyObject *body_new(PyObject *rfile, int64_t length, PyObject *socket)
{
    struct body *b = (struct body *)parts.input->tp_alloc(parts.input, 0);
    if (b && begin(b, rfile, length, socket) < 0)
        Py_CLEAR(b);
    return (PyObject *)b;
}

static int body_begin(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *known[] = {(char *)"rfile", (char *)"content_length",
                            (char *)"socket", (char *)"chunked_input", NULL};
    PyObject *rfile, *length, *socket = Py_None;
    int chunked = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|Op:Input", known,
                                     &rfile, &length, &socket, &chunked))
        return -1;
    long long bytes = chunked ? BODY_CHUNKED : BODY_NONE;
    if (length != Py_None && !chunked) {
        bytes = PyLong_AsLongLong(length);
        if (PyErr_Occurred())
            return -1;
        bytes = bytes > 0 ? bytes : 0;
    }
    return begin((struct body *)self, rfile, bytes,
                 socket == Py_None ? NULL : socket);
}

static int body_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((struct body *)self)->rfile);
    Py_VISIT(((struct body *)self)->socket);
    Py_VISIT(((struct body *)self)->chunks.from);
    return 0;
}

static int body_clear(PyObject *self)
{
    Py_CLEAR(((struct body *)self)->rfile);
    Py_CLEAR(((struct body *)self)->socket);
    Py_CLEAR(((struct body *)self)->kept);
    chunks_clear(&((struct body *)self)->chunks);
    return 0;
}

static void body_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    body_clear(self);
    chunks_end(&((struct body *)self)->chunks);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *content_length(PyObject *self, void *closure)
{
    const struct body *b = (struct body *)self;
    (void)closure;
    return b->told ? PyLong_FromLongLong(b->length) : Py_NewRef(Py_None);
}

static PyGetSetDef attributes[] = {
    {"content_length", content_length, NULL,
     "How many bytes it has; None: it comes in chunks, or there is none.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL}};

#define PLACE(field) offsetof(struct body, field)

static PyMemberDef members[] = {
    {"rfile", T_OBJECT, PLACE(rfile), 0, "What it is read from."},
    {"socket", T_OBJECT, PLACE(socket), 0,
     "Where \"100 Continue\" is said before the first read; None: nowhere."},
    {"position", T_LONGLONG, PLACE(position), READONLY,
     "How many bytes reads have given."},
    {"chunked_input", T_BOOL, PLACE(chunked), 0, "Whether it is in chunks."},
    {"_ended", T_BOOL, PLACE(ended), 0, "All of it was read."},
    {"_answered", T_BOOL, PLACE(answered), 0, "The response has begun."},
    {NULL}};

PyTypeObject Body_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.HTTPBody",
    .tp_doc =
        "HTTPBody(rfile, content_length, socket=None,\n"
        "         chunked_input=False)\n--\n\n"
        "The body of a request, for reading; what errors are its subclass\n"
        "says.",
    .tp_basicsize = sizeof(struct body),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_init = body_begin,
    .tp_traverse = body_traverse,
    .tp_clear = body_clear,
    .tp_dealloc = body_dealloc,
    .tp_members = members,
    .tp_getset = attributes,
    .tp_methods = body_methods,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = body_next_line,
};

int body_init(PyObject *module)
{
    return module_add_type(module, &Body_Type);
}

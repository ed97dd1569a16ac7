/*
 * SocketBase: what grove.socket.socket derives from, and through it SSLSocket.
 *
 * It holds the two things that every call asks for, the wrapped socket and the
 * time-out, and the methods that wait (transfer.c, wrapped.c): one that finds
 * data, or room for them, makes its system call and runs no Python code. What
 * makes sockets, connects and closes them is the derived class's, in Python.
 *
 * Programs may set both attributes, and derive from the class without calling
 * __init__: each call looks at what is there. The descriptor is asked of the
 * wrapped socket, which alone knows whether it is closed.
 */
#include "sockets/private.h"

#include <stddef.h>
#include <structmember.h>

PyObject *socket_timeout_default;

static PyObject *str_fileno;

/* _socket.socket, and its fileno(), which is called at each call on a socket:
 * straight, since a look-up by name costs more than the rest of a call that
 * finds data. No subclass of it has another. */
static PyTypeObject *wrapped_type;
static PyCFunction wrapped_fileno;

/* As when a slot of a class in Python is read that nothing was put into. */
static void raise_unset(const char *attribute)
{
    PyErr_SetString(PyExc_AttributeError, attribute);
}

int socket_fd(const Socket *s)
{
    if (unlikely(!s->sock)) {
        raise_unset("_sock");
        return -1;
    }
    PyObject *number = likely(PyObject_TypeCheck(s->sock, wrapped_type))
                           ? wrapped_fileno(s->sock, NULL)
                           : PyObject_CallMethodNoArgs(s->sock, str_fileno);
    if (!number)
        return -1;
    int fd = state_as_int(number);
    Py_DECREF(number);
    return fd;
}

int socket_begin(struct call *call, const Socket *s, PyObject *timeout)
{
    if (timeout == socket_timeout_default)
        timeout = s->timeout;
    if (unlikely(!timeout)) {
        raise_unset("timeout");
        return -1;
    }
    /* It may be set to another while others have their turn. */
    Py_INCREF(timeout);
    int begun = call_begin(call, -1, timeout);
    Py_DECREF(timeout);
    if (begun < 0)
        return -1;
    int fd = socket_fd(s);
    if (unlikely(fd == -1) && PyErr_Occurred())
        return -1;
    call_is_for(call, fd);
    return 0;
}

/* ---- the type --------------------------------------------------------------- */

static int socket_traverse(PyObject *self, visitproc visit, void *arg)
{
    Socket *s = (Socket *)self;
    Py_VISIT(s->sock);
    Py_VISIT(s->timeout);
    return 0;
}

static int socket_clear(PyObject *self)
{
    Socket *s = (Socket *)self;
    Py_CLEAR(s->sock);
    Py_CLEAR(s->timeout);
    return 0;
}

static void socket_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    socket_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMemberDef socket_members[] = {
    {"_sock", T_OBJECT_EX, offsetof(Socket, sock), 0,
     "The wrapped _socket.socket, which never blocks."},
    {"timeout", T_OBJECT_EX, offsetof(Socket, timeout), 0,
     "Seconds that an operation may take; None for ever, 0 not at all."},
    {NULL}};

static PyTypeObject SocketBase_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove._core.SocketBase",
    .tp_doc = "The compiled part of grove.socket.socket: what waits.",
    .tp_basicsize = sizeof(Socket),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = base_new,
    .tp_traverse = socket_traverse,
    .tp_clear = socket_clear,
    .tp_dealloc = socket_dealloc,
    .tp_members = socket_members,
};

/* The function behind _socket.socket.fileno; NULL with SystemError. */
static PyCFunction find_fileno(void)
{
    PyObject *fileno = _PyType_Lookup(wrapped_type, str_fileno);
    if (fileno && Py_IS_TYPE(fileno, &PyMethodDescr_Type)) {
        const PyMethodDef *method = ((PyMethodDescrObject *)fileno)->d_method;
        if (method->ml_flags == METH_NOARGS)
            return method->ml_meth;
    }
    PyErr_SetString(PyExc_SystemError,
                    "_socket.socket.fileno is not what it was");
    return NULL;
}

/* 0, or -1 with an exception. */
static int find_wrapped_type(void)
{
    PyObject *socket = PyImport_ImportModule("_socket");
    if (!socket)
        return -1;
    PyObject *type = PyObject_GetAttrString(socket, "socket");
    Py_DECREF(socket);
    if (!type)
        return -1;
    assert(PyType_Check(type));
    wrapped_type = (PyTypeObject *)type;
    wrapped_fileno = find_fileno();
    return wrapped_fileno ? 0 : -1;
}

int socket_init(PyObject *module)
{
    str_fileno = PyUnicode_InternFromString("fileno");
    if (!str_fileno || find_wrapped_type() < 0)
        return -1;
    socket_timeout_default =
        PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (!socket_timeout_default ||
        PyModule_AddObjectRef(module, "timeout_default",
                              socket_timeout_default) < 0 ||
        PyModule_AddIntConstant(module, "READ", LOOP_READ) < 0 ||
        PyModule_AddIntConstant(module, "WRITE", LOOP_WRITE) < 0 ||
        module_add_type(module, &SocketBase_Type) < 0 ||
        transfer_init(&SocketBase_Type) < 0)
        return -1;
    return wrapped_init(module, &SocketBase_Type);
}

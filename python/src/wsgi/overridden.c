/*
 * Which methods a handler's class has of its own. Those are called where ours
 * call them, as Python calls methods; the others are called in C, whatever else
 * the class has. It is looked up once a connection.
 */
#include "wsgi/private.h"

static const struct {
    const char *name;
    enum overridable flag;
} methods[] = {
    {"read_requestline", READ_REQUESTLINE},
    {"read_request", READ_REQUEST},
    {"MessageClass", READ_REQUEST},
    {"get_environ", GET_ENVIRON},
    {"handle_one_request", HANDLE_ONE_REQUEST},
    {"handle_one_response", HANDLE_ONE_RESPONSE},
    {"run_application", RUN_APPLICATION},
    {"process_result", PROCESS_RESULT},
    {"start_response", START_RESPONSE},
    {"write", WRITE},
    {"finalize_headers", FINALIZE_HEADERS},
    {"_sendall", SENDALL},
    {"_write", WRITE_DATA},
    {"_write_with_headers", WRITE_WITH_HEADERS},
    {"log_request", LOG_REQUEST},
    {"format_request", LOG_REQUEST},
};

/* 1: a type's attribute is not base's; 0: it is; -1 with an exception. */
static int differs(PyTypeObject *type, PyObject *base, const char *name)
{
    PyObject *own = PyObject_GetAttrString((PyObject *)type, name);
    PyObject *ours = own ? PyObject_GetAttrString(base, name) : NULL;
    int r = ours ? own != ours : -1;
    Py_XDECREF(own);
    Py_XDECREF(ours);
    return r;
}

static int look_at_handler(struct handler *h)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        int r = differs(Py_TYPE(h), parts.handler, methods[i].name);
        if (r < 0)
            return -1;
        h->overridden |= r ? methods[i].flag : 0;
    }
    return 0;
}

int overridden_look(struct handler *h)
{
    h->overridden = 0;
    if ((PyObject *)Py_TYPE(h) != parts.handler && look_at_handler(h) < 0)
        return -1;
    PyObject *server = or_none(h->server);
    int r = PyObject_IsInstance(server, parts.server);
    if (r > 0)
        r = !differs(Py_TYPE(server), parts.server, "get_environ");
    if (r < 0)
        return -1;
    h->overridden |= r ? 0 : SERVER_GET_ENVIRON;
    return 0;
}

/*
 * Look-ups of names by the runtime's resolver, which asks by c-ares in the
 * hub's loop: no thread waits meanwhile. What they are given has been made text
 * in ASCII by Python, and what they return is as _socket's functions return it.
 */
#include "sockets/private.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "grove.h"

/* socket.gaierror. */
static PyObject *gaierror;

/* A call of the resolver's that may park; not in the hub. 0 or -1 with an
 * exception. */
static int begin_look_up(struct call *call)
{
    if (call_begin(call, -1, Py_None) < 0)
        return -1;
    if (call->blocking)
        return 0;
    errno = EAGAIN;
    return call_raise(call); /* BlockingSwitchOutError */
}

static void raise_gaierror(int error)
{
    PyObject *args = Py_BuildValue("(is)", error, gai_strerror(error));
    if (args)
        PyErr_SetObject(gaierror, args);
    Py_XDECREF(args);
}

/* What the resolver returned: 0, or -1 with an exception. */
static int end_look_up(const struct call *call, int error)
{
    if (call_end(call, error == EAI_SYSTEM ? -1 : 0) < 0)
        return -1;
    if (error == 0)
        return 0;
    raise_gaierror(error);
    return -1;
}

/* ---- names to addresses ---------------------------------------------------- */

/* (host, port), with two more for IPv6. */
static PyObject *address_tuple(const struct sockaddr *addr)
{
    char text[INET6_ADDRSTRLEN];
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)addr;
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        return Py_BuildValue("(si)", text, (int)ntohs(in->sin_port));
    }
    assert(addr->sa_family == AF_INET6);
    const struct sockaddr_in6 *in6 = (const void *)addr;
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    return Py_BuildValue("(siII)", text, (int)ntohs(in6->sin6_port),
                         (unsigned)ntohl(in6->sin6_flowinfo),
                         (unsigned)in6->sin6_scope_id);
}

static PyObject *list_of_addresses(const struct addrinfo *found)
{
    PyObject *list = PyList_New(0);
    for (const struct addrinfo *a = found; list && a; a = a->ai_next) {
        const char *canonical = a->ai_canonname ? a->ai_canonname : "";
        PyObject *entry =
            Py_BuildValue("(iiisN)", a->ai_family, a->ai_socktype,
                          a->ai_protocol, canonical, address_tuple(a->ai_addr));
        if (!entry || PyList_Append(list, entry) < 0)
            Py_CLEAR(list);
        Py_XDECREF(entry);
    }
    return list;
}

PyDoc_STRVAR(getaddrinfo_doc,
             "dns_getaddrinfo(host, service, family, type, proto, flags) -> "
             "list\n\n"
             "As _socket.getaddrinfo; host and service are text or None.\n"
             "socket.gaierror when there is no such name.");

static PyObject *dns_getaddrinfo(PyObject *module, PyObject *args)
{
    const char *host, *service;
    struct addrinfo hints = {0}, *found = NULL;
    if (!PyArg_ParseTuple(args, "zziiii:dns_getaddrinfo", &host, &service,
                          &hints.ai_family, &hints.ai_socktype,
                          &hints.ai_protocol, &hints.ai_flags))
        return NULL;
    struct call call;
    if (begin_look_up(&call) < 0)
        return NULL;
    int error = net_getaddrinfo(host, service, &hints, &found, call.deadline);
    PyObject *list = NULL;
    if (end_look_up(&call, error) == 0)
        list = list_of_addresses(found);
    if (error == 0)
        grove_freeaddrinfo(found);
    return list;
}

/* ---- addresses to names ---------------------------------------------------- */

/* The address that the numeric host and service stand for: libc's list of one,
 * or NULL with an exception. */
static struct addrinfo *numeric_address(const char *host, const char *service)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_DGRAM},
                    *found = NULL;
    int error = getaddrinfo(host, service, &hints, &found);
    if (error == 0)
        return found;
    raise_gaierror(error);
    return NULL;
}

PyDoc_STRVAR(getnameinfo_doc,
             "dns_getnameinfo(host, service, flags) -> (host, service)\n\n"
             "The names of a numeric address and port, which are text.\n"
             "socket.gaierror when they have none and flags want one.");

static PyObject *dns_getnameinfo(PyObject *module, PyObject *args)
{
    const char *number, *port;
    int flags;
    if (!PyArg_ParseTuple(args, "ssi:dns_getnameinfo", &number, &port, &flags))
        return NULL;
    struct addrinfo *address = numeric_address(number, port);
    if (!address)
        return NULL;
    struct call call;
    PyObject *names = NULL;
    if (begin_look_up(&call) == 0) {
        char host[NI_MAXHOST], service[NI_MAXSERV];
        int error = grove_getnameinfo_until(
            address->ai_addr, address->ai_addrlen, host, sizeof(host), service,
            sizeof(service), flags, call.deadline);
        if (end_look_up(&call, error) == 0)
            names = Py_BuildValue("(ss)", host, service);
    }
    freeaddrinfo(address);
    return names;
}

/* ---- whom to ask ------------------------------------------------------------- */

PyDoc_STRVAR(set_servers_doc,
             "dns_set_servers(servers)\n\n"
             "Have all threads ask these servers, \"127.0.0.1:53,[::1]:53\",\n"
             "from now on; None: the system's. ValueError when it is no such\n"
             "list.");

static PyObject *dns_set_servers(PyObject *module, PyObject *args)
{
    const char *servers;
    if (!PyArg_ParseTuple(args, "z:dns_set_servers", &servers))
        return NULL;
    int r = grove_dns_set_servers(servers);
    if (r == -EINVAL) {
        PyErr_Format(PyExc_ValueError, "not a list of servers: %s", servers);
        return NULL;
    }
    if (r < 0) {
        errno = -r;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

/* ---- the module -------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"dns_getaddrinfo", dns_getaddrinfo, METH_VARARGS, getaddrinfo_doc},
    {"dns_getnameinfo", dns_getnameinfo, METH_VARARGS, getnameinfo_doc},
    {"dns_set_servers", dns_set_servers, METH_VARARGS, set_servers_doc},
    {NULL, NULL, 0, NULL},
};

int names_init(PyObject *module)
{
    PyObject *sockets = PyImport_ImportModule("_socket");
    if (!sockets)
        return -1;
    gaierror = PyObject_GetAttrString(sockets, "gaierror");
    Py_DECREF(sockets);
    return gaierror ? PyModule_AddFunctions(module, functions) : -1;
}

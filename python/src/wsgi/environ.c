/*
 * The environment of a request: what the server begins every one with, and what
 * the request's head says.
 *
 * It is made of the head's bytes, unless a program has looked at the headers,
 * and so may have changed them: then it is made of these.
 */
#include "wsgi/private.h"

/* ---- setting ------------------------------------------------------------------------ */

/* value is stolen; NULL is an exception that is set. */
static int put(PyObject *env, PyObject *key, PyObject *value)
{
    int r = value ? PyDict_SetItem(env, key, value) : -1;
    Py_XDECREF(value);
    return r;
}

/* Several fields of one name are one, told with commas; of cookies, with
 * semicolons. */
static int put_more(PyObject *env, PyObject *key, PyObject *before,
                    PyObject *value)
{
    const char *format = key == names.HTTP_COOKIE ? "%U; %U" : "%U,%U";
    return put(env, key, PyUnicode_FromFormat(format, before, value));
}

static int put_named(PyObject *env, PyObject *key, PyObject *value)
{
    if (key == keys_skip)
        return 0;
    PyObject *there = PyDict_GetItemWithError(env, key);
    if (!there)
        return PyErr_Occurred() ? -1 : PyDict_SetItem(env, key, value);
    if (key == names.CONTENT_TYPE || key == names.CONTENT_LENGTH)
        return PyDict_SetItem(env, key, value);
    Py_INCREF(there);
    int r = put_more(env, key, there, value);
    Py_DECREF(there);
    return r;
}

/* value is stolen; NULL is an exception that is set. */
static int put_field(PyObject *env, grove_http_text name, PyObject *value)
{
    PyObject *key = value ? keys_of(name) : NULL;
    int r = key ? put_named(env, key, value) : -1;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return r;
}

/* ---- the path ------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of what %XX stands for; -1: these are other characters. */
static int escaped(const char *at, const char *end)
{
    if (end - at < 3 || hex_value(at[1]) < 0 || hex_value(at[2]) < 0)
        return -1;
    return hex_value(at[1]) * 16 + hex_value(at[2]);
}

static PyObject *decode(grove_http_text path)
{
    char *buffer = PyMem_Malloc(path.size + 1), *to = buffer;
    if (!buffer)
        return PyErr_NoMemory();
    for (const char *at = path.at, *end = at + path.size; at < end;) {
        int byte = *at == '%' ? escaped(at, end) : -1;
        *to++ = byte < 0 ? *at : (char)byte;
        at += byte < 0 ? 1 : 3;
    }
    PyObject *text = PyUnicode_DecodeLatin1(buffer, to - buffer, NULL);
    PyMem_Free(buffer);
    return text;
}

static bool begins(grove_http_text text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.at, with, size) == 0;
}

/* A URL, as proxies are sent: its path. */
static grove_http_text path_of(grove_http_text target)
{
    size_t scheme = begins(target, "http://")    ? 7
                    : begins(target, "https://") ? 8
                                                 : 0;
    if (scheme == 0)
        return target;
    target.at += scheme;
    target.size -= scheme;
    const char *slash = memchr(target.at, '/', target.size);
    if (!slash)
        return grove_http_text_of("/");
    target.size -= (size_t)(slash - target.at);
    target.at = slash;
    return target;
}

/* whole is a string of all of target, or NULL. */
static int put_path(PyObject *env, grove_http_text target, PyObject *whole)
{
    const char *mark = memchr(target.at, '?', target.size);
    grove_http_text query = {NULL, 0}, path = target;
    if (mark) {
        path.size = (size_t)(mark - target.at);
        query = (grove_http_text){mark + 1, target.size - path.size - 1};
    }
    path = path_of(path);
    bool plain = !memchr(path.at, '%', path.size);
    PyObject *info = plain && whole && path.size == target.size
                         ? Py_NewRef(whole)
                     : plain ? head_str(path)
                             : decode(path);
    if (put(env, names.PATH_INFO, info) < 0)
        return -1;
    return put(env, names.QUERY_STRING,
               query.size ? head_str(query) : Py_NewRef(names.empty));
}

/* ---- of the head's bytes ------------------------------------------------------------------ */

static int put_fields(PyObject *env, const struct head *head)
{
    for (size_t i = 0; i < head->parsed.field_count; i++) {
        const grove_http_field *f = &head->parsed.fields[i];
        if (put_field(env, f->name, head_str(f->value)) < 0)
            return -1;
    }
    return 0;
}

/* ---- of the attributes ---------------------------------------------------------------------- */

/* ASCII and below 256: what clients can have sent; the characters are its. -1
 * with an exception: it is no such string. */
static int text_of(PyObject *string, grove_http_text *text, PyObject **bytes)
{
    *bytes = PyUnicode_AsLatin1String(string);
    if (!*bytes)
        return -1;
    *text = (grove_http_text){PyBytes_AS_STRING(*bytes),
                              (size_t)PyBytes_GET_SIZE(*bytes)};
    return 0;
}

static int put_pair(PyObject *env, PyObject *pair)
{
    PyObject *name, *value, *bytes;
    grove_http_text text;
    if (!PyArg_ParseTuple(pair, "UO", &name, &value) ||
        text_of(name, &text, &bytes) < 0)
        return -1;
    int r = put_field(env, text, PyObject_Str(value));
    Py_DECREF(bytes);
    return r;
}

static int put_headers(PyObject *env, PyObject *headers)
{
    PyObject *items = PyMapping_Items(headers);
    PyObject *pairs = items ? PySequence_Fast(items, "headers") : NULL;
    Py_XDECREF(items);
    int r = pairs ? 0 : -1;
    for (Py_ssize_t i = 0; r == 0 && i < PySequence_Fast_GET_SIZE(pairs); i++)
        r = put_pair(env, PySequence_Fast_GET_ITEM(pairs, i));
    Py_XDECREF(pairs);
    return r;
}

static int put_path_of(PyObject *env, PyObject *path)
{
    PyObject *bytes;
    grove_http_text text;
    if (!path || !PyUnicode_Check(path)) {
        PyErr_SetString(PyExc_TypeError, "path is no string");
        return -1;
    }
    if (text_of(path, &text, &bytes) < 0)
        return -1;
    int r = put_path(env, text, NULL);
    Py_DECREF(bytes);
    return r;
}

/* ---- all of it -------------------------------------------------------------------------------- */

/* What every request of the server begins with. */
static PyObject *begin(struct handler *h)
{
    if (h->overridden & SERVER_GET_ENVIRON)
        return PyObject_CallMethodNoArgs(or_none(h->server), names.get_environ);
    PyObject *base = PyObject_GetAttr(or_none(h->server), names.environ);
    PyObject *type =
        base ? PyObject_GetAttr(or_none(h->server), names.environ_class) : NULL;
    PyObject *env = NULL;
    if (type == (PyObject *)&PyDict_Type && PyDict_Check(base))
        env = PyDict_Copy(base);
    else if (type)
        env = PyObject_CallOneArg(type, base);
    Py_XDECREF(type);
    Py_XDECREF(base);
    return env;
}

static int remember_peer(struct handler *h)
{
    PyObject *host = PyTuple_GET_ITEM(h->client_address, 0);
    PyObject *port = PyTuple_GET_ITEM(h->client_address, 1);
    h->remote_addr = PyObject_Str(host);
    h->remote_port = PyObject_Str(port);
    return h->remote_addr && h->remote_port ? 0 : -1;
}

static int put_peer(PyObject *env, struct handler *h)
{
    if (!h->client_address || !PyTuple_Check(h->client_address) ||
        PyTuple_GET_SIZE(h->client_address) < 2)
        return 0;
    if (!h->remote_addr && remember_peer(h) < 0)
        return -1;
    return PyDict_SetItem(env, names.REMOTE_ADDR, h->remote_addr) < 0 ||
                   PyDict_SetItem(env, names.REMOTE_PORT, h->remote_port) < 0
               ? -1
               : 0;
}

static int put_request(PyObject *env, struct handler *h)
{
    if (PyDict_SetItem(env, names.REQUEST_METHOD, or_none(h->command)) < 0 ||
        PyDict_SetItem(env, names.SCRIPT_NAME, names.empty) < 0 ||
        PyDict_SetItem(env, names.SERVER_PROTOCOL,
                       or_none(h->request_version)) < 0)
        return -1;
    return put_peer(env, h);
}

/* As body_new takes it. */
static int length_of_body(PyObject *env, const struct handler *h,
                          int64_t *length)
{
    *length = h->length;
    int told = *length != 0 ? 1 : PyDict_Contains(env, names.CONTENT_LENGTH);
    if (told == 0)
        *length = BODY_NONE;
    return told < 0 ? -1 : 0;
}

static int put_input(PyObject *env, struct handler *h)
{
    PyObject *socket = h->expects_continue ? h->socket : NULL;
    int64_t length;
    if (length_of_body(env, h, &length) < 0)
        return -1;
    handler_set(&h->wsgi_input, body_new(or_none(h->rfile), length, socket));
    if (!h->wsgi_input)
        return -1;
    /* Who takes the connection over reads what follows as it comes. */
    PyObject *input = h->takes_over ? or_none(h->rfile) : h->wsgi_input;
    PyObject *ends = h->takes_over ? Py_False : Py_True;
    return PyDict_SetItem(env, names.input, input) < 0 ||
                   PyDict_SetItem(env, names.input_terminated, ends) < 0
               ? -1
               : 0;
}

static int put_head(PyObject *env, struct handler *h, const struct head *head)
{
    return put_path(env, head->parsed.target, h->path) < 0 ||
                   put_fields(env, head) < 0
               ? -1
               : 0;
}

static int put_attributes(PyObject *env, struct handler *h)
{
    struct head head;
    if (h->head && !h->headers) {
        if (put_path_of(env, h->path) < 0 || head_again(h->head, &head) < 0)
            return -1;
        int fields = put_fields(env, &head);
        head_end(&head);
        return fields;
    }
    PyObject *headers = PyObject_GetAttrString((PyObject *)h, "headers");
    int r = headers && put_path_of(env, h->path) == 0
                ? put_headers(env, headers)
                : -1;
    Py_XDECREF(headers);
    return r;
}

PyObject *environ_make(struct handler *h, const struct head *head)
{
    PyObject *env = begin(h);
    if (!env)
        return NULL;
    if (!PyDict_Check(env))
        PyErr_SetString(PyExc_TypeError, "the server's environ is no dict");
    else if (put_request(env, h) == 0 &&
             (head ? put_head(env, h, head) : put_attributes(env, h)) == 0 &&
             put_input(env, h) == 0)
        return env;
    Py_DECREF(env);
    return NULL;
}

static PyObject *get_environ(PyObject *self, PyObject *none)
{
    (void)none;
    return environ_make(handler_of(self), NULL);
}

PyMethodDef environ_methods[] = {
    {"get_environ", get_environ, METH_NOARGS,
     "get_environ($self, /)\n"
     "--\n"
     "\n"
     "The WSGI environment of the request: a new dict, of the server's\n"
     "environ_class.\n\n"
     "    >>> class Named(WSGIHandler):\n"
     "    ...     def get_environ(self):\n"
     "    ...         environ = super().get_environ()\n"
     "    ...         print(environ[\"REQUEST_METHOD\"], "
     "environ[\"PATH_INFO\"])\n"
     "    ...         return environ\n"
     "    >>> ask(Named)[-1]\n"
     "    GET /\n"
     "    'hello'"},
    {NULL, NULL, 0, NULL}};

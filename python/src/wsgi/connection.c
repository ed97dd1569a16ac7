/*
 * A connection: request after request, until it ends.
 *
 *     handle --> handle_one_request --> handle_one_response --> log_request
 *                   |       |               |
 *          read_request  get_environ   run_application --> process_result
 *
 * What a subclass has of its own is called as a method, the rest as the
 * functions here.
 */
#include "wsgi/private.h"

#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static PyObject *as_none(int r)
{
    return r < 0 ? NULL : Py_NewRef(Py_None);
}

/* self.name(): 0, or -1 with an exception. */
static int call(struct handler *h, PyObject *name)
{
    PyObject *r = PyObject_CallMethodNoArgs((PyObject *)h, name);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

/* ---- a response ---------------------------------------------------------------------------- */

/* The exception that is set, which is none from then on; NULL: none was. */
static PyObject *put_aside(void)
{
    return PyErr_Occurred() ? exception_take() : NULL;
}

/* It is set again; or it came before the one that is set now. */
static void put_back(PyObject *aside)
{
    if (!aside)
        return;
    PyObject *later = put_aside();
    if (later)
        PyException_SetContext(later, aside);
    exception_set(later ? later : aside);
}

static int call_close(PyObject *result)
{
    if (!PyObject_HasAttr(result, names.close))
        return 0;
    PyObject *closed = PyObject_CallMethodNoArgs(result, names.close);
    Py_XDECREF(closed);
    return closed ? 0 : -1;
}

/* What the application returned is closed and forgotten; an exception that is
 * set stays, unless close() has one. */
static int close_result(struct handler *h)
{
    PyObject *result = h->result;
    int r = 0;
    h->result = NULL;
    if (result && !PyList_CheckExact(result) && !PyTuple_CheckExact(result)) {
        PyObject *aside = put_aside();
        r = call_close(result);
        put_back(aside);
    }
    Py_XDECREF(result);
    return r;
}

static int send_result(struct handler *h)
{
    return h->overridden & PROCESS_RESULT ? call(h, names.process_result)
                                          : write_result(h);
}

/* Our run_application. */
static int run(struct handler *h)
{
    PyObject *start = PyObject_GetAttr((PyObject *)h, names.start_response);
    PyObject *application = Py_NewRef(or_none(h->application));
    PyObject *environ = Py_NewRef(or_none(h->environ));
    PyObject *args[] = {NULL, environ, start};
    PyObject *result =
        start ? PyObject_Vectorcall(application, args + 1,
                                    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL)
              : NULL;
    Py_DECREF(environ);
    Py_DECREF(application);
    Py_XDECREF(start);
    if (!result)
        return -1;
    handler_set(&h->result, result);
    int r = send_result(h);
    return close_result(h) < 0 ? -1 : r;
}

static PyObject *run_application(PyObject *self, PyObject *none)
{
    (void)none;
    return as_none(run(handler_of(self)));
}

/* What the application did not read of the request is not to be taken for the
 * next one: by Python's _drop_body(). */
static int drop_body(struct handler *h)
{
    PyObject *body = h->wsgi_input;
    if (h->connection_upgraded || h->takes_over ||
        (body && Py_IS_TYPE(body, parts.input) && ((struct body *)body)->ended))
        return 0;
    PyObject *r = PyObject_CallMethod((PyObject *)h, "_drop_body", NULL);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

/* The exception that is set befell the response: Python's _failed(error) deals
 * with it. */
static int failed(struct handler *h)
{
    PyObject *error = exception_take();
    PyObject *r = PyObject_CallMethod((PyObject *)h, "_failed", "O", error);
    Py_DECREF(error);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

/* A line of the log, unless that is nowhere. */
static int log_response(struct handler *h)
{
    if (h->overridden & LOG_REQUEST)
        return call(h, names.log_request);
    PyObject *log = PyObject_GetAttr(or_none(h->server), names.log);
    if (!log)
        return -1;
    bool nowhere = Py_IS_TYPE(log, parts.nowhere);
    Py_DECREF(log);
    return nowhere ? 0 : call(h, names.log_request);
}

/* The same with the exception that is set, which stays. */
static void log_failed(struct handler *h)
{
    PyObject *aside = put_aside();
    if (log_response(h) < 0)
        PyErr_WriteUnraisable((PyObject *)h);
    put_back(aside);
}

/* Our handle_one_response. */
static int respond(struct handler *h)
{
    h->time_start = now();
    start_reset(h);
    int r = h->overridden & RUN_APPLICATION ? call(h, names.run_application)
                                            : run(h);
    if (r == 0)
        r = write_check_length(h);
    if (r == 0)
        r = drop_body(h);
    if (r < 0)
        r = failed(h);
    h->time_finish = now();
    if (r == 0)
        return log_response(h);
    log_failed(h);
    return -1;
}

static PyObject *handle_one_response(PyObject *self, PyObject *none)
{
    (void)none;
    return as_none(respond(handler_of(self)));
}

/* ---- a request ------------------------------------------------------------------------------ */

/* What a request came to. */
enum outcome {
    FAILED = -1, /* an exception is set */
    END = 0,     /* the connection ends */
    MORE = 1,
    ANSWER = 2, /* *answer is to be sent, and then it ends */
};

static int reader_is_closed(struct handler *h)
{
    if (!h->rfile || h->rfile == Py_None)
        return 1;
    if (Py_IS_TYPE(h->rfile, &Reader_Type))
        return ((struct reader *)h->rfile)->socket == NULL;
    PyObject *closed = PyObject_GetAttrString(h->rfile, "closed");
    int r = closed ? PyObject_IsTrue(closed) : -1;
    Py_XDECREF(closed);
    return r;
}

/* Our handle_one_request, once it has been read. head: NULL, if Python has. */
static enum outcome answer_request(struct handler *h, const struct head *head)
{
    PyObject *environ =
        h->overridden & GET_ENVIRON
            ? PyObject_CallMethodNoArgs((PyObject *)h, names.get_environ)
            : environ_make(h, head);
    if (!environ)
        return FAILED;
    handler_set(&h->environ, environ);
    handler_set(&h->application,
                PyObject_GetAttr(or_none(h->server), names.application));
    if (!h->application)
        return FAILED;
    int r = h->overridden & HANDLE_ONE_RESPONSE
                ? call(h, names.handle_one_response)
                : respond(h);
    if (r < 0)
        return FAILED;
    if (h->close_connection || h->connection_upgraded)
        return END;
    int closed = reader_is_closed(h);
    return closed < 0 ? FAILED : closed ? END : MORE;
}

/* What handle_one_request returned. */
static enum outcome outcome_of(PyObject *returned, PyObject **answer)
{
    if (!returned)
        return FAILED;
    if (returned != Py_None && returned != Py_True) {
        *answer = returned;
        return ANSWER;
    }
    enum outcome outcome = returned == Py_True ? MORE : END;
    Py_DECREF(returned);
    return outcome;
}

/* By read_requestline() and read_request(): Python's _read_by_methods(). */
static enum outcome read_by_methods(struct handler *h, PyObject **answer)
{
    if (Py_IS_TYPE(h->rfile, &Reader_Type)) {
        enum request_result there = request_wait(h);
        if (there == REQUEST_FAILED)
            return FAILED;
        /* The end of the stream is theirs to read. */
        if (there == REQUEST_NONE || (there == REQUEST_ENDED && h->draining))
            return END;
    }
    PyObject *returned =
        PyObject_CallMethod((PyObject *)h, "_read_by_methods", NULL);
    enum outcome outcome = outcome_of(returned, answer);
    return outcome == MORE ? answer_request(h, NULL) : outcome;
}

/* The request before is not to be seen in a line about this one. */
static void begin(struct handler *h)
{
    h->time_start = now();
    h->time_finish = 0;
    h->response_length = h->head_length = 0;
    h->headers_sent = false;
    if (h->status || h->told_status)
        start_reset(h);
}

/* Apart: a connection that waits for a request has no head on its stack. */
__attribute__((noinline)) static enum outcome read_and_answer(struct handler *h,
                                                              PyObject **answer)
{
    struct head head;
    switch (request_read(h, &head, answer)) {
    case REQUEST_REFUSED:
        return ANSWER;
    case REQUEST_FAILED:
        return FAILED;
    case REQUEST_READ:
        break;
    default:
        return END;
    }
    enum outcome outcome = answer_request(h, &head);
    head_end(&head);
    return outcome;
}

static enum outcome one_request(struct handler *h, PyObject **answer)
{
    int closed = reader_is_closed(h);
    if (closed)
        return closed < 0 ? FAILED : END;
    begin(h);
    if (h->overridden & (READ_REQUESTLINE | READ_REQUEST) ||
        !Py_IS_TYPE(h->rfile, &Reader_Type))
        return read_by_methods(h, answer);
    switch (request_wait(h)) {
    case REQUEST_READ:
        return read_and_answer(h, answer);
    case REQUEST_FAILED:
        return FAILED;
    default:
        return END;
    }
}

/* The timeouts and limits may be changed in a server that runs: they are those
 * of when the connection began. */
static int look_at_timeout(struct handler *h, PyObject *name, int64_t *place)
{
    PyObject *seconds = PyObject_GetAttr(or_none(h->server), name);
    *place = 0;
    if (!seconds) {
        PyErr_Clear(); /* a server of another kind: no time-outs */
        return 0;
    }
    double number = seconds == Py_None ? 0 : PyFloat_AsDouble(seconds);
    Py_DECREF(seconds);
    if (PyErr_Occurred())
        return -1;
    /* What the clock could not count up to is no limit. */
    *place = number < 9e9 ? (int64_t)(number * 1e9) : 0;
    return 0;
}

static int look_at_limits(struct handler *h)
{
    PyObject *line = PyObject_GetAttr((PyObject *)h, names.max_request_line);
    h->max_line = line ? PyLong_AsSize_t(line) : 0;
    Py_XDECREF(line);
    if (PyErr_Occurred())
        return -1;
    return look_at_timeout(h, names.idle_timeout, &h->idle_timeout) < 0 ||
                   look_at_timeout(h, names.head_timeout, &h->head_timeout) <
                       0 ||
                   look_at_timeout(h, names.body_timeout, &h->body_timeout) <
                       0 ||
                   look_at_timeout(h, names.write_timeout, &h->write_timeout) <
                       0
               ? -1
               : 0;
}

static PyObject *handle_one_request(PyObject *self, PyObject *none)
{
    (void)none;
    struct handler *h = handler_of(self);
    PyObject *answer = NULL;
    if (look_at_limits(h) < 0 || overridden_look(h) < 0)
        return NULL;
    switch (one_request(h, &answer)) {
    case MORE:
        Py_RETURN_TRUE;
    case END:
        Py_RETURN_NONE;
    case ANSWER:
        return answer;
    default:
        return NULL;
    }
}

/* ---- the connection ---------------------------------------------------------------------------- */

static enum outcome one_request_any(struct handler *h, PyObject **answer)
{
    if (!(h->overridden & HANDLE_ONE_REQUEST))
        return one_request(h, answer);
    begin(h);
    return outcome_of(
        PyObject_CallMethodNoArgs((PyObject *)h, names.handle_one_request),
        answer);
}

static PyObject *serve(PyObject *self, PyObject *none)
{
    (void)none;
    struct handler *h = handler_of(self);
    PyObject *answer = NULL;
    if (look_at_limits(h) < 0 || overridden_look(h) < 0)
        return NULL;
    enum outcome outcome = MORE;
    while (outcome == MORE && h->socket && h->socket != Py_None)
        outcome = one_request_any(h, &answer);
    if (outcome == FAILED)
        return NULL;
    return answer ? answer : Py_NewRef(Py_None);
}

static PyObject *drain(PyObject *self, PyObject *spare_new)
{
    struct handler *h = handler_of(self);
    int spare = PyObject_IsTrue(spare_new);
    if (spare < 0)
        return NULL;
    h->draining = h->close_connection = true;
    return PyBool_FromLong(h->idle && (h->asked || !spare));
}

PyMethodDef connection_methods[] = {
    {"_drain", drain, METH_O,
     "_drain(spare_new, /)\n--\n\nThe request that is under way is the last "
     "one. Whether there is none;\nspare_new: and there has been one."},
    {"_serve", serve, METH_NOARGS,
     "_serve()\n--\n\nAnswer requests until the connection ends. None; or "
     "(status, bytes): an\nerror to send before."},
    {"handle_one_request", handle_one_request, METH_NOARGS,
     "handle_one_request($self, /)\n"
     "--\n"
     "\n"
     "Read a request and answer it. True: more may come; None: the\n"
     "connection ends; or (status, bytes): an error to send before it ends.\n\n"
     "    >>> class Counting(WSGIHandler):\n"
     "    ...     def handle_one_request(self):\n"
     "    ...         print(\"one more\")\n"
     "    ...         return super().handle_one_request()\n"
     "    >>> ask(Counting)[-1]\n"
     "    one more\n"
     "    'hello'"},
    {"handle_one_response", handle_one_response, METH_NOARGS,
     "handle_one_response($self, /)\n"
     "--\n"
     "\n"
     "Answer the request that was read.\n\n"
     "    >>> class Telling(WSGIHandler):\n"
     "    ...     def handle_one_response(self):\n"
     "    ...         super().handle_one_response()\n"
     "    ...         print(self.command, self.path, self.code)\n"
     "    >>> ask(Telling)[-1]\n"
     "    GET / 200\n"
     "    'hello'"},
    {"run_application", run_application, METH_NOARGS,
     "run_application($self, /)\n"
     "--\n"
     "\n"
     "Call the application and send what it returns.\n\n"
     "    >>> import grove\n"
     "    >>> class Hurrying(WSGIHandler):\n"
     "    ...     def run_application(self):\n"
     "    ...         with grove.Timeout(60):\n"
     "    ...             super().run_application()\n"
     "    >>> ask(Hurrying)[-1]\n"
     "    'hello'"},
    {NULL, NULL, 0, NULL}};

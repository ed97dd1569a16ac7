/*
 * Reading a request: waiting for its head, and what that says of it.
 *
 *     nothing has come ---- idle_timeout ----> the connection ends
 *         |
 *     a part of the head -- head_timeout ----> 408
 *         |
 *     all of it: the attributes of the handler
 */
#include "wsgi/private.h"

static int64_t deadline_after(int64_t nanoseconds)
{
    return nanoseconds ? hub_clock() + nanoseconds : GROVE_NEVER;
}

/* ---- what it says --------------------------------------------------------------------------- */

static void forget_head(struct handler *h)
{
    handler_set(&h->requestline, NULL);
    handler_set(&h->headers, NULL);
    handler_set(&h->content_length, NULL);
    handler_set(&h->head, NULL);
}

/* The request before is over: a connection that waits for the next one holds
 * nothing of it. */
static void forget(struct handler *h)
{
    forget_head(h);
    handler_set(&h->environ, NULL);
    handler_set(&h->wsgi_input, NULL);
    handler_set(&h->path, NULL);
    start_reset(h);
}

static bool has(const grove_http_head *head, const char *name,
                const char *value)
{
    const grove_http_field *f = grove_http_find(head, name);
    return f && grove_http_equal_nocase(f->value, value);
}

/* Whether what follows the head is another protocol's, as handlers of
 * WebSockets expect it. A client that only offers another one, as those do that
 * would rather speak HTTP/2, may be answered as any; and a body is one. */
static bool takes_over(const grove_http_head *head)
{
    return head->upgrade && head->length == 0 &&
           (has(head, "Connection", "upgrade") ||
            has(head, "Upgrade", "websocket"));
}

/* The attributes of the request that head is of. */
static int take_head(struct handler *h, const struct head *head)
{
    const grove_http_head *parsed = &head->parsed;
    forget_head(h);
    handler_set(&h->head, Py_NewRef(head->bytes));
    handler_set(&h->command, keys_method(parsed->method));
    handler_set(&h->path, head_str(parsed->target));
    handler_set(&h->request_version,
                Py_NewRef(parsed->minor ? names.http_1_1 : names.http_1_0));
    h->length = parsed->length;
    h->expects_continue = parsed->expects_continue;
    h->takes_over = takes_over(parsed);
    h->close_connection = !parsed->keep_alive || h->draining;
    h->asked = true;
    if (h->rfile && Py_IS_TYPE(h->rfile, &Reader_Type))
        ((struct reader *)h->rfile)->patience =
            h->takes_over ? 0 : h->body_timeout;
    return h->command && h->path ? 0 : -1;
}

/* ---- what is wrong ---------------------------------------------------------------------------- */

/* What is there of the first line, for the log, of which it is to be one. */
static PyObject *line_there(const struct reader *r)
{
    const char *at = r->buffer + r->begin;
    size_t count = reader_count(r) < HEAD_LINE ? reader_count(r) : HEAD_LINE;
    size_t size = 0;
    while (size < count && at[size] != '\r' && at[size] != '\n')
        size++;
    return head_str((grove_http_text){at, size});
}

static enum request_result refuse(struct handler *h, const struct reader *r,
                                  int status, const char *error,
                                  PyObject **answer)
{
    forget_head(h);
    handler_set(&h->requestline, line_there(r));
    if (h->requestline)
        *answer =
            PyObject_CallMethod((PyObject *)h, "_refuse", "is", status, error);
    return *answer ? REQUEST_REFUSED : REQUEST_FAILED;
}

/* The wait for more has failed: a peer that has gone, or says nothing, is no
 * error of ours. */
static enum request_result
wait_failed(struct handler *h, const struct reader *r, PyObject **answer)
{
    bool late = PyErr_ExceptionMatches(PyExc_TimeoutError);
    if (!late && !PyErr_ExceptionMatches(PyExc_OSError))
        return REQUEST_FAILED;
    PyErr_Clear();
    if (late && reader_count(r) > 0)
        return refuse(h, r, 408, "the head did not come in time", answer);
    return REQUEST_NONE;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Wait for a line's end, without which nothing is to be seen that was not seen
 * before: in the bytes from `seen` on. 0: the connection has ended. */
static int wait_for_line(struct reader *r, size_t seen, int64_t deadline)
{
    for (;;) {
        size_t count = reader_count(r);
        const char *at = r->buffer + r->begin;
        if (count > seen &&
            (memchr(at + seen, '\n', count - seen) || count >= HEAD_LINE))
            return 1;
        seen = count < HEAD_LINE ? count : HEAD_LINE - 1;
        Py_ssize_t n = reader_fill(r, deadline);
        if (n <= 0)
            return (int)n;
    }
}

/* Of a connection on which nothing has come yet. */
static int wait_for_first(struct handler *h, struct reader *r)
{
    if (reader_count(r) > 0)
        return 1;
    if (h->draining && h->asked)
        return 0;
    forget(h);
    h->idle = true;
    Py_ssize_t n = reader_fill_idle(r, deadline_after(h->idle_timeout));
    h->idle = false;
    return n > 0 ? 1 : (int)n;
}

/* Lines without a word before a request are nothing (RFC 9112, 2.2). They are
 * not kept, or each more of them would have all be parsed again. */
static void drop_blank_lines(struct reader *r)
{
    while (reader_count(r) >= 2 && memcmp(r->buffer + r->begin, "\r\n", 2) == 0)
        reader_drop(r, 2);
}

/* REQUEST_NONE with bytes there: the connection ended within the head. */
static enum request_result read_head(struct handler *h, struct reader *r,
                                     struct head *head, PyObject **answer)
{
    int there = 1, status;
    int64_t deadline = 0;
    size_t seen = 0;
    assert(reader_count(r) > 0);
    const char *error;
    while (there > 0) {
        drop_blank_lines(r);
        seen = reader_count(r);
        int parsed = seen ? head_parse(r->buffer + r->begin, seen, h->max_line,
                                       head, &status, &error)
                          : 0;
        if (parsed > 0)
            return REQUEST_READ;
        if (parsed < 0)
            return status ? refuse(h, r, status, error, answer)
                          : REQUEST_FAILED;
        if (deadline == 0)
            deadline = deadline_after(h->head_timeout);
        there = wait_for_line(r, seen, deadline);
    }
    if (there < 0)
        return wait_failed(h, r, answer);
    return seen ? refuse(h, r, 400, "the head breaks off", answer)
                : REQUEST_NONE;
}

enum request_result request_wait(struct handler *h)
{
    struct reader *r = (struct reader *)Py_NewRef(h->rfile);
    PyObject *none = NULL;
    int there = wait_for_first(h, r);
    r->patience = 0; /* there is a limit for all of the head */
    enum request_result result = there < 0   ? wait_failed(h, r, &none)
                                 : there > 0 ? REQUEST_READ
                                             : REQUEST_ENDED;
    assert(!none);
    Py_DECREF(r);
    return result;
}

enum request_result request_read(struct handler *h, struct head *head,
                                 PyObject **answer)
{
    PyObject *rfile = Py_NewRef(h->rfile);
    enum request_result r = read_head(h, (struct reader *)rfile, head, answer);
    if (r == REQUEST_READ) {
        reader_drop((struct reader *)rfile,
                    (size_t)PyBytes_GET_SIZE(head->bytes));
        if (take_head(h, head) < 0) {
            head_end(head);
            r = REQUEST_FAILED;
        }
    }
    Py_DECREF(rfile);
    return r;
}

/* For a head that Python has read, line by line: _take_head(bytes). None, or
 * (status, why) of what is refused. */
static PyObject *take_bytes(PyObject *self, PyObject *bytes)
{
    struct handler *h = handler_of(self);
    struct head head;
    int status;
    const char *error;
    if (!PyBytes_Check(bytes)) {
        PyErr_SetString(PyExc_TypeError, "a head is bytes");
        return NULL;
    }
    int r =
        head_parse(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes),
                   h->max_line, &head, &status, &error);
    if (r <= 0)
        return r < 0 && !status ? NULL
                                : Py_BuildValue("(is)", r ? status : 400,
                                                r ? error : "no head");
    r = take_head(h, &head);
    head_end(&head);
    return r < 0 ? NULL : Py_NewRef(Py_None);
}

PyMethodDef request_methods[] = {
    {"_take_head", take_bytes, METH_O,
     "_take_head(head, /)\n--\n\nSet the attributes of the request that head "
     "is of. None, or (status,\nwhy) of one that is refused."},
    {NULL, NULL, 0, NULL}};

/*
 * Sending a response: its head and what is known of its body in one system
 * call, then each piece as it comes, in a chunk where the length was not told.
 *
 *     process_result --> write --> _write_with_headers --> _sendall
 *                          |                                  ^
 *                          +---------> _write ----------------+
 *
 * Each of these is a method that a subclass may have; where none of them is,
 * the steps are the functions here.
 */
#include "wsgi/private.h"

#include "net/net.h"

/* A body up to this size is copied behind its head; a larger one is sent from
 * where it is. */
#define COPIED_BODY (16 << 10)
/* Pieces of one system call. */
#define PIECES 32

/* ---- to the socket ------------------------------------------------------------------------ */

/* What is left after n bytes were sent. */
static void advance(struct msghdr *message, size_t n)
{
    while (n > 0) {
        struct iovec *first = message->msg_iov;
        size_t step = n < first->iov_len ? n : first->iov_len;
        first->iov_base = (char *)first->iov_base + step;
        first->iov_len -= step;
        n -= step;
        if (first->iov_len == 0) {
            message->msg_iov++;
            message->msg_iovlen--;
        }
    }
}

/* A call that takes less than all had to wait too long for the rest: that is an
 * error if it took nothing. */
static ssize_t send_once(struct handler *h, struct msghdr *message)
{
    struct py_thread *t = thread_self();
    if (!t || core_before_wait(t) < 0)
        return -1;
    int fd = reader_descriptor(h->raw);
    if (fd < 0)
        return -1;
    int64_t deadline =
        h->write_timeout ? hub_clock() + h->write_timeout : GROVE_NEVER;
    ssize_t n =
        message->msg_iovlen == 1
            ? net_send(fd, message->msg_iov->iov_base,
                       message->msg_iov->iov_len, MSG_NOSIGNAL, deadline,
                       NET_PARK)
            : net_sendmsg(fd, message, MSG_NOSIGNAL, deadline, NET_PARK);
    int error = errno;
    if (core_after_wait(t) < 0)
        return -1;
    errno = error;
    return n >= 0 ? n : reader_raise(deadline);
}

static int send_by_descriptor(struct handler *h, struct iovec *pieces,
                              size_t count, size_t size)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send_once(h, &message);
        if (n < 0)
            return -1;
        sent += (size_t)n;
        advance(&message, (size_t)n);
    }
    return 0;
}

static PyObject *joined(const struct iovec *pieces, size_t count, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *to = bytes ? PyBytes_AS_STRING(bytes) : NULL;
    for (size_t i = 0; to && i < count; i++) {
        memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
        to += pieces[i].iov_len;
    }
    return bytes;
}

static int call_with(PyObject *object, PyObject *name, PyObject *bytes)
{
    PyObject *r = bytes ? PyObject_CallMethodOneArg(object, name, bytes) : NULL;
    Py_XDECREF(r);
    return r ? 0 : -1;
}

/* bytes are stolen; NULL is an exception that is set. Who has taken the
 * connection over waits as long as it likes. */
static int send_by_method(struct handler *h, PyObject *bytes)
{
    bool paced = h->paced && !h->takes_over;
    PyObject *socket = Py_NewRef(or_none(h->socket));
    PyObject *sent = bytes ? reader_call(socket, names.sendall, bytes,
                                         paced ? h->write_timeout : 0)
                           : NULL;
    Py_DECREF(socket);
    Py_XDECREF(bytes);
    Py_XDECREF(sent);
    return sent ? 0 : -1;
}

/* The status that is logged when error has befallen a sending. */
static int note_error(struct handler *h, PyObject *error)
{
    PyObject *status = PyUnicode_FromFormat("socket error: %S", error);
    h->code = h->code > 0 ? -h->code : h->code;
    if (!status)
        return -1;
    handler_set(&h->told_status, NULL);
    handler_set(&h->status, status);
    return 0;
}

/* The same of the error that is set, which stays. */
static void note_failure(struct handler *h)
{
    if (!PyErr_ExceptionMatches(PyExc_OSError))
        return;
    PyObject *error = exception_take();
    if (note_error(h, error) < 0)
        PyErr_Clear();
    exception_set(error);
}

/* Our _sendall. */
static int send_pieces(struct handler *h, struct iovec *pieces, size_t count,
                       size_t size)
{
    int r;
    if (h->raw && h->socket == h->raw_of) {
        r = send_by_descriptor(h, pieces, count, size);
    } else {
        r = send_by_method(h, joined(pieces, count, size));
    }
    if (r < 0)
        note_failure(h);
    else
        h->response_length += (Py_ssize_t)size;
    return r;
}

static size_t size_of(const struct iovec *pieces, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

/* By _sendall, if that is overridden. The pieces are used up. */
static int send_any(struct handler *h, struct iovec *pieces, size_t count)
{
    size_t size = size_of(pieces, count);
    if (!(h->overridden & SENDALL))
        return send_pieces(h, pieces, count, size);
    PyObject *bytes = joined(pieces, count, size);
    int r = call_with((PyObject *)h, names._sendall, bytes);
    Py_XDECREF(bytes);
    return r;
}

static PyObject *sendall(PyObject *self, PyObject *data)
{
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    struct iovec piece = {view.buf, (size_t)view.len};
    int r = send_pieces(handler_of(self), &piece, 1, (size_t)view.len);
    PyBuffer_Release(&view);
    return r < 0 ? NULL : Py_NewRef(Py_None);
}

/* ---- pieces of a body --------------------------------------------------------------------------- */

/* Whether bytes of a body are sent at all. */
static bool sends_body(const struct handler *h)
{
    return fields_has_body(h) &&
           !(h->command && PyUnicode_Check(h->command) &&
             PyUnicode_CompareWithASCIIString(h->command, "HEAD") == 0);
}

/* Of size bytes of the body, those that are sent: as many as there is room for.
 * The client would take others for the beginning of the next response. */
static size_t take_room(struct handler *h, size_t size)
{
    if (h->body_room < 0)
        return size;
    if (size > (uint64_t)h->body_room) {
        h->overlong = true;
        size = (size_t)h->body_room;
    }
    h->body_room -= (int64_t)size;
    return size;
}

/* The head is sent next. A client that was to be told to send its body has not
 * been told: it may send it all the same or leave it out, and nobody can tell
 * what comes next on the connection. */
static void head_begins(struct handler *h)
{
    PyObject *input = h->wsgi_input;
    h->headers_sent = true;
    if (!input || !Py_IS_TYPE(input, parts.input))
        return;
    struct body *body = (struct body *)input;
    body->answered = true;
    h->close_connection |= body->socket && body->socket != Py_None;
}

/* What frames a piece in a chunk. */
struct chunk {
    char line[20];
    size_t size;
};

static void chunk_begin(struct chunk *c, size_t size)
{
    c->size = (size_t)snprintf(c->line, sizeof(c->line), "%zx\r\n", size);
}

/* head (NULL: it was sent) and data, whose bytes may be none. */
static int send_with_head(struct handler *h, char *head, size_t head_size,
                          const Py_buffer *data)
{
    struct iovec pieces[4];
    size_t count = 0;
    struct chunk chunk;
    size_t size = sends_body(h) ? take_room(h, (size_t)data->len) : 0;
    bool body = size > 0;
    if (head_size)
        pieces[count++] = (struct iovec){head, head_size};
    if (body && h->response_use_chunked) {
        chunk_begin(&chunk, size);
        pieces[count++] = (struct iovec){chunk.line, chunk.size};
    }
    if (body)
        pieces[count++] = (struct iovec){data->buf, size};
    if (body && h->response_use_chunked)
        pieces[count++] = (struct iovec){(char *)"\r\n", 2};
    return count ? send_any(h, pieces, count) : 0;
}

/* The bytes of data; none of what is false, whatever it is: handlers of
 * WebSockets write '' to have the head sent. */
static int view_of(PyObject *data, Py_buffer *view)
{
    int some = PyObject_IsTrue(data);
    *view = (Py_buffer){.obj = NULL};
    return some > 0 ? PyObject_GetBuffer(data, view, PyBUF_SIMPLE) : some;
}

/* Our _write. */
static int write_piece(struct handler *h, PyObject *data)
{
    Py_buffer view;
    if (view_of(data, &view) < 0)
        return -1;
    int r = send_with_head(h, NULL, 0, &view);
    PyBuffer_Release(&view);
    return r;
}

/* Our _write_with_headers, when all of the body has total bytes. */
static int write_first(struct handler *h, PyObject *data, int64_t total)
{
    Py_buffer view;
    size_t size;
    if (view_of(data, &view) < 0)
        return -1;
    head_begins(h);
    char *head =
        fields_finalize_any(h, total) == 0 ? fields_head(h, 0, &size) : NULL;
    int r = head ? send_with_head(h, head, size, &view) : -1;
    PyMem_Free(head);
    PyBuffer_Release(&view);
    return r;
}

/* ---- write ---------------------------------------------------------------------------------------- */

static int raise_application_error(struct handler *h, const char *format, ...)
{
    PyObject *error = PyObject_GetAttrString((PyObject *)h, "ApplicationError");
    va_list arguments;
    va_start(arguments, format);
    if (error)
        PyErr_FormatV(error, format, arguments);
    va_end(arguments);
    Py_XDECREF(error);
    return -1;
}

static bool has_status(const struct handler *h)
{
    return h->status || h->told_status;
}

static int check_write(struct handler *h, PyObject *data)
{
    if ((h->code == 204 || h->code == 304) && PyObject_IsTrue(data) == 1)
        return raise_application_error(h, "The %d response must have no body",
                                       h->code);
    if (!h->headers_sent && !has_status(h))
        return raise_application_error(
            h, "The application did not call start_response()");
    return 0;
}

/* Bytes of a list or a tuple of bytes, none of which is anything else; -1. */
static int64_t plain_total(PyObject *result)
{
    if (!result || !(PyList_CheckExact(result) || PyTuple_CheckExact(result)))
        return -1;
    int64_t total = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(result); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(result, i);
        if (!PyBytes_CheckExact(item))
            return -1;
        total += PyBytes_GET_SIZE(item);
    }
    return total;
}

static int write_first_any(struct handler *h, PyObject *data)
{
    if (!(h->overridden & WRITE_WITH_HEADERS))
        return write_first(h, data, plain_total(h->result));
    return call_with((PyObject *)h, names._write_with_headers, data);
}

static int write_piece_any(struct handler *h, PyObject *data)
{
    if (!(h->overridden & WRITE_DATA))
        return write_piece(h, data);
    return call_with((PyObject *)h, names._write, data);
}

/* Our write. */
static int write_data(struct handler *h, PyObject *data)
{
    if (check_write(h, data) < 0)
        return -1;
    return h->headers_sent ? write_piece_any(h, data)
                           : write_first_any(h, data);
}

static int write_data_any(struct handler *h, PyObject *data)
{
    if (!(h->overridden & WRITE))
        return write_data(h, data);
    return call_with((PyObject *)h, names.write, data);
}

static PyObject *as_none(int r)
{
    return r < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *write_method(PyObject *self, PyObject *data)
{
    return as_none(write_data(handler_of(self), data));
}

static PyObject *write_piece_method(PyObject *self, PyObject *data)
{
    return as_none(write_piece(handler_of(self), data));
}

static PyObject *write_first_method(PyObject *self, PyObject *data)
{
    struct handler *h = handler_of(self);
    return as_none(write_first(h, data, plain_total(h->result)));
}

/* ---- all that the application returned --------------------------------------------------------------- */

/* What is sent of item, a piece of the body, when *left bytes are. */
static struct iovec take_item(PyObject *item, size_t *left)
{
    size_t size = (size_t)PyBytes_GET_SIZE(item);
    size = size < *left ? size : *left;
    *left -= size;
    return (struct iovec){PyBytes_AS_STRING(item), size};
}

/* The head with a short body behind it, total bytes: one piece. */
static int send_copied(struct handler *h, PyObject *result, size_t total)
{
    size_t size;
    char *head = fields_head(h, total, &size);
    if (!head)
        return -1;
    for (Py_ssize_t i = 0; total > 0; i++) {
        struct iovec item =
            take_item(PySequence_Fast_GET_ITEM(result, i), &total);
        memcpy(head + size, item.iov_base, item.iov_len);
        size += item.iov_len;
    }
    struct iovec piece = {head, size};
    int r = send_pieces(h, &piece, 1, size);
    PyMem_Free(head);
    return r;
}

/* The head and a few large pieces, as they are: kept in a tuple, for whoever
 * has the list may take them out of it meanwhile. */
static int send_gathered(struct handler *h, PyObject *result, size_t total)
{
    struct iovec pieces[PIECES];
    PyObject *kept = PySequence_Tuple(result);
    size_t size;
    char *head = kept ? fields_head(h, 0, &size) : NULL;
    if (!head) {
        Py_XDECREF(kept);
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(kept);
    assert(count < PIECES);
    pieces[0] = (struct iovec){head, size};
    size += total;
    for (Py_ssize_t i = 0; i < count; i++)
        pieces[i + 1] = take_item(PyTuple_GET_ITEM(kept, i), &total);
    int r = send_pieces(h, pieces, (size_t)count + 1, size);
    PyMem_Free(head);
    Py_DECREF(kept);
    return r;
}

/* Steps of which none is overridden may be taken at once. */
#define EACH_STEP (WRITE | WRITE_DATA | WRITE_WITH_HEADERS | SENDALL)

/* Whether the response is sent by one call: its pieces are bytes, and it has
 * not begun. total: of their bytes, or -1. */
static bool goes_at_once(const struct handler *h, PyObject *result,
                         int64_t total)
{
    return total >= 0 && !(h->overridden & EACH_STEP) && !h->headers_sent &&
           has_status(h) && (fields_has_body(h) || total == 0) &&
           (total <= COPIED_BODY || PySequence_Fast_GET_SIZE(result) < PIECES);
}

/* Nobody else runs before the bytes of result are gathered. */
static int send_at_once(struct handler *h, PyObject *result, int64_t total)
{
    head_begins(h);
    if (fields_finalize_any(h, total) < 0)
        return -1;
    size_t size = sends_body(h) ? take_room(h, (size_t)total) : 0;
    /* Chunks are not to be asked for by a header and left out. */
    if (h->response_use_chunked || plain_total(result) != total)
        return PyErr_SetString(PyExc_RuntimeError,
                               "finalize_headers changed what is sent"),
               -1;
    return size <= COPIED_BODY ? send_copied(h, result, size)
                               : send_gathered(h, result, size);
}

/* What is still to come of the body goes nowhere: it may have no end, and who
 * sends nothing never learns that the client has gone. */
static bool rest_is_lost(const struct handler *h)
{
    return h->headers_sent && (h->overlong || !sends_body(h)) &&
           !(h->overridden & (WRITE | WRITE_DATA | WRITE_WITH_HEADERS));
}

static int write_each(struct handler *h, PyObject *result)
{
    PyObject *each = PyObject_GetIter(result), *data;
    if (!each)
        return -1;
    int r = 0;
    while (r == 0 && !rest_is_lost(h) && (data = PyIter_Next(each))) {
        int some = PyObject_IsTrue(data);
        r = some > 0 ? write_data_any(h, data) : some;
        Py_DECREF(data);
    }
    Py_DECREF(each);
    return r < 0 || PyErr_Occurred() ? -1 : 0;
}

static int send_string(struct handler *h, const char *string)
{
    struct iovec piece = {(char *)string, strlen(string)};
    return send_any(h, &piece, 1);
}

/* The head, if nothing has sent it, and the last chunk. */
static int write_end(struct handler *h)
{
    if (!h->headers_sent) {
        PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
        int r = nothing ? write_data_any(h, nothing) : -1;
        Py_XDECREF(nothing);
        if (r < 0)
            return -1;
    }
    return h->response_use_chunked && sends_body(h)
               ? send_string(h, "0\r\n\r\n")
               : 0;
}

int write_result(struct handler *h)
{
    PyObject *result = or_none(h->result);
    Py_INCREF(result);
    int64_t total = plain_total(result);
    int r;
    if (goes_at_once(h, result, total))
        r = send_at_once(h, result, total);
    else if (Py_IS_TYPE(result, parts.file_wrapper))
        r = call_with((PyObject *)h, names._send_file, result);
    else
        r = write_each(h, result) < 0 ? -1 : write_end(h);
    Py_DECREF(result);
    return r;
}

static PyObject *process_result(PyObject *self, PyObject *none)
{
    (void)none;
    return as_none(write_result(handler_of(self)));
}

int write_check_length(struct handler *h)
{
    bool steps_are_ours =
        !(h->overridden & (WRITE | WRITE_DATA | WRITE_WITH_HEADERS));
    if (h->overlong)
        return raise_application_error(
            h, "The body has more bytes than its Content-Length says");
    if (h->body_room > 0 && h->headers_sent && steps_are_ours && sends_body(h))
        return raise_application_error(
            h, "The body has %lld bytes less than its Content-Length says",
            (long long)h->body_room);
    return 0;
}

/* For _send_file: so many bytes of the body were sent. */
static PyObject *count_body(PyObject *self, PyObject *arg)
{
    struct handler *h = handler_of(self);
    Py_ssize_t sent = PyLong_AsSsize_t(arg);
    if (sent == -1 && PyErr_Occurred())
        return NULL;
    h->response_length += (Py_ssize_t)take_room(h, (size_t)sent);
    Py_RETURN_NONE;
}

/* For _send_file, which has a body that is no object. */
static PyObject *send_head(PyObject *self, PyObject *arg)
{
    struct handler *h = handler_of(self);
    int64_t total = PyLong_AsLongLong(arg);
    Py_buffer nothing = {.len = 0};
    size_t size;
    if (total == -1 && PyErr_Occurred())
        return NULL;
    head_begins(h);
    char *head =
        fields_finalize_any(h, total) == 0 ? fields_head(h, 0, &size) : NULL;
    int r = head ? send_with_head(h, head, size, &nothing) : -1;
    PyMem_Free(head);
    return as_none(r);
}

static PyObject *note_failure_method(PyObject *self, PyObject *error)
{
    return as_none(note_error(handler_of(self), error));
}

static PyObject *write_each_method(PyObject *self, PyObject *result)
{
    struct handler *h = handler_of(self);
    return as_none(write_each(h, result) < 0 ? -1 : write_end(h));
}

PyMethodDef write_methods[] = {
    {"_sendall", sendall, METH_O,
     "_sendall(data, /)\n--\n\nSend bytes of the response."},
    {"_write", write_piece_method, METH_O,
     "_write(data, /)\n--\n\nSend a piece of the body, in a chunk if need be."},
    {"_write_with_headers", write_first_method, METH_O,
     "_write_with_headers(data, /)\n--\n\nSend the head and a piece of the "
     "body."},
    {"write", write_method, METH_O,
     "write($self, data, /)\n"
     "--\n"
     "\n"
     "Send a piece of the body, after the head. ApplicationError when there\n"
     "is no status, or may be no body.\n\n"
     "    >>> class Shouting(WSGIHandler):\n"
     "    ...     def write(self, data):\n"
     "    ...         super().write(data.upper())\n"
     "    >>> ask(Shouting)[-1]\n"
     "    'HELLO'"},
    {"process_result", process_result, METH_NOARGS,
     "process_result($self, /)\n"
     "--\n"
     "\n"
     "Send what the application returned.\n\n"
     "    >>> class Watching(WSGIHandler):\n"
     "    ...     def process_result(self):\n"
     "    ...         print(self.result)\n"
     "    ...         super().process_result()\n"
     "    >>> ask(Watching)[-1]\n"
     "    [b'hello']\n"
     "    'hello'"},
    {"_write_each", write_each_method, METH_O,
     "_write_each(pieces, /)\n--\n\nSend what is iterated over, and end the "
     "response."},
    {"_count_body", count_body, METH_O,
     "_count_body(sent, /)\n--\n\nSo many bytes of the body were sent."},
    {"_note_failure", note_failure_method, METH_O,
     "_note_failure(error, /)\n--\n\nThe response could not be sent, for that "
     "error."},
    {"_send_head", send_head, METH_O,
     "_send_head(total, /)\n--\n\nSend the head of a body of total bytes."},
    {NULL, NULL, 0, NULL}};

/*
 * What the files of the room share. All of it is used with the interpreter's
 * lock, on the thread of the greenlet that serves the connection.
 */
#ifndef GROVE_PYTHON_WSGI_PRIVATE_H
#define GROVE_PYTHON_WSGI_PRIVATE_H

#include "hub_object/hub_object.h"

#include "wsgi/wsgi.h"
#include <grove/http.h>

/* ---- a connection, for reading: reader.c, reader_file.c ------------------------ */

/* Bytes that one system call may bring, and of the largest head. */
#define READER_PIECE (64 << 10)

struct reader {
    PyObject_HEAD
    PyObject *socket;  /* NULL: the reader is closed */
    PyObject *raw;     /* the standard socket in it, whose descriptor is read;
                          NULL: socket has a recv() of its own, as TLS has */
    bool paced;        /* how long that recv() waits is ours to say */
    char *buffer;      /* what has come and was not read; NULL: nothing has */
    size_t begin, end; /* where in it */
    size_t room;       /* bytes of buffer */
    int64_t patience;  /* nanoseconds that a read may wait; 0: for ever */
};

extern PyTypeObject Reader_Type;

static inline size_t reader_count(const struct reader *r)
{
    return r->end - r->begin;
}

/* Of a socket whose descriptor may be used: that; -1 with OSError EBADF: it was
 * closed, or, with NULL, is no more. */
int reader_descriptor(PyObject *raw);

/* The exception of a system call that failed with errno: -1. */
int reader_raise(int64_t deadline);

/* socket.name(argument), which may wait for so many nanoseconds, 0: for ever;
 * TimeoutError then. socket is one of the package's without a time-out of its
 * own, and has none afterwards. */
PyObject *reader_call(PyObject *socket, PyObject *name, PyObject *argument,
                      int64_t nanoseconds);

/* Wait for bytes, which are added to those there. How many; 0: the stream has
 * ended; -1 with an exception: TimeoutError after deadline. */
Py_ssize_t reader_fill(struct reader *r, int64_t deadline);

/* The same where a peer may take long, and often does: what the stack of the
 * greenlet does not hold now is given back to the system meanwhile. */
Py_ssize_t reader_fill_idle(struct reader *r, int64_t deadline);

/* Receive into other memory, where nothing is there that was not read: *came
 * bytes, 0 at the connection's end, and some may have when it fails. 0 or -1.
 * Only of a reader with a descriptor. */
int reader_receive(struct reader *r, char *to, size_t size, int64_t deadline,
                   size_t *came);

/* Until when a read that begins now may wait. */
int64_t reader_deadline(const struct reader *r);

/* n bytes more are there. 0; -1: there is no memory. */
int reader_append(struct reader *r, const char *at, size_t n);

/* The first n bytes of those there are done with; or all of them. */
void reader_drop(struct reader *r, size_t n);
void reader_empty(struct reader *r);

/* ---- heads: head.c ------------------------------------------------------------- */

/* Bytes of a head and of a line of it, and how many fields; by default. */
#define HEAD_LINE 8192
#define HEAD_FIELDS 128

/* What was found in a head: views of its bytes, which it keeps. */
struct head {
    PyObject *bytes;        /* the head; NULL: nothing was found */
    grove_http_head parsed; /* its fields are allocated */
    grove_http_text line;   /* the first, without its end */
};

/* Parse the head at the beginning of len bytes. 1: it is there, and to be
 * ended; 0: more is needed; -1: it is refused, for *error, with *status; or,
 * with *status 0, MemoryError is set. line is the most bytes that one of its
 * lines may have. */
int head_parse(const char *at, size_t len, size_t line, struct head *head,
               int *status, const char **error);

/* The same of the bytes of one that was parsed before: 0, or -1 with
 * MemoryError. */
int head_again(PyObject *bytes, struct head *head);

void head_end(struct head *head);

static inline PyObject *head_str(grove_http_text text)
{
    return PyUnicode_DecodeLatin1(text.at, (Py_ssize_t)text.size, NULL);
}

int head_init(PyObject *module);

/* ---- names: keys.c -------------------------------------------------------------- */

/* What a field of this name is called in an environment: new; NULL with an
 * exception. keys_skip: it has no place there, for its name has an underscore
 * and could be taken for another one. */
PyObject *keys_of(grove_http_text name);
extern PyObject *keys_skip;

/* A method's name, of which the usual ones are there already. New. */
PyObject *keys_method(grove_http_text method);

/* Strings that are there once. */
#define NAMES(X) \
    X(REQUEST_METHOD) \
    X(SCRIPT_NAME) \
    X(PATH_INFO) \
    X(QUERY_STRING) \
    X(SERVER_PROTOCOL) \
    X(REMOTE_ADDR) \
    X(REMOTE_PORT) \
    X(HTTP_COOKIE) \
    X(CONTENT_TYPE) \
    X(CONTENT_LENGTH) \
    X(application) \
    X(body_timeout) \
    X(close) \
    X(environ) \
    X(environ_class) \
    X(fileno) \
    X(finalize_headers) \
    X(get_environ) \
    X(handle_error) \
    X(handle_one_request) \
    X(handle_one_response) \
    X(head_timeout) \
    X(idle_timeout) \
    X(log) \
    X(log_request) \
    X(max_request_line) \
    X(process_result) \
    X(read_request) \
    X(read_requestline) \
    X(read) \
    X(read1) \
    X(readline) \
    X(recv) \
    X(run_application) \
    X(sendall) \
    X(start_response) \
    X(timeout) \
    X(write) \
    X(write_timeout) \
    X(_handle_client_error) \
    X(_headers_of) \
    X(_invalid) \
    X(_refuse) \
    X(_send_100_continue) \
    X(_send_error_response_if_possible) \
    X(_send_file) \
    X(_sendall) \
    X(_write) \
    X(_write_with_headers)

struct keys {
#define X(name) PyObject *name;
    NAMES(X)
#undef X
    PyObject *input, *input_terminated; /* "wsgi.input" and so on */
    PyObject *empty;                    /* "" */
    PyObject *http_1_0, *http_1_1;      /* "HTTP/1.0" ... */
};

extern struct keys names;

int keys_init(PyObject *module);

/* ---- what Python has of it ------------------------------------------------------- */

/* Classes that the package hands over: init.c. */
struct parts {
    PyObject *handler, *server; /* whose methods are overridden, or not */
    PyTypeObject *input;        /* wsgi.input's */
    PyTypeObject *nowhere;      /* that of a log that drops everything */
    PyTypeObject *file_wrapper; /* wsgi.file_wrapper */
};

extern struct parts parts;

/* ---- wsgi.input: body.c, body_read.c, chunks.c --------------------------------- */

/* What a body in chunks is read by. */
struct chunks {
    grove_http_parser *parser; /* NULL: there has been no such body */
    PyObject *from;            /* whose bytes were looked at last */
    PyObject *trailers; /* bytes behind the last chunk; NULL: none has come */
    PyObject *line;     /* bytes of another file than ours; NULL */
    size_t line_used;   /* of them, those that are done with */
    bool broken;        /* an error has come between: nothing can be read */
};

/* The base of a body's type; what errors are is its subclass's. */
struct body {
    PyObject_HEAD
    PyObject *rfile;  /* what it is read from */
    PyObject *socket; /* where "100 Continue" is said before; NULL: done */
    bool chunked;     /* it comes in chunks */
    bool ended;       /* all of it was read */
    bool answered;    /* the response has begun: "100 Continue" would be taken
                         for a part of it */
    bool told;        /* how long it is, if it does not come in chunks */
    int64_t length;   /* then: bytes; else 0 */
    int64_t left;     /* of these, to be read from rfile */
    int64_t position; /* bytes that reads have given */
    PyObject *kept;   /* bytes that a read had when it failed: the next one
                         begins with them; NULL: there are none */
    size_t kept_used; /* of them, those that are done with */
    struct chunks chunks;
};

extern PyTypeObject Body_Type;

/* length: it comes in chunks; the request does not tell of a body. */
enum { BODY_CHUNKED = -1, BODY_NONE = -2 };

/* One of the package's class. length: bytes, or one of these. */
PyObject *body_new(PyObject *rfile, int64_t length, PyObject *socket);

/* body_read.c */

extern PyMethodDef body_methods[];
PyObject *body_next_line(PyObject *self);

/* The body cannot be read, as the client is told with a status: -1 with the
 * exception. */
int body_refuse(struct body *b, const char *why, int status);

/* rfile.name(size), bytes of which there are at most `most`: new. NULL with an
 * exception. */
PyObject *body_call_file(struct body *b, PyObject *name, PyObject *size,
                         size_t most);

/* chunks.c */

/* A body in chunks is read next: 0, or -1 with MemoryError. */
int chunks_begin(struct chunks *c);
void chunks_clear(struct chunks *c); /* what it has of Python's */
void chunks_end(struct chunks *c);

/* Data that is there, at most `most` bytes, which may be all there is of a
 * line: 1, to be followed by chunks_done before anybody else runs; 0: the body
 * has ended; -1 with an exception. */
int chunks_next(struct body *b, size_t most, bool line,
                grove_http_piece *piece);
void chunks_done(struct body *b, const grove_http_piece *piece);

/* ---- handlers: handler.c ----------------------------------------------------------- */

/* Methods that a subclass may have of its own: overridden.c has their names in
 * this order. */
enum overridable {
    READ_REQUESTLINE = 1 << 0,
    READ_REQUEST = 1 << 1,
    GET_ENVIRON = 1 << 2,
    HANDLE_ONE_REQUEST = 1 << 3,
    HANDLE_ONE_RESPONSE = 1 << 4,
    RUN_APPLICATION = 1 << 5,
    PROCESS_RESULT = 1 << 6,
    START_RESPONSE = 1 << 7,
    WRITE = 1 << 8,
    FINALIZE_HEADERS = 1 << 9,
    SENDALL = 1 << 10,
    WRITE_DATA = 1 << 11,
    WRITE_WITH_HEADERS = 1 << 12,
    LOG_REQUEST = 1 << 13,
    SERVER_GET_ENVIRON = 1 << 14, /* the server's */
};

/* Attributes that are NULL read as None, but those that are made when somebody
 * asks for them. Programs may set most of them to whatever they like, and
 * delete them, wherever others run: nothing is known of one but what has just
 * been looked at. */
struct handler {
    PyObject_HEAD
    unsigned overridden; /* enum overridable */
    /* The connection's. */
    PyObject *socket, *client_address, *server, *rfile;
    PyObject *raw;    /* the standard socket in socket, as it was given; NULL:
                         what is sent goes by its methods */
    PyObject *raw_of; /* that socket */
    PyObject *remote_addr, *remote_port; /* strings; NULL: not known yet */
    int64_t idle_timeout, head_timeout, body_timeout, write_timeout; /* ns; 0:
                                                                  for ever */
    size_t max_line; /* bytes of a line of a head */
    bool paced;      /* as the reader's: how long socket waits is ours to say */
    /* The request's. */
    PyObject *head; /* its bytes, for what is made when asked for */
    PyObject *requestline, *headers, *content_length; /* NULL: not made yet */
    PyObject *command, *path, *request_version, *environ, *application;
    PyObject *wsgi_input;
    int64_t length;        /* of its body; -1: in chunks */
    bool expects_continue; /* who sends it waits for 100 */
    bool takes_over;       /* it asks for another protocol */
    bool close_connection; /* it is the last one */
    bool idle;             /* none has begun */
    bool asked;            /* there has been one */
    bool draining;         /* the one under way, if any, is the last one */
    /* The response's. */
    PyObject *status;           /* bytes; NULL: made of the next */
    PyObject *told_status;      /* the application's string */
    PyObject *given;            /* the application's fields, (str, str); NULL:
                                   none, or response_headers has them */
    PyObject *response_headers; /* (bytes, bytes); NULL: made of given */
    PyObject *provided_date, *provided_content_length;
    PyObject *result;
    Py_ssize_t response_length;     /* bytes that were sent */
    Py_ssize_t head_length;         /* of these, the head's */
    double time_start, time_finish; /* seconds of the epoch */
    int code;                       /* of the status; 0: none yet */
    bool headers_sent, response_use_chunked, connection_upgraded;
    bool names_connection; /* the application has told a Connection */
    /* What the server adds to the fields, if it is not in response_headers. */
    bool adds_date, adds_chunked, adds_close, adds_keep_alive;
    int64_t adds_length; /* -1: none */
    int64_t body_room;   /* bytes that the head's Content-Length leaves for the
                            body; -1: it tells none */
    bool overlong;       /* there were more */
};

extern PyTypeObject Handler_Type;

static inline struct handler *handler_of(PyObject *self)
{
    assert(PyObject_TypeCheck(self, &Handler_Type));
    return (struct handler *)self;
}

/* An attribute's value, where NULL is no object. */
static inline PyObject *or_none(PyObject *value)
{
    return value ? value : Py_None;
}

/* value is stolen; NULL is none. */
static inline void handler_set(PyObject **place, PyObject *value)
{
    PyObject *before = *place;
    *place = value;
    Py_XDECREF(before);
}

/* The methods that each file has for the type. */
extern PyMethodDef connection_methods[], request_methods[], environ_methods[],
    start_methods[], fields_methods[], write_methods[];

int handler_init(PyObject *module);

/* overridden.c: look which methods h's class has of its own; -1 with an
 * exception. */
int overridden_look(struct handler *h);

static inline bool is_old(const struct handler *h)
{
    return h->request_version == names.http_1_0;
}

/* ---- requests -------------------------------------------------------------------------- */

/* What reading a request came to. */
enum request_result {
    REQUEST_FAILED = -1, /* an exception is set */
    REQUEST_NONE = 0,    /* the connection has ended */
    REQUEST_READ = 1,
    REQUEST_REFUSED = 2, /* *answer is what handle_one_request returns */
    REQUEST_ENDED = 3,   /* the stream has, and no part of a request came */
};

/* Wait until a part of a request is there: REQUEST_READ, REQUEST_ENDED; or
 * nobody waits for it any more: REQUEST_NONE. */
enum request_result request_wait(struct handler *h);

/* Read a request, a part of which is there, from the handler's own reader.
 * REQUEST_READ: *head is to be ended. */
enum request_result request_read(struct handler *h, struct head *head,
                                 PyObject **answer);

/* The environment of the request: of head; or, with NULL, of the attributes. */
PyObject *environ_make(struct handler *h, const struct head *head);

/* ---- responses ------------------------------------------------------------------------- */

/* start.c: start_response has not been called, for this request. */
void start_reset(struct handler *h);

/* fields.c: what the server has to add is known from now on. total: bytes of
 * all of the body; -1: not known. -1 with an exception. */
int fields_finalize(struct handler *h, int64_t total);
/* The same by finalize_headers, if that is overridden. */
int fields_finalize_any(struct handler *h, int64_t total);
/* Whether a body follows the head. */
bool fields_has_body(const struct handler *h);
/* Bytes of a Content-Length; -1: it is none. */
int64_t fields_length(PyObject *string);
/* The response's (bytes, bytes) as response_headers, from now on: borrowed. */
PyObject *fields_list(struct handler *h);
/* The status as bytes: new; NULL with an exception. */
PyObject *fields_status(struct handler *h);
/* All of the head: new bytes, with room for extra bytes behind, of which none
 * is used; *used are those of the head. NULL with an exception. */
char *fields_head(struct handler *h, size_t extra, size_t *used);

/* write.c: send what the application returned. -1 with an exception. */
int write_result(struct handler *h);
/* The response is over: -1 with the handler's ApplicationError if its body has
 * not as many bytes as its head says. */
int write_check_length(struct handler *h);

int reader_init(PyObject *module);
int body_init(PyObject *module);

#endif

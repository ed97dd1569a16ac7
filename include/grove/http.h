/*
 * HTTP/1.1: servers and clients on buffered streams, and the parser and the
 * writer of heads alone, on bytes. Part of grove.h; its functions are in a
 * library of their own, libgrove-http (pkg-config grove-http), which stands on
 * llhttp.
 *
 * All calls return 0 or a count, or a negative errno. What is given of a
 * message are views of the bytes as they came, which are not ended by a 0.
 */
#ifndef GROVE_HTTP_H
#define GROVE_HTTP_H

#include <grove/base.h>
#include <grove/server.h>
#include <grove/stream.h>
#include <grove/tls.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Heads --------------------------------------------------------------- */

/* Bytes of somebody else's. */
typedef struct grove_http_text {
    const char *at;
    size_t size;
} grove_http_text;

/* A string's. */
GROVE_INLINE grove_http_text grove_http_text_of(const char *string)
{
    grove_http_text text;
    text.at = string;
    text.size = strlen(string);
    return text;
}

typedef struct grove_http_field {
    grove_http_text name, value; /* the value without blanks around it */
} grove_http_field;

/* A field of two strings. */
GROVE_INLINE grove_http_field grove_http_field_of(const char *name,
                                                  const char *value)
{
    grove_http_field field;
    field.name = grove_http_text_of(name);
    field.value = grove_http_text_of(value);
    return field;
}

/* Instead of the length of a body. */
#define GROVE_HTTP_CHUNKED (-1)  /* told piece by piece */
#define GROVE_HTTP_TO_CLOSE (-2) /* what comes until the connection ends */
#define GROVE_HTTP_UNTOLD (-3)   /* grove_http_build: no field says it */

/* What has come: a request's head, or a response's. */
typedef struct grove_http_head {
    grove_http_text method; /* of a request, as "GET" */
    grove_http_text target; /* of a request, as "/path?query" */
    int status;             /* of a response; 0: it is a request */
    grove_http_text reason; /* of a response, behind the status */
    int minor;              /* of the version: 1 of HTTP/1.1, 0 of HTTP/1.0 */
    bool keep_alive;        /* the peer lets the connection go on after it */
    bool upgrade;           /* asks for, or is, a change of protocol: Upgrade
                               fields that Connection names, or CONNECT */
    bool expects_continue;  /* the body comes when 100 was answered */
    int64_t length;         /* of the body; or GROVE_HTTP_CHUNKED, _TO_CLOSE */
    const grove_http_field *fields; /* in the order they came */
    size_t field_count;
} grove_http_head;

/* Whether a text is a string; the second lets A be a. */
GROVE_API bool grove_http_equal(grove_http_text text, const char *string);
GROVE_API bool grove_http_equal_nocase(grove_http_text text,
                                       const char *string);

/* The first field of that name, or the next after `after`; NULL: none. */
GROVE_API const grove_http_field *grove_http_find(const grove_http_head *head,
                                                  const char *name);
GROVE_API const grove_http_field *
grove_http_find_next(const grove_http_head *head, const grove_http_field *after,
                     const char *name);
/* Whether the lists in the fields of that name have token in them. */
GROVE_API bool grove_http_has_token(const grove_http_head *head,
                                    const char *name, const char *token);
/* Whether a field is about the connection and not about the message, so that a
 * proxy keeps it: Connection, what that names, Transfer-Encoding ... */
GROVE_API bool grove_http_is_hop(const grove_http_head *head,
                                 const grove_http_field *field);
/* What a status means, as "Not Found"; "" if that is unknown. */
GROVE_API const char *grove_http_reason(int status);

/* Where a URL leads. The target is "/" where the URL names none, and stands in
 * the URL's text otherwise. */
typedef struct grove_http_url {
    bool tls;       /* https */
    char host[256]; /* a name or an address, without brackets */
    char port[6];   /* the scheme's where the URL names none */
    grove_http_text target;
} grove_http_url;

/* 0, or -EINVAL: no http:// or https:// URL, one with a user, or one with a
 * query but no path. */
GROVE_API int grove_http_url_parse(grove_http_url *out, const char *url);

/* ---- The parser, on bytes alone ------------------------------------------- */

/* What a message may have at most. 0 means the default. */
typedef struct grove_http_limits {
    size_t head_size;  /* bytes of a head, or of trailers; 16384 */
    size_t line_size;  /* bytes of a request's target, or of the line
                          before a chunk; 8192 */
    size_t fields;     /* 100 */
    int64_t body_size; /* bytes of a body; 1 MiB. -1: no limit */
} grove_http_limits;

/* Takes messages of one direction of one connection. */
typedef struct grove_http_parser grove_http_parser;

#define GROVE_HTTP_REQUESTS 1
#define GROVE_HTTP_RESPONSES 2

/* kind is one of these; limits may be NULL. 0, -EINVAL, -ENOMEM. */
GROVE_API int grove_http_parser_new(grove_http_parser **out, int kind,
                                    const grove_http_limits *limits);
GROVE_API void grove_http_parser_free(grove_http_parser *parser);
/* The next message begins. */
GROVE_API void grove_http_parser_reset(grove_http_parser *parser);
/* The next response is one to a request with method, which tells whether it
 * has a body. */
GROVE_API void grove_http_parser_answers(grove_http_parser *parser,
                                         grove_http_text method);

/* Parse a head: at is where it begins, and len bytes of it and of what follows
 * are there; those of an earlier call the same, though they may have moved.
 * Its size, and in *head what it says, in views of these bytes; 0: more is
 * needed; -EPROTO: it is refused, for grove_http_parser_error, and a server
 * answers with grove_http_parser_status and closes; -ENOMEM. */
GROVE_API ssize_t grove_http_parse_head(grove_http_parser *parser,
                                        const char *at, size_t len,
                                        const grove_http_head **head);

/* A piece of a body. */
typedef struct grove_http_piece {
    grove_http_text data; /* in the bytes that were given; may be empty */
    size_t used;          /* bytes that are done with */
    bool end;             /* the body has ended behind them */
} grove_http_piece;

/* Parse what follows a head: len bytes, of which those used by earlier calls
 * are gone. Nothing used, and no end: more than len is needed. 0, -EPROTO,
 * -ENOMEM. */
GROVE_API int grove_http_parse_body(grove_http_parser *parser, const char *at,
                                    size_t len, grove_http_piece *piece);
/* Fields behind a chunked body, once it has ended: views of the bytes of the
 * last call. */
GROVE_API const grove_http_field *
grove_http_parser_trailers(const grove_http_parser *parser, size_t *count);
/* The head's bytes were copied to `to`: its views are of these from now on. */
GROVE_API void grove_http_parser_move(grove_http_parser *parser,
                                      const char *to);
/* Why a message was refused: the status that says so, and words. */
GROVE_API int grove_http_parser_status(const grove_http_parser *parser);
GROVE_API const char *grove_http_parser_error(const grove_http_parser *parser);

/* ---- The writer of heads, into bytes -------------------------------------- */

typedef struct grove_http_start {
    grove_http_text method, target; /* of a request */
    int status;                     /* of a response; 0: it is a request */
    int64_t length;  /* of the body, for Content-Length; GROVE_HTTP_CHUNKED,
                        _TO_CLOSE, _UNTOLD */
    bool close;      /* Connection: close */
    bool keep_alive; /* Connection: keep-alive, for HTTP/1.0 */
    bool upgrade;    /* Connection: upgrade */
    bool date;       /* Date: now */
    const grove_http_field *fields; /* written as they are */
    size_t field_count;
} grove_http_start;

/* Write a head into buf. Its size; -EMSGSIZE: it has more than size; -EINVAL:
 * a name, a value, a method or a target would break the message, or a field
 * is one that is written by itself: Content-Length, Transfer-Encoding,
 * Connection. */
GROVE_API ssize_t grove_http_build(char *buf, size_t size,
                                   const grove_http_start *start);
/* The time as a Date field says it, 29 bytes, made once a second; the
 * thread's, until it calls this again. */
GROVE_API grove_http_text grove_http_date(void);

/* ---- Connections ------------------------------------------------------------ */

/* One side of a connection: a server's function is given one, a client dials
 * one. One message is received and one sent at a time; one fiber may receive
 * while another sends. */
typedef struct grove_http grove_http;

/* Zero-initialised it means the defaults. */
typedef struct grove_http_attr {
    grove_http_limits limits;
    int64_t idle_timeout;  /* nanoseconds until a request begins; 0: 60 s */
    int64_t head_timeout;  /* until its head has come; 0: 15 s */
    int64_t read_timeout;  /* of each call that receives; 0: 30 s */
    int64_t write_timeout; /* of each call that sends; 0: 30 s */
    size_t write_size;     /* of the stream's buffer; 0: its default */
} grove_http_attr;

/* In a server's function (grove_server_start): call handle for each request
 * that comes over c, until the connection ends. Requests that are refused are
 * answered here. attr may be NULL. 0, or the negative errno that ended it. */
GROVE_API int grove_http_serve(grove_connection *c, const grove_http_attr *attr,
                               void (*handle)(grove_http *h), void *arg);
/* The same over a stream, which is closed. */
GROVE_API int grove_http_serve_stream(grove_stream *stream,
                                      const grove_http_attr *attr,
                                      void (*handle)(grove_http *h), void *arg);

/* A client's connection to a host: by TLS, if a context is given. attr may be
 * NULL. 0, or as grove_dial and grove_dial_tls say. */
GROVE_API int grove_http_dial(grove_http **out, const char *host,
                              const char *service, grove_tls_context *tls,
                              const grove_http_attr *attr);
GROVE_API int grove_http_dial_until(grove_http **out, const char *host,
                                    const char *service, grove_tls_context *tls,
                                    const grove_http_attr *attr,
                                    int64_t deadline);
/* The same over a stream, which is its own from then on; host is what requests
 * name. 0, -EINVAL, -ENOMEM: then the stream remains the caller's. */
GROVE_API int grove_http_client(grove_http **out, grove_stream *stream,
                                const char *host, const grove_http_attr *attr);
/* Close a client's connection, at once. NULL is let be. */
GROVE_API void grove_http_close(grove_http *h);

/* What grove_http_serve was given; the connection (NULL: a stream was given, or
 * it is a client's); what h runs over, which remains its own. */
GROVE_API void *grove_http_arg(const grove_http *h);
GROVE_API grove_connection *grove_http_connection(const grove_http *h);
GROVE_API grove_stream *grove_http_stream(const grove_http *h);
/* Whether another request can follow on it. */
GROVE_API bool grove_http_reusable(const grove_http *h);
/* What was wrong with what the peer has sent; "": nothing. */
GROVE_API const char *grove_http_error(const grove_http *h);

/* ---- Receiving --------------------------------------------------------------- */

/* The head that has come: of a server's request, a client's response. Its views
 * are good until the server's function returns, or the client's next
 * request. */
GROVE_API const grove_http_head *grove_http_received(const grove_http *h);

/* Wait for the head of the response; what comes before with a status of 1xx is
 * passed over. 0, -EPROTO, -ECONNRESET, -EMSGSIZE, ... */
GROVE_API int grove_http_response(grove_http *h);
GROVE_API int grove_http_response_until(grove_http *h, int64_t deadline);

/* The body: at least one byte, at most len; 0 at its end. */
GROVE_API ssize_t grove_http_read(grove_http *h, void *buf, size_t len);
GROVE_API ssize_t grove_http_read_until(grove_http *h, void *buf, size_t len,
                                        int64_t deadline);
/* The same without a copy: *at, until the next call that receives. */
GROVE_API ssize_t grove_http_view(grove_http *h, const char **at);
GROVE_API ssize_t grove_http_view_until(grove_http *h, const char **at,
                                        int64_t deadline);
/* Drop what is left of it, up to limit bytes. 0, or -EMSGSIZE: there is more.
 */
GROVE_API int grove_http_skip(grove_http *h, size_t limit);
GROVE_API int grove_http_skip_until(grove_http *h, size_t limit,
                                    int64_t deadline);
/* The fields behind a chunked body, when it has ended; until the next call that
 * receives. */
GROVE_API const grove_http_field *grove_http_trailers(const grove_http *h,
                                                      size_t *count);

/* ---- Sending ----------------------------------------------------------------- */

/* Answer a request, in one system call. 0, -EALREADY (an answer was begun),
 * -EINVAL (as grove_http_build). */
GROVE_API int grove_http_respond(grove_http *h, int status,
                                 const grove_http_field *fields, size_t count,
                                 const void *body, size_t size);
GROVE_API int grove_http_respond_until(grove_http *h, int status,
                                       const grove_http_field *fields,
                                       size_t count, const void *body,
                                       size_t size, int64_t deadline);
/* Begin an answer, of which the body is written after: length bytes of it, or
 * GROVE_HTTP_CHUNKED. */
GROVE_API int grove_http_respond_begin(grove_http *h, int status,
                                       const grove_http_field *fields,
                                       size_t count, int64_t length);
GROVE_API int grove_http_respond_begin_until(grove_http *h, int status,
                                             const grove_http_field *fields,
                                             size_t count, int64_t length,
                                             int64_t deadline);

/* Send a client's request; one with a field Upgrade says so in Connection.
 * -EBUSY: the last response was not read. */
GROVE_API int grove_http_request(grove_http *h, const char *method,
                                 grove_http_text target,
                                 const grove_http_field *fields, size_t count,
                                 const void *body, size_t size);
GROVE_API int grove_http_request_until(grove_http *h, const char *method,
                                       grove_http_text target,
                                       const grove_http_field *fields,
                                       size_t count, const void *body,
                                       size_t size, int64_t deadline);
GROVE_API int grove_http_request_begin(grove_http *h, const char *method,
                                       grove_http_text target,
                                       const grove_http_field *fields,
                                       size_t count, int64_t length);
GROVE_API int grove_http_request_begin_until(grove_http *h, const char *method,
                                             grove_http_text target,
                                             const grove_http_field *fields,
                                             size_t count, int64_t length,
                                             int64_t deadline);

/* The body of what was begun: the next bytes of it. -EMSGSIZE: more than its
 * length; -EPIPE: nothing was begun, or it has ended. */
GROVE_API int grove_http_write(grove_http *h, const void *buf, size_t len);
GROVE_API int grove_http_write_until(grove_http *h, const void *buf, size_t len,
                                     int64_t deadline);
/* The next length bytes of it are the file's, from offset on. -ENODATA: the
 * file has fewer. */
GROVE_API int grove_http_send_file(grove_http *h, int fd, off_t offset,
                                   int64_t length);
GROVE_API int grove_http_send_file_until(grove_http *h, int fd, off_t offset,
                                         int64_t length, int64_t deadline);
/* What was written goes out. */
GROVE_API int grove_http_flush(grove_http *h);
GROVE_API int grove_http_flush_until(grove_http *h, int64_t deadline);
/* The body is complete, and goes out. -ENODATA: of its length some is
 * missing. */
GROVE_API int grove_http_end(grove_http *h);
GROVE_API int grove_http_end_until(grove_http *h, int64_t deadline);

/* Answer 101, or 200 to a CONNECT, and take the connection: *out is the
 * caller's, with what has come behind the request. 0, -EINVAL: the request asks
 * for no change of protocol; -EALREADY. */
GROVE_API int grove_http_upgrade(grove_http *h, const grove_http_field *fields,
                                 size_t count, grove_stream **out);
GROVE_API int grove_http_upgrade_until(grove_http *h,
                                       const grove_http_field *fields,
                                       size_t count, grove_stream **out,
                                       int64_t deadline);
/* Take the stream of a client's connection, which is freed: after 101, say. */
GROVE_API grove_stream *grove_http_detach(grove_http *h);

/* ---- One page ------------------------------------------------------------------ */

typedef struct grove_http_result {
    int status;
    char *body; /* allocated, a 0 byte behind it */
    size_t size;
    grove_http *http; /* for grove_http_received */
} grove_http_result;

/* Get what url names, all of it, within limits.body_size. Redirects are results
 * as any. tls is for https:// (-EINVAL without it); attr may be NULL. After 0
 * the result is to be freed. */
GROVE_API int grove_http_get(grove_http_result *out, const char *url,
                             grove_tls_context *tls,
                             const grove_http_attr *attr);
GROVE_API int grove_http_get_until(grove_http_result *out, const char *url,
                                   grove_tls_context *tls,
                                   const grove_http_attr *attr,
                                   int64_t deadline);
GROVE_API void grove_http_result_free(grove_http_result *result);

#ifdef __cplusplus
}
#endif
#endif

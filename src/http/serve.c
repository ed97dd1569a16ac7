/*
 * A server's connection, request by request.
 *
 *     idle -- head --> handled -- answered, body read --> idle
 *      |        |         |
 *      |        refused   answer incomplete, or close asked for
 *      v        v         v
 *     end <-- answer <-- linger
 *
 * A peer that is told why it is refused may still be sending; closing at once
 * would make its system forget our answer (RFC 9112, 9.6). So we say that no
 * more comes, and read on for a little.
 *
 * While it is idle the connection rests (grove_connection_rest), so that a stop
 * of its server ends it, and a request that has come is answered.
 *
 * On the stream's thread, in a fiber of its own.
 */
#include "http/http.h"

/* What is read past of a request's body that its handler has not read. */
#define SKIPPED ((size_t)256 << 10)
/* How long, and how much, a peer may go on that was told of the end. */
#define LINGER (2 * GROVE_SECOND)
#define LINGERED ((size_t)1 << 20)

/* A stream whose buffer has room for the longest head. */
static int open_stream(grove_stream **out, grove_connection *c,
                       const grove_http_attr *attr)
{
    grove_stream_attr sizes = {.read_size = 16384};
    if (attr && attr->limits.head_size > sizes.read_size)
        sizes.read_size = attr->limits.head_size;
    if (attr)
        sizes.write_size = attr->write_size;
    return grove_stream_new_connection(out, c, &sizes);
}

/* Answer a request that was refused, or came too slowly. */
static void refuse(grove_http *h, int status)
{
    const char *text = grove_http_reason(status);
    grove_http_field type = grove_http_field_of("Content-Type", "text/plain");
    grove_http_start start = {
        .status = status,
        .length = (int64_t)strlen(text),
        .close = true,
        .date = true,
        .fields = &type,
        .field_count = 1,
    };
    h->close = true;
    int64_t deadline = http_deadline(h->attr.write_timeout);
    http_send_whole(h, &start, text, strlen(text), deadline);
}

/* Whether what r tells of is the stop of the server, and nothing else. */
static bool is_drained(const grove_http *h, ssize_t r)
{
    const void *cause;
    return r == -ESHUTDOWN ||
           (r == -ECANCELED && grove_why(&cause) == GROVE_ENDED_BY_KILL &&
            cause == h->connection->server);
}

/* Wait for a request, a connection of a server at rest: how many bytes of it
 * there are at *at; 0: none comes; or a negative errno. */
static ssize_t await_request(grove_http *h, const char **at, int64_t idle)
{
    if (!h->connection || grove_stream_buffered(h->stream) > 0)
        return grove_stream_peek_until(h->stream, 1, at, idle);
    ssize_t n = grove_connection_rest(h->connection, true);
    if (n == 0)
        n = grove_stream_peek_until(h->stream, 1, at, idle);
    grove_connection_rest(h->connection, false);
    return is_drained(h, n) ? 0 : n;
}

/* The head of the next request: 1; 0: none comes; or a negative errno. */
static int next_request(grove_http *h)
{
    const char *at;
    ssize_t n = await_request(h, &at, http_deadline(h->attr.idle_timeout));
    if (n > 0)
        n = http_receive_head(h, at, (size_t)n, 0);
    if (n > 0)
        return 1;
    if (n == -EPROTO)
        refuse(h, h->parser.status);
    else if (n == -ETIMEDOUT && grove_stream_buffered(h->stream) > 0)
        refuse(h, 408);
    else if (n == -ENOMEM)
        refuse(h, 503);
    else if (n == -ETIMEDOUT)
        return 0; /* it was idle for too long */
    return (int)n;
}

/* What the handler has left undone. Whether another request may follow. */
static bool finish(grove_http *h)
{
    bool refused = h->parser.state == PARSER_REFUSED;
    if (h->sending == SEND_NOTHING)
        refuse(h, refused ? h->parser.status : 500);
    if (h->sending != SEND_DONE && h->sending != SEND_DROPPED)
        h->close = true;
    if (refused || h->close)
        return false;
    if (!h->ended && grove_http_skip(h, SKIPPED) < 0)
        return false;
    http_receive_end(h);
    h->sending = SEND_NOTHING;
    return !h->close;
}

static int serve(grove_http *h, void (*handle)(grove_http *h))
{
    int r;
    while ((r = next_request(h)) > 0) {
        handle(h);
        if (h->taken || !finish(h))
            return 0;
    }
    return r;
}

/* Have the peer know of our end before the connection goes. */
static void linger(grove_stream *stream)
{
    const char *at;
    int64_t deadline = http_deadline(LINGER);
    if (grove_stream_shutdown_until(stream, deadline) < 0)
        return;
    for (size_t n = 0; n < LINGERED;) {
        grove_stream_consume(stream, grove_stream_buffered(stream));
        ssize_t more = grove_stream_peek_until(stream, 1, &at, deadline);
        if (more <= 0)
            return;
        n += (size_t)more;
    }
}

/* The stream's end, unless it is somebody else's. 0, or as the close. */
static int close_stream(grove_http *h)
{
    grove_stream *stream = h->stream;
    bool more = !h->ended || h->parser.state == PARSER_REFUSED;
    if (h->taken)
        return 0;
    if (h->sending == SEND_BROKEN) {
        grove_stream_free(stream);
        return h->error;
    }
    h->held = 0;
    if (more)
        linger(stream);
    return grove_stream_close_until(stream,
                                    http_deadline(h->attr.write_timeout));
}

static int serve_on(grove_stream *stream, grove_connection *c,
                    const grove_http_attr *attr, void (*handle)(grove_http *h),
                    void *arg)
{
    grove_http h;
    http_init(&h, stream, GROVE_HTTP_REQUESTS, attr);
    h.connection = c;
    h.arg = arg;
    int r = serve(&h, handle);
    int end = close_stream(&h);
    http_end(&h);
    return r == 0 && end == -EBADF ? end : r;
}

int grove_http_serve(grove_connection *c, const grove_http_attr *attr,
                     void (*handle)(grove_http *h), void *arg)
{
    grove_stream *stream;
    int r = open_stream(&stream, c, attr);
    return r < 0 ? r : serve_on(stream, c, attr, handle, arg);
}

int grove_http_serve_stream(grove_stream *stream, const grove_http_attr *attr,
                            void (*handle)(grove_http *h), void *arg)
{
    return serve_on(stream, NULL, attr, handle, arg);
}

/*
 * One side of a connection: its birth and end, and what is known of it. On the
 * stream's thread.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "http/http.h"
#include "net/tls_ops.h"

static int64_t or_seconds(int64_t given, int64_t seconds)
{
    return given ? given : seconds * GROVE_SECOND;
}

/* The clock, and for a second or more the one that is behind by a few
 * milliseconds at most: a message needs several, and few of them are ever
 * looked at. */
static int64_t clock_for(int64_t timeout)
{
    struct timespec ts;
    if (timeout < GROVE_SECOND)
        return grove_now();
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

int64_t http_deadline(int64_t timeout)
{
    int64_t now = clock_for(timeout);
    return timeout < GROVE_NEVER - now ? now + timeout : GROVE_NEVER;
}

void http_init(grove_http *h, grove_stream *stream, int kind,
               const grove_http_attr *attr)
{
    static const grove_http_attr none;
    if (!attr)
        attr = &none;
    memset(h, 0, offsetof(grove_http, parser));
    parser_init(&h->parser, kind, &attr->limits);
    h->stream = stream;
    h->attr = (grove_http_attr){
        .limits = h->parser.limits,
        .idle_timeout = or_seconds(attr->idle_timeout, 60),
        .head_timeout = or_seconds(attr->head_timeout, 15),
        .read_timeout = or_seconds(attr->read_timeout, 30),
        .write_timeout = or_seconds(attr->write_timeout, 30),
    };
    h->ended = true;
}

/* Whether the socket has nothing for us. */
static bool is_empty(int fd)
{
    char byte;
    int error = errno;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    bool empty = n < 0 && errno == EAGAIN;
    errno = error;
    return empty;
}

/* Whether nothing has come behind what is in the stream's buffer. (That is the
 * message under way, so that grove_connection_rest would not tell.) TLS reads
 * ahead: what it has the socket has no more. */
static bool is_silent(const grove_http *h)
{
    grove_tls *tls = grove_stream_tls(h->stream);
    return !(tls && tls_ops_of(tls)->has_more(tls)) &&
           is_empty(grove_stream_fd(h->stream));
}

bool http_is_last(const grove_http *h)
{
    const grove_connection *c = h->connection;
    return c && grove_server_is_stopping(c->server) &&
           grove_stream_buffered(h->stream) <= h->held && is_silent(h);
}

void http_end(grove_http *h)
{
    free((char *)h->saved);
    free(h->host);
    parser_end(&h->parser);
}

/* ---- what is known of it -------------------------------------------------------- */

void *grove_http_arg(const grove_http *h)
{
    return h->arg;
}

grove_connection *grove_http_connection(const grove_http *h)
{
    return h->connection;
}

grove_stream *grove_http_stream(const grove_http *h)
{
    return h->stream;
}

/* Whether what was begun has come to its end both ways. */
static bool is_between(const grove_http *h)
{
    return h->ended && (h->sending == SEND_NOTHING ||
                        (h->sending == SEND_DONE && h->receiving));
}

bool grove_http_reusable(const grove_http *h)
{
    return !h->close && !h->taken && is_between(h) &&
           h->parser.state != PARSER_REFUSED;
}

const char *grove_http_error(const grove_http *h)
{
    return h->parser.error;
}

const grove_http_head *grove_http_received(const grove_http *h)
{
    assert(h->receiving);
    return &h->parser.head;
}

const grove_http_field *grove_http_trailers(const grove_http *h, size_t *count)
{
    return grove_http_parser_trailers(&h->parser, count);
}

/*
 * A message that goes over a stream: its head, its body piece by piece.
 *
 *                      length            all of it
 *     NOTHING --head--> LENGTH  ---------------------> DONE
 *                 +---> CHUNKED ----------- end -------^
 *                 +---> TO_CLOSE ---------- end -------^
 *                 +---> DROPPED ----------- end -------^
 *                any of them --- a failure ---> BROKEN
 *
 * Head and body, or a chunk with what surrounds it, go to the stream in one
 * call, which copies what is small into its buffer and sends what is not
 * without a copy. A short message that is there as a whole is sent from where
 * its head was built. One fiber at a time sends. On the stream's thread; all
 * may park.
 */
#include <stdlib.h>

#include "http/http.h"

/* Heads up to this size are built on the stack. */
#define HEAD_ROOM 1024

int http_send_result(grove_http *h, int r)
{
    if (r < 0 && r != -EBUSY) {
        h->sending = SEND_BROKEN;
        h->error = r;
        h->close = true;
    }
    return r;
}

static int write_with(grove_http *h, const struct iovec *iov, int count,
                      int64_t deadline)
{
    return http_send_result(
        h, grove_stream_writev_until(h->stream, iov, count, deadline));
}

/* ---- heads --------------------------------------------------------------------- */

/* An upper bound of what a head takes. */
static size_t room_for(const grove_http_start *start)
{
    size_t size = 256 + start->method.size + start->target.size;
    for (size_t i = 0; i < start->field_count; i++)
        size += start->fields[i].name.size + start->fields[i].value.size + 4;
    return size;
}

/* A head that was built, and the room that it is in. */
struct built {
    char *at; /* `small`, or allocated */
    size_t size, room;
    char small[HEAD_ROOM];
};

static void drop(struct built *b)
{
    if (b->at != b->small)
        free(b->at);
}

/* 0; then it is to be dropped. Or a negative errno. */
static int build(struct built *b, const grove_http_start *start)
{
    b->at = b->small;
    b->room = sizeof(b->small);
    ssize_t n = grove_http_build(b->at, b->room, start);
    if (unlikely(n == -EMSGSIZE)) {
        b->room = room_for(start);
        b->at = malloc(b->room);
        if (!b->at)
            return -ENOMEM;
        n = grove_http_build(b->at, b->room, start);
    }
    if (n < 0)
        drop(b);
    else
        b->size = (size_t)n;
    return n < 0 ? (int)n : 0;
}

static int write_built(grove_http *h, const struct built *b, const void *body,
                       size_t size, int64_t deadline)
{
    struct iovec iov[] = {{b->at, b->size}, {(void *)body, size}};
    return write_with(h, iov, size ? 2 : 1, deadline);
}

int http_send_head(grove_http *h, const grove_http_start *start,
                   const void *body, size_t size, int64_t deadline)
{
    struct built b;
    int r = build(&b, start);
    if (r < 0)
        return r;
    r = write_built(h, &b, body, size, deadline);
    drop(&b);
    return r;
}

/* Whether the peer has sent more already, whose answer can go along. */
static bool more_came(const grove_http *h)
{
    return grove_stream_buffered(h->stream) > h->held;
}

/* In one piece, past the stream's buffer. */
static int send_piece(grove_http *h, struct built *b, const void *body,
                      size_t size, int64_t deadline)
{
    assert(size <= b->room - b->size);
    if (size)
        memcpy(b->at + b->size, body, size);
    return http_send_result(
        h, grove_stream_send_until(h->stream, b->at, b->size + size, deadline));
}

static int send_whole(grove_http *h, struct built *b, const void *body,
                      size_t size, int64_t deadline)
{
    if (size <= b->room - b->size && !more_came(h))
        return send_piece(h, b, body, size, deadline);
    int r = write_built(h, b, body, size, deadline);
    return r < 0 ? r : http_send_soon(h, deadline);
}

int http_send_whole(grove_http *h, const grove_http_start *start,
                    const void *body, size_t size, int64_t deadline)
{
    struct built b;
    int r = build(&b, start);
    if (r < 0)
        return r;
    r = send_whole(h, &b, body, size, deadline);
    drop(&b);
    if (r < 0)
        return r;
    h->sending = SEND_DONE;
    h->to_send = 0;
    return 0;
}

void http_send_begin(grove_http *h, int64_t length)
{
    assert(h->sending == SEND_NOTHING);
    h->to_send = length;
    if (length == GROVE_HTTP_CHUNKED)
        h->sending = SEND_CHUNKED;
    else if (length == GROVE_HTTP_TO_CLOSE)
        h->sending = SEND_TO_CLOSE;
    else
        h->sending = length > 0 ? SEND_LENGTH : SEND_DONE;
}

/* ---- bodies ---------------------------------------------------------------------- */

static int write_chunk(grove_http *h, const void *buf, size_t len,
                       int64_t deadline)
{
    static const char hex[] = "0123456789abcdef";
    char head[18], *at = head + sizeof(head);
    *--at = '\n';
    *--at = '\r';
    for (size_t n = len; n > 0; n >>= 4)
        *--at = hex[n & 15];
    struct iovec iov[] = {{at, (size_t)(head + sizeof(head) - at)},
                          {(void *)buf, len},
                          {(void *)"\r\n", 2}};
    return write_with(h, iov, 3, deadline);
}

static int write_counted(grove_http *h, const void *buf, size_t len,
                         int64_t deadline)
{
    struct iovec iov = {(void *)buf, len};
    if (len > (uint64_t)h->to_send)
        return -EMSGSIZE;
    int r = write_with(h, &iov, 1, deadline);
    if (r < 0)
        return r;
    h->to_send -= (int64_t)len;
    if (h->to_send == 0)
        h->sending = SEND_DONE;
    return 0;
}

/* Nothing is written: a call of the stream's that gives the others a turn. */
static int let_others(grove_http *h)
{
    return h->taken ? 0 : write_with(h, NULL, 0, 0);
}

int grove_http_write_until(grove_http *h, const void *buf, size_t len,
                           int64_t deadline)
{
    struct iovec iov = {(void *)buf, len};
    if (len == 0)
        return h->sending == SEND_NOTHING || h->sending == SEND_BROKEN
                   ? -EPIPE
                   : let_others(h);
    switch (h->sending) {
    case SEND_LENGTH:
        return write_counted(h, buf, len, deadline);
    case SEND_CHUNKED:
        return write_chunk(h, buf, len, deadline);
    case SEND_TO_CLOSE:
        return write_with(h, &iov, 1, deadline);
    case SEND_DROPPED:
        return let_others(h);
    case SEND_DONE:
        return h->to_send >= 0 ? -EMSGSIZE : -EPIPE;
    default:
        return -EPIPE;
    }
}

int grove_http_write(grove_http *h, const void *buf, size_t len)
{
    return grove_http_write_until(h, buf, len,
                                  http_deadline(h->attr.write_timeout));
}

/* ---- the end ---------------------------------------------------------------------- */

int grove_http_flush_until(grove_http *h, int64_t deadline)
{
    return http_send_result(h, grove_stream_flush_until(h->stream, deadline));
}

int grove_http_flush(grove_http *h)
{
    return grove_http_flush_until(h, http_deadline(h->attr.write_timeout));
}

int http_send_soon(grove_http *h, int64_t deadline)
{
    return more_came(h) ? 0 : grove_http_flush_until(h, deadline);
}

int grove_http_end_until(grove_http *h, int64_t deadline)
{
    struct iovec last = {(void *)"0\r\n\r\n", 5};
    int r = 0;
    switch (h->sending) {
    case SEND_LENGTH:
        return -ENODATA;
    case SEND_CHUNKED:
        r = write_with(h, &last, 1, deadline);
        break;
    case SEND_NOTHING:
    case SEND_BROKEN:
        return -EPIPE;
    default:
        break;
    }
    if (r < 0)
        return r;
    h->sending = SEND_DONE;
    return http_send_soon(h, deadline);
}

int grove_http_end(grove_http *h)
{
    return grove_http_end_until(h, http_deadline(h->attr.write_timeout));
}

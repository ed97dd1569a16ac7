/*
 * A server's answers. On the stream's thread; all may park.
 *
 * What the connection comes to is decided when the answer's head is written:
 * it is kept if the peer lets it, unless its server stops, and if what the peer
 * has not sent yet of its request can be read past.
 */
#include <stdlib.h>

#include "http/http.h"

/* RFC 9110, 8.6: an answer of this status has no body, and tells no length. */
static bool is_bodiless(int status)
{
    return status / 100 == 1 || status == 204 || status == 304;
}

/* Whether a field asks to close the connection: what a handler may say of it.
 */
static grove_http_start begin(grove_http *h, int status,
                              const grove_http_field *fields, size_t count,
                              int64_t length)
{
    const grove_http_head *request = &h->parser.head;
    h->close |= !request->keep_alive || http_is_last(h);
    /* A body that was not asked for yet will not come, or may. */
    if (request->expects_continue && !h->promised && !h->ended)
        h->close = true;
    if (length == GROVE_HTTP_CHUNKED && request->minor == 0) {
        length = GROVE_HTTP_TO_CLOSE;
        h->close = true;
    }
    return (grove_http_start){
        .status = status,
        .length = is_bodiless(status) ? GROVE_HTTP_UNTOLD : length,
        .close = h->close,
        .keep_alive = request->minor == 0 && !h->close,
        .date = true,
        .fields = fields,
        .field_count = count,
    };
}

/* RFC 9110, 9.3.6: what follows such an answer is not HTTP. */
static bool begins_tunnel(const grove_http *h, int status)
{
    return status / 100 == 2 && http_is(h->parser.head.method, "CONNECT");
}

/* 0: an answer can be begun; or -EALREADY, -EPIPE or -EINVAL. */
static int check(const grove_http *h, int status, int64_t length)
{
    if (h->parser.kind != GROVE_HTTP_REQUESTS || !h->receiving)
        return -EINVAL;
    if (h->sending == SEND_BROKEN)
        return -EPIPE;
    if (h->sending != SEND_NOTHING)
        return -EALREADY;
    return status < 200 || status > 999 || length < GROVE_HTTP_CHUNKED ||
                   (is_bodiless(status) && length > 0) ||
                   begins_tunnel(h, status)
               ? -EINVAL
               : 0;
}

int grove_http_respond_begin_until(grove_http *h, int status,
                                   const grove_http_field *fields, size_t count,
                                   int64_t length, int64_t deadline)
{
    int r = check(h, status, length);
    if (r < 0)
        return r;
    grove_http_start start = begin(h, status, fields, count, length);
    r = http_send_head(h, &start, NULL, 0, deadline);
    if (r < 0)
        return r;
    http_send_begin(h, start.length < GROVE_HTTP_TO_CLOSE ? 0 : start.length);
    if (h->sending != SEND_DONE && http_is(h->parser.head.method, "HEAD"))
        h->sending = SEND_DROPPED;
    return 0;
}

int grove_http_respond_begin(grove_http *h, int status,
                             const grove_http_field *fields, size_t count,
                             int64_t length)
{
    return grove_http_respond_begin_until(h, status, fields, count, length,
                                          http_deadline(h->attr.write_timeout));
}

int grove_http_respond_until(grove_http *h, int status,
                             const grove_http_field *fields, size_t count,
                             const void *body, size_t size, int64_t deadline)
{
    int r = check(h, status, (int64_t)size);
    if (r < 0)
        return r;
    grove_http_start start = begin(h, status, fields, count, (int64_t)size);
    if (http_is(h->parser.head.method, "HEAD"))
        size = 0;
    return http_send_whole(h, &start, body, size, deadline);
}

int grove_http_respond(grove_http *h, int status,
                       const grove_http_field *fields, size_t count,
                       const void *body, size_t size)
{
    return grove_http_respond_until(h, status, fields, count, body, size,
                                    http_deadline(h->attr.write_timeout));
}

/* ---- another protocol --------------------------------------------------------- */

int grove_http_upgrade_until(grove_http *h, const grove_http_field *fields,
                             size_t count, grove_stream **out, int64_t deadline)
{
    if (h->parser.kind != GROVE_HTTP_REQUESTS || !h->receiving ||
        !h->parser.head.upgrade || !h->ended)
        return -EINVAL;
    if (h->sending != SEND_NOTHING)
        return -EALREADY;
    bool tunnel = http_is(h->parser.head.method, "CONNECT");
    grove_http_start start = {
        .status = tunnel ? 200 : 101,
        .length = GROVE_HTTP_UNTOLD,
        .upgrade = !tunnel,
        .date = true,
        .fields = fields,
        .field_count = count,
    };
    int r = http_send_head(h, &start, NULL, 0, deadline);
    if (r == 0)
        r = grove_http_flush_until(h, deadline);
    if (r < 0)
        return r;
    grove_stream_consume(h->stream, h->held);
    h->held = 0;
    h->sending = SEND_DONE;
    h->taken = true;
    *out = h->stream;
    return 0;
}

int grove_http_upgrade(grove_http *h, const grove_http_field *fields,
                       size_t count, grove_stream **out)
{
    return grove_http_upgrade_until(h, fields, count, out,
                                    http_deadline(h->attr.write_timeout));
}

/*
 * A message that comes over a stream: its head, its body piece by piece.
 *
 *     head  ---+--- all of the body is there: nothing moves, `held` bytes wait
 *              |    to be consumed until the message is over
 *              +--- else the head is copied and consumed, and each piece is
 *                   consumed when the next one is asked for
 *
 * One fiber at a time receives. On the stream's thread; all may park.
 */
#include <stdlib.h>

#include "http/http.h"

/* What views pointed to in the stream's buffer is done with. */
static void let_go(grove_http *h)
{
    grove_stream_consume(h->stream, h->held);
    h->held = 0;
}

void http_receive_end(grove_http *h)
{
    let_go(h);
    free((char *)h->saved);
    h->saved = NULL;
    h->head_size = 0;
    h->rest = (grove_http_text){NULL, 0};
    h->receiving = false;
    h->ended = true;
    h->promised = false;
    h->late = false;
}

/* ---- the head ------------------------------------------------------------------ */

/* Have the head where reading on does not move it. 0 or -ENOMEM. */
static int keep_head(grove_http *h, const char *at, size_t size)
{
    size_t there = grove_stream_buffered(h->stream);
    h->held = size;
    if (h->parser.state == PARSER_NONE ||
        (h->parser.state == PARSER_LENGTH && h->parser.left <= there - size)) {
        h->head_size = size;
        return 0;
    }
    char *copy = malloc(size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, at, size);
    grove_http_parser_move(&h->parser, copy);
    h->saved = copy;
    let_go(h);
    return 0;
}

/* A message begins, of which nothing is known yet. */
static void begin(grove_http *h)
{
    grove_http_parser_reset(&h->parser);
    h->parser.bodiless = h->head_request;
    h->parser.tunnel = h->connect;
}

/* Have more than `have` bytes: how many there are; or a negative errno. */
static ssize_t await_more(grove_http *h, size_t have, const char **at,
                          int64_t deadline)
{
    ssize_t n = grove_stream_peek_until(h->stream, have + 1, at, deadline);
    if (n == -EMSGSIZE) /* the stream's buffer is smaller than the limit */
        return parser_refuse(&h->parser, 431, "the head is too long");
    return n;
}

ssize_t http_receive_head(grove_http *h, const char *at, size_t have,
                          int64_t deadline)
{
    const grove_http_head *head;
    assert(!h->receiving && h->held == 0 && have > 0);
    begin(h);
    ssize_t size;
    while ((size = grove_http_parse_head(&h->parser, at, have, &head)) == 0) {
        if (deadline == 0)
            deadline = http_deadline(h->attr.head_timeout);
        ssize_t n = await_more(h, have, &at, deadline);
        if (n < 0)
            return n;
        if ((size_t)n == have) /* the stream has ended */
            return -ENODATA;
        have = (size_t)n;
    }
    if (size < 0)
        return size;
    int r = keep_head(h, at, (size_t)size);
    if (r < 0)
        return r;
    h->receiving = true;
    h->ended = h->parser.state == PARSER_NONE;
    return size;
}

/* ---- the body -------------------------------------------------------------------- */

/* A client that has promised a body is told to send it, unless it has begun. */
static int invite(grove_http *h, int64_t deadline)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (h->promised || !h->parser.head.expects_continue)
        return 0;
    h->promised = true;
    if (h->sending != SEND_NOTHING ||
        grove_stream_buffered(h->stream) > h->held)
        return 0;
    int r =
        grove_stream_write_until(h->stream, text, sizeof(text) - 1, deadline);
    if (r == 0)
        r = grove_stream_flush_until(h->stream, deadline);
    return http_send_result(h, r);
}

/* The connection has ended where it is the body's end, or is not. */
static ssize_t end_by_close(grove_http *h)
{
    h->close = true;
    if (h->parser.state != PARSER_TO_CLOSE)
        return -ENODATA;
    h->parser.state = PARSER_NONE;
    h->ended = true;
    return 0;
}

/* The next piece, of at least one byte, in the stream's buffer; 0 at the
 * end. */
static ssize_t next_piece(grove_http *h, grove_http_text *data,
                          int64_t deadline)
{
    grove_http_piece piece;
    const char *at;
    if (!h->head_size)
        let_go(h);
    size_t have = h->held;
    for (;;) {
        ssize_t n = grove_stream_peek_until(h->stream, have, &at, deadline);
        if (n < 0)
            return n == -EMSGSIZE
                       ? parser_refuse(&h->parser, 431, "too long trailers")
                       : n;
        if ((size_t)n < have)
            return end_by_close(h);
        int r = grove_http_parse_body(&h->parser, at + h->held,
                                      (size_t)n - h->held, &piece);
        if (r < 0)
            return r;
        h->held += piece.used;
        h->ended = piece.end;
        *data = piece.data;
        if (piece.data.size > 0 || piece.end)
            return (ssize_t)piece.data.size;
        if (piece.used && !h->head_size) {
            let_go(h);
            have = 0;
        } else {
            have = (size_t)n;
        }
        have += !piece.used;
    }
}

/* What a call that receives comes to: after most failures nothing can follow.
 */
static ssize_t result(grove_http *h, ssize_t n)
{
    h->late = n == -ETIMEDOUT;
    if (n < 0 && n != -ETIMEDOUT && n != -ECANCELED && n != -EDEADLK &&
        n != -ENOMEM && n != -EBUSY)
        h->close = true;
    return n;
}

/* What is here needs no call of the stream's: one that gives the others a turn,
 * if the stream is still ours. 0, -EBADF or -EBUSY. */
static int let_others(grove_http *h)
{
    return h->taken ? 0 : grove_stream_skip_until(h->stream, 0, NULL, 0);
}

/* Have something in h->rest: 1; 0 at the end. */
static ssize_t refill(grove_http *h, int64_t deadline)
{
    if (!h->receiving)
        return -EINVAL;
    if (h->rest.size > 0 || h->ended) {
        int r = let_others(h);
        return r < 0 ? r : h->rest.size > 0;
    }
    if (h->parser.state == PARSER_REFUSED)
        return -EPROTO;
    int r = invite(h, deadline);
    if (r < 0)
        return r;
    return result(h, next_piece(h, &h->rest, deadline));
}

ssize_t grove_http_view_until(grove_http *h, const char **at, int64_t deadline)
{
    ssize_t n = refill(h, deadline);
    if (n <= 0)
        return n;
    n = (ssize_t)h->rest.size;
    *at = h->rest.at;
    h->rest.size = 0;
    return n;
}

ssize_t grove_http_view(grove_http *h, const char **at)
{
    return grove_http_view_until(h, at, http_deadline(h->attr.read_timeout));
}

/* Straight into the caller's memory, if what comes is counted and nothing of it
 * is here. -EAGAIN: it is not so. */
static ssize_t read_through(grove_http *h, void *buf, size_t len,
                            int64_t deadline)
{
    grove_http_piece piece;
    if (h->head_size || h->rest.size > 0 || h->parser.state != PARSER_LENGTH ||
        (h->parser.head.expects_continue && !h->promised))
        return -EAGAIN;
    let_go(h);
    if (grove_stream_buffered(h->stream) > 0)
        return -EAGAIN;
    if (len > h->parser.left)
        len = (size_t)h->parser.left;
    ssize_t n = grove_stream_read_until(h->stream, buf, len, deadline);
    if (n == 0)
        return end_by_close(h);
    if (n < 0)
        return result(h, n);
    int r = grove_http_parse_body(&h->parser, buf, (size_t)n, &piece);
    assert(r == 0 && piece.used == (size_t)n);
    (void)r;
    h->ended = piece.end;
    return n;
}

ssize_t grove_http_read_until(grove_http *h, void *buf, size_t len,
                              int64_t deadline)
{
    if (!h->receiving)
        return -EINVAL;
    if (len == 0)
        return 0;
    ssize_t n = read_through(h, buf, len, deadline);
    if (n != -EAGAIN)
        return n;
    n = refill(h, deadline);
    if (n <= 0)
        return n;
    size_t size = h->rest.size < len ? h->rest.size : len;
    memcpy(buf, h->rest.at, size);
    h->rest.at += size;
    h->rest.size -= size;
    return (ssize_t)size;
}

ssize_t grove_http_read(grove_http *h, void *buf, size_t len)
{
    return grove_http_read_until(h, buf, len,
                                 http_deadline(h->attr.read_timeout));
}

int grove_http_skip_until(grove_http *h, size_t limit, int64_t deadline)
{
    const char *at;
    for (size_t skipped = 0;;) {
        ssize_t n = grove_http_view_until(h, &at, deadline);
        if (n <= 0)
            return (int)n;
        skipped += (size_t)n;
        if (skipped > limit)
            return -EMSGSIZE;
    }
}

int grove_http_skip(grove_http *h, size_t limit)
{
    return grove_http_skip_until(h, limit, http_deadline(h->attr.read_timeout));
}

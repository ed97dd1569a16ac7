/*
 * Reading from a stream: some, exactly so many, none (peek).
 *
 * What a call wants is taken from the buffer; when that is empty it is filled
 * by one receive, unless the caller's own memory has room for more than it:
 * then that is received into. On the stream's thread; all may park but consume.
 */
#include <string.h>

#include "stream/stream.h"

ssize_t stream_fill(struct grove_stream *s, int64_t deadline)
{
    stream_buffer_make_room(&s->in, 1);
    assert(s->in.to < s->in.size);
    return stream_receive(s, NULL, 0, deadline);
}

/* Read up to len bytes that are in the buffer; buf NULL drops them. */
static size_t read_buffered(struct grove_stream *s, void *buf, size_t len)
{
    size_t count = stream_buffer_count(&s->in);
    size_t n = count < len ? count : len;
    if (buf && n)
        memcpy(buf, s->in.bytes + s->in.from, n);
    stream_buffer_drop(&s->in, n);
    return n;
}

/* ---- some ------------------------------------------------------------------- */

static ssize_t read_some(struct grove_stream *s, void *buf, size_t len,
                         int64_t deadline)
{
    if (len == 0)
        return 0;
    if (stream_buffer_count(&s->in) == 0) {
        if (buf && len >= s->in.size)
            return stream_receive(s, buf, len, deadline);
        ssize_t r = stream_fill(s, deadline);
        if (r <= 0)
            return r;
    }
    return (ssize_t)read_buffered(s, buf, len);
}

ssize_t grove_stream_read_until(grove_stream *s, void *buf, size_t len,
                                int64_t deadline)
{
    int r = stream_enter_in_turn(s, &s->reading);
    if (r < 0)
        return r;
    return stream_leave(s, &s->reading, read_some(s, buf, len, deadline));
}

ssize_t grove_stream_read(grove_stream *stream, void *buf, size_t len)
{
    return grove_stream_read_until(stream, buf, len, GROVE_NEVER);
}

/* ---- exactly so many ----------------------------------------------------------- */

/* buf NULL: they are dropped. */
static int read_all(struct grove_stream *s, char *buf, size_t len, size_t *done,
                    int64_t deadline)
{
    while (*done < len) {
        ssize_t n =
            read_some(s, buf ? buf + *done : NULL, len - *done, deadline);
        if (n <= 0)
            return n == 0 ? -ENODATA : (int)n;
        *done += (size_t)n;
    }
    return 0;
}

static int read_exactly(struct grove_stream *s, char *buf, size_t len,
                        size_t *done, int64_t deadline)
{
    size_t n = 0;
    int r = stream_enter_in_turn(s, &s->reading);
    if (r == 0)
        r = (int)stream_leave(s, &s->reading,
                              read_all(s, buf, len, &n, deadline));
    if (done)
        *done = n;
    return r;
}

int grove_stream_read_exactly_until(grove_stream *stream, void *buf, size_t len,
                                    size_t *done, int64_t deadline)
{
    assert(buf || len == 0);
    return read_exactly(stream, buf, len, done, deadline);
}

int grove_stream_read_exactly(grove_stream *stream, void *buf, size_t len,
                              size_t *done)
{
    return grove_stream_read_exactly_until(stream, buf, len, done, GROVE_NEVER);
}

int grove_stream_skip_until(grove_stream *stream, size_t len, size_t *done,
                            int64_t deadline)
{
    return read_exactly(stream, NULL, len, done, deadline);
}

int grove_stream_skip(grove_stream *stream, size_t len, size_t *done)
{
    return grove_stream_skip_until(stream, len, done, GROVE_NEVER);
}

/* ---- none ------------------------------------------------------------------------ */

static ssize_t wait_for_count(struct grove_stream *s, size_t min,
                              const char **at, int64_t deadline)
{
    ssize_t r = 1;
    if (min > s->in.size)
        return -EMSGSIZE;
    while (r > 0 && stream_buffer_count(&s->in) < min)
        r = stream_fill(s, deadline);
    if (r < 0)
        return r;
    *at = s->in.bytes ? s->in.bytes + s->in.from : "";
    return (ssize_t)stream_buffer_count(&s->in);
}

ssize_t grove_stream_peek_until(grove_stream *s, size_t min, const char **at,
                                int64_t deadline)
{
    int r = stream_enter_in_turn(s, &s->reading);
    if (r < 0)
        return r;
    return stream_leave(s, &s->reading, wait_for_count(s, min, at, deadline));
}

ssize_t grove_stream_peek(grove_stream *stream, size_t min, const char **at)
{
    return grove_stream_peek_until(stream, min, at, GROVE_NEVER);
}

void grove_stream_consume(grove_stream *stream, size_t n)
{
    assert(!stream->reading); /* or it would take what another reads */
    stream_buffer_drop(&stream->in, n);
}

size_t grove_stream_buffered(const grove_stream *stream)
{
    return stream_buffer_count(&stream->in);
}

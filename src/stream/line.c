/*
 * Reading from a stream up to a delimiter, a line's end among others.
 *
 * The text stays where it is, in the buffer, until the next call that reads:
 * the delimiter's first byte is overwritten by the 0 behind it. What was looked
 * at once is not looked at again when more has come. On the stream's thread;
 * all may park.
 */
#include <string.h>

#include "stream/stream.h"

/* What is looked for. */
struct end {
    const char *bytes;
    size_t size;  /* of bytes */
    size_t limit; /* the most that the text before it may have */
};

/* The length of the text before the end; -ENOENT, it is not there yet, of
 * whose bytes *seen need not be looked at again; or -EMSGSIZE. */
static ssize_t find(const struct stream_buffer *b, const struct end *end,
                    size_t *seen)
{
    size_t count = stream_buffer_count(b);
    assert(*seen <= count);
    if (count >= *seen + end->size) {
        const char *text = b->bytes + b->from;
        const char *at =
            memmem(text + *seen, count - *seen, end->bytes, end->size);
        if (at)
            return (size_t)(at - text) <= end->limit ? at - text : -EMSGSIZE;
        *seen = count - end->size + 1;
    }
    return *seen > end->limit || count == b->size ? -EMSGSIZE : -ENOENT;
}

/* Wait until the end is there: the text's length; -ENOENT at the end of the
 * stream, or a negative errno. */
static ssize_t wait_for_end(struct grove_stream *s, const struct end *end,
                            int64_t deadline)
{
    size_t seen = 0;
    for (;;) {
        ssize_t n = find(&s->in, end, &seen);
        if (n != -ENOENT)
            return n;
        n = stream_fill(s, deadline);
        if (n < 0)
            return n;
        if (n == 0)
            return stream_buffer_count(&s->in) ? -ENODATA : -ENOENT;
    }
}

/* A result of wait_for_end as that of a call. Reads skip bytes, the text's and
 * the end's; the text is the first len of them. */
static int hand_out(struct grove_stream *s, size_t len, size_t skip,
                    char **text, size_t *out)
{
    *text = s->in.bytes + s->in.from;
    (*text)[len] = 0;
    if (out)
        *out = len;
    stream_buffer_drop(&s->in, skip);
    return 1;
}

/* ---- any delimiter ------------------------------------------------------------- */

static int read_to(struct grove_stream *s, const struct end *end, char **text,
                   size_t *len, int64_t deadline)
{
    ssize_t n = wait_for_end(s, end, deadline);
    if (n < 0)
        return n == -ENOENT ? 0 : (int)n;
    return hand_out(s, (size_t)n, (size_t)n + end->size, text, len);
}

int grove_stream_read_to_until(grove_stream *s, const void *delimiter,
                               size_t size, char **text, size_t *len,
                               size_t limit, int64_t deadline)
{
    const struct end end = {delimiter, size, limit ? limit : SIZE_MAX};
    if (size == 0)
        return -EINVAL;
    int r = stream_enter_in_turn(s, &s->reading);
    if (r < 0)
        return r;
    return (int)stream_leave(s, &s->reading,
                             read_to(s, &end, text, len, deadline));
}

int grove_stream_read_to(grove_stream *stream, const void *delimiter,
                         size_t size, char **text, size_t *len, size_t limit)
{
    return grove_stream_read_to_until(stream, delimiter, size, text, len, limit,
                                      GROVE_NEVER);
}

/* ---- lines ---------------------------------------------------------------------- */

static int read_line(struct grove_stream *s, char **line, size_t *len,
                     size_t limit, int64_t deadline)
{
    /* Of the longest line a "\r" is no text. */
    const struct end end = {"\n", 1, limit + (limit < SIZE_MAX)};
    ssize_t n = wait_for_end(s, &end, deadline);
    if (n < 0)
        return n == -ENOENT ? 0 : (int)n;
    size_t size = (size_t)n;
    if (size && s->in.bytes[s->in.from + size - 1] == '\r')
        size--;
    if (size > limit)
        return -EMSGSIZE;
    return hand_out(s, size, (size_t)n + 1, line, len);
}

int grove_stream_read_line_until(grove_stream *s, char **line, size_t *len,
                                 size_t limit, int64_t deadline)
{
    int r = stream_enter_in_turn(s, &s->reading);
    if (r < 0)
        return r;
    r = read_line(s, line, len, limit ? limit : SIZE_MAX, deadline);
    return (int)stream_leave(s, &s->reading, r);
}

int grove_stream_read_line(grove_stream *stream, char **line, size_t *len,
                           size_t limit)
{
    return grove_stream_read_line_until(stream, line, len, limit, GROVE_NEVER);
}

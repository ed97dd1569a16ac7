/*
 * Writing to a stream.
 *
 * What fits is copied into the buffer. What does not is sent, behind what is
 * there: over a plain socket without a copy, in one system call; otherwise
 * through the buffer, for TLS must be given the same bytes again when it was
 * cut short within a record, and only what is in the buffer is sure to be.
 *
 * A wait that ends early is not the call's failure if what is left fits into
 * the buffer by then: then all is taken. On the stream's thread; all may park.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "stream/stream.h"

static size_t room_of(const struct stream_buffer *b)
{
    return b->size - stream_buffer_count(b);
}

/* ---- taking ------------------------------------------------------------------- */

/* Copy what fits of v, of which done bytes are gone already: how much it was;
 * or -ENOMEM. */
static ssize_t copy(struct grove_stream *s, const struct net_iov *v,
                    size_t done)
{
    struct stream_buffer *b = &s->out;
    if (unlikely(!stream_buffer_take(b)))
        return -ENOMEM;
    size_t left = v->left - done, room = room_of(b);
    size_t n = left < room ? left : room, copied = 0;
    stream_buffer_make_room(b, n);
    for (const struct iovec *at = v->at; copied < n; at++) {
        if (done >= at->iov_len) {
            done -= at->iov_len;
            continue;
        }
        size_t part = at->iov_len - done;
        if (part > n - copied)
            part = n - copied;
        memcpy(b->bytes + b->to, (const char *)at->iov_base + done, part);
        b->to += (uint32_t)part;
        copied += part;
        done = 0;
    }
    s->taken += copied;
    return (ssize_t)copied;
}

/* Sending has failed, and done bytes of v are taken: take the rest if it fits,
 * and if it was only a wait that ended. A kill is then told by the next one. */
static int take_rest(struct grove_stream *s, const struct net_iov *v,
                     size_t done, int error)
{
    if ((error != -ECANCELED && error != -ETIMEDOUT && error != -EDEADLK) ||
        v->left - done > room_of(&s->out) || copy(s, v, done) < 0)
        return error;
    if (error == -ECANCELED)
        hub_wait_undo(hub_of_thread->current, error);
    return 0;
}

/* A plain socket's. */
static int take_by_sending(struct grove_stream *s, const struct net_iov *v,
                           int64_t deadline)
{
    size_t done = 0;
    int r = stream_send_with(s, v, deadline, &done);
    s->taken += done;
    return r < 0 ? take_rest(s, v, done, r) : 0;
}

static int take_by_copying(struct grove_stream *s, const struct net_iov *v,
                           int64_t deadline)
{
    /* As a whole, if it can be. */
    int r = v->left <= s->out.size ? stream_send_out(s, deadline) : 0;
    size_t done = 0;
    while (r == 0) {
        ssize_t n = copy(s, v, done);
        if (n < 0)
            return (int)n;
        done += (size_t)n;
        if (done == v->left)
            return 0;
        r = stream_send_out(s, deadline);
    }
    return take_rest(s, v, done, r);
}

static int take(struct grove_stream *s, const struct iovec *iov, size_t count,
                int64_t deadline)
{
    struct net_iov v;
    if (!net_iov_begin(&v, iov, count))
        return -EINVAL;
    if (s->finished)
        return -EPIPE;
    if (v.left == 0)
        return 0;
    if (likely(v.left <= room_of(&s->out)))
        return copy(s, &v, 0) < 0 ? -ENOMEM : 0;
    return s->socket && !s->tls ? take_by_sending(s, &v, deadline)
                                : take_by_copying(s, &v, deadline);
}

int grove_stream_writev_until(grove_stream *s, const struct iovec *iov,
                              int iovcnt, int64_t deadline)
{
    if (iovcnt < 0 || iovcnt > IOV_MAX)
        return -EINVAL;
    int r = stream_enter_writing(s, deadline);
    if (r < 0)
        return r;
    return (int)stream_leave(s, &s->writing,
                             take(s, iov, (size_t)iovcnt, deadline));
}

int grove_stream_writev(grove_stream *stream, const struct iovec *iov,
                        int iovcnt)
{
    return grove_stream_writev_until(stream, iov, iovcnt, GROVE_NEVER);
}

int grove_stream_write_until(grove_stream *stream, const void *buf, size_t len,
                             int64_t deadline)
{
    struct iovec iov = {(void *)buf, len};
    return grove_stream_writev_until(stream, &iov, 1, deadline);
}

int grove_stream_write(grove_stream *stream, const void *buf, size_t len)
{
    return grove_stream_write_until(stream, buf, len, GROVE_NEVER);
}

/* ---- printf -------------------------------------------------------------------- */

/* 0; -EAGAIN: there is too little room now; or a negative errno. */
static int print(struct grove_stream *s, const char *format, va_list args)
{
    struct stream_buffer *b = &s->out;
    va_list again;
    if (!stream_buffer_take(b))
        return -ENOMEM;
    stream_buffer_make_room(b, b->size);
    size_t room = b->size - b->to;
    va_copy(again, args);
    int n = vsnprintf(b->bytes + b->to, room, format, again);
    va_end(again);
    if (n < 0)
        return -EINVAL;
    if ((size_t)n >= b->size) /* there is a 0 behind it */
        return -EMSGSIZE;
    if ((size_t)n >= room)
        return -EAGAIN;
    b->to += (uint32_t)n;
    s->taken += (size_t)n;
    return 0;
}

static int take_printed(struct grove_stream *s, const char *format,
                        va_list args, int64_t deadline)
{
    if (s->finished)
        return -EPIPE;
    int r = print(s, format, args);
    if (r == -EAGAIN) {
        r = stream_send_out(s, deadline);
        if (r == 0)
            r = print(s, format, args);
    }
    if (stream_buffer_count(&s->out) == 0)
        stream_buffer_give(&s->out);
    return r;
}

int grove_stream_vprintf_until(grove_stream *s, const char *format,
                               va_list args, int64_t deadline)
{
    int r = stream_enter_writing(s, deadline);
    if (r < 0)
        return r;
    return (int)stream_leave(s, &s->writing,
                             take_printed(s, format, args, deadline));
}

int grove_stream_vprintf(grove_stream *stream, const char *format, va_list args)
{
    return grove_stream_vprintf_until(stream, format, args, GROVE_NEVER);
}

int grove_stream_printf(grove_stream *stream, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int r = grove_stream_vprintf(stream, format, args);
    va_end(args);
    return r;
}

/* ---- send, flush, shutdown ----------------------------------------------------- */

/* Of a plain socket, in one system call if the peer takes it: as a rule there
 * is nothing in the buffer, and nothing is put there. */
static int send_through(struct grove_stream *s, const void *buf, size_t len,
                        int64_t deadline)
{
    size_t done = 0;
    int r;
    if (len == 0)
        return stream_send_out(s, deadline);
    if (likely(stream_buffer_count(&s->out) == 0)) {
        r = stream_send_bytes(s, buf, len, deadline, &done);
    } else {
        const struct iovec iov = {(void *)buf, len};
        struct net_iov v;
        if (!net_iov_begin(&v, &iov, 1))
            return -EINVAL;
        r = stream_send_with(s, &v, deadline, &done);
    }
    s->taken += done;
    return r;
}

static int send_all(struct grove_stream *s, const void *buf, size_t len,
                    int64_t deadline)
{
    const struct iovec iov = {(void *)buf, len};
    if (s->finished)
        return -EPIPE;
    if (len > SSIZE_MAX)
        return -EINVAL;
    if (s->socket && !s->tls)
        return send_through(s, buf, len, deadline);
    int r = take(s, &iov, 1, deadline);
    return r < 0 ? r : stream_send_out(s, deadline);
}

int grove_stream_send_until(grove_stream *s, const void *buf, size_t len,
                            int64_t deadline)
{
    int r = stream_enter_writing(s, deadline);
    if (r < 0)
        return r;
    return (int)stream_leave(s, &s->writing, send_all(s, buf, len, deadline));
}

int grove_stream_send(grove_stream *stream, const void *buf, size_t len)
{
    return grove_stream_send_until(stream, buf, len, GROVE_NEVER);
}

int grove_stream_flush_until(grove_stream *s, int64_t deadline)
{
    int r = stream_enter_writing(s, deadline);
    if (r < 0)
        return r;
    return (int)stream_leave(s, &s->writing, stream_send_out(s, deadline));
}

int grove_stream_flush(grove_stream *stream)
{
    return grove_stream_flush_until(stream, GROVE_NEVER);
}

static int finish(struct grove_stream *s, int64_t deadline)
{
    if (s->finished)
        return 0;
    int r = stream_send_out(s, deadline);
    if (r == 0)
        r = stream_finish(s, deadline);
    s->finished = r == 0;
    return r;
}

int grove_stream_shutdown_until(grove_stream *s, int64_t deadline)
{
    int r = stream_enter_writing(s, deadline);
    if (r < 0)
        return r;
    return (int)stream_leave(s, &s->writing, finish(s, deadline));
}

int grove_stream_shutdown(grove_stream *stream)
{
    return grove_stream_shutdown_until(stream, GROVE_NEVER);
}

/*
 * One receive and one send of a stream, by whatever it runs over:
 *
 *     a socket       net/try.c: a try, then a wait in which the stream needs no
 *                    buffer; sending by net/all.c
 *     TLS            the same by its library's table
 *     other files    net/vector.c, which waits by itself
 *
 * Before a wait for input, what was written is sent: whoever waits for an
 * answer wants the question to have been asked. That is a try as well: where it
 * would have to wait, the wait is for either, so that what the peer sends is
 * read, and others may write meanwhile. Only of other files, which do not tell,
 * who reads has the writers' turn, and they wait for it.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "stream/stream.h"

/* ---- receiving --------------------------------------------------------------- */

/* The record of a plain socket, which is looked up once a call; NULL is said of
 * all else, and with *r below 0 of a socket that has none. */
static struct loop_fd *record_of(const struct grove_stream *s, int *r)
{
    if (!s->socket || s->tls)
        return NULL;
    struct loop_fd *record = net_record(s->fd);
    if (unlikely(!record))
        *r = -errno;
    return record;
}

/* As stream_receive, but it does not wait: -EAGAIN, *direction is to be waited
 * for. Other files wait in here. */
static inline ssize_t try_receive(struct grove_stream *s,
                                  struct loop_fd *record, char *buf, size_t len,
                                  unsigned *direction, int64_t deadline)
{
    assert(len > 0);
    if (unlikely(!stream_is_open(s)))
        return -EBADF;
    ssize_t n;
    *direction = LOOP_READ;
    if (likely(record))
        n = net_try_recv_on(record, buf, len);
    else if (s->tls)
        n = tls_ops_of(s->tls)->try_read(s->tls, buf, len, direction);
    else
        n = net_read(s->fd, buf, len, deadline, NET_PARK);
    return n < 0 ? -errno : n;
}

static ssize_t receive_into_buffer(struct grove_stream *s,
                                   struct loop_fd *record, unsigned *direction,
                                   int64_t deadline)
{
    struct stream_buffer *b = &s->in;
    if (unlikely(!stream_buffer_take(b)))
        return -ENOMEM;
    ssize_t n = try_receive(s, record, b->bytes + b->to, b->size - b->to,
                            direction, deadline);
    if (n > 0)
        b->to += (uint32_t)n;
    return n;
}

static bool is_to_flush(const struct grove_stream *s)
{
    return s->auto_flush && !s->writing && stream_buffer_count(&s->out) > 0;
}

/* Of what is no socket, and has no TLS. */
static int flush_by_waiting(struct grove_stream *s, int64_t deadline)
{
    s->writing = s->flushing = true;
    int r = stream_send_out(s, deadline);
    s->writing = s->flushing = false;
    stream_flushed(s);
    /* That nothing can be sent the next write will tell; something may still
     * be there to read. */
    return r == -ECANCELED || r == -ETIMEDOUT || r == -EDEADLK ? r : 0;
}

static ssize_t try_send(struct grove_stream *s, unsigned *direction)
{
    struct stream_buffer *b = &s->out;
    const char *buf = b->bytes + b->from;
    size_t count = stream_buffer_count(b);
    *direction = LOOP_WRITE;
    return s->tls ? tls_ops_of(s->tls)->try_write(s->tls, buf, count, direction)
                  : net_try_send(s->fd, buf, count);
}

/* Sends what was written, as far as that needs no wait. Whether there was
 * something; *direction is to be waited for to send the rest, 0 if that is not
 * to be tried again: all is sent, or the next write will tell why not. */
static bool flush_by_trying(struct grove_stream *s, struct loop_fd *record,
                            unsigned *direction)
{
    ssize_t n = 0;
    if (!is_to_flush(s))
        return false;
    /* A peer that is quick enough answers before any wait is begun. */
    if (record)
        net_watch(record);
    while (n >= 0 && stream_buffer_count(&s->out) > 0) {
        n = try_send(s, direction);
        if (n > 0)
            stream_buffer_drop(&s->out, (size_t)n);
    }
    if (n >= 0)
        stream_buffer_give(&s->out);
    if (n >= 0 || errno != EAGAIN)
        *direction = 0;
    return true;
}

static int wait_for(struct grove_stream *s, struct loop_fd *record,
                    unsigned direction, int64_t deadline)
{
    static const char what[] = "stream read";
    if (stream_buffer_count(&s->in) == 0)
        stream_buffer_give(&s->in);
    if (likely(record))
        return net_await_on(record, direction, deadline, what);
    return s->tls ? tls_ops_of(s->tls)->await(s->tls, direction, deadline)
                  : net_await(s->fd, direction, deadline, what);
}

/* What comes before the first try. */
static int prepare(struct grove_stream *s, int64_t deadline)
{
    int r = 0;
    hub_turn_if_any();
    if (s->tls)
        r = tls_ops_of(s->tls)->handshake(s->tls, deadline) < 0 ? -errno : 0;
    else if (!s->socket && is_to_flush(s))
        r = flush_by_waiting(s, deadline);
    return r;
}

/* Whether a try to receive would find nothing: no buffer is taken for it, and
 * no system call made. Only of the stream's own file is that said. */
static inline bool nothing_came(const struct grove_stream *s,
                                const struct loop_fd *record)
{
    return record && record->closes == s->closes && net_nothing_came(record);
}

ssize_t stream_receive(struct grove_stream *s, char *buf, size_t len,
                       int64_t deadline)
{
    assert(s->reading);
    if (s->ended)
        return 0;
    bool flushes = true, last = false;
    int r = prepare(s, deadline);
    struct loop_fd *record = record_of(s, &r);
    bool in_vain = nothing_came(s, record);
    while (r == 0 || r == -EINTR) {
        unsigned direction = LOOP_READ, also = 0;
        ssize_t n = in_vain ? -EAGAIN
                    : buf
                        ? try_receive(s, record, buf, len, &direction, deadline)
                        : receive_into_buffer(s, record, &direction, deadline);
        if (n >= 0) {
            s->received += (size_t)n;
            s->ended = n == 0;
            return n;
        }
        if (n != -EAGAIN || last)
            return n == -EAGAIN ? -ETIMEDOUT : n;
        if (flushes && flush_by_trying(s, record, &also) && !also) {
            flushes = false;
            in_vain = nothing_came(s, record);
            continue;
        }
        r = wait_for(s, record, direction | also, deadline);
        in_vain = false;
        if (r == -ETIMEDOUT) {
            last = true; /* one more try */
            in_vain = nothing_came(s, record);
            r = 0;
        }
    }
    return r;
}

/* ---- sending ------------------------------------------------------------------ */

/* Of a plain socket. As a rule it takes all there is at once: for what is left
 * alone there is a call that may wait. */
static int send_to_socket(struct grove_stream *s, const char *buf, size_t len,
                          int64_t deadline, size_t *done)
{
    assert(len > 0);
    ssize_t n = net_try_send(s->fd, buf, len);
    if (likely(n == (ssize_t)len)) {
        *done = len;
        return 0;
    }
    if (n < 0 && errno != EAGAIN)
        return -errno;
    size_t sent = n > 0 ? (size_t)n : 0;
    struct iovec rest = {(char *)buf + sent, len - sent};
    int r =
        net_sendv_all(s->fd, &rest, 1, MSG_NOSIGNAL, deadline, NET_PARK, done);
    *done += sent;
    return r;
}

int stream_send_bytes(struct grove_stream *s, const char *buf, size_t len,
                      int64_t deadline, size_t *done)
{
    struct iovec iov = {(char *)buf, len};
    if (unlikely(!stream_is_open(s)))
        return -EBADF;
    if (s->tls)
        return tls_ops_of(s->tls)->write_all(s->tls, buf, len, done, deadline);
    return s->socket ? send_to_socket(s, buf, len, deadline, done)
                     : net_writev_all(s->fd, &iov, 1, deadline, NET_PARK, done);
}

int stream_send_out(struct grove_stream *s, int64_t deadline)
{
    struct stream_buffer *b = &s->out;
    size_t count = stream_buffer_count(b), done = 0;
    assert(s->writing);
    if (count == 0)
        return 0;
    int r = stream_send_bytes(s, b->bytes + b->from, count, deadline, &done);
    assert(r < 0 || done == count);
    stream_buffer_drop(b, done);
    if (done == count)
        stream_buffer_give(b);
    return r;
}

int stream_send_with(struct grove_stream *s, const struct net_iov *v,
                     int64_t deadline, size_t *done)
{
    struct stream_buffer *b = &s->out;
    struct iovec all[NET_IOV_SMALL];
    size_t count = stream_buffer_count(b);
    assert(s->writing && s->socket && !s->tls && *done == 0);
    if (count && v->count >= NET_IOV_SMALL) {
        int r = stream_send_out(s, deadline);
        if (r < 0)
            return r;
        count = 0;
    }
    if (unlikely(!stream_is_open(s)))
        return -EBADF;
    if (count == 0)
        return net_sendv_all(s->fd, v->at, v->count, MSG_NOSIGNAL, deadline,
                             NET_PARK, done);
    all[0] = (struct iovec){b->bytes + b->from, count};
    memcpy(all + 1, v->at, v->count * sizeof(*all));
    size_t sent = 0;
    int r = net_sendv_all(s->fd, all, v->count + 1, MSG_NOSIGNAL, deadline,
                          NET_PARK, &sent);
    size_t old = sent < count ? sent : count;
    stream_buffer_drop(b, old);
    if (old == count)
        stream_buffer_give(b);
    *done = sent - old;
    return r;
}

int stream_finish(struct grove_stream *s, int64_t deadline)
{
    assert(s->writing && stream_buffer_count(&s->out) == 0);
    if (unlikely(!stream_is_open(s)))
        return -EBADF;
    if (!s->tls)
        return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
    const struct tls_ops *ops = tls_ops_of(s->tls);
    if (ops->handshake(s->tls, deadline) < 0)
        return -errno;
    return ops->shutdown(s->tls, SHUT_WR, deadline) < 0 ? -errno : 0;
}

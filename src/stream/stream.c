/*
 * Streams: birth and end, and what is known of them.
 *
 *     made --- close: flush, end of TLS ---> closed --- nobody is in it --->
 * freed \                                    ^
 *         +--------------- free --------------+
 *
 * Closing closes the descriptor, which wakes whoever waits for it. Those leave
 * with EBADF, and the last of them frees what is left.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "hub/links.h"
#include "hub/sized.h"
#include "stream/stream.h"
#include "sync/turn.h"

#define SIZE_DEFAULT 16384

/* ---- birth ---------------------------------------------------------------- */

static bool set_size(struct stream_buffer *b, size_t size)
{
    b->size = size ? (uint32_t)size : SIZE_DEFAULT;
    return size == 0 ||
           (size >= GROVE_STREAM_SIZE_MIN && size <= GROVE_STREAM_SIZE_MAX);
}

/* 0, -EBADF or -EPROTOTYPE. */
static int look_at(struct grove_stream *s)
{
    int type;
    socklen_t size = sizeof(type);
    if (getsockopt(s->fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return errno == ENOTSOCK ? 0 : -errno;
    s->socket = true;
    return type == SOCK_STREAM ? 0 : -EPROTOTYPE;
}

int grove_stream_new_tls(grove_stream **out, grove_tls *tls, int fd,
                         const grove_stream_attr *given)
{
    grove_stream_attr taken = {0}, *attr = &taken;
    if (given &&
        sized_take(attr, sizeof(*attr),
                   SIZED_TO(grove_stream_attr, no_auto_flush), given) < 0)
        return -EINVAL;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct grove_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    links_init(&s->held_up);
    s->fd = fd;
    s->closes = loop_closes(fd);
    s->tls = tls;
    s->auto_flush = !attr->no_auto_flush;
    int r = look_at(s);
    if (r == 0 && !(set_size(&s->in, attr->read_size) &&
                    set_size(&s->out, attr->write_size)))
        r = -EINVAL;
    if (r < 0) {
        free(s);
        return r;
    }
    /* It will be closed by us: waits for it need not ask whether it was. */
    loop_adopt(&hub->loop, fd);
    *out = s;
    return 0;
}

int grove_stream_new(grove_stream **out, int fd, const grove_stream_attr *attr)
{
    return grove_stream_new_tls(out, NULL, fd, attr);
}

/* What has been read is a part of a request, or one that is not served yet. */
static bool has_more(const struct server_reader *ahead)
{
    struct grove_stream *s = container_of(ahead, struct grove_stream, ahead);
    return stream_buffer_count(&s->in) > 0 ||
           (s->tls && tls_ops_of(s->tls)->has_more(s->tls));
}

int grove_stream_new_connection(grove_stream **out, grove_connection *c,
                                const grove_stream_attr *attr)
{
    int r = grove_stream_new_tls(out, c->tls, c->fd, attr);
    if (r < 0)
        return r;
    c->fd = -1;
    c->tls = NULL;
    (*out)->ahead.has_more = has_more;
    server_read_ahead(c, &(*out)->ahead);
    return 0;
}

/* ---- the end ---------------------------------------------------------------- */

static void free_unless_used(struct grove_stream *s)
{
    assert(s->closed);
    if (s->reading || s->writing || s->guests)
        return;
    server_read_no_more(&s->ahead);
    if (s->tls)
        tls_ops_of(s->tls)->free(s->tls);
    stream_buffer_end(&s->in);
    stream_buffer_end(&s->out);
    free(s);
}

ssize_t stream_leave_closed(struct grove_stream *s)
{
    free_unless_used(s);
    return -EBADF;
}

int stream_let_others(struct grove_stream *s)
{
    s->guests++;
    hub_turn_slow(hub_of_thread, true);
    assert(s->guests > 0);
    s->guests--;
    if (likely(!s->closed))
        return 0;
    free_unless_used(s);
    return -EBADF;
}

/* The current fiber waits until who reads has flushed. */
static int await_flush(struct grove_stream *s, int64_t deadline)
{
    assert(s->writing);
    s->guests++;
    int r =
        turn_wait(hub_of_thread, &s->held_up, deadline, "stream (flushing)");
    s->guests--;
    if (likely(!s->closed))
        return r;
    free_unless_used(s);
    return -EBADF;
}

int stream_await_flush(struct grove_stream *s, int r, int64_t deadline)
{
    while (unlikely(r == -EBUSY) && s->flushing) {
        r = await_flush(s, deadline);
        if (r == 0)
            r = stream_enter(s, &s->writing);
    }
    return r;
}

void stream_flushed(struct grove_stream *s)
{
    assert(!s->flushing);
    while (turn_give(&s->held_up, 0))
        ;
}

static void close_now(struct grove_stream *s)
{
    s->closed = true;
    if (stream_is_open(s))
        net_close(s->fd);
    free_unless_used(s);
}

/* Whether the peer was told of the end by TLS; that it has gone without
 * listening is no failure of ours. */
static int end_tls(struct grove_stream *s, int64_t deadline)
{
    if (!s->tls || s->finished)
        return 0;
    int r = tls_ops_of(s->tls)->shutdown(s->tls, SHUT_WR, deadline);
    return r < 0 && (errno == ECANCELED || errno == ETIMEDOUT) ? -errno : 0;
}

int grove_stream_close_until(grove_stream *s, int64_t deadline)
{
    int r = stream_enter_writing(s, deadline);
    if (r == -EBADF)
        return r;
    s->closed = true; /* nobody enters */
    if (r == 0) {
        r = stream_send_out(s, deadline);
        if (r == 0)
            r = end_tls(s, deadline);
        s->writing = false;
    }
    if (!stream_is_open(s))
        r = -EBADF;
    close_now(s);
    return r;
}

int grove_stream_close(grove_stream *stream)
{
    return grove_stream_close_until(stream, GROVE_NEVER);
}

void grove_stream_free(grove_stream *stream)
{
    if (stream && !stream->closed)
        close_now(stream);
}

/* ---- what is known of it ------------------------------------------------------ */

int grove_stream_fd(const grove_stream *stream)
{
    return stream->fd;
}

grove_tls *grove_stream_tls(const grove_stream *stream)
{
    return stream->tls;
}

int grove_stream_get_stats(const grove_stream *stream,
                           grove_stream_stats *stats)
{
    const grove_stream_stats all = {
        .received = stream->received,
        .read = stream->received - stream_buffer_count(&stream->in),
        .taken = stream->taken,
        .sent = stream->taken - stream_buffer_count(&stream->out),
        .memory = stream_buffer_memory(&stream->in) +
                  stream_buffer_memory(&stream->out),
    };
    return sized_give(stats, &all, sizeof(all),
                      SIZED_TO(grove_stream_stats, memory));
}

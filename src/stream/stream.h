/*
 * Buffered streams: what their files share. A layer on net/, of the same
 * library; TLS is reached through the table in net/tls_ops.h.
 *
 *   stream.c     birth and end, whose turn it is, what is known of a stream
 *   buffer.c     memory of buffers, and a thread's pool of it
 *   transport.c  one receive, one send, by whatever the stream runs over
 *   read.c       read, exactly, skip, peek
 *   line.c       up to a delimiter
 *   write.c      write, writev, printf, send, flush, shutdown
 *
 *            +-------------- in ---------------+
 *   peer --> | read already | count | room     | --> read, line, peek
 *            +--------------from----to---------+
 *            +-------------- out --------------+
 *   peer <-- | sent already | count | room     | <-- write, printf
 *            +---------------------------------+
 *
 * Invariants:
 *   1. What is in `in` has been received and not read, what is in `out` was
 *      taken and not sent; an error changes neither by more than it tells.
 *   2. One fiber at a time is in a call that reads (`reading`), one in a call
 *      that writes (`writing`). Who reads sends what is in `out` while nobody
 *      writes, and by tries that are left by no switch (else `flushing`).
 *   3. A closed stream is freed by the last fiber that leaves it, guests
 *      included.
 *   4. Nothing is done to fd once its number was closed (`closes`).
 *
 * All on the thread that has made the stream.
 */
#ifndef GROVE_STREAM_STREAM_H
#define GROVE_STREAM_STREAM_H

#include "net/net.h"
#include "net/server.h"
#include "net/tls_ops.h"

/* ---- buffer.c ------------------------------------------------------------- */

struct stream_buffer {
    char *bytes;       /* NULL: it has no memory, for it is empty */
    uint32_t size;     /* bytes it has, or will have */
    uint32_t from, to; /* what is in it; from <= to <= size */
};

/* Have memory. False: there is none. */
bool stream_buffer_take(struct stream_buffer *b);
/* An empty one's memory is not needed for now. */
void stream_buffer_give(struct stream_buffer *b);
/* Its end, with what is in it. */
void stream_buffer_end(struct stream_buffer *b);
/* How many bytes of memory it has. */
size_t stream_buffer_memory(const struct stream_buffer *b);
/* Move what is in it to its beginning, where that is cheap or needed to have
 * room for n bytes. */
void stream_buffer_make_room(struct stream_buffer *b, size_t n);

static inline size_t stream_buffer_count(const struct stream_buffer *b)
{
    assert(b->from <= b->to && b->to <= b->size);
    assert(b->bytes || b->to == 0);
    return b->to - b->from;
}

/* The first n bytes are done with. */
static inline void stream_buffer_drop(struct stream_buffer *b, size_t n)
{
    assert(n <= stream_buffer_count(b));
    b->from += (uint32_t)n;
    if (b->from == b->to)
        b->from = b->to = 0;
}

/* ---- the stream ------------------------------------------------------------ */

struct grove_stream {
    int fd;          /* owned */
    uint32_t closes; /* of fd's number when the stream was made */
    grove_tls *tls;  /* owned; NULL: without TLS */
    struct stream_buffer in, out;
    struct server_reader ahead; /* of the connection of a server that it was
                                   made of */
    uint64_t received;          /* see grove_stream_stats */
    uint64_t taken;             /* likewise */
    bool socket;                /* fd is one */
    bool auto_flush;            /* before a wait for input `out` is sent */
    bool ended;                 /* the peer has sent its last byte */
    bool finished;              /* we have told the peer that no more comes */
    bool reading;               /* a fiber is in a call that reads */
    bool writing;               /* a fiber is in a call that writes */
    bool flushing;              /* it is one that reads, and flushes before */
    grove_link held_up;         /* writers that wait for the end of that */
    bool closed;                /* or being closed: nobody enters any more */
    unsigned guests; /* fibers that let others run before they enter */
};

/* Whether fd still is what the stream was made over. */
static inline bool stream_is_open(const struct grove_stream *s)
{
    return s->closes == loop_closes(s->fd);
}

/* Begin a call that has the turn at *turn: s->reading or s->writing. 0, -EBADF
 * or -EBUSY. */
static inline int stream_enter(struct grove_stream *s, bool *turn)
{
    assert(turn == &s->reading || turn == &s->writing);
    if (unlikely(s->closed))
        return -EBADF;
    if (unlikely(*turn))
        return -EBUSY;
    *turn = true;
    return 0;
}

/* The others run, and then the call begins. 0 or -EBADF: one of them has closed
 * the stream. */
int stream_let_others(struct grove_stream *s);

/* The same for a call that could have to wait, and may not: the others run
 * first if their time has come. Not after it, because what it hands out may be
 * the buffer's; and before it has its turn at the stream, for they may want to
 * read and write, too. */
static inline int stream_enter_in_turn(struct grove_stream *s, bool *turn)
{
    struct hub *hub = hub_of_thread;
    if (likely(hub) && unlikely(hub_turn_due(hub))) {
        int r = stream_let_others(s);
        if (r < 0)
            return r;
    }
    return stream_enter(s, turn);
}

/* The same for a call that writes, of which r came: it waits while who reads
 * flushes. */
int stream_await_flush(struct grove_stream *s, int r, int64_t deadline);

static inline int stream_enter_writing(struct grove_stream *s, int64_t deadline)
{
    int r = stream_enter_in_turn(s, &s->writing);
    return likely(r == 0) ? 0 : stream_await_flush(s, r, deadline);
}

/* `flushing` has ended: who waits for that goes on. */
void stream_flushed(struct grove_stream *s);

/* Its end, with the result r; that of a stream closed meanwhile is -EBADF. */
ssize_t stream_leave_closed(struct grove_stream *s);

static inline ssize_t stream_leave(struct grove_stream *s, bool *turn,
                                   ssize_t r)
{
    assert(*turn && (turn == &s->reading || turn == &s->writing));
    *turn = false;
    return likely(!s->closed) ? r : stream_leave_closed(s);
}

/* ---- transport.c ------------------------------------------------------------ */

/* Wait until there is something, and receive it into buf, or behind what is in
 * `in` if buf is NULL. How much; 0 at the end; or a negative errno. */
ssize_t stream_receive(struct grove_stream *s, char *buf, size_t len,
                       int64_t deadline);
/* Send what is in `out`. 0 or a negative errno. */
int stream_send_out(struct grove_stream *s, int64_t deadline);
/* Send len bytes, of which it is told how many in *done: not by way of `out`,
 * where nothing may be. 0 or a negative errno. */
int stream_send_bytes(struct grove_stream *s, const char *buf, size_t len,
                      int64_t deadline, size_t *done);
/* Of a socket without TLS: send what is in `out` and then v, of which it is
 * told how much in *done. */
int stream_send_with(struct grove_stream *s, const struct net_iov *v,
                     int64_t deadline, size_t *done);
/* Tell the peer that no more comes. 0 or a negative errno. */
int stream_finish(struct grove_stream *s, int64_t deadline);

/* ---- read.c ------------------------------------------------------------------ */

/* Receive more into `in`, which must not be full: as stream_receive. */
ssize_t stream_fill(struct grove_stream *s, int64_t deadline);

#endif

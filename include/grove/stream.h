/*
 * Buffered streams over a socket, a pipe or a TLS connection, for clients and
 * servers. Part of grove.h.
 *
 * All calls return 0 or a count, or a negative errno. Besides what stands at
 * each, those that wait return -ECANCELED, -ETIMEDOUT and -EDEADLK as every
 * wait, -ENOMEM, what the descriptor or the connection says (-ECONNRESET,
 * -EPIPE, -EPROTO ...), and:
 *   -EBADF  another fiber has closed the stream, or its descriptor; after the
 *           first the handle must not be used any more.
 *   -EBUSY  another fiber reads (or writes) just now: one may read while
 *           another writes. Nothing was done.
 * A call that fails has taken nothing out of the stream that it does not tell
 * of, and what was written and not sent yet stays in the stream: after
 * -ETIMEDOUT, -ECANCELED, -EDEADLK and -ENOMEM it can be made again.
 */
#ifndef GROVE_STREAM_H
#define GROVE_STREAM_H

#include <grove/base.h>
#include <grove/server.h>
#include <grove/tls.h>
#include <stdarg.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One thread's. It owns its descriptor and its TLS connection, and has memory
 * for its two buffers only while something is in them or on its way. */
typedef struct grove_stream grove_stream;

/* Zero-initialised it means the defaults. */
typedef struct grove_stream_attr {
    size_t size;        /* sizeof(grove_stream_attr), or 0: see grove.h */
    size_t read_size;   /* of the buffer for reading, and so of the longest line
                           or view; 0: 16384 */
    size_t write_size;  /* of that for writing; 0: 16384 */
    bool no_auto_flush; /* a read that has to wait does not send before what was
                           written; without this it does */
} grove_stream_attr;

/* Sizes of buffers. */
#define GROVE_STREAM_SIZE_MIN ((size_t)256)
#define GROVE_STREAM_SIZE_MAX ((size_t)1 << 30)

/* ---- Making ------------------------------------------------------------- */

/* A stream over fd (a stream socket, a pipe, a terminal, a file), whose
 * O_NONBLOCK does not matter; over a TLS connection, with the fd that it runs
 * over, of which the first read or write shakes hands; over a server's
 * connection, which is then the stream's: c->fd is -1 and c->tls NULL. attr may
 * be NULL. They never wait. 0, -EINVAL (a size), -EBADF, -EPROTOTYPE (a socket
 * of another type), -ENOMEM; then fd, tls and c remain the caller's. */
GROVE_API int grove_stream_new(grove_stream **out, int fd,
                               const grove_stream_attr *attr);
GROVE_API int grove_stream_new_tls(grove_stream **out, grove_tls *tls, int fd,
                                   const grove_stream_attr *attr);
GROVE_API int grove_stream_new_connection(grove_stream **out,
                                          grove_connection *c,
                                          const grove_stream_attr *attr);

/* What it runs over; they remain the stream's. NULL: without TLS. */
GROVE_API int grove_stream_fd(const grove_stream *stream);
GROVE_API grove_tls *grove_stream_tls(const grove_stream *stream);

/* ---- Reading ------------------------------------------------------------- */

/* At least one byte, at most len; 0 at the end of the stream. */
GROVE_API ssize_t grove_stream_read(grove_stream *stream, void *buf,
                                    size_t len);
GROVE_API ssize_t grove_stream_read_until(grove_stream *stream, void *buf,
                                          size_t len, int64_t deadline);

/* Exactly len bytes. 0; -ENODATA when the stream ends before. How many are in
 * buf is stored in *done (NULL: not told), whatever is returned. */
GROVE_API int grove_stream_read_exactly(grove_stream *stream, void *buf,
                                        size_t len, size_t *done);
GROVE_API int grove_stream_read_exactly_until(grove_stream *stream, void *buf,
                                              size_t len, size_t *done,
                                              int64_t deadline);

/* The next line, which ends in "\n" or "\r\n": *line is its text without that
 * end, *len (NULL: not told) its length, and a 0 byte stands behind it. It is
 * in the stream's buffer and may be changed, until the next call that reads.
 * limit is the most that the text may have; 0: what the buffer holds. 1; 0 at
 * the end of the stream; -EMSGSIZE, a longer line; -ENODATA, the stream has
 * ended within a line. After an error what is there of the line is still to be
 * read. */
GROVE_API int grove_stream_read_line(grove_stream *stream, char **line,
                                     size_t *len, size_t limit);
GROVE_API int grove_stream_read_line_until(grove_stream *stream, char **line,
                                           size_t *len, size_t limit,
                                           int64_t deadline);

/* The same up to the next delimiter, size bytes (at least one) of any kind. */
GROVE_API int grove_stream_read_to(grove_stream *stream, const void *delimiter,
                                   size_t size, char **text, size_t *len,
                                   size_t limit);
GROVE_API int grove_stream_read_to_until(grove_stream *stream,
                                         const void *delimiter, size_t size,
                                         char **text, size_t *len, size_t limit,
                                         int64_t deadline);

/* Wait until min bytes are in the buffer; *at is where they begin, and they are
 * there until the next call that reads, unread. Returns how many there are,
 * which may be more; fewer than min only at the end of the stream. min 0: what
 * is there already. -EMSGSIZE: min is more than the buffer's size. */
GROVE_API ssize_t grove_stream_peek(grove_stream *stream, size_t min,
                                    const char **at);
GROVE_API ssize_t grove_stream_peek_until(grove_stream *stream, size_t min,
                                          const char **at, int64_t deadline);
/* The first n bytes in the buffer, of which there are so many, are read. */
GROVE_API void grove_stream_consume(grove_stream *stream, size_t n);
/* How many bytes are in the buffer, to be read without a wait. */
GROVE_API size_t grove_stream_buffered(const grove_stream *stream);

/* Read len bytes and drop them. As grove_stream_read_exactly. */
GROVE_API int grove_stream_skip(grove_stream *stream, size_t len, size_t *done);
GROVE_API int grove_stream_skip_until(grove_stream *stream, size_t len,
                                      size_t *done, int64_t deadline);

/* ---- Writing ------------------------------------------------------------- */

/* Have the stream take all of len bytes, to be sent when its buffer is full, by
 * grove_stream_flush, or before a read has to wait. 0, or a negative errno:
 * then the stream has taken nothing, or, of more than the buffer's size, a
 * part, of which grove_stream_get_stats tells. -EPIPE: also after
 * grove_stream_shutdown. */
GROVE_API int grove_stream_write(grove_stream *stream, const void *buf,
                                 size_t len);
GROVE_API int grove_stream_write_until(grove_stream *stream, const void *buf,
                                       size_t len, int64_t deadline);
/* The same with iovcnt pieces, in one system call where they have to be sent.
 * -EINVAL: iovcnt is not from 0 to IOV_MAX, or the lengths are too great. */
GROVE_API int grove_stream_writev(grove_stream *stream, const struct iovec *iov,
                                  int iovcnt);
GROVE_API int grove_stream_writev_until(grove_stream *stream,
                                        const struct iovec *iov, int iovcnt,
                                        int64_t deadline);
/* As printf(3): all of it or nothing. -EMSGSIZE: more than the buffer holds. */
GROVE_FORMAT(2, 3)
GROVE_API int grove_stream_printf(grove_stream *stream, const char *format,
                                  ...);
GROVE_FORMAT(2, 0)
GROVE_API int grove_stream_vprintf(grove_stream *stream, const char *format,
                                   va_list args);
GROVE_FORMAT(2, 0)
GROVE_API int grove_stream_vprintf_until(grove_stream *stream,
                                         const char *format, va_list args,
                                         int64_t deadline);

/* Send what the stream has taken. 0: the system, or TLS, has all of it. */
GROVE_API int grove_stream_flush(grove_stream *stream);
GROVE_API int grove_stream_flush_until(grove_stream *stream, int64_t deadline);

/* Send what the stream has taken and len bytes behind it, as a write and a
 * flush would in two steps, but without a copy. 0: the system, or TLS, has all
 * of it. After an error a part of it may have been sent, and over a socket
 * without TLS nothing of the rest is kept. */
GROVE_API int grove_stream_send(grove_stream *stream, const void *buf,
                                size_t len);
GROVE_API int grove_stream_send_until(grove_stream *stream, const void *buf,
                                      size_t len, int64_t deadline);

/* Flush, and tell the peer that no more comes; it can still be read from. 0, or
 * a negative errno: then the peer was not told. */
GROVE_API int grove_stream_shutdown(grove_stream *stream);
GROVE_API int grove_stream_shutdown_until(grove_stream *stream,
                                          int64_t deadline);

/* ---- The end --------------------------------------------------------------- */

/* Flush, end TLS, close the descriptor and free the stream, whatever is
 * returned; fibers that are in a call on it get -EBADF. 0, or a negative errno:
 * then what was not sent is lost. -EBUSY: another fiber was writing. */
GROVE_API int grove_stream_close(grove_stream *stream);
GROVE_API int grove_stream_close_until(grove_stream *stream, int64_t deadline);
/* The same at once: nothing more is sent. NULL is let be. */
GROVE_API void grove_stream_free(grove_stream *stream);

/* ---- What is known of it --------------------------------------------------- */

typedef struct grove_stream_stats {
    size_t size;       /* sizeof(grove_stream_stats), or 0: see grove.h */
    uint64_t received; /* bytes from the peer */
    uint64_t read;     /* of them, by the callers: less by what is buffered */
    uint64_t taken;    /* bytes from the callers, to be written */
    uint64_t sent;     /* of them, to the system or to TLS */
    size_t memory;     /* bytes of buffers that it has now */
} grove_stream_stats;

/* Fill in *stats, which must be zero but for its size. 0, or -EINVAL for a size
 * that cannot be. */
GROVE_API int grove_stream_get_stats(const grove_stream *stream,
                                     grove_stream_stats *stats);

#ifdef __cplusplus
}
#endif
#endif

/*
 * A stream and its peer, over a socket or, with STREAM_OVER_TLS, by TLS.
 */
#ifndef TESTS_UNIT_STREAM_ENDS_H
#define TESTS_UNIT_STREAM_ENDS_H

#include "fiber_calls.h"
#include "socket_pairs.h"
#ifdef STREAM_OVER_TLS
#include "tls_links.h"
#define STREAM_KINDS 1
#else
#define STREAM_KINDS 2 /* TCP, UNIX_STREAM */
#endif

#include <sys/ioctl.h>

struct ends {
    grove_stream *stream;
    int fd;         /* the peer's */
    int stream_fd;  /* the stream's */
    grove_tls *tls; /* the peer's; NULL: without TLS */
};

HELPER struct ends ends_of(enum kind kind, const grove_stream_attr *attr)
{
    struct pair p = pair_of(kind);
    struct ends e = {.fd = p.out, .stream_fd = p.in};
#ifdef STREAM_OVER_TLS
    struct link l = link_over(p, usual_client, usual_server, "a.test");
    shake_well(&l);
    say(l.server, l.client, "?"); /* and what comes with the handshake */
    e.tls = l.client;
    assert_int_equal(grove_stream_new_tls(&e.stream, l.server, p.in, attr), 0);
#else
    assert_int_equal(grove_stream_new(&e.stream, p.in, attr), 0);
#endif
    return e;
}

/* The stream's end is the test's. */
HELPER void peer_end(struct ends *e)
{
#ifdef STREAM_OVER_TLS
    grove_tls_free(e->tls);
#endif
    assert_int_equal(grove_close(e->fd), 0);
}

HELPER void ends_close(struct ends *e)
{
    int r = grove_stream_close_until(e->stream, grove_now() + HANG);
    check(r == 0, "close: %d", r);
    peer_end(e);
}

HELPER void peer_send(struct ends *e, const char *buf, size_t len)
{
    int64_t deadline = grove_now() + HANG;
    if (len == 0)
        return;
#ifdef STREAM_OVER_TLS
    ssize_t n = grove_tls_write_until(e->tls, buf, len, deadline);
#else
    ssize_t n = grove_send_until(e->fd, buf, len, MSG_NOSIGNAL, deadline);
#endif
    check(n == (ssize_t)len, "peer's send: %zd, errno %d", n, errno);
}

/* What comes, up to len bytes. */
HELPER ssize_t peer_receive(struct ends *e, char *buf, size_t len)
{
    int64_t deadline = grove_now() + HANG;
#ifdef STREAM_OVER_TLS
    return grove_tls_read_until(e->tls, buf, len, deadline);
#else
    return grove_recv_until(e->fd, buf, len, 0, deadline);
#endif
}

/* Exactly len bytes, as they should be. */
HELPER void peer_expects(struct ends *e, const char *text, size_t len)
{
    char *buf = malloc(len + 1);
    size_t done = 0;
    while (done < len) {
        ssize_t n = peer_receive(e, buf + done, len - done);
        check(n > 0, "peer: %zd after %zu of %zu, errno %d", n, done, len,
              errno);
        done += (size_t)n;
    }
    assert_memory_equal(buf, text, len);
    free(buf);
}

/* No more will come. */
HELPER void peer_finish(struct ends *e)
{
#ifdef STREAM_OVER_TLS
    assert_int_equal(
        grove_tls_shutdown_until(e->tls, SHUT_WR, grove_now() + HANG), 0);
#else
    assert_int_equal(shutdown(e->fd, SHUT_WR), 0);
#endif
}

/* Until the kernel has nothing for the stream any more, and who reads it has
 * had a turn. */
HELPER void until_taken(const struct ends *e)
{
    int left = 1;
    int64_t hang = grove_now() + HANG;
    while (left && grove_now() < hang) {
        grove_yield();
        assert_int_equal(ioctl(e->stream_fd, FIONREAD, &left), 0);
    }
    check(left == 0, "%d bytes were not received", left);
    grove_yield();
}

HELPER struct call stream_call(ssize_t (*make)(struct call *), const char *name,
                               grove_stream *stream, char *buf, size_t len)
{
    return (struct call){
        .make = make, .name = name, .more = stream, .buf = buf, .len = len};
}

/* Calls in fibers: errno as well, which fiber_calls.h looks at. */
HELPER ssize_t told(ssize_t r)
{
    errno = r < 0 ? (int)-r : 0;
    return r < 0 ? -1 : r;
}

HELPER ssize_t make_exactly(struct call *c)
{
    return told(grove_stream_read_exactly_until(c->more, c->buf, c->len, NULL,
                                                c->deadline));
}

/* Copies the line into buf, which is large enough. */
HELPER ssize_t make_line(struct call *c)
{
    char *line;
    size_t len;
    int r =
        grove_stream_read_line_until(c->more, &line, &len, c->len, c->deadline);
    if (r > 0)
        memcpy(c->buf, line, len + 1);
    return told(r);
}

HELPER ssize_t make_stream_write(struct call *c)
{
    return told(grove_stream_write_until(c->more, c->buf, c->len, c->deadline));
}

HELPER ssize_t make_flush(struct call *c)
{
    return told(grove_stream_flush_until(c->more, c->deadline));
}

#endif

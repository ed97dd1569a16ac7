/*
 * A server's connection over a pair of sockets, and its peer, which is the
 * test.
 */
#ifndef TESTS_UNIT_HTTP_SERVED_H
#define TESTS_UNIT_HTTP_SERVED_H

#include "socket_pairs.h"
#include "unit.h"

#include "grove.h"

/* Any date. */
#define DATE "Date: *****************************\r\n"

struct served {
    int fd; /* the peer's */
    grove_stream *stream;
    const grove_http_attr *attr;
    void (*handle)(grove_http *h);
    void *arg;
    grove_fiber *fiber;
    int result; /* of grove_http_serve_stream */
};

HELPER void *serve_entry(void *arg)
{
    struct served *s = arg;
    s->result = grove_http_serve_stream(s->stream, s->attr, s->handle, s->arg);
    return NULL;
}

HELPER void serve_sized(struct served *s, const grove_stream_attr *sizes)
{
    int fds[2];
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    s->fd = fds[0];
    assert_int_equal(grove_stream_new(&s->stream, fds[1], sizes), 0);
    assert_int_equal(grove_spawn(&s->fiber, serve_entry, s), 0);
}

HELPER void serve_begin(struct served *s)
{
    serve_sized(s, NULL);
}

/* The connection has come to its end by itself. */
HELPER int serve_end(struct served *s)
{
    int r = grove_join_until(s->fiber, NULL, grove_now() + HANG);
    if (r == -ETIMEDOUT)
        grove_dump(STDERR_FILENO);
    check(r == 0, "join: %d", r);
    grove_release(s->fiber);
    grove_close(s->fd);
    return s->result;
}

HELPER void ask(const struct served *s, const char *text, size_t size)
{
    size_t done;
    int r = grove_send_all_until(s->fd, text, size, MSG_NOSIGNAL, &done,
                                 grove_now() + HANG);
    check(r == 0, "send: %d after %zu", r, done);
}

HELPER void ask_for(const struct served *s, const char *text)
{
    ask(s, text, strlen(text));
}

/* The next bytes are these; a star is any. */
HELPER void hear(const struct served *s, const char *expected)
{
    size_t size = strlen(expected), n = 0;
    char *buf = calloc(1, size + 1);
    while (n < size) {
        ssize_t r =
            grove_recv_until(s->fd, buf + n, size - n, 0, grove_now() + HANG);
        check(r > 0, "recv: %zd, errno %d, after \"%s\"", r, errno, buf);
        for (; r > 0; r--, n++)
            check(expected[n] == '*' || expected[n] == buf[n],
                  "\"%s\" differs at %zu from \"%s\"", buf, n, expected);
    }
    free(buf);
}

/* And no more. */
HELPER void hear_end(const struct served *s)
{
    char byte;
    ssize_t r = grove_recv_until(s->fd, &byte, 1, 0, grove_now() + HANG);
    check(r == 0, "recv: %zd, errno %d, '%c'", r, errno, r > 0 ? byte : ' ');
}

/* What comes of text, after which the connection is closed from here. */
HELPER void expect_answer(struct served *s, const char *text, size_t size,
                          const char *expected)
{
    serve_begin(s);
    ask(s, text, size);
    assert_int_equal(shutdown(s->fd, SHUT_WR), 0);
    hear(s, expected);
    hear_end(s);
    serve_end(s);
}

#endif

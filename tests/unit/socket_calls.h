/*
 * The calls of net/ as calls in fibers, and each of a list of them on a fresh
 * pair of every kind. One whose deadline is GROVE_NEVER is the plain call, any
 * other its twin in _until.
 */
#ifndef TESTS_UNIT_SOCKET_CALLS_H
#define TESTS_UNIT_SOCKET_CALLS_H

#include "fiber_calls.h"
#include "socket_pairs.h"

/* ---- single calls ------------------------------------------------------- */

HELPER ssize_t make_read(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_read(c->fd, c->buf, c->len)
               : grove_read_until(c->fd, c->buf, c->len, c->deadline);
}

HELPER ssize_t make_write(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_write(c->fd, c->buf, c->len)
               : grove_write_until(c->fd, c->buf, c->len, c->deadline);
}

HELPER ssize_t make_recv(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_recv(c->fd, c->buf, c->len, c->flags)
               : grove_recv_until(c->fd, c->buf, c->len, c->flags, c->deadline);
}

HELPER ssize_t make_send(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_send(c->fd, c->buf, c->len, c->flags)
               : grove_send_until(c->fd, c->buf, c->len, c->flags, c->deadline);
}

HELPER ssize_t make_accept(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_accept4(c->fd, NULL, NULL, c->flags)
               : grove_accept4_until(c->fd, NULL, NULL, c->flags, c->deadline);
}

HELPER ssize_t make_connect(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_connect(c->fd, c->more, (socklen_t)c->len)
               : grove_connect_until(c->fd, c->more, (socklen_t)c->len,
                                     c->deadline);
}

/* EBADF where the descriptor was closed meanwhile, as of the other calls. */
HELPER ssize_t make_poll_one(struct call *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    int n = grove_poll_until(&p, 1, c->deadline);
    if (n == 1 && (p.revents & POLLNVAL)) {
        errno = EBADF; /* poll's way to say it */
        return -1;
    }
    return n;
}

HELPER ssize_t make_select_readable(struct call *c)
{
    grove_clause clause = {.kind = GROVE_CLAUSE_READABLE, .fd = c->fd};
    ssize_t n = grove_select_until(&clause, 1, c->deadline);
    int r = n < 0 ? (int)n : clause.result;
    errno = -r;
    return r == 0 ? 0 : -1;
}

HELPER ssize_t make_splice_in(struct call *c)
{
    return grove_splice_until(c->fd, NULL, c->flags, NULL, c->len, 0,
                              c->deadline);
}

HELPER struct call io_call(ssize_t (*make)(struct call *), const char *name,
                           int fd, void *buf, size_t len)
{
    return (struct call){
        .make = make, .name = name, .fd = fd, .buf = buf, .len = len};
}

HELPER struct call recv_call(int fd, void *buf, size_t len)
{
    return io_call(make_recv, "recv", fd, buf, len);
}

HELPER struct call send_call(int fd, void *buf, size_t len)
{
    struct call c = io_call(make_send, "send", fd, buf, len);
    c.flags = MSG_NOSIGNAL;
    return c;
}

HELPER struct call accept_call(int fd)
{
    return (struct call){.make = make_accept, .name = "accept", .fd = fd};
}

HELPER struct call connect_call(int fd, void *addr, size_t size)
{
    return (struct call){.make = make_connect,
                         .name = "connect",
                         .fd = fd,
                         .more = addr,
                         .len = size};
}

/* The call's bytes in two parts, for calls that take an array. */
HELPER struct iovec part(struct call *c, int i)
{
    size_t first = c->len / 3;
    return i == 0 ? (struct iovec){c->buf, first}
                  : (struct iovec){c->buf + first, c->len - first};
}

/* ---- each on every kind -------------------------------------------------- */

struct way {
    const char *name;
    ssize_t (*make)(struct call *c);
    bool sockets_only; /* no pipe */
};

/* Ways to do the same, at one end of a pair. */
struct ways {
    const struct way *list;
    size_t n;
    bool send; /* or receive */
};

/* Each way on a fresh pair of every kind of which `wanted` is true. */
HELPER void each_way(const struct ways *ways, bool (*wanted)(enum kind kind),
                     void (*test)(struct call *c, struct pair p))
{
    int before = open_descriptors();
    for (int kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < ways->n; i++) {
            const struct way *way = &ways->list[i];
            char name[64], buf[64];
            if (!wanted(kind) || (way->sockets_only && kind == PIPE))
                continue;
            memset(buf, 'x', sizeof(buf));
            snprintf(name, sizeof(name), "%s on %s", way->name,
                     kind_names[kind]);
            struct pair p = pair_of(kind);
            int fd = ways->send ? p.out : p.in;
            struct call c = io_call(way->make, name, fd, buf, sizeof(buf));
            test(&c, p);
            assert_blocking(fd);
            pair_close(p);
        }
    }
    assert_int_equal(open_descriptors(), before);
}

HELPER bool any_kind(enum kind kind)
{
    return kind < KINDS;
}

/* Closing its descriptor ends the call; afterwards the number is as before. */
HELPER void expect_end_by_close(struct call *c)
{
    int copy = dup(c->fd);
    start_parked(c);
    assert_int_equal(grove_close(c->fd), 0);
    expect_error(c, EBADF);
    assert_int_equal(dup2(copy, c->fd), c->fd);
    close(copy);
}

HELPER void expect_bad_descriptors(struct call *c)
{
    static const int numbers[] = {-1, 1000, 1 << 20, INT32_MAX};
    int fd = c->fd;
    for (size_t i = 0; i < UNIT_COUNT(numbers); i++) {
        c->fd = numbers[i];
        call_start(c);
        expect_error(c, EBADF);
    }
    c->fd = fd;
}

#endif

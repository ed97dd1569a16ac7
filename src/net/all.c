/*
 * Sending and writing all or failing.
 *
 * send(2) tells a part as a success, and a caller who forgets to compare takes
 * what was cut short by a deadline for sent. These return 0 only when all was
 * sent; how much it was otherwise is told apart from why.
 */
#include <limits.h>
#include <stdlib.h>

#include "grove.h"
#include "net/net.h"

static ssize_t try_send(int fd, const struct net_iov *v, int flags)
{
    if (v->count == 1)
        return send(fd, v->at->iov_base, v->at->iov_len, flags | MSG_DONTWAIT);
    struct msghdr msg = {.msg_iov = (struct iovec *)v->at,
                         .msg_iovlen = v->count};
    return sendmsg(fd, &msg, flags | MSG_DONTWAIT);
}

/* False with errno; how much was sent in *done. */
static bool send_pieces(struct net_op *op, struct net_iov *v, int flags,
                        size_t *done)
{
    for (;;) {
        ssize_t n = try_send(op->record->number, v, flags);
        if (n < 0 && net_retry(op))
            continue;
        if (n < 0)
            return false;
        *done += (size_t)n;
        if ((size_t)n == v->left)
            return true;
        if (!net_iov_advance(v, (size_t)n)) {
            errno = ENOMEM;
            return false;
        }
    }
}

int net_sendv_all(int fd, const struct iovec *iov, size_t count, int flags,
                  int64_t deadline, enum net_mode mode, size_t *done)
{
    struct net_op op = {.deadline = deadline,
                        .what = "send",
                        .mode = mode,
                        .direction = LOOP_WRITE,
                        .no_wait = flags & MSG_DONTWAIT};
    struct net_iov v;
    *done = 0;
    assert(count <= IOV_MAX);
    if (!net_iov_begin(&v, iov, count) || !net_begin(&op, fd))
        return -errno;
    int r = send_pieces(&op, &v, flags, done) ? 0 : -errno;
    net_iov_end(&v);
    return r;
}

/* ---- the public calls -------------------------------------------------- */

int grove_send_all_until(int fd, const void *buf, size_t len, int flags,
                         size_t *done, int64_t deadline)
{
    const struct iovec iov = {(void *)buf, len};
    size_t n;
    return net_sendv_all(fd, &iov, 1, flags, deadline, NET_POSIX,
                         done ? done : &n);
}

int grove_send_all(int fd, const void *buf, size_t len, int flags, size_t *done)
{
    return grove_send_all_until(fd, buf, len, flags, done, GROVE_NEVER);
}

int grove_writev_all_until(int fd, const struct iovec *iov, int iovcnt,
                           size_t *done, int64_t deadline)
{
    size_t n;
    return net_writev_all(fd, iov, iovcnt, deadline, NET_POSIX,
                          done ? done : &n);
}

int grove_writev_all(int fd, const struct iovec *iov, int iovcnt, size_t *done)
{
    return grove_writev_all_until(fd, iov, iovcnt, done, GROVE_NEVER);
}

int grove_write_all_until(int fd, const void *buf, size_t len, size_t *done,
                          int64_t deadline)
{
    const struct iovec iov = {(void *)buf, len};
    return grove_writev_all_until(fd, &iov, 1, done, deadline);
}

int grove_write_all(int fd, const void *buf, size_t len, size_t *done)
{
    return grove_write_all_until(fd, buf, len, done, GROVE_NEVER);
}

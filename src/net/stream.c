/*
 * recv, recvfrom, send and sendto.
 *
 * They are tried with MSG_DONTWAIT, so O_NONBLOCK is never touched. What a
 * blocking call promises beyond its first part is kept here: MSG_WAITALL of a
 * stream fills the buffer, SO_RCVLOWAT of it so much, a send sends everything;
 * an error after a part leaves that part's length as the result.
 */
#include "grove.h"
#include "net/net.h"

/* ---- receiving --------------------------------------------------------- */

/* MSG_PEEK, of which n bytes were found: look again at each edge until there
 * are least of len or no more can come. Only TCP waits for that. */
static ssize_t peek_all(struct net_op *op, void *buf, ssize_t n, size_t len,
                        size_t least, int flags)
{
    int fd = op->record->number;
    if (loop_register(&op->hub->loop, op->record) < 0 || !op->record->stream ||
        !net_may_wait(op))
        return n;
    for (;;) {
        ssize_t now = recv(fd, buf, len, flags | MSG_DONTWAIT);
        if (now < 0)
            return n;
        bool more = now > n;
        n = now;
        if ((size_t)n >= least || op->last ||
            (!more && op->record->no_short_reads) || !net_wait(op))
            return n;
    }
}

ssize_t net_recvfrom(int fd, void *buf, size_t len, int flags,
                     struct sockaddr *addr, socklen_t *addrlen,
                     int64_t deadline, enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "recv",
                        .mode = mode,
                        .direction = LOOP_READ,
                        .no_wait = net_never_waits(flags)};
    if (!net_begin(&op, fd))
        return -1;
    size_t least = !(flags & MSG_WAITALL) ? net_least(&op, len)
                   : op.no_wait           ? 0
                                          : len;
    flags &= ~MSG_WAITALL;
    size_t done = 0;
    for (;;) {
        ssize_t n = recvfrom(fd, (char *)buf + done, len - done,
                             flags | MSG_DONTWAIT, addr, addrlen);
        if (n < 0) {
            if (net_retry(&op))
                continue;
            return net_stopped(&op, done);
        }
        if (net_plain_flags(flags))
            net_note_read(op.record, n, len - done);
        done += (size_t)n;
        if (likely(n == 0 || done >= least) || !net_is_stream(fd))
            return (ssize_t)done;
        if (flags & MSG_PEEK)
            return peek_all(&op, buf, n, len, least, flags);
    }
}

ssize_t net_recv(int fd, void *buf, size_t len, int flags, int64_t deadline,
                 enum net_mode mode)
{
    return net_recvfrom(fd, buf, len, flags, NULL, NULL, deadline, mode);
}

/* ---- sending ----------------------------------------------------------- */

ssize_t net_sendto(int fd, const void *buf, size_t len, int flags,
                   const struct sockaddr *addr, socklen_t addrlen,
                   int64_t deadline, enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "send",
                        .mode = mode,
                        .direction = LOOP_WRITE,
                        .back_off = net_back_off(addr),
                        .no_wait = flags & MSG_DONTWAIT};
    if (!net_begin(&op, fd))
        return -1;
    size_t done = 0;
    for (;;) {
        ssize_t n = sendto(fd, (const char *)buf + done, len - done,
                           flags | MSG_DONTWAIT, addr, addrlen);
        if (n < 0) {
            if (done == 0 ? net_retry(&op) : net_retry_rest(&op))
                continue;
            return net_stopped(&op, done);
        }
        done += (size_t)n;
        if (done == len || op.no_wait)
            return (ssize_t)done;
        /* Why the rest was not taken, the next try tells. */
        flags |= NET_REST;
    }
}

ssize_t net_send(int fd, const void *buf, size_t len, int flags,
                 int64_t deadline, enum net_mode mode)
{
    return net_sendto(fd, buf, len, flags, NULL, 0, deadline, mode);
}

/* ---- the public calls -------------------------------------------------- */

ssize_t grove_recv(int fd, void *buf, size_t len, int flags)
{
    return net_recv(fd, buf, len, flags, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_recv_until(int fd, void *buf, size_t len, int flags,
                         int64_t deadline)
{
    return net_recv(fd, buf, len, flags, deadline, NET_POSIX);
}

ssize_t grove_recvfrom(int fd, void *buf, size_t len, int flags,
                       struct sockaddr *addr, socklen_t *addrlen)
{
    return net_recvfrom(fd, buf, len, flags, addr, addrlen, GROVE_NEVER,
                        NET_POSIX);
}

ssize_t grove_recvfrom_until(int fd, void *buf, size_t len, int flags,
                             struct sockaddr *addr, socklen_t *addrlen,
                             int64_t deadline)
{
    return net_recvfrom(fd, buf, len, flags, addr, addrlen, deadline,
                        NET_POSIX);
}

ssize_t grove_send(int fd, const void *buf, size_t len, int flags)
{
    return net_send(fd, buf, len, flags, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_send_until(int fd, const void *buf, size_t len, int flags,
                         int64_t deadline)
{
    return net_send(fd, buf, len, flags, deadline, NET_POSIX);
}

ssize_t grove_sendto(int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addrlen)
{
    return net_sendto(fd, buf, len, flags, addr, addrlen, GROVE_NEVER,
                      NET_POSIX);
}

ssize_t grove_sendto_until(int fd, const void *buf, size_t len, int flags,
                           const struct sockaddr *addr, socklen_t addrlen,
                           int64_t deadline)
{
    return net_sendto(fd, buf, len, flags, addr, addrlen, deadline, NET_POSIX);
}

/*
 * recvmsg and sendmsg.
 *
 * A message of a stream may need several system calls, like a plain recv or
 * send (stream.c). Control data goes out with the first of them, and once some
 * has come in nothing more is received, as the kernel does at passed
 * descriptors.
 */
#include "grove.h"
#include "net/net.h"

/* ---- receiving --------------------------------------------------------- */

/* Of a stream, of which the first part has come into msg, until there are least
 * bytes. */
static ssize_t receive_rest(struct net_op *op, struct msghdr *msg, int flags,
                            struct net_iov *v, size_t n, size_t least)
{
    size_t done = n;
    while (n > 0 && done < least && msg->msg_controllen == 0 &&
           net_iov_advance(v, n)) {
        struct msghdr rest = {.msg_iov = (struct iovec *)v->at,
                              .msg_iovlen = v->count};
        ssize_t r;
        do {
            r = recvmsg(op->record->number, &rest, flags | MSG_DONTWAIT);
        } while (r < 0 && net_retry(op));
        if (r < 0)
            return net_stopped(op, done);
        msg->msg_flags |= rest.msg_flags;
        n = (size_t)r;
        done += n;
    }
    return (ssize_t)done;
}

ssize_t net_recvmsg(int fd, struct msghdr *msg, int flags, int64_t deadline,
                    enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "recvmsg",
                        .mode = mode,
                        .direction = LOOP_READ,
                        .no_wait = net_never_waits(flags)};
    if (!net_begin(&op, fd))
        return -1;
    bool all = (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && !op.no_wait;
    bool marked = net_has_low_marks() && !(flags & MSG_PEEK);
    bool plain = net_plain_flags(flags) && !msg->msg_control;
    flags &= ~MSG_WAITALL;
    ssize_t n;
    do {
        n = recvmsg(fd, msg, flags | MSG_DONTWAIT);
    } while (n < 0 && net_retry(&op));
    if (n <= 0 || (!all && !marked && !(plain && op.record->stream)))
        return n;

    struct net_iov v;
    if (!net_iov_begin(&v, msg->msg_iov, msg->msg_iovlen))
        return n;
    if (plain)
        net_note_read(op.record, n, v.left);
    size_t least = all ? v.left : marked ? net_least(&op, v.left) : 0;
    if ((size_t)n < least && net_is_stream(fd))
        n = receive_rest(&op, msg, flags, &v, (size_t)n, least);
    net_iov_end(&v);
    return n;
}

/* ---- sending ----------------------------------------------------------- */

/* What of a message was not taken at once; msg is the caller's own copy. */
static ssize_t send_rest(struct net_op *op, struct msghdr *msg, int flags,
                         struct net_iov *v, size_t n)
{
    size_t done = n;
    msg->msg_control = NULL;
    msg->msg_controllen = 0;
    while (n < v->left && net_iov_advance(v, n)) {
        msg->msg_iov = (struct iovec *)v->at;
        msg->msg_iovlen = v->count;
        ssize_t r;
        do {
            r = sendmsg(op->record->number, msg,
                        flags | NET_REST | MSG_DONTWAIT);
        } while (r < 0 && net_retry_rest(op));
        if (r < 0)
            return net_stopped(op, done);
        n = (size_t)r;
        done += n;
    }
    return (ssize_t)done;
}

ssize_t net_sendmsg(int fd, const struct msghdr *msg, int flags,
                    int64_t deadline, enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "sendmsg",
                        .mode = mode,
                        .direction = LOOP_WRITE,
                        .back_off = net_back_off(msg->msg_name),
                        .no_wait = flags & MSG_DONTWAIT};
    if (!net_begin(&op, fd))
        return -1;
    ssize_t n;
    do {
        n = sendmsg(fd, msg, flags | MSG_DONTWAIT);
    } while (n < 0 && net_retry(&op));
    if (n <= 0 || op.no_wait)
        return n;

    struct net_iov v;
    if (!net_iov_begin(&v, msg->msg_iov, msg->msg_iovlen))
        return n;
    if ((size_t)n < v.left) {
        struct msghdr rest = *msg;
        n = send_rest(&op, &rest, flags, &v, (size_t)n);
    }
    net_iov_end(&v);
    return n;
}

/* ---- the public calls -------------------------------------------------- */

ssize_t grove_recvmsg(int fd, struct msghdr *msg, int flags)
{
    return net_recvmsg(fd, msg, flags, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_recvmsg_until(int fd, struct msghdr *msg, int flags,
                            int64_t deadline)
{
    return net_recvmsg(fd, msg, flags, deadline, NET_POSIX);
}

ssize_t grove_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return net_sendmsg(fd, msg, flags, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_sendmsg_until(int fd, const struct msghdr *msg, int flags,
                            int64_t deadline)
{
    return net_sendmsg(fd, msg, flags, deadline, NET_POSIX);
}

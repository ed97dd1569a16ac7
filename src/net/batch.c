/*
 * recvmmsg and sendmmsg: several messages a system call.
 *
 * A wait is for the first message that does not come, or go, at once; what was
 * done before it is told, as by recvmsg and sendmsg.
 */
#include "grove.h"
#include "net/net.h"

int net_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags,
                 int64_t deadline, enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "recvmmsg",
                        .mode = mode,
                        .direction = LOOP_READ,
                        .no_wait = net_never_waits(flags)};
    if (!net_begin(&op, fd))
        return -1;
    bool one = flags & MSG_WAITFORONE;
    unsigned done = 0;
    flags = (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT;
    while (done < n && !(one && done > 0)) {
        int r;
        do {
            r = recvmmsg(fd, messages + done, n - done, flags, NULL);
        } while (r < 0 && net_retry(&op));
        if (r < 0)
            return (int)net_stopped(&op, done);
        if (r == 0)
            break;
        done += (unsigned)r;
    }
    return (int)done;
}

int net_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags,
                 int64_t deadline, enum net_mode mode)
{
    struct net_op op = {
        .deadline = deadline,
        .what = "sendmmsg",
        .mode = mode,
        .direction = LOOP_WRITE,
        .back_off = n > 0 ? net_back_off(messages[0].msg_hdr.msg_name) : 0,
        .no_wait = flags & MSG_DONTWAIT};
    if (!net_begin(&op, fd))
        return -1;
    unsigned done = 0;
    while (done < n) {
        int r;
        do {
            r = sendmmsg(fd, messages + done, n - done, flags | MSG_DONTWAIT);
        } while (r < 0 && net_retry(&op));
        if (r < 0)
            return (int)net_stopped(&op, done);
        done += (unsigned)r;
    }
    return (int)done;
}

/* ---- the public calls -------------------------------------------------- */

int grove_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    return net_recvmmsg(fd, messages, n, flags, GROVE_NEVER, NET_POSIX);
}

int grove_recvmmsg_until(int fd, struct mmsghdr *messages, unsigned n,
                         int flags, int64_t deadline)
{
    return net_recvmmsg(fd, messages, n, flags, deadline, NET_POSIX);
}

int grove_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    return net_sendmmsg(fd, messages, n, flags, GROVE_NEVER, NET_POSIX);
}

int grove_sendmmsg_until(int fd, struct mmsghdr *messages, unsigned n,
                         int flags, int64_t deadline)
{
    return net_sendmmsg(fd, messages, n, flags, deadline, NET_POSIX);
}

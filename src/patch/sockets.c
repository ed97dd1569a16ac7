/*
 * recv, send, and their kin: net/ has them.
 */
#include <sys/socket.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/duration.h"
#include "patch/fortify.h"
#include "patch/functions.h"

/* Whether one system call can be all of it: what is there is taken. */
static bool takes_what_is_there(int flags)
{
    return !(flags & MSG_WAITALL) && !net_has_low_marks();
}

/* What is to be told of a try that did not wait; false: it is to be waited. */
static bool is_told(struct hub *hub, ssize_t n, int flags)
{
    if (unlikely(n < 0 && errno == EAGAIN && !(flags & MSG_DONTWAIT)))
        return false;
    patch_turn(hub);
    return true;
}

/* The mode of a first try; those that come after it know of none. */
static enum net_mode first(enum net_mode *mode)
{
    enum net_mode now = *mode;
    *mode = NET_LIBC;
    return now;
}

static ssize_t recv_waiting(int fd, void *buf, size_t len, int flags,
                            enum net_mode mode)
{
    PATCHED(ssize_t, PATCH_RECEIVES, recv(fd, buf, len, flags),
            net_recv(fd, buf, len, flags, GROVE_NEVER, first(&mode)));
}

/* The usual way is short: a program that waits for events before it reads takes
 * no other. */
ssize_t patch_recv(int fd, void *buf, size_t len, int flags)
{
    struct hub *hub = patch_hub();
    if (likely(!hub))
        return recv(fd, buf, len, flags);
    if (unlikely(!takes_what_is_there(flags)))
        return recv_waiting(fd, buf, len, flags, NET_LIBC);
    ssize_t n = recv(fd, buf, len, flags | MSG_DONTWAIT);
    return is_told(hub, n, flags)
               ? n
               : recv_waiting(fd, buf, len, flags, NET_LIBC_AGAIN);
}

ssize_t patch_recvfrom(int fd, void *buf, size_t len, int flags,
                       struct sockaddr *addr, socklen_t *addrlen)
{
    PATCHED(ssize_t, PATCH_RECEIVES,
            recvfrom(fd, buf, len, flags, addr, addrlen),
            net_recvfrom(fd, buf, len, flags, addr, addrlen, GROVE_NEVER,
                         NET_LIBC));
}

ssize_t patch_recvmsg(int fd, struct msghdr *msg, int flags)
{
    PATCHED(ssize_t, PATCH_RECEIVES, recvmsg(fd, msg, flags),
            net_recvmsg(fd, msg, flags, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_send(int fd, const void *buf, size_t len, int flags)
{
    PATCHED(ssize_t, PATCH_SENDS, send(fd, buf, len, flags),
            net_send(fd, buf, len, flags, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_sendto(int fd, const void *buf, size_t len, int flags,
                     const struct sockaddr *addr, socklen_t addrlen)
{
    PATCHED(
        ssize_t, PATCH_SENDS, sendto(fd, buf, len, flags, addr, addrlen),
        net_sendto(fd, buf, len, flags, addr, addrlen, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    PATCHED(ssize_t, PATCH_SENDS, sendmsg(fd, msg, flags),
            net_sendmsg(fd, msg, flags, GROVE_NEVER, NET_LIBC));
}

int patch_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    PATCHED(int, PATCH_SENDS, sendmmsg(fd, messages, n, flags),
            net_sendmmsg(fd, messages, n, flags, GROVE_NEVER, NET_LIBC));
}

/* ---- recvmmsg ------------------------------------------------------------------------ */

/* The kernel looks at the time between two messages only. */
static int receive_timed(int fd, struct mmsghdr *messages, unsigned n,
                         int flags, struct timespec *timeout)
{
    int64_t end = duration_end(timeout);
    unsigned done = 0;
    while (done < n) {
        int r = net_recvmmsg(fd, messages + done, 1, flags & ~MSG_WAITFORONE,
                             GROVE_NEVER, NET_LIBC);
        if (r <= 0)
            return done > 0 ? (int)done : r;
        done++;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        *timeout = duration_left(end);
        if (timeout->tv_sec == 0 && timeout->tv_nsec == 0)
            break;
    }
    return (int)done;
}

int patch_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags,
                   struct timespec *timeout)
{
    if (timeout && !duration_is_valid(timeout))
        return recvmmsg(fd, messages, n, flags, timeout);
    PATCHED(int, PATCH_RECEIVES, recvmmsg(fd, messages, n, flags, timeout),
            timeout
                ? receive_timed(fd, messages, n, flags, timeout)
                : net_recvmmsg(fd, messages, n, flags, GROVE_NEVER, NET_LIBC));
}

/* ---- setsockopt ------------------------------------------------------------------------ */

int patch_setsockopt(int fd, int level, int name, const void *value,
                     socklen_t size)
{
    int r = setsockopt(fd, level, name, value, size);
    if (r == 0)
        net_option_set(fd, level, name, value, size);
    return r;
}

/* ---- by -D_FORTIFY_SOURCE -------------------------------------------------------------- */

ssize_t patch_recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
    fortify_check(len, size);
    return patch_recv(fd, buf, len, flags);
}

ssize_t patch_recvfrom_chk(int fd, void *buf, size_t len, size_t size,
                           int flags, struct sockaddr *addr, socklen_t *addrlen)
{
    fortify_check(len, size);
    return patch_recvfrom(fd, buf, len, flags, addr, addrlen);
}

/*
 * SO_RCVLOWAT: how much a call that receives from a stream waits for.
 *
 * Poll goes by it on TCP, and tries do not, as they do not wait. So calls that
 * got less than they asked for look at it; but only once somebody in the
 * process has set one, since hardly anybody does: until then it costs a look at
 * a flag. Where it was set by another program, or without libc, it is not known
 * of.
 */
#include "net/net.h"

bool net_low_marks;

void net_option_set(int fd, int level, int name, const void *value,
                    socklen_t size)
{
    if (level != SOL_SOCKET)
        return;
    if (name == SO_RCVLOWAT && size >= sizeof(int) && *(const int *)value > 1)
        __atomic_store_n(&net_low_marks, true, __ATOMIC_RELAXED);
    else if (hub_of_thread && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        loop_read_timeouts(&hub_of_thread->loop, fd);
}

size_t net_least_marked(const struct net_op *op, size_t len)
{
    int mark = 1, error = errno;
    socklen_t size = sizeof(mark);
    if (op->mode == NET_PARK || op->no_wait)
        return 0;
    getsockopt(op->record->number, SOL_SOCKET, SO_RCVLOWAT, &mark, &size);
    errno = error;
    return (size_t)mark < len ? (size_t)mark : len;
}

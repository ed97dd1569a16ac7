/*
 * read of a terminal that does not go by lines: when it has enough is up to
 * VMIN and VTIME (termios(3)), of which poll tells the half.
 *
 *     VMIN VTIME  returns                      here
 *     0    0      at once, with 0 if need be   read
 *     0    t      with 0 after t               wait, so long at most
 *     n    0      once there are n, or all     poll tells of n, FIONREAD of all
 *                 that is asked for
 *     n    t      the same, or t after a byte  wait for a byte, and leave the
 *                                              rest to a worker
 *
 * Others may change them at any time: each try asks.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "net/net.h"
#include "os/file.h"

/* What VTIME counts in. */
#define TENTH (GROVE_SECOND / 10)

bool net_is_raw_terminal(struct net_op *op, struct termios *t)
{
    int error = errno;
    op->record->not_terminal = tcgetattr(op->record->number, t) < 0;
    errno = error;
    return !op->record->not_terminal && !(t->c_lflag & ICANON);
}

static ssize_t read_it(struct net_op *op, const struct net_iov *v)
{
    return readv(op->record->number, v->at, (int)v->count);
}

/* Until there is something, or until, which is VTIME's: whether to try. False
 * with errno. */
static bool wait_until(struct net_op *op, int64_t until)
{
    bool scoped, first = until < op->deadline;
    int64_t limit = first ? until : op->deadline;
    hub_effective_deadline(op->hub->current, limit, &scoped);
    int r =
        hub_wait_fd(op->hub, op->record->number, LOOP_READ, limit, op->what);
    if (r == -ETIMEDOUT && first && !scoped)
        return true;
    return net_waited(r);
}

/* VMIN is 0. */
static ssize_t read_for(struct net_op *op, const struct net_iov *v,
                        int64_t time, bool ready)
{
    int64_t until = hub_deadline(time);
    while (time > 0 && !ready) {
        if (hub_clock() >= until)
            return 0;
        if (!wait_until(op, until))
            return -1;
        ready = net_is_ready(op->record->number, POLLIN);
    }
    return read_it(op, v);
}

/* All that is asked for is there, though it is less than VMIN. */
static bool has_all(int fd, const struct net_iov *v)
{
    int n;
    return ioctl(fd, FIONREAD, &n) == 0 && n > 0 && (size_t)n >= v->left;
}

ssize_t net_read_terminal(struct net_op *op, const struct net_iov *v,
                          const struct termios *t, bool ready)
{
    int fd = op->record->number, status = fcntl(fd, F_GETFL);
    size_t least = t->c_cc[VMIN];
    int64_t time = t->c_cc[VTIME] * TENTH;
    if (status < 0 || (status & O_NONBLOCK))
        return read_it(op, v);
    if (least == 0)
        return read_for(op, v, time, ready);
    /* The next byte is no edge before there are as many as VMIN. */
    op->back_off = time == 0 && v->left < least ? NET_BACK_OFF : 0;
    if (!ready && !(op->back_off && has_all(fd, v))) {
        errno = EAGAIN;
        return -1;
    }
    if (time == 0 || least == 1 || v->left == 1)
        return read_it(op, v);
    const long args[6] = {fd, (long)v->at, (long)v->count};
    return file_syscall(op->hub, op->deadline, op->what, SYS_readv, args);
}

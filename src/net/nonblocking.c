/*
 * System calls that would block, made so that they do not, where no flag of the
 * call's own says so.
 *
 * O_NONBLOCK belongs to the open file, which other hubs, threads and processes
 * may share. Setting it for one call and putting it back afterwards would take
 * it away from under another's call, which then holds up its whole thread: so
 * it is set once and stays. That it was not the owner who asked for it must not
 * be lost by that, for the owner's calls are to wait: it is noted at the open
 * file itself, where every process that shares it finds it, as the signal of
 * F_SETSIG. That is 0 as a rule, which means SIGIO; we set it to SIGIO, which
 * means the same.
 *
 *     flags          signal    the owner wants       calls of the runtime
 *     0              any       to wait               set the rest first
 *     O_NONBLOCK     0, other  EAGAIN                EAGAIN (NET_POSIX)
 *     O_NONBLOCK     SIGIO     to wait               wait
 *
 * The signal is set before the flag, so that whoever sees the flag sees it too.
 *
 * A terminal or a FIFO is shared with programs that do not expect the flag (the
 * shell, to begin with). They are opened again instead, for the one call: that
 * open file is our own.
 *
 * Everything is called on a hub's thread.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "net/net.h"

bool net_is_ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    if (poll(&p, 1, 0) != 0)
        return true;
    errno = EAGAIN;
    return false;
}

bool net_keep_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return false;
    return (flags & O_NONBLOCK) ||
           (fcntl(fd, F_SETSIG, SIGIO) == 0 &&
            fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

bool net_never_blocks(struct net_op *op)
{
    const struct loop_fd *record = op->record;
    if (record->nonblocking && loop_trusted(record))
        return true;
    return net_keep_nonblocking(record->number);
}

bool net_owner_asked(struct loop_fd *record)
{
    assert(record->nonblocking);
    if (record->asked == LOOP_ASKED_UNKNOWN)
        record->asked = fcntl(record->number, F_GETSIG) == SIGIO
                            ? LOOP_ASKED_NO
                            : LOOP_ASKED_YES;
    return record->asked == LOOP_ASKED_YES;
}

/* Majors of consoles, serial lines and the slaves of pseudo-terminals. Of other
 * devices, masters among them, opening makes another one. */
static bool is_terminal(dev_t device)
{
    unsigned m = major(device);
    return m == 4 || (m >= 136 && m <= 143);
}

int net_open_again(int fd, int flags)
{
    struct stat st;
    char path[sizeof("/proc/self/fd/-2147483648")];
    if (fstat(fd, &st) < 0 ||
        !(S_ISFIFO(st.st_mode) ||
          (S_ISCHR(st.st_mode) && is_terminal(st.st_rdev))))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

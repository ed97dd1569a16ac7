/*
 * syscall, and system calls without libc (raw/): by number, of those that
 * block. The others go to the kernel as they come, and so do those that take a
 * signal mask in the kernel's form, and futexes, which nobody but their owner
 * can tell the meaning of.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "patch/call.h"
#include "patch/duration.h"
#include "patch/functions.h"

/* Names that the two architectures do not share. */
#ifdef __x86_64__
#define OLD_CALLS(number, a, b, c, d, e) \
    case SYS_poll: \
        return patch_poll((struct pollfd *)a, (nfds_t)b, (int)c); \
    case SYS_select: \
        return patch_select((int)a, (fd_set *)b, (fd_set *)c, (fd_set *)d, \
                            (struct timeval *)e); \
    case SYS_epoll_wait: \
        return patch_epoll_wait((int)a, (struct epoll_event *)b, (int)c, \
                                (int)d); \
    case SYS_pause: \
        return patch_pause(); \
    case SYS_dup2: \
        return patch_dup2((int)a, (int)b);
#else
#define OLD_CALLS(number, a, b, c, d, e)
#endif

/* ---- those that libc's functions differ from ---------------------------------- */

/* libc's returns the error. */
static long sleep_on(long clock, long flags, const struct timespec *time,
                     struct timespec *left)
{
    int r = patch_clock_nanosleep((clockid_t)clock, (int)flags, time, left);
    if (r == 0)
        return 0;
    errno = r;
    return -1;
}

/* The kernel tells what is left of the time. */
static long poll_for(struct pollfd *fds, nfds_t n, struct timespec *time)
{
    bool tells = time && duration_is_valid(time);
    int64_t end = tells ? duration_end(time) : GROVE_NEVER;
    int r = patch_ppoll(fds, n, time, NULL), error = errno;
    if (tells)
        *time = duration_left(end);
    errno = error;
    return r;
}

/* ---- by number ------------------------------------------------------------------ */

long patch_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    switch (number) {
    case SYS_read:
        return patch_read((int)a, (void *)b, (size_t)c);
    case SYS_write:
        return patch_write((int)a, (const void *)b, (size_t)c);
    case SYS_readv:
        return patch_readv((int)a, (const struct iovec *)b, (int)c);
    case SYS_writev:
        return patch_writev((int)a, (const struct iovec *)b, (int)c);
    case SYS_recvfrom:
        return patch_recvfrom((int)a, (void *)b, (size_t)c, (int)d,
                              (struct sockaddr *)e, (socklen_t *)f);
    case SYS_sendto:
        return patch_sendto((int)a, (const void *)b, (size_t)c, (int)d,
                            (const struct sockaddr *)e, (socklen_t)f);
    case SYS_recvmsg:
        return patch_recvmsg((int)a, (struct msghdr *)b, (int)c);
    case SYS_sendmsg:
        return patch_sendmsg((int)a, (const struct msghdr *)b, (int)c);
    case SYS_accept:
        return patch_accept((int)a, (struct sockaddr *)b, (socklen_t *)c);
    case SYS_accept4:
        return patch_accept4((int)a, (struct sockaddr *)b, (socklen_t *)c,
                             (int)d);
    case SYS_connect:
        return patch_connect((int)a, (const struct sockaddr *)b, (socklen_t)c);
    case SYS_nanosleep:
        return patch_nanosleep((const struct timespec *)a,
                               (struct timespec *)b);
    case SYS_clock_nanosleep:
        return sleep_on(a, b, (const struct timespec *)c, (struct timespec *)d);
    case SYS_ppoll:
        if (d) /* a mask */
            break;
        return poll_for((struct pollfd *)a, (nfds_t)b, (struct timespec *)c);
    case SYS_epoll_pwait:
        if (e)
            break;
        return patch_epoll_pwait((int)a, (struct epoll_event *)b, (int)c,
                                 (int)d, NULL);
    case SYS_recvmmsg:
        return patch_recvmmsg((int)a, (struct mmsghdr *)b, (unsigned)c, (int)d,
                              (struct timespec *)e);
    case SYS_sendmmsg:
        return patch_sendmmsg((int)a, (struct mmsghdr *)b, (unsigned)c, (int)d);
    case SYS_pread64:
        return patch_pread((int)a, (void *)b, (size_t)c, (off_t)d);
    case SYS_pwrite64:
        return patch_pwrite((int)a, (const void *)b, (size_t)c, (off_t)d);
    case SYS_fsync:
        return patch_fsync((int)a);
    case SYS_fdatasync:
        return patch_fdatasync((int)a);
    case SYS_sendfile:
        return patch_sendfile((int)a, (int)b, (off_t *)c, (size_t)d);
    case SYS_splice:
        return patch_splice((int)a, (off_t *)b, (int)c, (off_t *)d, (size_t)e,
                            (unsigned)f);
    case SYS_fcntl:
        return patch_fcntl((int)a, (int)b, c);
    case SYS_io_uring_enter:
        return patch_io_uring_enter((int)a, (unsigned)b, (unsigned)c,
                                    (unsigned)d, (const void *)e, (size_t)f);
    case SYS_wait4:
        return patch_wait4((pid_t)a, (int *)b, (int)c, (struct rusage *)d);
    case SYS_flock:
        return patch_flock((int)a, (int)b);
    case SYS_close:
        return patch_close((int)a);
    case SYS_dup3:
        return patch_dup3((int)a, (int)b, (int)c);
        OLD_CALLS(number, a, b, c, d, e)
    default:
        break;
    }
    return syscall(number, a, b, c, d, e, f);
}

/*
 * Files at offsets, and what is written to disk. What is in memory is read at
 * once, all else goes to a worker or io_uring (os/file_io.c), so that the disk
 * does not hold up the thread.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/fortify.h"
#include "patch/functions.h"

ssize_t patch_pread(int fd, void *buf, size_t len, off_t offset)
{
    PATCHED(ssize_t, PATCH_RESTARTS, pread(fd, buf, len, offset),
            grove_pread(fd, buf, len, offset));
}

ssize_t patch_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    PATCHED(ssize_t, PATCH_RESTARTS, pwrite(fd, buf, len, offset),
            grove_pwrite(fd, buf, len, offset));
}

ssize_t patch_preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
    PATCHED(ssize_t, PATCH_RESTARTS, preadv(fd, iov, count, offset),
            grove_preadv(fd, iov, count, offset));
}

ssize_t patch_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    PATCHED(ssize_t, PATCH_RESTARTS, pwritev(fd, iov, count, offset),
            grove_pwritev(fd, iov, count, offset));
}

ssize_t patch_pread_chk(int fd, void *buf, size_t len, off_t offset,
                        size_t size)
{
    fortify_check(len, size);
    return patch_pread(fd, buf, len, offset);
}

/* ---- with flags ---------------------------------------------------------------------------------- */

static long by_worker(struct hub *hub, long number, const char *what, int fd,
                      const struct iovec *iov, int count, off_t offset,
                      int flags)
{
    return patch_on_worker(hub, what, number, fd, (long)iov, count,
                           (long)offset, 0, flags);
}

ssize_t patch_preadv2(int fd, const struct iovec *iov, int count, off_t offset,
                      int flags)
{
    if (offset == -1 && flags == 0)
        return patch_readv(fd, iov, count);
    if (offset == -1 || (flags & RWF_NOWAIT))
        return preadv2(fd, iov, count, offset, flags);
    PATCHED(
        ssize_t, PATCH_RESTARTS, preadv2(fd, iov, count, offset, flags),
        by_worker(hub, SYS_preadv2, "preadv2", fd, iov, count, offset, flags));
}

ssize_t patch_pwritev2(int fd, const struct iovec *iov, int count, off_t offset,
                       int flags)
{
    if (offset == -1 && flags == 0)
        return patch_writev(fd, iov, count);
    if (offset == -1 || (flags & RWF_NOWAIT))
        return pwritev2(fd, iov, count, offset, flags);
    PATCHED(ssize_t, PATCH_RESTARTS, pwritev2(fd, iov, count, offset, flags),
            by_worker(hub, SYS_pwritev2, "pwritev2", fd, iov, count, offset,
                      flags));
}

/* ---- to disk --------------------------------------------------------------------------------------- */

int patch_fsync(int fd)
{
    PATCHED(int, PATCH_RESTARTS, fsync(fd), grove_fsync(fd));
}

int patch_fdatasync(int fd)
{
    PATCHED(int, PATCH_RESTARTS, fdatasync(fd), grove_fdatasync(fd));
}

int patch_syncfs(int fd)
{
    PATCHED(int, PATCH_RESTARTS, syncfs(fd),
            (int)patch_on_worker(hub, "syncfs", SYS_syncfs, fd, 0, 0, 0, 0, 0));
}

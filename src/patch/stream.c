/*
 * read, write, readv, writev, on descriptors of any kind: net/vector.c.
 */
#include <sys/uio.h>
#include <unistd.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/fortify.h"
#include "patch/functions.h"

/* For no bytes nobody waits; the system tells what is wrong. */
ssize_t patch_read(int fd, void *buf, size_t len)
{
    if (unlikely(len == 0))
        return read(fd, buf, 0);
    PATCHED(ssize_t, PATCH_RECEIVES, read(fd, buf, len),
            net_read(fd, buf, len, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_write(int fd, const void *buf, size_t len)
{
    PATCHED(ssize_t, PATCH_SENDS, write(fd, buf, len),
            net_write(fd, buf, len, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_readv(int fd, const struct iovec *iov, int count)
{
    PATCHED(ssize_t, PATCH_RECEIVES, readv(fd, iov, count),
            net_readv(fd, iov, count, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_writev(int fd, const struct iovec *iov, int count)
{
    PATCHED(ssize_t, PATCH_SENDS, writev(fd, iov, count),
            net_writev(fd, iov, count, GROVE_NEVER, NET_LIBC));
}

ssize_t patch_read_chk(int fd, void *buf, size_t len, size_t size)
{
    fortify_check(len, size);
    return patch_read(fd, buf, len);
}

/* eventfd_read and eventfd_write are read and write inside libc. */
int patch_eventfd_read(int fd, eventfd_t *value)
{
    return patch_read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

int patch_eventfd_write(int fd, eventfd_t value)
{
    return patch_write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

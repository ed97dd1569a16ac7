/*
 * The public calls on files. Each but reading is a system call on a worker;
 * what they share is in file_io.c.
 *
 * Opening is what may wait for a peer without limit (a FIFO), so its job is on
 * the heap and abandoned by a kill or deadline: the worker then closes what it
 * opened. All other jobs stand on the caller's stack and are waited for once
 * they have begun.
 *
 * To be called on any thread, which gets a hub by it; the functions run_ are
 * called on workers, and know nothing of hubs.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "grove.h"
#include "os/file.h"
#include "os/offload.h"

/* The system call SYS_<number> on a worker, of up to six arguments. */
static long call(int64_t deadline, const char *what, long number, long a,
                 long b, long c, long d, long e)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -1;
    const long args[6] = {a, b, c, d, e, 0};
    return file_syscall(hub, deadline, what, number, args);
}

/* ---- opening ----------------------------------------------------------------- */

struct opening {
    struct offload_job job; /* with a drop: it may be given up under way */
    int dir;                /* the caller's, as flags and mode */
    int flags;
    mode_t mode;
    int fd;      /* what was opened; -1: nothing, or not yet */
    int error;   /* errno after it */
    char path[]; /* a copy of the caller's */
};

static void run_opening(struct offload_job *job)
{
    struct opening *o = container_of(job, struct opening, job);
    assert(o->fd < 0);
    o->fd = openat(o->dir, o->path, o->flags, o->mode);
    o->error = errno;
}

static void drop_opening(struct offload_job *job)
{
    struct opening *o = container_of(job, struct opening, job);
    if (o->fd >= 0)
        close(o->fd);
    free(o);
}

int grove_openat_until(int dir, const char *path, int flags, mode_t mode,
                       int64_t deadline)
{
    struct hub *hub = hub_self();
    size_t size = strlen(path) + 1;
    struct opening *o = hub ? calloc(1, sizeof(*o) + size) : NULL;
    if (!o)
        return -1;
    o->job.run = run_opening;
    o->job.drop = drop_opening;
    o->dir = dir;
    o->flags = flags;
    o->mode = mode;
    o->fd = -1;
    memcpy(o->path, path, size);
    int r = offload_wait(hub, &o->job, deadline, "open");
    if (r < 0) {
        errno = -r;
        return -1;
    }
    int fd = o->fd;
    int error = o->error;
    free(o);
    if (fd < 0)
        errno = error;
    return fd;
}

int grove_openat(int dir, const char *path, int flags, mode_t mode)
{
    return grove_openat_until(dir, path, flags, mode, GROVE_NEVER);
}

int grove_open_until(const char *path, int flags, mode_t mode, int64_t deadline)
{
    return grove_openat_until(AT_FDCWD, path, flags, mode, deadline);
}

int grove_open(const char *path, int flags, mode_t mode)
{
    return grove_openat_until(AT_FDCWD, path, flags, mode, GROVE_NEVER);
}

/* ---- reading and writing -------------------------------------------------- */

/* At an offset, which the position is none of. */
static bool is_offset(off_t offset)
{
    if (offset >= 0)
        return true;
    errno = EINVAL;
    return false;
}

ssize_t grove_preadv_until(int fd, const struct iovec *iov, int iovcnt,
                           off_t offset, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub || !is_offset(offset) || !hub_turn_on(hub, fd))
        return -1;
    return file_readv(hub, fd, iov, iovcnt, offset, deadline);
}

ssize_t grove_preadv(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
    return grove_preadv_until(fd, iov, iovcnt, offset, GROVE_NEVER);
}

ssize_t grove_pread_until(int fd, void *buf, size_t len, off_t offset,
                          int64_t deadline)
{
    struct iovec iov = {buf, len < SSIZE_MAX ? len : SSIZE_MAX};
    return grove_preadv_until(fd, &iov, 1, offset, deadline);
}

ssize_t grove_pread(int fd, void *buf, size_t len, off_t offset)
{
    return grove_pread_until(fd, buf, len, offset, GROVE_NEVER);
}

ssize_t grove_pwritev_until(int fd, const struct iovec *iov, int iovcnt,
                            off_t offset, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub || !is_offset(offset) || !hub_turn_on(hub, fd))
        return -1;
    return file_writev(hub, fd, iov, iovcnt, offset, deadline);
}

ssize_t grove_pwritev(int fd, const struct iovec *iov, int iovcnt, off_t offset)
{
    return grove_pwritev_until(fd, iov, iovcnt, offset, GROVE_NEVER);
}

ssize_t grove_pwrite_until(int fd, const void *buf, size_t len, off_t offset,
                           int64_t deadline)
{
    struct iovec iov = {(void *)buf, len < SSIZE_MAX ? len : SSIZE_MAX};
    return grove_pwritev_until(fd, &iov, 1, offset, deadline);
}

ssize_t grove_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    return grove_pwrite_until(fd, buf, len, offset, GROVE_NEVER);
}

/* ---- a file ---------------------------------------------------------------- */

int grove_fsync_until(int fd, int64_t deadline)
{
    return (int)call(deadline, "fsync", SYS_fsync, fd, 0, 0, 0, 0);
}

int grove_fsync(int fd)
{
    return grove_fsync_until(fd, GROVE_NEVER);
}

int grove_fdatasync_until(int fd, int64_t deadline)
{
    return (int)call(deadline, "fdatasync", SYS_fdatasync, fd, 0, 0, 0, 0);
}

int grove_fdatasync(int fd)
{
    return grove_fdatasync_until(fd, GROVE_NEVER);
}

int grove_ftruncate_until(int fd, off_t length, int64_t deadline)
{
    return (int)call(deadline, "ftruncate", SYS_ftruncate, fd, length, 0, 0, 0);
}

int grove_ftruncate(int fd, off_t length)
{
    return grove_ftruncate_until(fd, length, GROVE_NEVER);
}

int grove_fallocate_until(int fd, int mode, off_t offset, off_t length,
                          int64_t deadline)
{
    return (int)call(deadline, "fallocate", SYS_fallocate, fd, mode, offset,
                     length, 0);
}

int grove_fallocate(int fd, int mode, off_t offset, off_t length)
{
    return grove_fallocate_until(fd, mode, offset, length, GROVE_NEVER);
}

int grove_stat_until(const char *path, struct stat *st, int64_t deadline)
{
    return (int)call(deadline, "stat", SYS_newfstatat, AT_FDCWD, (long)path,
                     (long)st, 0, 0);
}

int grove_stat(const char *path, struct stat *st)
{
    return grove_stat_until(path, st, GROVE_NEVER);
}

int grove_lstat_until(const char *path, struct stat *st, int64_t deadline)
{
    return (int)call(deadline, "lstat", SYS_newfstatat, AT_FDCWD, (long)path,
                     (long)st, AT_SYMLINK_NOFOLLOW, 0);
}

int grove_lstat(const char *path, struct stat *st)
{
    return grove_lstat_until(path, st, GROVE_NEVER);
}

int grove_fstat_until(int fd, struct stat *st, int64_t deadline)
{
    return (int)call(deadline, "fstat", SYS_fstat, fd, (long)st, 0, 0, 0);
}

int grove_fstat(int fd, struct stat *st)
{
    return grove_fstat_until(fd, st, GROVE_NEVER);
}

/* ---- directories ----------------------------------------------------------- */

int grove_unlinkat_until(int dir, const char *path, int flags, int64_t deadline)
{
    return (int)call(deadline, "unlinkat", SYS_unlinkat, dir, (long)path, flags,
                     0, 0);
}

int grove_unlinkat(int dir, const char *path, int flags)
{
    return grove_unlinkat_until(dir, path, flags, GROVE_NEVER);
}

int grove_linkat_until(int from_dir, const char *from, int to_dir,
                       const char *to, int flags, int64_t deadline)
{
    return (int)call(deadline, "linkat", SYS_linkat, from_dir, (long)from,
                     to_dir, (long)to, flags);
}

int grove_linkat(int from_dir, const char *from, int to_dir, const char *to,
                 int flags)
{
    return grove_linkat_until(from_dir, from, to_dir, to, flags, GROVE_NEVER);
}

int grove_rename_until(const char *from, const char *to, int64_t deadline)
{
    return (int)call(deadline, "rename", SYS_renameat2, AT_FDCWD, (long)from,
                     AT_FDCWD, (long)to, 0);
}

int grove_rename(const char *from, const char *to)
{
    return grove_rename_until(from, to, GROVE_NEVER);
}

int grove_mkdir_until(const char *path, mode_t mode, int64_t deadline)
{
    return (int)call(deadline, "mkdir", SYS_mkdirat, AT_FDCWD, (long)path,
                     (long)mode, 0, 0);
}

int grove_mkdir(const char *path, mode_t mode)
{
    return grove_mkdir_until(path, mode, GROVE_NEVER);
}

int grove_rmdir_until(const char *path, int64_t deadline)
{
    return (int)call(deadline, "rmdir", SYS_unlinkat, AT_FDCWD, (long)path,
                     AT_REMOVEDIR, 0, 0);
}

int grove_rmdir(const char *path)
{
    return grove_rmdir_until(path, GROVE_NEVER);
}

int grove_symlink_until(const char *target, const char *path, int64_t deadline)
{
    return (int)call(deadline, "symlink", SYS_symlinkat, (long)target, AT_FDCWD,
                     (long)path, 0, 0);
}

int grove_symlink(const char *target, const char *path)
{
    return grove_symlink_until(target, path, GROVE_NEVER);
}

ssize_t grove_readlink_until(const char *path, char *buf, size_t len,
                             int64_t deadline)
{
    return (ssize_t)call(deadline, "readlink", SYS_readlinkat, AT_FDCWD,
                         (long)path, (long)buf, (long)len, 0);
}

ssize_t grove_readlink(const char *path, char *buf, size_t len)
{
    return grove_readlink_until(path, buf, len, GROVE_NEVER);
}

struct scan {
    struct offload_job job; /* without drop: it stands on the caller's stack */
    const char *path;       /* the caller's, as the three that follow */
    struct dirent ***list;
    int (*filter)(const struct dirent *);
    int (*compare)(const struct dirent **, const struct dirent **);
    int count; /* what scandir(3) returned */
    int error; /* errno after it */
};

static void run_scan(struct offload_job *job)
{
    struct scan *s = container_of(job, struct scan, job);
    s->count = scandir(s->path, s->list, s->filter, s->compare);
    s->error = errno;
}

int grove_scandir_until(const char *path, struct dirent ***list,
                        int (*filter)(const struct dirent *entry),
                        int (*compare)(const struct dirent **a,
                                       const struct dirent **b),
                        int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -1;
    struct scan s = {.job.run = run_scan,
                     .path = path,
                     .list = list,
                     .filter = filter,
                     .compare = compare};
    int r = offload_wait(hub, &s.job, deadline, "scandir");
    if (r < 0) {
        errno = -r;
        return -1;
    }
    if (s.count < 0)
        errno = s.error;
    return s.count;
}

int grove_scandir(const char *path, struct dirent ***list,
                  int (*filter)(const struct dirent *entry),
                  int (*compare)(const struct dirent **a,
                                 const struct dirent **b))
{
    return grove_scandir_until(path, list, filter, compare, GROVE_NEVER);
}

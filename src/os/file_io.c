/*
 * Reading and writing of files by whatever is cheapest without holding up the
 * hub:
 *
 *     read --> with RWF_NOWAIT: in memory, done. Otherwise the rest
 *                |-- by io_uring (file_uring.c)
 *                +-- on a worker, where that is not to be had
 *     write -> with RWF_NOWAIT: in memory, done, where the file system can.
 *                +-- otherwise the rest on a worker
 *     everything else --> on a worker
 *
 * A read from memory costs 0.7 us, against 9 us on a worker; where RWF_NOWAIT
 * is refused (ext4 does so for writes) that costs 0.3 us. The results are those
 * of the plain call either way.
 *
 * Everything is called on a hub's thread.
 */
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fiber/log.h"
#include "grove.h"
#include "net/net.h"
#include "os/file.h"
#include "os/offload.h"

_Atomic int file_engine;

/* ---- on a worker ---------------------------------------------------------- */

struct system_call {
    struct offload_job job; /* without drop: the kernel works on our buffers */
    long number;            /* SYS_... */
    const long *args;       /* six */
    int fd;                 /* the descriptor among them, or -1 */
    uint32_t closes;        /* of its number, when the call was made */
    long result;            /* as syscall(2) returns it */
    int error;              /* errno after it */
};

/* Calls on descriptors have it in front, others a path. */
static int descriptor_of(const long *args)
{
    return (unsigned long)args[0] < LOOP_CHUNK * LOOP_CHUNKS ? (int)args[0]
                                                             : -1;
}

static void run_system_call(struct offload_job *job)
{
    struct system_call *c = container_of(job, struct system_call, job);
    const long *a = c->args;
    if (unlikely(c->closes != loop_closes(c->fd))) {
        c->result = -1;
        c->error = EBADF;
        return; /* by now it may be another file's */
    }
    c->result = syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    c->error = errno;
}

long file_syscall(struct hub *hub, int64_t deadline, const char *what,
                  long number, const long args[6])
{
    int fd = descriptor_of(args);
    struct system_call c = {.job.run = run_system_call,
                            .number = number,
                            .args = args,
                            .fd = fd,
                            .closes = loop_closes_counted(fd)};
    if (unlikely(hub->current == hub->loop_fiber)) {
        run_system_call(&c.job);
    } else {
        int r = offload_wait(hub, &c.job, deadline, what);
        if (r < 0) {
            errno = -r;
            return -1;
        }
    }
    if (c.result < 0)
        errno = c.error;
    return c.result;
}

/* preadv2 and pwritev2: 64-bit offsets go in one register, the second is 0. */
static ssize_t vector_call(struct hub *hub, int64_t deadline, const char *what,
                           long number, int fd, const struct net_iov *v,
                           off_t offset)
{
    const long args[6] = {fd, (long)v->at, (long)v->count, offset};
    return file_syscall(hub, deadline, what, number, args);
}

/* ---- which engine ------------------------------------------------------- */

static int engine_from_environment(void)
{
    const char *wish = getenv("GROVE_FILES");
    if (wish && !strcmp(wish, "pool"))
        return FILE_POOL;
    if (wish && strcmp(wish, "uring") != 0)
        log_tell(GROVE_LOG_WARNING,
                 "GROVE_FILES is \"%s\"; expected uring or pool; using uring "
                 "where it works",
                 wish);
    return FILE_URING;
}

static int engine(void)
{
    int e = atomic_load(&file_engine);
    if (unlikely(e == FILE_UNKNOWN)) {
        e = engine_from_environment();
        atomic_store(&file_engine, e);
    }
    return e;
}

/* ---- what both directions share -------------------------------------------- */

/* A file system without a disk, or anything else to wait for: most of them know
 * nothing of RWF_NOWAIT. */
static bool is_in_memory(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case HUGETLBFS_MAGIC:
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
        return true;
    default:
        return false;
    }
}

/* A call that is under way. */
struct transfer {
    struct hub *hub; /* the thread's */
    int fd;
    uint32_t closes; /* of fd's number, at the beginning */
    off_t offset;    /* of what is left; FILE_POSITION: the file's own */
    int64_t deadline;
    struct net_iov v; /* what is left */
};

/* Of file systems and kernels that cannot say; EAGAIN says that it would
 * wait. */
static bool is_refused(void)
{
    return errno == EOPNOTSUPP || errno == ENOSYS;
}

static ssize_t read_now(const struct transfer *t)
{
    int count = (int)t->v.count;
    ssize_t n = preadv2(t->fd, t->v.at, count, t->offset, RWF_NOWAIT);
    if (n < 0 && is_refused())
        n = is_in_memory(t->fd) ? preadv2(t->fd, t->v.at, count, t->offset, 0)
                                : (errno = EAGAIN, -1);
    return n;
}

static ssize_t read_slowly(const struct transfer *t)
{
    ssize_t n;
    if (t->hub->current != t->hub->loop_fiber && engine() == FILE_URING &&
        uring_readv(t->hub, t->fd, t->v.at, (int)t->v.count, t->offset,
                    t->deadline, &n))
        return n;
    return vector_call(t->hub, t->deadline, "read", SYS_preadv2, t->fd, &t->v,
                       t->offset);
}

static ssize_t write_now(const struct transfer *t)
{
    int count = (int)t->v.count;
    ssize_t n = pwritev2(t->fd, t->v.at, count, t->offset, RWF_NOWAIT);
    if (n < 0 && is_refused())
        n = is_in_memory(t->fd) ? pwritev2(t->fd, t->v.at, count, t->offset, 0)
                                : (errno = EAGAIN, -1);
    return n;
}

static ssize_t write_slowly(const struct transfer *t)
{
    return vector_call(t->hub, t->deadline, "write", SYS_pwritev2, t->fd, &t->v,
                       t->offset);
}

/* What can be done now is, the rest in the slow way; until all is done, the end
 * of the file or an error, which counts only if nothing was done. */
static ssize_t transfer(struct transfer *t,
                        ssize_t (*now)(const struct transfer *t),
                        ssize_t (*slowly)(const struct transfer *t))
{
    size_t done = 0;
    for (;;) {
        ssize_t n = now(t);
        if (n < 0 && errno == EAGAIN)
            n = slowly(t);
        if (n < 0 && done && errno == ECANCELED)
            hub_wait_undo(t->hub->current, -ECANCELED); /* told next time */
        if (n <= 0)
            return n < 0 && !done ? -1 : (ssize_t)done;
        done += (size_t)n;
        if ((size_t)n == t->v.left || t->closes != loop_closes(t->fd) ||
            !net_iov_advance(&t->v, (size_t)n))
            return (ssize_t)done;
        if (t->offset != FILE_POSITION)
            t->offset += n;
    }
}

/* Of no bytes it is one plain call, which looks at the descriptor only. */
static ssize_t transfer_all(struct transfer *t, const struct iovec *iov,
                            int count, ssize_t (*now)(const struct transfer *t),
                            ssize_t (*slowly)(const struct transfer *t))
{
    if (count < 0 || count > IOV_MAX ||
        !net_iov_begin(&t->v, iov, (size_t)count)) {
        errno = EINVAL;
        return -1;
    }
    if (t->v.left == 0)
        return now(t);
    ssize_t n = transfer(t, now, slowly);
    net_iov_end(&t->v);
    return n;
}

ssize_t file_readv(struct hub *hub, int fd, const struct iovec *iov, int count,
                   off_t offset, int64_t deadline)
{
    struct transfer t = {hub,    fd,       loop_closes_counted(fd),
                         offset, deadline, .v = {.copy = NULL}};
    return transfer_all(&t, iov, count, read_now, read_slowly);
}

ssize_t file_writev(struct hub *hub, int fd, const struct iovec *iov, int count,
                    off_t offset, int64_t deadline)
{
    struct transfer t = {hub,    fd,       loop_closes_counted(fd),
                         offset, deadline, .v = {.copy = NULL}};
    return transfer_all(&t, iov, count, write_now, write_slowly);
}

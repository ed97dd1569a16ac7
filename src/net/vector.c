/*
 * read, readv, write and writev, which work on files of any kind. How each is
 * tried without blocking:
 *
 *   socket            recv and send, the cheapest; ENOTSOCK tells all others
 *   regular file,     by os/file_io.c: from memory, by io_uring or on a worker
 *   block device
 *   pipe, eventfd...  preadv2 and pwritev2 with RWF_NOWAIT at offset -1, which
 *                     means the file's own position
 *   the rest (ttys,   poll, then a plain read; a write to the file opened
 *   FIFOs, devices)   again, or made non-blocking, since writable is not room
 *                     for all; terminal.c where a terminal does not go by
 *                     lines
 *
 * What was found out stands in the descriptor's record as hints, each of which
 * only saves trying.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "grove.h"
#include "net/net.h"
#include "os/file.h"

/* A file that has no readiness to wait for. */
static bool is_file(struct net_op *op)
{
    const struct loop_fd *record = op->record;
    struct stat st;
    if (record->registered && (!record->always_ready || loop_trusted(record)))
        op->no_wait = record->always_ready;
    else
        op->no_wait = fstat(record->number, &st) == 0 &&
                      (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    return op->no_wait;
}

static bool lacks_nowait(struct net_op *op)
{
    return op->record->no_nowait & op->direction;
}

/* Whether RWF_NOWAIT was refused just now; it will not be tried again. */
static bool nowait_refused(struct net_op *op)
{
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return false;
    op->record->no_nowait |= (uint8_t)op->direction;
    return true;
}

static bool is_no_socket(struct net_op *op)
{
    if (errno != ENOTSOCK)
        return false;
    op->record->not_socket = true;
    return true;
}

/* ---- reading ----------------------------------------------------------- */

static ssize_t read_socket(struct net_op *op, const struct net_iov *v)
{
    int fd = op->record->number;
    ssize_t n;
    if (v->count == 1) {
        n = recv(fd, v->at->iov_base, v->at->iov_len, MSG_DONTWAIT);
    } else {
        struct msghdr msg = {.msg_iov = (struct iovec *)v->at,
                             .msg_iovlen = v->count};
        n = recvmsg(fd, &msg, MSG_DONTWAIT);
    }
    net_note_read(op->record, n, v->left);
    return n;
}

/* What is not ready is asked whether it is a terminal, whatever is known. */
static ssize_t read_carefully(struct net_op *op, const struct net_iov *v)
{
    int fd = op->record->number;
    bool ready = net_is_ready(fd, POLLIN);
    struct termios t;
    if (op->mode != NET_PARK && !(ready && op->record->not_terminal) &&
        net_is_raw_terminal(op, &t))
        return net_read_terminal(op, v, &t, ready);
    return ready ? readv(fd, v->at, (int)v->count) : -1;
}

/* Of a socket with SO_RCVLOWAT, of which n bytes have come. */
static ssize_t read_rest(struct net_op *op, struct net_iov *v, ssize_t n)
{
    size_t least = net_least(op, v->left), done = 0;
    while (n > 0 && (done += (size_t)n) < least &&
           net_is_stream(op->record->number) && net_iov_advance(v, (size_t)n)) {
        do {
            n = read_socket(op, v);
        } while (n < 0 && net_retry(op));
    }
    net_iov_end(v);
    return n < 0 ? net_stopped(op, done) : (ssize_t)done;
}

static ssize_t try_read(struct net_op *op, const struct net_iov *v)
{
    int fd = op->record->number;
    int count = (int)v->count;
    if (!op->record->not_socket) {
        ssize_t n = read_socket(op, v);
        if (n >= 0 || !is_no_socket(op))
            return n;
    }
    if (is_file(op))
        return file_readv(op->hub, fd, v->at, count, FILE_POSITION,
                          op->deadline);
    if (!lacks_nowait(op)) {
        ssize_t n = preadv2(fd, v->at, count, -1, RWF_NOWAIT);
        if (n >= 0 || !nowait_refused(op))
            return n;
    }
    return read_carefully(op, v);
}

ssize_t net_readv(int fd, const struct iovec *iov, int count, int64_t deadline,
                  enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "read",
                        .mode = mode,
                        .direction = LOOP_READ};
    struct net_iov v;
    if (count < 0 || count > IOV_MAX ||
        !net_iov_begin(&v, iov, (size_t)count)) {
        errno = EINVAL;
        return -1;
    }
    /* Nothing waits for no bytes, and recv would take a datagram for it. */
    if (v.left == 0) {
        hub_turn_if_any();
        return readv(fd, iov, count);
    }
    if (!net_begin(&op, fd))
        return -1;
    ssize_t n;
    do {
        n = try_read(&op, &v);
    } while (n < 0 && net_retry(&op));
    if (n > 0 && net_has_low_marks() && !op.record->not_socket)
        return read_rest(&op, &v, n);
    return n;
}

ssize_t net_read(int fd, void *buf, size_t len, int64_t deadline,
                 enum net_mode mode)
{
    /* More is not read at once anyway. */
    struct iovec iov = {buf, len < SSIZE_MAX ? len : SSIZE_MAX};
    return net_readv(fd, &iov, 1, deadline, mode);
}

/* ---- writing ----------------------------------------------------------- */

static ssize_t write_socket(struct net_op *op, const struct net_iov *v,
                            int flags)
{
    int fd = op->record->number;
    flags |= MSG_DONTWAIT;
    if (v->count == 1)
        return send(fd, v->at->iov_base, v->at->iov_len, flags);
    struct msghdr msg = {.msg_iov = (struct iovec *)v->at,
                         .msg_iovlen = v->count};
    return sendmsg(fd, &msg, flags);
}

/* To an eventfd a number that makes it full in no lifetime: it does not block
 * where poll says so, and plain threads that read it need not know of us. */
static bool adds_little(int fd, const struct net_iov *v)
{
    struct stat st;
    uint64_t number;
    if (v->count != 1 || v->left != sizeof(number) || fstat(fd, &st) < 0 ||
        (st.st_mode & S_IFMT) != 0)
        return false;
    memcpy(&number, v->at->iov_base, sizeof(number));
    return number <= UINT32_MAX;
}

static ssize_t write_and_close(int fd, const struct net_iov *v)
{
    ssize_t n = writev(fd, v->at, (int)v->count);
    int error = errno;
    close(fd);
    errno = error;
    return n;
}

/* Where the flag must stay as it is, a worker does the waiting. */
static ssize_t write_by_worker(struct net_op *op, const struct net_iov *v)
{
    const long args[6] = {op->record->number, (long)v->at, (long)v->count};
    return file_syscall(op->hub, op->deadline, op->what, SYS_writev, args);
}

/* What knows of no flag: see nonblocking.c. */
static ssize_t write_carefully(struct net_op *op, const struct net_iov *v)
{
    int fd = op->record->number;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    if (!(flags & O_NONBLOCK)) {
        int again = net_open_again(fd, O_WRONLY);
        if (again >= 0)
            return write_and_close(again, v);
        if (adds_little(fd, v)) {
            if (!net_is_ready(fd, POLLOUT))
                return -1;
        } else if (op->mode == NET_LIBC) {
            return write_by_worker(op, v);
        } else if (!net_keep_nonblocking(fd)) {
            return -1;
        }
    }
    return writev(fd, v->at, (int)v->count);
}

/* flags are for a socket. */
static ssize_t try_write(struct net_op *op, const struct net_iov *v, int flags)
{
    int fd = op->record->number;
    int count = (int)v->count;
    if (!op->record->not_socket) {
        ssize_t n = write_socket(op, v, flags);
        if (n >= 0 || !is_no_socket(op))
            return n;
    }
    if (is_file(op))
        return file_writev(op->hub, fd, v->at, count, FILE_POSITION,
                           op->deadline);
    if (!lacks_nowait(op)) {
        ssize_t n = pwritev2(fd, v->at, count, -1, RWF_NOWAIT);
        if (n >= 0 || !nowait_refused(op))
            return n;
    }
    return write_carefully(op, v);
}

/* Write v, as far as that goes, and all of it if it must: false with errno. */
static bool write_pieces(struct net_op *op, struct net_iov *v, bool all,
                         size_t *done)
{
    for (;;) {
        bool rest = *done > 0 && !all; /* an error then is not told */
        ssize_t n = try_write(op, v, rest ? NET_REST : 0);
        if (n < 0 && (rest ? net_retry_rest(op) : net_retry(op)))
            continue;
        if (n < 0)
            return false;
        *done += (size_t)n;
        if ((size_t)n == v->left)
            return true;
        if (n == 0 || (op->no_wait && !all) || !net_iov_advance(v, (size_t)n)) {
            errno = n == 0 ? EIO : ENOMEM;
            return !all;
        }
    }
}

static bool write_begin(struct net_op *op, struct net_iov *v, int fd,
                        const struct iovec *iov, int count)
{
    if (count >= 0 && count <= IOV_MAX && net_iov_begin(v, iov, (size_t)count))
        return net_begin(op, fd);
    errno = EINVAL;
    return false;
}

ssize_t net_writev(int fd, const struct iovec *iov, int count, int64_t deadline,
                   enum net_mode mode)
{
    struct net_op op = {.deadline = deadline,
                        .what = "write",
                        .mode = mode,
                        .direction = LOOP_WRITE};
    struct net_iov v;
    size_t done = 0;
    if (!write_begin(&op, &v, fd, iov, count))
        return -1;
    bool ok = write_pieces(&op, &v, false, &done);
    net_iov_end(&v);
    return ok ? (ssize_t)done : net_stopped(&op, done);
}

int net_writev_all(int fd, const struct iovec *iov, int count, int64_t deadline,
                   enum net_mode mode, size_t *done)
{
    struct net_op op = {.deadline = deadline,
                        .what = "write",
                        .mode = mode,
                        .direction = LOOP_WRITE};
    struct net_iov v;
    *done = 0;
    if (!write_begin(&op, &v, fd, iov, count))
        return -errno;
    int r = write_pieces(&op, &v, true, done) ? 0 : -errno;
    net_iov_end(&v);
    return r;
}

ssize_t net_write(int fd, const void *buf, size_t len, int64_t deadline,
                  enum net_mode mode)
{
    struct iovec iov = {(void *)buf, len < SSIZE_MAX ? len : SSIZE_MAX};
    return net_writev(fd, &iov, 1, deadline, mode);
}

/* ---- the public calls -------------------------------------------------- */

ssize_t grove_read(int fd, void *buf, size_t len)
{
    return net_read(fd, buf, len, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_read_until(int fd, void *buf, size_t len, int64_t deadline)
{
    return net_read(fd, buf, len, deadline, NET_POSIX);
}

ssize_t grove_readv(int fd, const struct iovec *iov, int iovcnt)
{
    return net_readv(fd, iov, iovcnt, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_readv_until(int fd, const struct iovec *iov, int iovcnt,
                          int64_t deadline)
{
    return net_readv(fd, iov, iovcnt, deadline, NET_POSIX);
}

ssize_t grove_write(int fd, const void *buf, size_t len)
{
    return net_write(fd, buf, len, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_write_until(int fd, const void *buf, size_t len, int64_t deadline)
{
    return net_write(fd, buf, len, deadline, NET_POSIX);
}

ssize_t grove_writev(int fd, const struct iovec *iov, int iovcnt)
{
    return net_writev(fd, iov, iovcnt, GROVE_NEVER, NET_POSIX);
}

ssize_t grove_writev_until(int fd, const struct iovec *iov, int iovcnt,
                           int64_t deadline)
{
    return net_writev(fd, iov, iovcnt, deadline, NET_POSIX);
}

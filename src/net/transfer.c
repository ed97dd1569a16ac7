/*
 * sendfile and splice: data moved between two descriptors by the kernel.
 *
 * Either end may make the call wait. Pipes are kept from it by splice's flag,
 * so that a file is sent to one by splice, too; sockets by O_NONBLOCK, which
 * then stays (nonblocking.c). Which end said EAGAIN a poll tells: if there is
 * something to read, it was the output.
 */
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "grove.h"
#include "net/net.h"

/* Bytes moved in one system call: others get their turn in between. */
#define PIECE ((size_t)1 << 20)

struct transfer {
    struct net_op in,
        out; /* waits for each end: what to wait for is found out */
    mode_t in_kind, out_kind;       /* S_IFMT of each */
    bool in_is_file;                /* a regular one: always readable */
    off_t *in_offset, *out_offset;  /* NULL: the file's own position */
    uint32_t in_closes, out_closes; /* of the ends' numbers, at the beginning */
    unsigned flags;                 /* splice's */
    bool splice;                    /* or sendfile */
};

static ssize_t call(struct transfer *t, int out, size_t count)
{
    int in = t->in.record->number;
    if (t->splice || S_ISFIFO(t->out_kind))
        return splice(in, t->in_offset, out, t->out_offset, count,
                      t->flags | SPLICE_F_NONBLOCK);
    return sendfile(out, in, t->in_offset, count);
}

/* Whether one end will not block, or splice's flag keeps it from that. */
static bool end_is_safe(struct net_op *end, mode_t kind)
{
    return S_ISREG(kind) || S_ISFIFO(kind) || net_never_blocks(end);
}

static ssize_t try_transfer(struct transfer *t, size_t count)
{
    if (!end_is_safe(&t->in, t->in_kind))
        return -1;
    int again = S_ISCHR(t->out_kind)
                    ? net_open_again(t->out.record->number, O_WRONLY)
                    : -1;
    if (again < 0 && !end_is_safe(&t->out, t->out_kind))
        return -1;
    ssize_t n = call(t, again < 0 ? t->out.record->number : again, count);
    if (again >= 0) {
        int error = errno;
        close(again);
        errno = error;
    }
    return n;
}

/* While one end was waited for the other may have been closed. */
static bool both_are_open(const struct transfer *t)
{
    if (t->in_closes == loop_closes(t->in.record->number) &&
        t->out_closes == loop_closes(t->out.record->number))
        return true;
    errno = EBADF;
    return false;
}

/* Wait for the end that has made the call fail. */
static bool wait_for_end(struct transfer *t)
{
    if (errno != EAGAIN || t->in_is_file)
        return net_retry(&t->out);
    bool readable = net_is_ready(t->in.record->number, POLLIN);
    errno = EAGAIN;
    return net_retry(readable ? &t->out : &t->in);
}

/* After a call has failed: whether to make it again. */
static bool retry(struct transfer *t)
{
    return wait_for_end(t) && both_are_open(t);
}

static mode_t kind_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

/* The op of one end; a wait for it is only begun by a failed try. */
static bool prepare(struct net_op *op, int fd)
{
    op->no_wait = true; /* what the hints say is of no use yet */
    return net_begin(op, fd);
}

static bool flags_say_no_wait(const struct transfer *t)
{
    return t->flags & SPLICE_F_NONBLOCK;
}

static bool transfer_begin(struct transfer *t, int in, int out,
                           int64_t deadline, const char *what)
{
    t->in.deadline = t->out.deadline = deadline;
    t->in.what = t->out.what = what;
    t->in.mode = t->out.mode = NET_POSIX;
    t->in.direction = LOOP_READ;
    t->out.direction = LOOP_WRITE;
    t->in_kind = kind_of(in);
    t->out_kind = kind_of(out);
    t->in_is_file = S_ISREG(t->in_kind);
    t->in_closes = loop_closes(in);
    t->out_closes = loop_closes(out);
    if (!prepare(&t->in, in) || !prepare(&t->out, out))
        return false;
    t->in.no_wait = t->out.no_wait = flags_say_no_wait(t);
    return net_turn(&t->out) && both_are_open(t);
}

/* Move up to count bytes. */
static ssize_t transfer(struct transfer *t, size_t count)
{
    ssize_t n;
    do {
        n = try_transfer(t, count);
    } while (n < 0 && retry(t));
    return n;
}

/* ---- the public calls -------------------------------------------------- */

ssize_t grove_sendfile_until(int out, int in, off_t *offset, size_t count,
                             int64_t deadline)
{
    struct transfer t = {.in_offset = offset};
    if (!transfer_begin(&t, in, out, deadline, "sendfile"))
        return -1;
    size_t done = 0;
    for (;;) {
        size_t left = count - done;
        ssize_t n = transfer(&t, left < PIECE ? left : PIECE);
        if (n > 0)
            done += (size_t)n;
        if (n <= 0 || done == count || !net_may_wait(&t.out))
            return n >= 0 || done ? (ssize_t)done : -1;
        if (!net_turn(&t.out) || !both_are_open(&t))
            return (ssize_t)done;
    }
}

ssize_t grove_sendfile(int out, int in, off_t *offset, size_t count)
{
    return grove_sendfile_until(out, in, offset, count, GROVE_NEVER);
}

ssize_t grove_splice_until(int in, off_t *in_offset, int out, off_t *out_offset,
                           size_t count, unsigned flags, int64_t deadline)
{
    struct transfer t = {.in_offset = in_offset,
                         .out_offset = out_offset,
                         .flags = flags,
                         .splice = true};
    if (!transfer_begin(&t, in, out, deadline, "splice"))
        return -1;
    return transfer(&t, count);
}

ssize_t grove_splice(int in, off_t *in_offset, int out, off_t *out_offset,
                     size_t count, unsigned flags)
{
    return grove_splice_until(in, in_offset, out, out_offset, count, flags,
                              GROVE_NEVER);
}

/*
 * What every call does around its system calls.
 *
 * Invariants:
 *   1. A wait is always followed by a try, unless it failed by other than its
 *      deadline: data that is there when a deadline passes is delivered.
 *   2. A hint is cleared only when the kernel has said EAGAIN (or a stream was
 *      read or written short) since it was registered, so that whatever comes
 *      later is an edge that sets it again.
 *   3. A try is for the file that the call was made for: after a wait or a turn
 *      of others, a number that was closed meanwhile is EBADF, however the
 *      wait ended, for it may be a stranger's.
 *   4. O_NONBLOCK is asked for at registration only (loop_register), so a
 *      descriptor that never says EAGAIN costs no fcntl; for code that is not
 *      ours by each call that has to wait.
 */
#include "net/net.h"

#include <assert.h>
#include <fcntl.h>

/* The longest pause between two tries that no edge announces. */
#define BACK_OFF_MAX (16 * GROVE_MILLISECOND)

bool net_waited(int result)
{
    assert(result <= 0 || result == HUB_TRANSFERRED);
    if (result == 0)
        return true;
    if (result == HUB_TRANSFERRED)
        errno = EINTR;
    else if (result == -ENOSPC) /* fs.epoll.max_user_watches */
        errno = ENOMEM;
    else
        errno = -result;
    return false;
}

/* The deadline that counts: the call's, or that of SO_RCVTIMEO or SO_SNDTIMEO,
 * which runs from the call's first wait. A host has time-outs of its own. */
static int64_t limit_of(struct net_op *op)
{
    assert(op->direction == LOOP_READ || op->direction == LOOP_WRITE);
    uint32_t ms = op->record->timeouts[op->direction - 1];
    if (likely(ms == 0) || op->mode == NET_PARK)
        return op->deadline;
    if (!op->option_until)
        op->option_until = hub_deadline(ms * GROVE_MILLISECOND);
    return op->option_until < op->deadline ? op->option_until : op->deadline;
}

/* When to look again without an edge: false when a deadline comes first. */
static bool back_off_until(struct net_op *op, int64_t limit, int64_t *until)
{
    if (!op->back_off)
        return false;
    *until = hub_deadline(op->back_off);
    const struct grove_timeout *scope = op->hub->current->scope;
    if (limit <= *until || (scope && scope->effective <= *until))
        return false;
    if (op->back_off < BACK_OFF_MAX)
        op->back_off *= 2;
    return true;
}

bool net_wait(struct net_op *op)
{
    int64_t limit = limit_of(op), until;
    bool again = back_off_until(op, limit, &until);
    int r = hub_wait_record(op->hub, op->record, op->direction,
                            again ? until : limit, op->what);
    if (r == -ETIMEDOUT) {
        const struct grove_timeout *scope = op->hub->current->scope;
        op->last = !again;
        op->option_passed = op->last && limit != op->deadline &&
                            !(scope && scope->effective < limit);
        return true;
    }
    return net_waited(r);
}

static bool hint(const struct net_op *op)
{
    return op->direction == LOOP_READ ? op->record->readable
                                      : op->record->writable;
}

static void clear_hint(struct net_op *op)
{
    assert(op->record->registered); /* or nothing would set it again */
    if (op->direction == LOOP_READ)
        op->record->readable = false;
    else
        op->record->writable = false;
}

bool net_may_wait(const struct net_op *op)
{
    return !op->no_wait && !(op->mode != NET_PARK && op->record->nonblocking &&
                             net_owner_asked(op->record));
}

/* A host gives its turns itself: it must know of each switch. */
bool net_turn(struct net_op *op)
{
    if (op->mode == NET_PARK || likely(!hub_turn_due(op->hub)))
        return true;
    if (!net_may_wait(op)) {
        op->hub->calls = 0; /* it is for the next that may */
        return true;
    }
    return hub_turn_on_slow(op->hub, op->record->number);
}

bool net_begin(struct net_op *op, int fd)
{
    assert(op->direction == LOOP_READ || op->direction == LOOP_WRITE);
    assert(op->what && op->back_off >= 0);
    op->last = false;
    op->hub = hub_self();
    if (unlikely(!op->hub))
        return false;
    op->record = loop_fd(&op->hub->loop, fd);
    if (unlikely(!op->record)) {
        int error = errno;
        if (fcntl(fd, F_GETFD) >= 0)
            errno = error;
        return false;
    }
    /* Only of an owned descriptor is what the hints say known to be of this
     * file. */
    if (op->mode == NET_LIBC_AGAIN) {
        op->mode = NET_LIBC;
        errno = EAGAIN;
        return net_retry(op);
    }
    if (hint(op) || op->mode == NET_LIBC || !loop_trusted(op->record) ||
        !net_may_wait(op))
        return net_turn(op);
    return net_wait(op);
}

/* What another may have changed since the descriptor was registered. */
static void look_at_options(struct net_op *op, bool known)
{
    if (known && !op->looked)
        loop_read_options(op->record);
    op->looked = true;
}

bool net_retry(struct net_op *op)
{
    assert(op->hub == hub_of_thread && errno);
    if (errno != EAGAIN || op->no_wait)
        return false;
    if (op->last) {
        errno = op->option_passed ? EAGAIN : ETIMEDOUT;
        return false;
    }
    bool known = op->record->registered;
    int r = loop_register(&op->hub->loop, op->record);
    if (unlikely(r < 0))
        return net_waited(r); /* false */
    if (op->mode == NET_LIBC)
        look_at_options(op, known);
    if (!net_may_wait(op)) {
        errno = EAGAIN;
        return false;
    }
    /* Of another socket's queue the hints say nothing. */
    if (!op->back_off)
        clear_hint(op);
    return net_wait(op);
}

/* Both ways: no more can be sent. A poll takes no error away. */
static bool is_hung_up(const struct loop_fd *record)
{
    struct pollfd p = {.fd = record->number};
    return record->stream && record->no_short_reads && poll(&p, 1, 0) > 0 &&
           (p.revents & POLLHUP);
}

bool net_retry_rest(struct net_op *op)
{
    if (!net_retry(op))
        return false;
    if (likely(!is_hung_up(op->record)))
        return true;
    errno = EPIPE;
    return false;
}

bool net_is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_STREAM;
}

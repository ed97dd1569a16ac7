/*
 * poll: wait for any of several descriptors.
 *
 * The kernel's poll, without a timeout, says what is ready. While it says
 * nothing the fiber waits for an edge on each descriptor, in the directions
 * that its events are about, and then asks again: an edge only means that
 * something has changed. Who asks too late finds nothing, if another fiber has
 * taken what came; for NET_POLL_EDGES what came is then reported as it came.
 */
#include <stdlib.h>

#include "grove.h"
#include "net/net.h"

/* Descriptors up to which nothing is allocated: 1.5 KiB of the fiber's stack */
#define SMALL 16

/* Two a descriptor, one for each direction. */
struct poll_wait {
    struct loop_wait wait;     /* linked until an edge, or the call's end */
    struct grove_fiber *fiber; /* who polls */
    struct loop_stamp stamp;   /* of the descriptor, while it is waited for */
    bool closed;               /* the descriptor was, under it */
    bool edge;                 /* its direction was ready */
};

static void wake_poller(struct loop_wait *wait, int result)
{
    struct poll_wait *w = container_of(wait, struct poll_wait, wait);
    w->closed = result < 0;
    w->edge = result == 0;
    hub_wake(w->fiber, 0);
}

/* Hang-ups and errors, which nobody asks for, come in both directions. */
static unsigned directions(short events)
{
    unsigned d = 0;
    if (events & (POLLOUT | POLLWRNORM | POLLWRBAND))
        d |= LOOP_WRITE;
    if (!d || (events & ~(POLLOUT | POLLWRNORM | POLLWRBAND)))
        d |= LOOP_READ;
    return d;
}

static int add_waits(struct hub *hub, const struct pollfd *p,
                     struct poll_wait waits[2])
{
    struct loop_fd *record = loop_fd(&hub->loop, p->fd);
    if (!record)
        return -errno;
    int r = loop_register(&hub->loop, record);
    /* A file that is always ready is ready for what poll has reported. */
    if (r < 0 || record->always_ready)
        return r;
    for (unsigned i = 0; i < 2; i++) {
        unsigned direction = i == 0 ? LOOP_READ : LOOP_WRITE;
        if (!(directions(p->events) & direction))
            continue;
        waits[i].fiber = hub->current;
        waits[i].wait.direction = direction;
        waits[i].wait.fn = wake_poller;
        waits[i].stamp = loop_stamp(record);
        loop_wait_add(&hub->loop, record, &waits[i].wait);
    }
    return 0;
}

/* Wait for an edge on any of them. As hub_wait, or as loop_register. */
static int wait_any(struct hub *hub, const struct pollfd *fds, nfds_t nfds,
                    struct poll_wait *waits, int64_t deadline)
{
    int r = 0;
    for (nfds_t i = 0; i < 2 * nfds; i++) {
        waits[i].wait.back = NULL;
        waits[i].wait.fd = NULL;
        waits[i].closed = false;
        waits[i].edge = false;
    }
    for (nfds_t i = 0; r == 0 && i < nfds; i++) {
        if (fds[i].fd >= 0)
            r = add_waits(hub, &fds[i], &waits[2 * i]);
    }
    if (r == 0)
        r = hub_wait(hub, nfds ? GROVE_WAIT_DESCRIPTOR : GROVE_WAIT_SLEEP,
                     deadline, "poll", nfds ? fds[0].fd : -1);
    for (nfds_t i = 0; i < 2 * nfds; i++)
        loop_wait_remove(&hub->loop, &waits[i].wait);
    return r;
}

/* Also when an edge of the file that was there came first. */
static bool was_closed(const struct poll_wait *w)
{
    return w->closed || (w->wait.fd && !loop_same(w->wait.fd, w->stamp));
}

/* Those closed meanwhile get POLLNVAL here, not from poll(2): their number may
 * stand for another file by now. How many. */
static int report_closed(struct pollfd *fds, nfds_t nfds,
                         const struct poll_wait *waits)
{
    int closed = 0;
    for (nfds_t i = 0; i < nfds; i++) {
        bool is_closed =
            was_closed(&waits[2 * i]) || was_closed(&waits[2 * i + 1]);
        fds[i].revents = is_closed ? POLLNVAL : 0;
        closed += is_closed;
    }
    return closed;
}

/* What came, though nothing is left of it: plain data and room alone, for an
 * edge does not tell what else it was. How many. */
static int report_edges(struct pollfd *fds, nfds_t nfds,
                        const struct poll_wait *waits)
{
    int ready = 0;
    for (nfds_t i = 0; i < nfds; i++) {
        short came =
            (short)((waits[2 * i].edge ? POLLIN | POLLRDNORM : 0) |
                    (waits[2 * i + 1].edge ? POLLOUT | POLLWRNORM : 0));
        fds[i].revents = (short)(fds[i].events & came);
        ready += fds[i].revents != 0;
    }
    return ready;
}

static int poll_waiting(struct hub *hub, struct pollfd *fds, nfds_t nfds,
                        struct poll_wait *waits, int64_t deadline,
                        enum net_poll_for what)
{
    for (;;) {
        const struct grove_timeout *scope = hub->current->scope;
        bool scoped = scope && scope->effective < deadline;
        int r = wait_any(hub, fds, nfds, waits, deadline);
        if (r != 0 && r != -ETIMEDOUT) {
            net_waited(r);
            return -1;
        }
        int n = report_closed(fds, nfds, waits);
        if (n == 0)
            n = poll(fds, nfds, 0);
        if (n == 0 && what == NET_POLL_EDGES)
            n = report_edges(fds, nfds, waits);
        if (n != 0)
            return n;
        if (r == -ETIMEDOUT) {
            errno = ETIMEDOUT;
            return scoped ? -1 : 0;
        }
    }
}

int net_poll(struct pollfd *fds, nfds_t nfds, int64_t deadline,
             enum net_poll_for what)
{
    int n = poll(fds, nfds, 0);
    if (n != 0)
        return n;
    struct hub *hub = hub_self();
    if (!hub)
        return -1;
    struct poll_wait small[2 * SMALL];
    struct poll_wait *waits = small;
    if (nfds > SMALL) {
        waits = malloc(2 * nfds * sizeof(*waits));
        if (!waits)
            return -1;
    }
    n = poll_waiting(hub, fds, nfds, waits, deadline, what);
    if (waits != small) {
        int error = errno;
        free(waits);
        errno = error;
    }
    return n;
}

/* ---- a turn ------------------------------------------------------------------ */

/* The turn itself. How many were closed in it, which get POLLNVAL. */
static int turn_noting_closed(struct hub *hub, struct pollfd *fds, nfds_t nfds,
                              uint32_t *closes)
{
    int closed = 0;
    for (nfds_t i = 0; i < nfds; i++)
        closes[i] = loop_closes_counted(fds[i].fd);
    hub_turn_slow(hub, true);
    for (nfds_t i = 0; i < nfds; i++) {
        bool is_closed = closes[i] != loop_closes(fds[i].fd);
        fds[i].revents = is_closed ? POLLNVAL : 0;
        closed += is_closed;
    }
    return closed;
}

static int poll_turn_slow(struct hub *hub, struct pollfd *fds, nfds_t nfds)
{
    uint32_t few[2 * SMALL], *closes = few;
    if (poll(fds, nfds, 0) < 0) /* there may not be so many at fds */
        return -1;
    if (nfds > 2 * SMALL) {
        closes = malloc(nfds * sizeof(*closes));
        if (!closes)
            return -1;
    }
    int n = turn_noting_closed(hub, fds, nfds, closes);
    if (closes != few)
        free(closes);
    return n;
}

/* The others' turn, if their time has come. Not 0: what the call returns, for
 * the numbers of those that were closed in it may be other files'. */
static int poll_turn(struct pollfd *fds, nfds_t nfds)
{
    struct hub *hub = hub_of_thread;
    if (!hub || likely(!hub_turn_due(hub)))
        return 0;
    return poll_turn_slow(hub, fds, nfds);
}

/* ---- the public calls -------------------------------------------------------- */

int grove_poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
    int n = poll_turn(fds, nfds);
    if (n != 0)
        return n;
    if (timeout == 0)
        return poll(fds, nfds, 0);
    return net_poll(fds, nfds,
                    timeout < 0 ? GROVE_NEVER
                                : hub_deadline(timeout * GROVE_MILLISECOND),
                    NET_POLL_STATE);
}

int grove_poll_until(struct pollfd *fds, nfds_t nfds, int64_t deadline)
{
    int n = poll_turn(fds, nfds);
    return n != 0 ? n : net_poll(fds, nfds, deadline, NET_POLL_STATE);
}

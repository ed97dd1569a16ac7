/*
 * poll, select, epoll_wait, and those of them that bring a signal mask along.
 *
 * What is ready the system's own call tells, without waiting; while it says
 * nothing the fiber waits. A program's own epoll descriptor is waited for as
 * any descriptor: it is readable when one of those in it is ready.
 */
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/duration.h"
#include "patch/fortify.h"
#include "patch/functions.h"
#include "patch/masks.h"

static int64_t end_of_milliseconds(int timeout)
{
    return timeout < 0 ? GROVE_NEVER
                       : hub_deadline(timeout * GROVE_MILLISECOND);
}

/* ---- poll ---------------------------------------------------------------------------------- */

/* As poll, until end; 0 when that has passed. */
static int poll_until(struct pollfd *fds, nfds_t n, int64_t end)
{
    hub_turn(hub_of_thread);
    return net_poll(fds, n, end, NET_POLL_STATE);
}

int patch_poll(struct pollfd *fds, nfds_t n, int timeout)
{
    if (timeout == 0) {
        int r = poll(fds, n, 0);
        if (patch_hub())
            patch_turn(
                hub_of_thread); /* who asks over and over lets others run */
        return r;
    }
    PATCHED(int, PATCH_INTERRUPTED, poll(fds, n, timeout),
            poll_until(fds, n, end_of_milliseconds(timeout)));
}

/* fds, and behind them the descriptor of the signals that a mask lets through.
 */
static int poll_masked(struct pollfd *fds, nfds_t n, int64_t end,
                       const sigset_t *mask)
{
    int signals = masks_open(mask);
    if (signals < 0 && errno != 0)
        return -1;
    if (signals < 0) {
        int ready = poll_until(fds, n, end);
        masks_close(signals);
        return ready;
    }
    struct pollfd *all = malloc((n + 1) * sizeof(*all));
    int r = -1;
    if (all) {
        memcpy(all, fds, n * sizeof(*fds));
        all[n] = (struct pollfd){.fd = signals, .events = POLLIN};
        r = poll_until(all, n + 1, end);
        if (r > 0 && all[n].revents)
            r = masks_deliver(mask) ? -1 : r - 1;
        else if (r < 0)
            masks_deliver_kept(mask);
        for (nfds_t i = 0; r >= 0 && i < n; i++)
            fds[i].revents = all[i].revents;
    }
    masks_close(signals);
    int error = errno;
    free(all);
    errno = error;
    return r;
}

static int ppoll_parking(struct pollfd *fds, nfds_t n,
                         const struct timespec *timeout, const sigset_t *mask)
{
    static const struct timespec now = {0, 0};
    int64_t end = duration_end(timeout);
    int r = ppoll(fds, n, &now, mask);
    if (r == 0 && masks_deliver_kept(mask))
        return -1;
    if (r != 0 || (timeout && duration_of(timeout) == 0))
        return r;
    return mask ? poll_masked(fds, n, end, mask) : poll_until(fds, n, end);
}

int patch_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                const sigset_t *mask)
{
    if (timeout && !duration_is_valid(timeout))
        return ppoll(fds, n, timeout, mask);
    PATCHED(int, PATCH_INTERRUPTED, ppoll(fds, n, timeout, mask),
            ppoll_parking(fds, n, timeout, mask));
}

/* ---- by -D_FORTIFY_SOURCE ------------------------------------------------------------------ */

int patch_poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
    fortify_check(n, size / sizeof(*fds));
    return patch_poll(fds, n, timeout);
}

int patch_ppoll_chk(struct pollfd *fds, nfds_t n,
                    const struct timespec *timeout, const sigset_t *mask,
                    size_t size)
{
    fortify_check(n, size / sizeof(*fds));
    return patch_ppoll(fds, n, timeout, mask);
}

/* ---- select -------------------------------------------------------------------------------- */

/* What the bits of the three sets are as events, and which events answer them:
 * select(2). */
static const struct {
    short asked, answer;
} kinds[3] = {
    {POLLIN | POLLRDBAND, POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR},
    {POLLOUT | POLLWRBAND, POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR},
    {POLLPRI, POLLPRI}};

/* The three sets, and room for what the system's call makes of them. */
struct sets {
    int n;              /* numbers below it are asked for */
    size_t size;        /* of a set, in bytes */
    fd_set *users[3];   /* NULL: not asked for */
    char *asked[3];     /* copies, which stay */
    struct pollfd *fds; /* of those in any of them */
    nfds_t count;       /* of fds */
    int signals;        /* let through by a mask; -1: none */
};

static bool is_in(const char *set, int fd)
{
    return ((const unsigned long *)set)[fd / (8 * sizeof(long))] >>
               (fd % (8 * sizeof(long))) &
           1;
}

/* The events that are asked for, and those that answer. */
static short events_of(const struct sets *s, int fd, short *answer)
{
    short events = 0;
    *answer = 0;
    for (int i = 0; i < 3; i++) {
        if (s->users[i] && is_in(s->asked[i], fd)) {
            events |= kinds[i].asked;
            *answer |= kinds[i].answer;
        }
    }
    return events;
}

static void list_fds(struct sets *s)
{
    short answer;
    s->count = 0;
    for (int fd = 0; fd < s->n; fd++) {
        short events = events_of(s, fd, &answer);
        if (events)
            s->fds[s->count++] = (struct pollfd){fd, events, 0};
    }
    if (s->signals >= 0)
        s->fds[s->count++] = (struct pollfd){s->signals, POLLIN, 0};
}

static bool sets_open(struct sets *s, int n, fd_set *sets[3],
                      const sigset_t *mask)
{
    *s = (struct sets){.n = n, .signals = mask ? masks_open(mask) : -1};
    if (mask && s->signals < 0 && errno != 0)
        return false;
    s->size =
        ((size_t)n + 8 * sizeof(long) - 1) / (8 * sizeof(long)) * sizeof(long);
    char *copies = malloc(3 * s->size + ((size_t)n + 1) * sizeof(*s->fds));
    if (!copies) {
        masks_close(s->signals);
        return false;
    }
    s->fds = (struct pollfd *)(copies + 3 * s->size);
    for (int i = 0; i < 3; i++) {
        s->users[i] = sets[i];
        s->asked[i] = copies + (size_t)i * s->size;
        if (sets[i])
            memcpy(s->asked[i], sets[i], s->size);
    }
    list_fds(s);
    return true;
}

static void sets_close(struct sets *s)
{
    int error = errno;
    masks_close(s->signals);
    free(s->asked[0]);
    errno = error;
}

static void ask_again(struct sets *s)
{
    for (int i = 0; i < 3; i++) {
        if (s->users[i])
            memcpy(s->users[i], s->asked[i], s->size);
    }
}

/* Poll tells of errors and hang-ups that nobody has asked select for: they are
 * not waited for again. */
static void pass_over(struct sets *s)
{
    for (nfds_t i = 0; i < s->count; i++) {
        short answer;
        if (s->fds[i].fd < 0 || s->fds[i].fd == s->signals)
            continue;
        events_of(s, s->fds[i].fd, &answer);
        if (s->fds[i].revents && !(s->fds[i].revents & answer))
            s->fds[i].fd = -1;
    }
}

/* One was closed while it was waited for. */
static bool any_closed(const struct sets *s)
{
    for (nfds_t i = 0; i < s->count; i++) {
        if (s->fds[i].fd >= 0 && (s->fds[i].revents & POLLNVAL))
            return true;
    }
    return false;
}

static int look(struct sets *s, const sigset_t *mask)
{
    static const struct timespec now = {0, 0};
    ask_again(s);
    int r = pselect(s->n, s->users[0], s->users[1], s->users[2], &now, mask);
    return r == 0 && masks_deliver_kept(mask) ? -1 : r;
}

static int select_until(int n, fd_set *sets[3], int64_t end,
                        const sigset_t *mask)
{
    struct sets s;
    if (!sets_open(&s, n, sets, mask))
        return -1;
    int r = look(&s, mask);
    while (r == 0) {
        r = poll_until(s.fds, s.count, end);
        if (r > 0 && any_closed(&s)) {
            errno = EBADF;
            r = -1;
        }
        if (r <= 0)
            break;
        pass_over(&s);
        r = look(&s, mask);
    }
    if (r < 0) {
        masks_deliver_kept(mask);
        ask_again(&s);
    }
    sets_close(&s);
    return r;
}

/* Those it refuses, and those that do not wait. */
static bool is_plain(int n, int64_t left)
{
    return n < 0 || n > LOOP_CHUNK * LOOP_CHUNKS || left == 0;
}

int patch_pselect(int n, fd_set *in, fd_set *out, fd_set *except,
                  const struct timespec *timeout, const sigset_t *mask)
{
    fd_set *sets[3] = {in, out, except};
    if ((timeout && !duration_is_valid(timeout)) ||
        is_plain(n, timeout ? duration_of(timeout) : 1))
        return pselect(n, in, out, except, timeout, mask);
    PATCHED(int, PATCH_INTERRUPTED, pselect(n, in, out, except, timeout, mask),
            select_until(n, sets, duration_end(timeout), mask));
}

/* The kernel takes more microseconds than a second has. */
static int64_t duration_of_timeval(const struct timeval *t)
{
    if (t->tv_sec < 0 || t->tv_usec < 0)
        return 0; /* refused */
    struct timespec spec = {t->tv_sec + t->tv_usec / 1000000,
                            t->tv_usec % 1000000 * 1000};
    return duration_of(&spec);
}

static int select_timed(int n, fd_set *sets[3], struct timeval *timeout)
{
    int64_t end =
        timeout ? hub_deadline(duration_of_timeval(timeout)) : GROVE_NEVER;
    int r = select_until(n, sets, end, NULL);
    if (timeout) {
        struct timespec left = duration_left(end);
        *timeout = (struct timeval){left.tv_sec, left.tv_nsec / 1000};
    }
    return r;
}

int patch_select(int n, fd_set *in, fd_set *out, fd_set *except,
                 struct timeval *timeout)
{
    fd_set *sets[3] = {in, out, except};
    if (is_plain(n, timeout ? duration_of_timeval(timeout) : 1))
        return select(n, in, out, except, timeout);
    PATCHED(int, PATCH_INTERRUPTED, select(n, in, out, except, timeout),
            select_timed(n, sets, timeout));
}

/* ---- epoll_wait ------------------------------------------------------------------------------ */

static int epoll_until(struct hub *hub, int epoll, struct epoll_event *events,
                       int max, int64_t end, const sigset_t *mask)
{
    struct pollfd fds[2] = {{.fd = epoll, .events = POLLIN}, {.fd = -1}};
    int r = epoll_pwait(epoll, events, max, 0, mask);
    if (r == 0 && masks_deliver_kept(mask))
        return -1;
    if (r != 0)
        return r;
    if (mask && (fds[1].fd = masks_open(mask)) < 0 && errno != 0)
        return -1;
    fds[1].events = POLLIN;
    while (r == 0) {
        r = poll_until(fds, 2, end);
        if (r <= 0)
            break;
        if (fds[0].revents & POLLNVAL) {
            errno = EBADF;
            r = -1;
        } else if (fds[1].revents && masks_deliver(mask)) {
            r = -1;
        } else {
            r = epoll_pwait(epoll, events, max, 0, mask);
        }
    }
    if (r < 0)
        masks_deliver_kept(mask);
    if (mask)
        masks_close(fds[1].fd);
    return r;
}

int patch_epoll_pwait(int epoll, struct epoll_event *events, int max,
                      int timeout, const sigset_t *mask)
{
    if (timeout == 0) {
        int r = epoll_pwait(epoll, events, max, 0, mask);
        if (patch_hub())
            patch_turn(hub_of_thread);
        return r;
    }
    PATCHED(int, PATCH_INTERRUPTED,
            epoll_pwait(epoll, events, max, timeout, mask),
            epoll_until(hub, epoll, events, max, end_of_milliseconds(timeout),
                        mask));
}

int patch_epoll_wait(int epoll, struct epoll_event *events, int max,
                     int timeout)
{
    return patch_epoll_pwait(epoll, events, max, timeout, NULL);
}

int patch_epoll_pwait2(int epoll, struct epoll_event *events, int max,
                       const struct timespec *timeout, const sigset_t *mask)
{
    if (timeout && !duration_is_valid(timeout))
        return epoll_pwait2(epoll, events, max, timeout, mask);
    PATCHED(int, PATCH_INTERRUPTED,
            epoll_pwait2(epoll, events, max, timeout, mask),
            epoll_until(hub, epoll, events, max, duration_end(timeout), mask));
}

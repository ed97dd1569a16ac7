/*
 * sigwait and its kin, pause, sigsuspend, the thread's mask, and masks that
 * calls bring along.
 *
 * Who waits for signals that are blocked waits for a signalfd of them, which is
 * readable while one of them is pending and takes none away: that the system's
 * own call does afterwards, without waiting. So it is with those that a mask of
 * ppoll's lets through and the thread's does not: ppoll itself, with a time-out
 * of 0, has their handlers run. Those that are kept for a thread that is a
 * fiber (threads/sent.c) end its wait while it is told which the mask lets
 * through.
 *
 * What such a mask blocks and the thread's does not is delivered all the same:
 * the thread runs others meanwhile, whose mask that is not.
 */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "patch/call.h"
#include "patch/duration.h"
#include "patch/functions.h"
#include "patch/masks.h"
#include "patch/raw/raw.h"
#include "patch/threads/sent.h"

/* ---- masks -------------------------------------------------------------------------------- */

int masks_open(const sigset_t *mask)
{
    sigset_t now, awaited;
    struct sent *s = sent_self();
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    sigemptyset(&awaited);
    bool any = false;
    for (int signum = 1; signum < NSIG; signum++) {
        if (sigismember(&now, signum) == 1 && sigismember(mask, signum) == 0) {
            sigaddset(&awaited, signum);
            any = true;
        }
    }
    errno = 0;
    int fd = any ? signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (s && (fd >= 0 || errno == 0)) {
        s->masked = true;
        s->mask = sent_bits(mask);
    }
    return fd;
}

void masks_close(int fd)
{
    int error = errno;
    struct sent *s = sent_self();
    if (s)
        s->masked = false;
    if (thread_self)
        signals_deliver(thread_self); /* that the mask has held back */
    if (fd >= 0) {
        hub_closing(fd);
        close(fd);
    }
    errno = error;
}

bool masks_deliver(const sigset_t *mask)
{
    static const struct timespec now = {0, 0};
    return ppoll(NULL, 0, &now, mask) < 0 || masks_deliver_kept(mask);
}

bool masks_deliver_kept(const sigset_t *mask)
{
    struct sent *s = mask ? sent_self() : NULL;
    if (!s || !sent_deliver_with(s, mask))
        return false;
    errno = EINTR;
    return true;
}

int patch_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;
    return pthread_sigmask(how, raw_mask(set, &room), before);
}

int patch_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;
    return sigprocmask(how, raw_mask(set, &room), before);
}

/* ---- pause ---------------------------------------------------------------------------------- */

/* Nothing but a signal ends it: -EINTR, or as hub_wait. */
static int wait_for_any(struct hub *hub, const char *what)
{
    hub->holds++; /* a signal may come */
    int r = hub_wait(hub, GROVE_WAIT_OTHER, GROVE_NEVER, what, -1);
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
    return r;
}

int patch_pause(void)
{
    PATCHED(int, PATCH_INTERRUPTED, pause(),
            patch_result(wait_for_any(hub, "pause")));
}

/* EINTR, as a rule. */
static int suspend(struct hub *hub, const sigset_t *mask)
{
    int fd = masks_open(mask);
    if (fd < 0 && errno != 0)
        return -1;
    int r = 0;
    while (r == 0 && !masks_deliver(mask)) {
        r = fd < 0 ? wait_for_any(hub, "sigsuspend")
                   : hub_wait_fd(hub, fd, LOOP_READ, GROVE_NEVER, "sigsuspend");
    }
    masks_deliver_kept(mask);
    masks_close(fd);
    errno = r < 0 ? -r : EINTR;
    return -1;
}

int patch_sigsuspend(const sigset_t *mask)
{
    PATCHED(int, PATCH_INTERRUPTED, sigsuspend(mask), suspend(hub, mask));
}

/* ---- sigwait --------------------------------------------------------------------------------- */

static int take_signal(struct hub *hub, const sigset_t *set, siginfo_t *info,
                       int64_t end)
{
    static const struct timespec now = {0, 0};
    int fd = -1, r = 0, signum;
    while ((signum = sigtimedwait(set, info, &now)) < 0 && errno == EAGAIN &&
           r == 0) {
        if (fd < 0 && (fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
            break;
        r = hub_wait_fd(hub, fd, LOOP_READ, end, "sigwait");
    }
    masks_close(fd);
    if (signum < 0 && r < 0)
        errno = r == -ETIMEDOUT ? EAGAIN : -r;
    return signum;
}

int patch_sigtimedwait(const sigset_t *set, siginfo_t *info,
                       const struct timespec *timeout)
{
    if (timeout && !duration_is_valid(timeout))
        return sigtimedwait(set, info, timeout);
    PATCHED(int, PATCH_INTERRUPTED, sigtimedwait(set, info, timeout),
            take_signal(hub, set, info, duration_end(timeout)));
}

int patch_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    return patch_sigtimedwait(set, info, NULL);
}

int patch_sigwait(const sigset_t *set, int *signum)
{
    if (likely(!patch_hub()))
        return sigwait(set, signum);
    int r, error = errno;
    do {
        r = patch_sigtimedwait(set, NULL, NULL);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno;
    errno = error;
    *signum = r;
    return 0;
}

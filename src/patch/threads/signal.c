/*
 * Signals of threads that are fibers. Each has a mask of its own, which goes
 * with its block of storage (fiber/tls_block.h): the kernel has the running
 * one's. A signal for one thread is kept with its record and raised by the
 * thread itself when that goes on, so that the handler runs on its stack; waits
 * that a signal ends are ended. A signal for the process goes to whoever runs.
 *
 * sigwait and its family take what is kept, then what the kernel has pending,
 * and park until a descriptor (signalfd) says that there is something.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hub/wait.h"
#include "patch/call.h"
#include "patch/raw/raw.h"
#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

#define SIGNALS 64

static uint64_t bit(int n)
{
    return UINT64_C(1) << (n - 1);
}

static uint64_t bits_of(const sigset_t *set)
{
    uint64_t bits;
    memcpy(&bits, set, sizeof(bits)); /* the kernel's part of it */
    return bits;
}

/* ---- kept signals -------------------------------------------------------------- */

bool signals_due(const struct thread *t)
{
    return atomic_load(&t->signals) & ~t->block->mask;
}

/* Nobody else's call is ended by it. */
static int raise_here(int n)
{
    struct patch_thread *t = patch_thread_self();
    t->raises = true;
    int r = raise(n) == 0 ? 0 : errno;
    t->raises = false;
    return r;
}

/* On t: whether there was any. */
bool signals_deliver(struct thread *t)
{
    if (likely(!atomic_load_explicit(&t->signals, memory_order_relaxed)))
        return false;
    bool any = false;
    for (int n = 1; n <= SIGNALS; n++) {
        if (!(atomic_load(&t->signals) & ~t->block->mask & bit(n)))
            continue;
        atomic_fetch_and(&t->signals, ~bit(n));
        raise_here(n);
        any = true;
    }
    return any;
}

int patched_pthread_kill(pthread_t id, int n)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_kill(id, n);
    if (n < 0 || n > SIGNALS)
        return EINVAL;
    if (n == 0) /* one that has ended is there until it is joined */
        return 0;
    if (t == thread_self && !(t->block->mask & bit(n)))
        return raise_here(n);
    struct sigaction action;
    sigaction(n, NULL, &action);
    if (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_IGN)
        return 0;
    if (!(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL &&
        !(t->block->mask & bit(n))) /* it is for the process all the same */
        return kill(getpid(), n) == 0 ? 0 : errno;
    atomic_fetch_or(&t->signals, bit(n));
    thread_poke(t);
    return 0;
}

int patched_raise(int n)
{
    if (!thread_self)
        return raise(n);
    int r = n == 0 ? 0 : patched_pthread_kill(pthread_self(), n);
    if (r == 0)
        return 0;
    errno = r;
    return -1;
}

/* ---- masks ----------------------------------------------------------------------- */

int patched_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t now, room;
    int r = pthread_sigmask(how, raw_mask(set, &room), before);
    struct hub *hub = hub_of_thread;
    if (r != 0 || !set || !hub)
        return r;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    tls_block_mask(&hub->own_tls, bits_of(&now));
    if (thread_self)
        signals_deliver(thread_self);
    return 0;
}

int patched_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    int r = patched_pthread_sigmask(how, set, before);
    if (r == 0)
        return 0;
    errno = r;
    return -1;
}

int patched_sigpending(sigset_t *set)
{
    int r = sigpending(set);
    uint64_t kept = thread_self ? atomic_load(&thread_self->signals) : 0;
    for (int n = 1; r == 0 && n <= SIGNALS; n++) {
        if (kept & bit(n))
            sigaddset(set, n);
    }
    return r;
}

/* ---- sigwait ------------------------------------------------------------------------ */

/* One that is kept for the caller; 0: none. */
static int take_kept(const sigset_t *set, siginfo_t *info)
{
    struct thread *t = thread_self;
    uint64_t kept = t ? atomic_load(&t->signals) & bits_of(set) : 0;
    if (!kept)
        return 0;
    int n = __builtin_ctzll(kept) + 1;
    atomic_fetch_and(&t->signals, ~bit(n));
    if (info)
        *info = (siginfo_t){.si_signo = n, .si_code = SI_TKILL};
    return n;
}

/* One that has come already, or -1 with EAGAIN. */
static int take_pending(const sigset_t *set, siginfo_t *info)
{
    static const struct timespec at_once = {0, 0};
    int n = take_kept(set, info);
    return n > 0 ? n : sigtimedwait(set, info, &at_once);
}

/* Until one can be taken. -1 with EAGAIN (the deadline), EINTR. */
static int wait_with(struct hub *hub, int fd, const sigset_t *set,
                     siginfo_t *info, int64_t deadline)
{
    for (;;) {
        int n = take_pending(set, info), r = -EINTR;
        if (n > 0 || errno != EAGAIN)
            return n;
        if (thread_may_wait())
            r = hub_wait_fd(hub, fd, LOOP_READ, deadline, "sigwait");
        thread_has_waited();
        if (r == -ETIMEDOUT) {
            errno = EAGAIN;
            return -1;
        }
        if (r < 0 && thread_is_interrupted()) {
            errno = EINTR;
            return -1;
        }
    }
}

static int wait_for(struct hub *hub, const sigset_t *set, siginfo_t *info,
                    int64_t deadline)
{
    grove_shield shield;
    int fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -1;
    grove_shield_begin(&shield);
    hub->holds++;
    int n = wait_with(hub, fd, set, info, deadline), error = errno;
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
    grove_shield_end(&shield);
    hub_closing(fd);
    close(fd);
    hub_closed(fd);
    thread_act();
    errno = error;
    return n;
}

int patched_sigtimedwait(const sigset_t *set, siginfo_t *info,
                         const struct timespec *timeout)
{
    struct hub *hub = lot_hub();
    int64_t deadline = GROVE_NEVER;
    if (!hub)
        return sigtimedwait(set, info, timeout);
    if (timeout && (timeout->tv_nsec < 0 || timeout->tv_nsec >= GROVE_SECOND ||
                    timeout->tv_sec < 0)) {
        errno = EINVAL;
        return -1;
    }
    thread_act();
    if (timeout && timeout->tv_sec < INT64_MAX / GROVE_SECOND / 4)
        deadline =
            hub_deadline(timeout->tv_sec * GROVE_SECOND + timeout->tv_nsec);
    int n = take_pending(set, info);
    return n > 0 || errno != EAGAIN ? n : wait_for(hub, set, info, deadline);
}

int patched_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    return patched_sigtimedwait(set, info, NULL);
}

int patched_sigwait(const sigset_t *set, int *n)
{
    int r;
    if (!lot_hub())
        return sigwait(set, n);
    int error = errno;
    do
        r = patched_sigtimedwait(set, NULL, NULL);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno;
    errno = error;
    *n = r;
    return 0;
}

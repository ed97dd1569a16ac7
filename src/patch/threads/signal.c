/*
 * Signals of threads that are fibers. Each has a mask of its own, which goes
 * with its block of storage (fiber/tls_block.h): the kernel has the running
 * one's, and while the hub sleeps what all of them block. A signal for one
 * thread is kept with its record and raised by the thread itself when that goes
 * on, so that the handler runs on its stack; waits that a signal ends are
 * ended. A signal for the process goes to whoever runs; where nobody does, to
 * one that waits and does not block it.
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
#include "patch/threads/root.h"
#include "patch/threads/sent.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

/* ---- kept signals -------------------------------------------------------------- */

bool signals_due(const struct thread *t)
{
    return sent_due(&t->sent, t->block->mask);
}

/* On t: whether there was any. */
bool signals_deliver(struct thread *t)
{
    if (likely(!atomic_load_explicit(&t->sent.signals, memory_order_relaxed)))
        return false;
    return sent_deliver(&t->sent, t->block->mask);
}

/* ---- sending ------------------------------------------------------------------- */

/* libc has those between for itself. */
static bool is_valid(int n)
{
    return n > 0 && n <= SENT_SIGNALS && (n < 32 || n >= SIGRTMIN);
}

/* To a thread that does not block it, and may be doing anything. */
static bool is_dropped(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
}

static bool is_for_process(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

/* 0 or an error number. */
static int send_to(struct thread *t, const siginfo_t *info)
{
    int n = info->si_signo;
    bool open = !(t->block->mask & sent_bit(n));
    struct sigaction action;
    if (t == thread_self && open)
        return sent_raise(info, false);
    sigaction(n, NULL, &action);
    if (open && is_dropped(&action))
        return 0;
    if (open && is_for_process(&action))
        return kill(getpid(), n) == 0 ? 0 : errno;
    int r = sent_keep(&t->sent, info);
    if (r == 0)
        thread_poke(t);
    return r;
}

int patched_pthread_kill(pthread_t id, int n)
{
    struct thread *t = thread_of(id);
    const siginfo_t info = sent_info(n, SI_TKILL, (union sigval){0});
    if (!is_valid(n) && (n != 0 || !t))
        return t ? EINVAL : pthread_kill(id, n);
    if (!t)
        return root_keep(id, &info) ? 0 : pthread_kill(id, n);
    /* One that has ended is there until it is joined. */
    return n == 0 || thread_has_ended(t) ? 0 : send_to(t, &info);
}

int patched_pthread_sigqueue(pthread_t id, int n, const union sigval value)
{
    struct thread *t = thread_of(id);
    const siginfo_t info = sent_info(n, SI_QUEUE, value);
    if (!is_valid(n) && (n != 0 || !t))
        return t ? EINVAL : pthread_sigqueue(id, n, value);
    if (!t)
        return root_keep(id, &info) ? 0 : pthread_sigqueue(id, n, value);
    if (thread_has_ended(t))
        return ESRCH;
    return n == 0 ? 0 : send_to(t, &info);
}

int patched_raise(int n)
{
    if (!sent_self())
        return raise(n);
    int r = n == 0 ? 0 : patched_pthread_kill(pthread_self(), n);
    if (r == 0)
        return 0;
    errno = r;
    return -1;
}

/* ---- to a hub that sleeps ---------------------------------------------------------- */

struct taker {
    int n;
    struct thread *found;
};

/* It does not block it, and waits in what a signal ends. */
static void consider(struct grove_fiber *f, void *arg)
{
    struct taker *taker = arg;
    if (taker->found || !(f->fiber.special & FIBER_OWN_TLS) ||
        (f->fiber.block->mask & sent_bit(taker->n)))
        return;
    struct thread *t = thread_of((pthread_t)(uintptr_t)f->fiber.block->tp);
    if (t && f->state == FIBER_PARKED && !t->exiting &&
        (t->interruptible || (f->waiting && !f->shared && !f->shield)))
        taker->found = t;
}

bool signals_hand_on(const siginfo_t *info)
{
    struct hub *hub = hub_of_thread;
    struct taker taker = {.n = info->si_signo};
    if (!hub || hub->current != hub->loop_fiber ||
        !(hub->own_tls.mask & sent_bit(taker.n)))
        return false;
    hub_each(hub, consider, &taker);
    if (!taker.found || sent_keep(&taker.found->sent, info) != 0)
        return false;
    thread_poke(taker.found);
    return true;
}

/* ---- masks ----------------------------------------------------------------------- */

int patched_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t now, room;
    int r = pthread_sigmask(how, raw_mask(set, &room), before);
    struct hub *hub = hub_of_thread;
    if (r != 0 || !set || !hub || patch_in_handler()) /* until that returns */
        return r;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    tls_block_mask(&hub->own_tls, sent_bits(&now));
    struct sent *s = sent_self();
    if (s)
        sent_deliver(s, sent_bits(&now));
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
    const struct sent *s = sent_self();
    uint64_t kept = s ? atomic_load(&s->signals) : 0;
    for (int n = 1; r == 0 && n <= SENT_SIGNALS; n++) {
        if (kept & sent_bit(n))
            sigaddset(set, n);
    }
    return r;
}

/* ---- sigwait ------------------------------------------------------------------------ */

/* One that is kept for the caller; 0: none. */
static int take_kept(const sigset_t *set, siginfo_t *info)
{
    struct sent *s = sent_self();
    siginfo_t taken;
    if (!s || !sent_take(s, sent_bits(set), &taken))
        return 0;
    if (taken.si_code == SI_TKILL)
        taken.si_code = SI_USER; /* as libc tells it */
    if (info)
        *info = taken;
    return taken.si_signo;
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
    struct sent *s = sent_self();
    grove_shield_begin(&shield);
    hub->holds++;
    if (s)
        s->awaited = true;
    int n = wait_with(hub, fd, set, info, deadline), error = errno;
    if (s)
        s->awaited = false;
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

/*
 * Signals that were sent to one thread. What the kernel has of a thread is the
 * hub's, of many; so they are kept here, as the kernel would: a real-time
 * signal as often as it was sent, in that order and with its value, any other
 * once. When the thread goes on it sends them to itself, so that the handler
 * runs on its stack; or takes them in sigwait.
 *
 * All are kept in one pool, so that nothing is allocated: a handler may send.
 * For the same reason signals are blocked while its lock is held. In the child
 * of a fork none are kept.
 */
#include "patch/threads/sent.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "patch/call.h"
#include "patch/raw/raw.h"
#include "patch/threads/root.h"

/* As many as are kept at a time. */
#define MOST 4096

struct sent_signal {
    struct sent_signal *next; /* kept after it, or unused */
    siginfo_t info;
};

static struct sent_lock lock; /* of these, and of all lists */
static struct sent_signal pool[MOST];
static size_t used;                /* of the pool, so far */
static struct sent_signal *unused; /* of those, by next */

/* ---- the lock --------------------------------------------------------------------- */

static uint64_t set_mask(uint64_t mask)
{
    uint64_t before;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof(mask));
    return before;
}

uint64_t sent_hold(struct sent_lock *l)
{
    int error = errno;
    uint64_t before = set_mask(UINT64_MAX);
    while (atomic_exchange(&l->held, true))
        sched_yield();
    errno = error;
    return before;
}

void sent_let_go(struct sent_lock *l, uint64_t before)
{
    int error = errno;
    atomic_store(&l->held, false);
    set_mask(before);
    errno = error;
}

/* ---- the pool ---------------------------------------------------------------------- */

static struct sent_signal *new_signal(void)
{
    struct sent_signal *signal = unused;
    if (signal)
        unused = signal->next;
    else if (used < MOST)
        signal = &pool[used++];
    return signal;
}

/* *at is taken out of its list. */
static void free_at(struct sent_signal **at)
{
    struct sent_signal *signal = *at;
    *at = signal->next;
    signal->next = unused;
    unused = signal;
}

/* ---- keeping ----------------------------------------------------------------------- */

siginfo_t sent_info(int n, int code, union sigval value)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info)); /* the kernel wants all of it */
    info.si_signo = n;
    info.si_code = code;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value = value;
    return info;
}

static int keep(struct sent *s, const siginfo_t *info)
{
    uint64_t which = sent_bit(info->si_signo);
    if (info->si_signo < SIGRTMIN && (atomic_load(&s->signals) & which))
        return 0;
    struct sent_signal *signal = new_signal(), **last = &s->first;
    if (!signal)
        return EAGAIN;
    while (*last)
        last = &(*last)->next;
    signal->info = *info;
    signal->next = NULL;
    *last = signal;
    atomic_fetch_or(&s->signals, which);
    return 0;
}

int sent_keep(struct sent *s, const siginfo_t *info)
{
    uint64_t before = sent_hold(&lock);
    int r = keep(s, info);
    sent_let_go(&lock, before);
    return r;
}

/* The oldest of signal n, of which there is one. */
static void take(struct sent *s, int n, siginfo_t *info)
{
    struct sent_signal **at = &s->first;
    while ((*at)->info.si_signo != n)
        at = &(*at)->next;
    *info = (*at)->info;
    free_at(at);
    const struct sent_signal *more = *at;
    while (more && more->info.si_signo != n)
        more = more->next;
    if (!more)
        atomic_fetch_and(&s->signals, ~sent_bit(n));
}

bool sent_take(struct sent *s, uint64_t of, siginfo_t *info)
{
    if (!(atomic_load(&s->signals) & of))
        return false;
    uint64_t before = sent_hold(&lock);
    uint64_t there = atomic_load(&s->signals) & of;
    if (there)
        take(s, __builtin_ctzll(there) + 1, info);
    sent_let_go(&lock, before);
    return there;
}

void sent_drop(struct sent *s)
{
    if (!atomic_load(&s->signals))
        return;
    uint64_t before = sent_hold(&lock);
    while (s->first)
        free_at(&s->first);
    atomic_store(&s->signals, 0);
    sent_let_go(&lock, before);
}

/* ---- raising ------------------------------------------------------------------------ */

int sent_raise(const siginfo_t *info, bool told)
{
    struct patch_thread *t = patch_thread_self();
    t->raises = !told;
    long r = info->si_code == SI_TKILL
                 ? raise(info->si_signo)
                 : syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid),
                           info->si_signo, info);
    t->raises = false;
    return r == 0 ? 0 : errno;
}

bool sent_deliver(struct sent *s, uint64_t mask)
{
    siginfo_t info;
    bool any = false;
    while (sent_take(s, ~mask, &info)) {
        sent_raise(&info, false);
        any = true;
    }
    return any;
}

bool sent_deliver_with(struct sent *s, const sigset_t *mask)
{
    sigset_t room, before;
    if (!(atomic_load(&s->signals) & ~sent_bits(mask)))
        return false;
    s->masked = false; /* a handler may leave by siglongjmp */
    pthread_sigmask(SIG_SETMASK, raw_mask(mask, &room), &before);
    bool any = sent_deliver(s, sent_bits(mask));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return any;
}

struct sent *sent_self(void)
{
    return thread_self ? &thread_self->sent : root_sent();
}

/* ---- around a fork -------------------------------------------------------------------- */

static uint64_t mask_of_forker; /* while the lock is held for it */

static void before_fork(void)
{
    uint64_t before = sent_hold(&lock);
    mask_of_forker = before;
}

static void in_parent(void)
{
    sent_let_go(&lock, mask_of_forker);
}

static void forget(struct sent *s)
{
    if (!s)
        return;
    s->first = NULL;
    atomic_store(&s->signals, 0);
}

static void in_child(void)
{
    used = 0;
    unused = NULL;
    forget(sent_self());
    forget(root_sent());
    sent_let_go(&lock, mask_of_forker);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

/*
 * Signals that were sent to one thread, and are kept until it takes them; see
 * sent.c.
 */
#ifndef GROVE_PATCH_THREADS_SENT_H
#define GROVE_PATCH_THREADS_SENT_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SENT_SIGNALS 64

struct sent_signal;

/* What is kept for a thread; zero at first. */
struct sent {
    _Atomic uint64_t signals;  /* which there are, as bits; any thread */
    struct sent_signal *first; /* oldest first, under the lock of all */
    /* Its own */
    bool masked;   /* it waits with a mask that its call has brought along */
    uint64_t mask; /* which is this, as bits */
    bool awaited;  /* it waits for some to come, in sigwait or its kin */
};

static inline uint64_t sent_bit(int n)
{
    return UINT64_C(1) << (n - 1);
}

static inline uint64_t sent_bits(const sigset_t *set)
{
    uint64_t bits;
    memcpy(&bits, set, sizeof(bits)); /* the kernel's part of it */
    return bits;
}

/* What is to interrupt who has this mask as its own. */
static inline uint64_t sent_due(const struct sent *s, uint64_t mask)
{
    return atomic_load(&s->signals) & ~(s->masked ? s->mask : mask);
}

/* Where the signals of the calling thread are kept, be it a fiber or one whose
 * own stack a hub of fibers runs on; NULL: by the kernel alone. */
struct sent *sent_self(void);

/* As who sends signal n has it: SI_TKILL, or SI_QUEUE with a value. */
siginfo_t sent_info(int n, int code, union sigval value);

/* Any thread, also in a handler. 0, or EAGAIN: too many are kept. One that is
 * not of the real-time ones is kept once. */
int sent_keep(struct sent *s, const siginfo_t *info);

/* The lowest of these signals, and of it the oldest; false: there is none. */
bool sent_take(struct sent *s, uint64_t of, siginfo_t *info);

/* None is kept any more. */
void sent_drop(struct sent *s);

/* Sends one to the caller, by the kernel; a call of another is ended by it only
 * if told. 0 or an error number. */
int sent_raise(const siginfo_t *info, bool told);

/* On whose they are, and which has this mask: raises those that it lets
 * through. Whether there were any. */
bool sent_deliver(struct sent *s, uint64_t mask);

/* The same with another mask for as long as that takes. */
bool sent_deliver_with(struct sent *s, const sigset_t *mask);

/* A lock that handlers may want, too: signals are blocked while it is held. */
struct sent_lock {
    _Atomic bool held;
};
uint64_t sent_hold(struct sent_lock *l); /* what is to be given to let_go */
void sent_let_go(struct sent_lock *l, uint64_t before);

#endif

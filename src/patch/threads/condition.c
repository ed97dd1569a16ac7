/*
 * Condition variables. Who waits stands in the lot, threads without a hub
 * included: they get one, for libc's own wait would unlock the mutex without a
 * word to those who wait for that. A signal goes to the first in the lot, and
 * to libc if nobody is there. Of libc's words only the clock is looked at, so
 * its initialisers are good. A condition shared with other processes is libc's
 * alone, and a wait for it holds up the hub.
 */
#include <errno.h>
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

/* Bits of __wrefs. */
#define COND_SHARED 1u
#define COND_MONOTONIC 2u

static unsigned bits_of(const pthread_cond_t *c)
{
    return __atomic_load_n(&c->__data.__wrefs, __ATOMIC_RELAXED);
}

/* What a cancelled wait leaves to the cleanup handlers: the mutex, locked. */
static void relock(void *m)
{
    patched_pthread_mutex_lock(m);
}

/* m is unlocked while w waits, and locked again. */
static int wait_with(pthread_mutex_t *m, struct lot_wait *w, int64_t deadline)
{
    int r = patched_pthread_mutex_unlock(m);
    if (r != 0) {
        lot_leave(w);
        return r;
    }
    int waited = lot_await(w, deadline, "condition", true);
    pthread_cleanup_push(relock, m);
    thread_act();
    pthread_cleanup_pop(0);
    r = patched_pthread_mutex_lock(m);
    return r == 0 ? -waited : r;
}

static int wait_until(struct hub *hub, pthread_cond_t *c, pthread_mutex_t *m,
                      int64_t deadline)
{
    struct lot_wait w;
    thread_act();
    grove_waiters *q = lot_lock(c);
    lot_enter(&w, hub, q, c);
    lot_unlock(q);
    return wait_with(m, &w, deadline);
}

/* The hub to wait on; NULL: libc has to. */
static struct hub *hub_for(const pthread_cond_t *c)
{
    return bits_of(c) & COND_SHARED ? NULL : lot_hub_made();
}

int patched_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    struct hub *hub = hub_for(c);
    return hub ? wait_until(hub, c, m, GROVE_NEVER) : pthread_cond_wait(c, m);
}

int patched_pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m,
                                   clockid_t clock, const struct timespec *abs)
{
    struct hub *hub = hub_for(c);
    int64_t deadline;
    if (!hub)
        return pthread_cond_clockwait(c, m, clock, abs);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    int r = lot_deadline(clock, abs, &deadline);
    return r == 0 ? wait_until(hub, c, m, deadline) : r;
}

int patched_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                                   const struct timespec *abs)
{
    clockid_t clock =
        bits_of(c) & COND_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    if (bits_of(c) & COND_SHARED)
        return pthread_cond_timedwait(c, m, abs);
    return patched_pthread_cond_clockwait(c, m, clock, abs);
}

int patched_pthread_cond_signal(pthread_cond_t *c)
{
    return lot_wake(c, 1) ? 0 : pthread_cond_signal(c);
}

int patched_pthread_cond_broadcast(pthread_cond_t *c)
{
    lot_wake(c, LOT_ALL);
    return pthread_cond_broadcast(c);
}

/*
 * Mutexes: libc's own, of every type, which libc itself locks and unlocks. A
 * fiber only tries, and waits in the lot where it would have to. That it owns
 * what it has locked follows from its struct pthread, whose number libc
 * compares: recursive and error-checking ones need nothing more.
 *
 * One that is shared with other processes is tried again now and then, for
 * nobody here hears of their unlocking. Priorities of threads mean nothing to
 * fibers of one hub, so a mutex is made without inheriting them.
 */
#include <errno.h>
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/shared.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

/* What libc's types are told by in its word of kinds. */
#define KIND_TYPE 3
#define KIND_SHARED 128 /* with other processes */

static int kind_of(const pthread_mutex_t *m)
{
    return __atomic_load_n(&m->__data.__kind, __ATOMIC_RELAXED);
}

/* What trying does not tell: that the caller has it. */
static bool is_own(const pthread_mutex_t *m)
{
    return (kind_of(m) & KIND_TYPE) == PTHREAD_MUTEX_ERRORCHECK &&
           __atomic_load_n(&m->__data.__owner, __ATOMIC_RELAXED) ==
               thread_tid();
}

/* Tries m once more, and enters if it has to be waited for: EBUSY. */
static int try_or_enter(pthread_mutex_t *m, struct lot_wait *w, struct hub *hub)
{
    grove_waiters *q = lot_lock(m);
    int r = pthread_mutex_trylock(m);
    if (r == EBUSY)
        lot_enter(w, hub, q, m);
    lot_unlock(q);
    return r;
}

static int lock_in(struct hub *hub, pthread_mutex_t *m, int64_t deadline)
{
    struct shared_pace pace = {.shared = kind_of(m) & KIND_SHARED};
    struct lot_wait w;
    int r;
    if (is_own(m))
        return EDEADLK;
    while ((r = try_or_enter(m, &w, hub)) == EBUSY) {
        int64_t until = shared_until(&pace, deadline);
        if (lot_await(&w, until, "mutex", false) < 0 && until == deadline)
            return ETIMEDOUT;
    }
    return r;
}

int patched_pthread_mutex_init(pthread_mutex_t *m,
                               const pthread_mutexattr_t *attr)
{
    pthread_mutexattr_t plain;
    int protocol = PTHREAD_PRIO_NONE, shared = PTHREAD_PROCESS_PRIVATE;
    if (!attr)
        return pthread_mutex_init(m, NULL);
    pthread_mutexattr_getprotocol(attr, &protocol);
    pthread_mutexattr_getpshared(attr, &shared);
    if (protocol != PTHREAD_PRIO_INHERIT || shared == PTHREAD_PROCESS_SHARED)
        return pthread_mutex_init(m, attr);
    plain = *attr;
    pthread_mutexattr_setprotocol(&plain, PTHREAD_PRIO_NONE);
    return pthread_mutex_init(m, &plain);
}

__attribute__((noinline)) static int lock_slow(pthread_mutex_t *m)
{
    struct hub *hub = lot_hub();
    return hub ? lock_in(hub, m, GROVE_NEVER) : pthread_mutex_lock(m);
}

int patched_pthread_mutex_lock(pthread_mutex_t *m)
{
    hub_turn_if_any();
    int r = pthread_mutex_trylock(m);
    return likely(r != EBUSY) ? r : lock_slow(m);
}

int patched_pthread_mutex_trylock(pthread_mutex_t *m)
{
    hub_turn_if_any();
    return pthread_mutex_trylock(m);
}

int patched_pthread_mutex_clocklock(pthread_mutex_t *m, clockid_t clock,
                                    const struct timespec *abs)
{
    struct hub *hub = lot_hub();
    int64_t deadline;
    if (!hub)
        return pthread_mutex_clocklock(m, clock, abs);
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    int r = pthread_mutex_trylock(m);
    if (r != EBUSY)
        return r;
    if (is_own(m))
        return EDEADLK;
    r = lot_deadline(clock, abs, &deadline);
    return r == 0 ? lock_in(hub, m, deadline) : r;
}

int patched_pthread_mutex_timedlock(pthread_mutex_t *m,
                                    const struct timespec *abs)
{
    return patched_pthread_mutex_clocklock(m, CLOCK_REALTIME, abs);
}

int patched_pthread_mutex_unlock(pthread_mutex_t *m)
{
    int r = pthread_mutex_unlock(m);
    lot_wake(m, 1);
    return r;
}

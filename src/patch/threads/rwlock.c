/*
 * Read-write locks: libc's own, which libc locks and unlocks; a fiber only
 * tries and waits in the lot, as with a mutex. Every unlocking wakes all who
 * wait, for only libc knows whom it has let in.
 */
#include <errno.h>
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/shared.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

typedef int try_fn(pthread_rwlock_t *l);

static int try_or_enter(pthread_rwlock_t *l, try_fn *try, struct lot_wait *w,
                        struct hub *hub)
{
    grove_waiters *q = lot_lock(l);
    int r = try(l);
    if (r == EBUSY)
        lot_enter(w, hub, q, l);
    lot_unlock(q);
    return r;
}

static bool is_writer(const pthread_rwlock_t *l)
{
    return __atomic_load_n(&l->__data.__cur_writer, __ATOMIC_RELAXED) ==
           thread_tid();
}

static int lock_in(struct hub *hub, pthread_rwlock_t *l, try_fn *try,
                   int64_t deadline)
{
    struct shared_pace pace = {.shared = l->__data.__shared != 0};
    struct lot_wait w;
    int r;
    if (is_writer(l))
        return EDEADLK;
    while ((r = try_or_enter(l, try, &w, hub)) == EBUSY) {
        int64_t until = shared_until(&pace, deadline);
        if (lot_await(&w, until, "rwlock", false) < 0 && until == deadline)
            return ETIMEDOUT;
    }
    return r;
}

int patched_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    struct hub *hub = lot_hub();
    hub_turn_if_any();
    int r = pthread_rwlock_tryrdlock(l);
    if (likely(r != EBUSY))
        return r;
    return hub ? lock_in(hub, l, pthread_rwlock_tryrdlock, GROVE_NEVER)
               : pthread_rwlock_rdlock(l);
}

int patched_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
    struct hub *hub = lot_hub();
    hub_turn_if_any();
    int r = pthread_rwlock_trywrlock(l);
    if (likely(r != EBUSY))
        return r;
    return hub ? lock_in(hub, l, pthread_rwlock_trywrlock, GROVE_NEVER)
               : pthread_rwlock_wrlock(l);
}

int patched_pthread_rwlock_tryrdlock(pthread_rwlock_t *l)
{
    hub_turn_if_any();
    return pthread_rwlock_tryrdlock(l);
}

int patched_pthread_rwlock_trywrlock(pthread_rwlock_t *l)
{
    hub_turn_if_any();
    return pthread_rwlock_trywrlock(l);
}

/* As libc has it, a bad time is an error even of a lock that is free. */
static int lock_until(struct hub *hub, pthread_rwlock_t *l, try_fn *try,
                      clockid_t clock, const struct timespec *abs)
{
    int64_t deadline;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    int r = lot_deadline(clock, abs, &deadline);
    return r == 0 ? lock_in(hub, l, try, deadline) : r;
}

int patched_pthread_rwlock_clockrdlock(pthread_rwlock_t *l, clockid_t clock,
                                       const struct timespec *abs)
{
    struct hub *hub = lot_hub();
    return hub ? lock_until(hub, l, pthread_rwlock_tryrdlock, clock, abs)
               : pthread_rwlock_clockrdlock(l, clock, abs);
}

int patched_pthread_rwlock_clockwrlock(pthread_rwlock_t *l, clockid_t clock,
                                       const struct timespec *abs)
{
    struct hub *hub = lot_hub();
    return hub ? lock_until(hub, l, pthread_rwlock_trywrlock, clock, abs)
               : pthread_rwlock_clockwrlock(l, clock, abs);
}

int patched_pthread_rwlock_timedrdlock(pthread_rwlock_t *l,
                                       const struct timespec *abs)
{
    return patched_pthread_rwlock_clockrdlock(l, CLOCK_REALTIME, abs);
}

int patched_pthread_rwlock_timedwrlock(pthread_rwlock_t *l,
                                       const struct timespec *abs)
{
    return patched_pthread_rwlock_clockwrlock(l, CLOCK_REALTIME, abs);
}

int patched_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
    int r = pthread_rwlock_unlock(l);
    lot_wake(l, LOT_ALL);
    return r;
}

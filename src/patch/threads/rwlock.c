/*
 * Read-write locks: libc's own, which libc locks and unlocks; a fiber only
 * tries and waits in the lot, as with a mutex. Every unlocking wakes all who
 * wait, for only libc knows whom it has let in.
 *
 * What libc does not know is that a fiber waits to write. A lock that prefers
 * writers, and whose readers do not lock it twice, lets no more readers in
 * then: so such writers stand in a list beside the lot, a row's under the lock
 * of that row.
 */
#include <errno.h>
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/shared.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

typedef int try_fn(pthread_rwlock_t *l);

/* ---- writers that are preferred ------------------------------------------------ */

/* On the stack of one that waits. */
struct writer {
    struct writer *next; /* in the list of its lock's row */
    const pthread_rwlock_t *lock;
    bool listed;
};

static struct writer *_Atomic writers[1 << LOT_BITS];

static struct writer *_Atomic *writers_beside(const pthread_rwlock_t *l)
{
    return &writers[lot_row(l) - lot_rows];
}

static bool prefers_writers(const pthread_rwlock_t *l)
{
    return l->__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP;
}

/* Under the lock of l's row, as the following. */
static bool writer_waits(const pthread_rwlock_t *l)
{
    const struct writer *w = *writers_beside(l);
    while (w && w->lock != l)
        w = w->next;
    return w != NULL;
}

static void list_writer(struct writer *w)
{
    if (w->listed)
        return;
    w->next = *writers_beside(w->lock);
    *writers_beside(w->lock) = w;
    w->listed = true;
}

static void unlist_writer(struct writer *w)
{
    struct writer *_Atomic *at = writers_beside(w->lock);
    struct writer *before = *at;
    if (before == w) {
        *at = w->next;
        return;
    }
    while (before->next != w)
        before = before->next;
    before->next = w->next;
}

/* It waits no more; readers may be let in if it has not got the lock. */
static void stop_writing(struct writer *w)
{
    if (!w->listed)
        return;
    grove_waiters *q = lot_lock(w->lock);
    unlist_writer(w);
    lot_unlock(q);
}

/* Not under that lock. */
static int try_reading(pthread_rwlock_t *l)
{
    if (likely(!prefers_writers(l)) || !*writers_beside(l))
        return pthread_rwlock_tryrdlock(l);
    grove_waiters *q = lot_lock(l);
    int r = writer_waits(l) ? EBUSY : pthread_rwlock_tryrdlock(l);
    lot_unlock(q);
    return r;
}

/* ---- waiting --------------------------------------------------------------------- */

static int try_or_enter(pthread_rwlock_t *l, try_fn *try, struct writer *writer,
                        struct lot_wait *w, struct hub *hub)
{
    bool reads = try == pthread_rwlock_tryrdlock, prefers = prefers_writers(l);
    grove_waiters *q = lot_lock(l);
    int r = reads && prefers && writer_waits(l) ? EBUSY : try(l);
    if (r == EBUSY) {
        if (!reads && prefers)
            list_writer(writer);
        lot_enter(w, hub, q, l);
    }
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
    struct writer writer = {.lock = l};
    struct lot_wait w;
    int r;
    if (is_writer(l))
        return EDEADLK;
    while ((r = try_or_enter(l, try, &writer, &w, hub)) == EBUSY) {
        int64_t until = shared_until(&pace, deadline);
        if (lot_await(&w, until, "rwlock", false) < 0 && until == deadline) {
            r = ETIMEDOUT;
            break;
        }
    }
    stop_writing(&writer);
    if (r != 0)
        lot_wake(l, LOT_ALL);
    return r;
}

int patched_pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
    struct hub *hub = lot_hub();
    hub_turn_if_any();
    int r = try_reading(l);
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
    return try_reading(l);
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

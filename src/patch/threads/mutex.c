/*
 * Mutexes: libc's own, of every type, which libc itself locks and unlocks. A
 * fiber only tries, and waits in the lot where it would have to. That it owns
 * what it has locked follows from its struct pthread, whose number libc
 * compares: recursive and error-checking ones need nothing more.
 *
 * One that is shared with other processes is tried again now and then, for
 * nobody here hears of their unlocking. Priorities of threads mean nothing to
 * fibers of one hub, so a mutex is made without inheriting them.
 *
 * The usual one, of no type and not shared, is locked and unlocked here as libc
 * does it, by one instruction, as long as nobody has it:
 *
 *     __lock    0 free, 1 held, 2 held and a thread waits for it in libc
 *     __owner   whose it is; __nusers counts locks for pthread_mutex_destroy
 *
 * That this is how libc does it is tried out once (mutex_find_out).
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* ---- the usual one ----------------------------------------------------------- */

/* 0: of no type; another value of libc's where this libc is another. */
static _Atomic int usual_kind = -1;

/* Whether libc's own locking leaves in a mutex what is said above. */
static bool is_as_known(void)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    if (tls_block_refused() || pthread_mutex_lock(&m) != 0)
        return false;
    bool known = m.__data.__lock == 1 && m.__data.__nusers == 1 &&
                 m.__data.__owner == thread_tid() && m.__data.__kind == 0 &&
                 m.__data.__count == 0;
    pthread_mutex_unlock(&m);
    return known && m.__data.__lock == 0 && m.__data.__nusers == 0 &&
           m.__data.__owner == 0;
}

void mutex_find_out(void)
{
    if (is_as_known())
        usual_kind = 0;
}

static inline bool is_usual(const pthread_mutex_t *m)
{
    return likely(kind_of(m) ==
                  atomic_load_explicit(&usual_kind, memory_order_relaxed));
}

/* Whether it was free and is the caller's now. */
static inline bool lock_usual(pthread_mutex_t *m)
{
    int *word = &m->__data.__lock, free = 0;
    if (likely(hub_single_threaded())) {
        if (*word != 0)
            return false;
        *word = 1;
    } else if (!__atomic_compare_exchange_n(
                   word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return false;
    }
    m->__data.__owner = thread_tid();
    m->__data.__nusers++;
    return true;
}

static inline void unlock_usual(pthread_mutex_t *m)
{
    int *word = &m->__data.__lock;
    m->__data.__owner = 0;
    m->__data.__nusers--;
    if (likely(hub_single_threaded()))
        *word = 0;
    else if (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) > 1)
        syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- all ------------------------------------------------------------------------ */

__attribute__((noinline)) static int lock_slow(pthread_mutex_t *m)
{
    int r = pthread_mutex_trylock(m);
    if (r != EBUSY)
        return r;
    struct hub *hub = lot_hub();
    return hub ? lock_in(hub, m, GROVE_NEVER) : pthread_mutex_lock(m);
}

int patched_pthread_mutex_lock(pthread_mutex_t *m)
{
    hub_turn_if_any();
    if (is_usual(m) && likely(lock_usual(m)))
        return 0;
    return lock_slow(m);
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
    int r = 0;
    if (is_usual(m))
        unlock_usual(m);
    else
        r = pthread_mutex_unlock(m);
    lot_wake(m, 1);
    return r;
}

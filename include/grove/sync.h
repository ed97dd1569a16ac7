/*
 * Synchronisation. Part of grove.h.
 *
 * All of these stand in place, in memory of the caller's; the initialisers of
 * static ones are all zeros. They may be used by fibers of different hubs and
 * by plain threads at once, and wake those who wait in the order in which they
 * came. A thread may set, signal or release without being a hub; one that waits
 * becomes one. What has let a fiber through may be freed by it, if nobody else
 * waits there; what is handed to a fiber at the very end of its thread is lost
 * with it. They are not for signal handlers, nor for memory that
 * processes share; after a fork of a process with several threads, one that
 * another thread was using at that moment must not be used in the child, as
 * POSIX has it for its mutexes.
 */
#ifndef GROVE_SYNC_H
#define GROVE_SYNC_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of those who wait; the library's own. */
typedef struct grove_waiters {
    void *first, *last;
    int lock;
} grove_waiters;

#define GROVE_WAITERS_INIT \
    { \
        0, 0, 0 \
    }

/* ---- Event ------------------------------------------------------------ */

/* A flag that fibers wait for. */
typedef struct grove_event {
    grove_waiters waiters;
    bool set;
} grove_event;

#define GROVE_EVENT_INIT \
    { \
        GROVE_WAITERS_INIT, 0 \
    }

GROVE_API void grove_event_init(grove_event *e);
/* Sets the flag and wakes all who wait. */
GROVE_API void grove_event_set(grove_event *e);
GROVE_API void grove_event_clear(grove_event *e);
GROVE_API bool grove_event_is_set(const grove_event *e);
/* 0 once the flag was set (even if cleared since), or -ETIMEDOUT, -ECANCELED,
 * -EDEADLK. */
GROVE_API int grove_event_wait(grove_event *e);
GROVE_API int grove_event_wait_until(grove_event *e, int64_t deadline);

/* ---- Mutex ------------------------------------------------------------ */

/* Who holds a lock alone; the library's own. */
typedef struct grove_hold {
    uint64_t owner;           /* the fiber, and flags beside it */
    struct grove_hold *below; /* of what that fiber had locked before */
} grove_hold;

/* A lock that one fiber holds. Unlocking hands it to the one that has waited
 * longest; nobody overtakes. */
typedef struct grove_mutex {
    grove_waiters waiters;
    grove_hold hold;
    unsigned depth; /* of a recursive one: locks beyond the first */
    bool recursive;
    bool inconsistent; /* a holder has ended with it */
} grove_mutex;

#define GROVE_MUTEX_INIT \
    { \
        GROVE_WAITERS_INIT, {0, 0}, 0, false, false \
    }
/* The fiber that holds it may lock it again; it is free after as many unlocks.
 */
#define GROVE_MUTEX_RECURSIVE_INIT \
    { \
        GROVE_WAITERS_INIT, {0, 0}, 0, true, false \
    }

GROVE_API void grove_mutex_init(grove_mutex *m);
GROVE_API void grove_mutex_init_recursive(grove_mutex *m);
/* 0; -EOWNERDEAD, with the lock held, when the fiber that held it has ended
 * without unlocking it; -EDEADLK when the caller holds it already (and it is
 * not recursive); -ECANCELED, -ETIMEDOUT, -EDEADLK, -ENOTRECOVERABLE without
 * it. */
GROVE_API int grove_mutex_lock(grove_mutex *m);
GROVE_API int grove_mutex_lock_until(grove_mutex *m, int64_t deadline);
/* 0, or -EBUSY when another fiber holds it; -EOWNERDEAD, -EDEADLK,
 * -ENOTRECOVERABLE as above. Never waits. */
GROVE_API int grove_mutex_trylock(grove_mutex *m);
/* 0, or -EPERM when the caller does not hold it. Never waits. */
GROVE_API int grove_mutex_unlock(grove_mutex *m);
/* What m protects has been put in order again after -EOWNERDEAD. Without this
 * call unlocking m leaves it of no use: everybody gets -ENOTRECOVERABLE until
 * it is initialised anew. 0, or -EINVAL when the caller does not hold it or
 * nobody has ended with it. */
GROVE_API int grove_mutex_consistent(grove_mutex *m);
/* Whether any fiber holds it. */
GROVE_API bool grove_mutex_is_locked(const grove_mutex *m);

/* ---- Condition -------------------------------------------------------- */

/* Where fibers that hold a mutex wait for what it protects to change. */
typedef struct grove_condition {
    grove_waiters waiters;
} grove_condition;

#define GROVE_CONDITION_INIT \
    { \
        GROVE_WAITERS_INIT \
    }

GROVE_API void grove_condition_init(grove_condition *c);
/* Unlocks m, waits for a signal and locks m again, whatever ended the wait.
 * 0, or -EPERM when the caller does not hold m; -ECANCELED, -ETIMEDOUT,
 * -EDEADLK; -EOWNERDEAD as grove_mutex_lock. -ENOTRECOVERABLE: the caller is
 * without m, as by grove_mutex_lock, or, on a thread's own stack only, because
 * nothing is left that could unlock it. */
GROVE_API int grove_condition_wait(grove_condition *c, grove_mutex *m);
GROVE_API int grove_condition_wait_until(grove_condition *c, grove_mutex *m,
                                         int64_t deadline);
/* Wakes the one that has waited longest; all. Nothing if nobody waits. */
GROVE_API void grove_condition_signal(grove_condition *c);
GROVE_API void grove_condition_broadcast(grove_condition *c);

/* ---- Read-write lock -------------------------------------------------- */

/* A lock that one fiber holds for writing, or several for reading. Whoever
 * comes waits behind those who wait already: neither side starves. */
typedef struct grove_rwlock {
    grove_waiters waiters;
    grove_hold hold; /* for writing */
    size_t readers;
    bool inconsistent; /* a writer has ended with it */
} grove_rwlock;

#define GROVE_RWLOCK_INIT \
    { \
        GROVE_WAITERS_INIT, {0, 0}, 0, false \
    }

GROVE_API void grove_rwlock_init(grove_rwlock *l);
/* 0; -EOWNERDEAD, with the lock held for writing in any case, when the fiber
 * that held it for writing has ended without unlocking it; -EDEADLK when the
 * caller holds it for writing; -ECANCELED, -ETIMEDOUT, -EDEADLK,
 * -ENOTRECOVERABLE without it. */
GROVE_API int grove_rwlock_rdlock(grove_rwlock *l);
GROVE_API int grove_rwlock_rdlock_until(grove_rwlock *l, int64_t deadline);
GROVE_API int grove_rwlock_wrlock(grove_rwlock *l);
GROVE_API int grove_rwlock_wrlock_until(grove_rwlock *l, int64_t deadline);
/* 0, or -EBUSY when it would have to wait; -EOWNERDEAD, -EDEADLK,
 * -ENOTRECOVERABLE as above. */
GROVE_API int grove_rwlock_tryrdlock(grove_rwlock *l);
GROVE_API int grove_rwlock_trywrlock(grove_rwlock *l);
/* Gives up what the caller holds. 0, or -EPERM when nobody holds it, or another
 * fiber for writing. Never waits. */
GROVE_API int grove_rwlock_unlock(grove_rwlock *l);
/* What l protects has been put in order again after -EOWNERDEAD; as
 * grove_mutex_consistent. 0, or -EINVAL when the caller does not hold it for
 * writing or nobody has ended with it. */
GROVE_API int grove_rwlock_consistent(grove_rwlock *l);

/* ---- Semaphore -------------------------------------------------------- */

/* A number of units, to be acquired and released by anybody. */
typedef struct grove_semaphore {
    grove_waiters waiters;
    size_t units; /* to be had */
} grove_semaphore;

#define GROVE_SEMAPHORE_INIT(units) \
    { \
        GROVE_WAITERS_INIT, units \
    }

GROVE_API void grove_semaphore_init(grove_semaphore *s, size_t units);
/* Takes n units, all at once, once they are there and those who came before
 * have theirs. 0, or -ECANCELED, -ETIMEDOUT, -EDEADLK with none taken. */
GROVE_API int grove_semaphore_acquire(grove_semaphore *s, size_t n);
GROVE_API int grove_semaphore_acquire_until(grove_semaphore *s, size_t n,
                                            int64_t deadline);
/* 0, or -EAGAIN when it would have to wait. */
GROVE_API int grove_semaphore_tryacquire(grove_semaphore *s, size_t n);
/* Adds n units. 0, or -EOVERFLOW with none added. Never waits. */
GROVE_API int grove_semaphore_release(grove_semaphore *s, size_t n);
/* How many units are to be had. */
GROVE_API size_t grove_semaphore_units(const grove_semaphore *s);

/* ---- Barrier ---------------------------------------------------------- */

/* Where a number of fibers wait for each other, over and over. */
typedef struct grove_barrier {
    grove_waiters waiters;
    size_t count;   /* that go on together */
    size_t arrived; /* that wait */
} grove_barrier;

#define GROVE_BARRIER_INIT(count) \
    { \
        GROVE_WAITERS_INIT, count, 0 \
    }

GROVE_API void grove_barrier_init(grove_barrier *b, size_t count);
/* Waits until count fibers are here. 1 for the last to come, 0 for the others;
 * -ECANCELED, -ETIMEDOUT, -EDEADLK for one that does not wait any longer: it
 * does not count as here. */
GROVE_API int grove_barrier_wait(grove_barrier *b);
GROVE_API int grove_barrier_wait_until(grove_barrier *b, int64_t deadline);

/* ---- Once ------------------------------------------------------------- */

/* Something to be done by the first who needs it. */
typedef struct grove_once {
    grove_waiters waiters;
    uint64_t runner; /* the fiber that is at it */
    int state;
} grove_once;

#define GROVE_ONCE_INIT \
    { \
        GROVE_WAITERS_INIT, 0, 0 \
    }

GROVE_API void grove_once_init(grove_once *o);
/* Calls fn(arg) unless it has succeeded before; while another fiber is at it,
 * waits for that. A negative value of fn is a failure: it is returned, and the
 * next fiber tries. 0 once it has been done; what fn failed with; -EDEADLK from
 * within fn; -ECANCELED, -ETIMEDOUT, -EDEADLK from waiting. The deadline is
 * that of waiting, not of fn. */
GROVE_API int grove_once_run(grove_once *o, int (*fn)(void *arg), void *arg);
GROVE_API int grove_once_run_until(grove_once *o, int (*fn)(void *arg),
                                   void *arg, int64_t deadline);

/* ---- Wait group ------------------------------------------------------- */

/* A count of what is still to be done, and who waits for its end. */
typedef struct grove_wait_group {
    grove_waiters waiters;
    size_t count;
} grove_wait_group;

#define GROVE_WAIT_GROUP_INIT \
    { \
        GROVE_WAITERS_INIT, 0 \
    }

GROVE_API void grove_wait_group_init(grove_wait_group *g);
/* n more are to be done. 0, or -EOVERFLOW. */
GROVE_API int grove_wait_group_add(grove_wait_group *g, size_t n);
/* One is done; the last wakes all who wait. 0, or -EINVAL when none was left
 * to be done. */
GROVE_API int grove_wait_group_done(grove_wait_group *g);
GROVE_API size_t grove_wait_group_count(const grove_wait_group *g);
/* Waits until the count is 0. 0, or -ECANCELED, -ETIMEDOUT, -EDEADLK. */
GROVE_API int grove_wait_group_wait(grove_wait_group *g);
GROVE_API int grove_wait_group_wait_until(grove_wait_group *g,
                                          int64_t deadline);

/* ---- Promise ---------------------------------------------------------- */

/* A value, or an error, that comes later, once. */
typedef struct grove_promise {
    grove_waiters waiters;
    void *value;
    int error; /* negative when it failed */
    bool set;
} grove_promise;

#define GROVE_PROMISE_INIT \
    { \
        GROVE_WAITERS_INIT, 0, 0, false \
    }

GROVE_API void grove_promise_init(grove_promise *p);
/* Gives it its value, or an error (a negative errno), and wakes all who wait.
 * 0, or -EALREADY when it has one; -EINVAL for an error that is not negative.
 */
GROVE_API int grove_promise_set(grove_promise *p, void *value);
GROVE_API int grove_promise_fail(grove_promise *p, int error);
/* Waits until it has either. 0, or -ECANCELED, -ETIMEDOUT, -EDEADLK. */
GROVE_API int grove_promise_wait(grove_promise *p);
GROVE_API int grove_promise_wait_until(grove_promise *p, int64_t deadline);
/* Waits and stores the value in *value (which may be NULL). 0; the error it
 * has; or as grove_promise_wait. */
GROVE_API int grove_promise_get(grove_promise *p, void **value);
GROVE_API int grove_promise_get_until(grove_promise *p, void **value,
                                      int64_t deadline);
/* The same without waiting; -EAGAIN while it has neither. */
GROVE_API int grove_promise_result(const grove_promise *p, void **value);

#ifdef __cplusplus
}
#endif
#endif

/*
 * POSIX and C11 threads made of fibers: functions with the signatures and the
 * meaning of libc's, for a table that puts them in the place of those. Objects
 * keep libc's layout and initialisers.
 *
 * On a thread without a hub, and inside a callback of one, each does what
 * libc's does, but for waits in conditions, barriers and pthread_once and for
 * joins of threads that are fibers: these give the thread a hub. Functions of
 * libc that are not listed need not be replaced: the thread's own storage makes
 * them right (pthread_self, keys, cleanup handlers, pthread_atfork, attributes'
 * own calls).
 *
 * Calls of other layers that POSIX has as cancellation points call thread_act
 * (thread.h) when they begin, and when what they waited in has ended with
 * ECANCELED or EINTR.
 */
#ifndef GROVE_PATCH_THREADS_THREADS_H
#define GROVE_PATCH_THREADS_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <threads.h>
#include <time.h>

/* Each is given to F as: symbol, what it returns, its parameters, and their
 * names. The function for symbol is patched_symbol. */
#define THREADS_SYMBOLS(F) \
    THREADS_LIFE(F) \
    THREADS_MUTEX(F) THREADS_WAITS(F) THREADS_SIGNALS(F) THREADS_C11(F)

/* clang-format off */
#define THREADS_LIFE(F) \
    F(int, pthread_create, (pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *), void *arg), (id, attr, fn, arg)) \
    F(int, pthread_join, (pthread_t id, void **value), (id, value)) \
    F(int, pthread_tryjoin_np, (pthread_t id, void **value), (id, value)) \
    F(int, pthread_timedjoin_np, (pthread_t id, void **value, const struct timespec *abs), (id, value, abs)) \
    F(int, pthread_clockjoin_np, (pthread_t id, void **value, clockid_t clock, const struct timespec *abs), (id, value, clock, abs)) \
    F(int, pthread_detach, (pthread_t id), (id)) \
    F(int, pthread_cancel, (pthread_t id), (id)) \
    F(int, pthread_setcancelstate, (int state, int *before), (state, before)) \
    F(int, pthread_setcanceltype, (int type, int *before), (type, before)) \
    F(int, pthread_setname_np, (pthread_t id, const char *name), (id, name)) \
    F(int, pthread_getname_np, (pthread_t id, char *name, size_t size), (id, name, size)) \
    F(int, pthread_getattr_np, (pthread_t id, pthread_attr_t *attr), (id, attr)) \
    F(int, pthread_getcpuclockid, (pthread_t id, clockid_t *clock), (id, clock)) \
    F(int, pthread_getaffinity_np, (pthread_t id, size_t size, cpu_set_t *set), (id, size, set)) \
    F(int, pthread_setaffinity_np, (pthread_t id, size_t size, const cpu_set_t *set), (id, size, set)) \
    F(int, pthread_getschedparam, (pthread_t id, int *policy, struct sched_param *param), (id, policy, param)) \
    F(int, pthread_setschedparam, (pthread_t id, int policy, const struct sched_param *param), (id, policy, param)) \
    F(int, pthread_setschedprio, (pthread_t id, int priority), (id, priority)) \
    F(int, sched_yield, (void), ())

#define THREADS_MUTEX(F) \
    F(int, pthread_mutex_init, (pthread_mutex_t *m, const pthread_mutexattr_t *attr), (m, attr)) \
    F(int, pthread_mutex_lock, (pthread_mutex_t *m), (m)) \
    F(int, pthread_mutex_trylock, (pthread_mutex_t *m), (m)) \
    F(int, pthread_mutex_timedlock, (pthread_mutex_t *m, const struct timespec *abs), (m, abs)) \
    F(int, pthread_mutex_clocklock, (pthread_mutex_t *m, clockid_t clock, const struct timespec *abs), (m, clock, abs)) \
    F(int, pthread_mutex_unlock, (pthread_mutex_t *m), (m))

#define THREADS_WAITS(F) \
    F(int, pthread_cond_wait, (pthread_cond_t *c, pthread_mutex_t *m), (c, m)) \
    F(int, pthread_cond_timedwait, (pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abs), (c, m, abs)) \
    F(int, pthread_cond_clockwait, (pthread_cond_t *c, pthread_mutex_t *m, clockid_t clock, const struct timespec *abs), (c, m, clock, abs)) \
    F(int, pthread_cond_signal, (pthread_cond_t *c), (c)) \
    F(int, pthread_cond_broadcast, (pthread_cond_t *c), (c)) \
    F(int, pthread_rwlock_rdlock, (pthread_rwlock_t *l), (l)) \
    F(int, pthread_rwlock_wrlock, (pthread_rwlock_t *l), (l)) \
    F(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t *l), (l)) \
    F(int, pthread_rwlock_trywrlock, (pthread_rwlock_t *l), (l)) \
    F(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t *l, const struct timespec *abs), (l, abs)) \
    F(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t *l, const struct timespec *abs), (l, abs)) \
    F(int, pthread_rwlock_clockrdlock, (pthread_rwlock_t *l, clockid_t clock, const struct timespec *abs), (l, clock, abs)) \
    F(int, pthread_rwlock_clockwrlock, (pthread_rwlock_t *l, clockid_t clock, const struct timespec *abs), (l, clock, abs)) \
    F(int, pthread_rwlock_unlock, (pthread_rwlock_t *l), (l)) \
    F(int, pthread_barrier_init, (pthread_barrier_t *b, const pthread_barrierattr_t *attr, unsigned count), (b, attr, count)) \
    F(int, pthread_barrier_wait, (pthread_barrier_t *b), (b)) \
    F(int, pthread_barrier_destroy, (pthread_barrier_t *b), (b)) \
    F(int, pthread_once, (pthread_once_t *once, void (*fn)(void)), (once, fn)) \
    F(int, pthread_spin_lock, (pthread_spinlock_t *lock), (lock)) \
    F(int, pthread_spin_trylock, (pthread_spinlock_t *lock), (lock)) \
    F(int, sem_wait, (sem_t *semaphore), (semaphore)) \
    F(int, sem_trywait, (sem_t *semaphore), (semaphore)) \
    F(int, sem_timedwait, (sem_t *semaphore, const struct timespec *abs), (semaphore, abs)) \
    F(int, sem_clockwait, (sem_t *semaphore, clockid_t clock, const struct timespec *abs), (semaphore, clock, abs)) \
    F(int, sem_post, (sem_t *semaphore), (semaphore))

#define THREADS_SIGNALS(F) \
    F(int, pthread_kill, (pthread_t id, int n), (id, n)) \
    F(int, pthread_sigqueue, (pthread_t id, int n, const union sigval value), (id, n, value)) \
    F(int, raise, (int n), (n)) \
    F(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *before), (how, set, before)) \
    F(int, sigprocmask, (int how, const sigset_t *set, sigset_t *before), (how, set, before)) \
    F(int, sigpending, (sigset_t *set), (set)) \
    F(int, sigwait, (const sigset_t *set, int *n), (set, n)) \
    F(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info), (set, info)) \
    F(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *timeout), (set, info, timeout))

#define THREADS_C11(F) \
    F(int, thrd_create, (thrd_t *id, thrd_start_t fn, void *arg), (id, fn, arg)) \
    F(int, thrd_join, (thrd_t id, int *result), (id, result)) \
    F(int, thrd_detach, (thrd_t id), (id)) \
    F(int, mtx_lock, (mtx_t *m), (m)) \
    F(int, mtx_trylock, (mtx_t *m), (m)) \
    F(int, mtx_timedlock, (mtx_t *m, const struct timespec *abs), (m, abs)) \
    F(int, mtx_unlock, (mtx_t *m), (m)) \
    F(int, cnd_wait, (cnd_t *c, mtx_t *m), (c, m)) \
    F(int, cnd_timedwait, (cnd_t *c, mtx_t *m, const struct timespec *abs), (c, m, abs)) \
    F(int, cnd_signal, (cnd_t *c), (c)) \
    F(int, cnd_broadcast, (cnd_t *c), (c))

/* Those that return nothing. */
#define THREADS_VOID_SYMBOLS(F) \
    F(void, pthread_testcancel, (void), ()) \
    F(void, thrd_yield, (void), ()) \
    F(void, call_once, (once_flag *once, void (*fn)(void)), (once, fn))

/* Those that do not return. */
#define THREADS_LEAVING_SYMBOLS(F) \
    F(void, pthread_exit, (void *value), (value)) \
    F(void, thrd_exit, (int result), (result))
/* clang-format on */

#define THREADS_ALL_SYMBOLS(F) \
    THREADS_SYMBOLS(F) THREADS_VOID_SYMBOLS(F) THREADS_LEAVING_SYMBOLS(F)

#define THREADS_DECLARE(type, symbol, parameters, names) \
    type patched_##symbol parameters;
#define THREADS_DECLARE_LEAVING(type, symbol, parameters, names) \
    type patched_##symbol parameters __attribute__((noreturn));

THREADS_SYMBOLS(THREADS_DECLARE)
THREADS_VOID_SYMBOLS(THREADS_DECLARE)
THREADS_LEAVING_SYMBOLS(THREADS_DECLARE_LEAVING)

#undef THREADS_DECLARE
#undef THREADS_DECLARE_LEAVING

#endif

/*
 * C11's threads, which libc makes of POSIX's; so do these.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <threads.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) &&
                   sizeof(cnd_t) == sizeof(pthread_cond_t) &&
                   sizeof(once_flag) == sizeof(pthread_once_t),
               "they are the same objects");

static int c11_error(int error)
{
    switch (error) {
    case 0:
        return thrd_success;
    case EBUSY:
        return thrd_busy;
    case ETIMEDOUT:
        return thrd_timedout;
    case ENOMEM:
    case EAGAIN:
        return thrd_nomem;
    default:
        return thrd_error;
    }
}

static pthread_mutex_t *mutex_of(mtx_t *m)
{
    return (pthread_mutex_t *)(void *)m;
}

static pthread_cond_t *cond_of(cnd_t *c)
{
    return (pthread_cond_t *)(void *)c;
}

/* What it returns is an int, and libc's callers take it for a pointer: the ABI
 * returns both in the same register. */
int patched_thrd_create(thrd_t *id, thrd_start_t fn, void *arg)
{
    void *(*as_posix)(void *);
    _Static_assert(sizeof(as_posix) == sizeof(fn), "a function's address");
    __builtin_memcpy(&as_posix, &fn, sizeof(fn));
    return c11_error(patched_pthread_create(id, NULL, as_posix, arg));
}

int patched_thrd_join(thrd_t id, int *result)
{
    void *value;
    int r = patched_pthread_join(id, &value);
    if (r == 0 && result)
        *result = (int)(uintptr_t)value;
    return c11_error(r);
}

int patched_thrd_detach(thrd_t id)
{
    return c11_error(patched_pthread_detach(id));
}

void patched_thrd_exit(int result)
{
    patched_pthread_exit((void *)(uintptr_t)(unsigned)result);
}

void patched_thrd_yield(void)
{
    patched_sched_yield();
}

int patched_mtx_lock(mtx_t *m)
{
    return c11_error(patched_pthread_mutex_lock(mutex_of(m)));
}

int patched_mtx_trylock(mtx_t *m)
{
    return c11_error(patched_pthread_mutex_trylock(mutex_of(m)));
}

int patched_mtx_timedlock(mtx_t *m, const struct timespec *abs)
{
    return c11_error(patched_pthread_mutex_timedlock(mutex_of(m), abs));
}

int patched_mtx_unlock(mtx_t *m)
{
    return c11_error(patched_pthread_mutex_unlock(mutex_of(m)));
}

int patched_cnd_wait(cnd_t *c, mtx_t *m)
{
    return c11_error(patched_pthread_cond_wait(cond_of(c), mutex_of(m)));
}

int patched_cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *abs)
{
    return c11_error(
        patched_pthread_cond_timedwait(cond_of(c), mutex_of(m), abs));
}

int patched_cnd_signal(cnd_t *c)
{
    return c11_error(patched_pthread_cond_signal(cond_of(c)));
}

int patched_cnd_broadcast(cnd_t *c)
{
    return c11_error(patched_pthread_cond_broadcast(cond_of(c)));
}

void patched_call_once(once_flag *once, void (*fn)(void))
{
    patched_pthread_once((pthread_once_t *)(void *)once, fn);
}

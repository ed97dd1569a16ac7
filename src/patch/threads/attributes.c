/*
 * What can be asked, and set, of a thread that is a fiber: its name, its stack,
 * and what the kernel has for threads of its own. Of the latter all fibers of a
 * hub have the same: its processors, its clock and its priority, which is the
 * usual one and stays so.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

int patched_pthread_setname_np(pthread_t id, const char *name)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_setname_np(id, name);
    if (strlen(name) >= THREAD_NAME_SIZE)
        return ERANGE;
    grove_waiters *q = lot_lock(t);
    strcpy(t->name, name);
    if (t->fiber && t->hub == hub_of_thread)
        fiber_set_name(&t->fiber->fiber, name);
    lot_unlock(q);
    return 0;
}

int patched_pthread_getname_np(pthread_t id, char *name, size_t size)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_getname_np(id, name, size);
    if (size < THREAD_NAME_SIZE)
        return ERANGE;
    grove_waiters *q = lot_lock(t);
    strcpy(name, t->name);
    lot_unlock(q);
    return 0;
}

int patched_pthread_getattr_np(pthread_t id, pthread_attr_t *attr)
{
    struct thread *t = thread_of(id);
    if (!t)
        return pthread_getattr_np(id, attr);
    int r = pthread_attr_init(attr);
    if (r != 0)
        return r;
    grove_waiters *q = lot_lock(t);
    if (t->fiber) {
        char *low = stack_spare_end(&t->fiber->fiber.stack);
        pthread_attr_setstack(attr, low,
                              (size_t)((char *)t->fiber - low) & ~(size_t)15);
    }
    pthread_attr_setguardsize(attr, t->guard);
    pthread_attr_setdetachstate(attr, t->detached ? PTHREAD_CREATE_DETACHED
                                                  : PTHREAD_CREATE_JOINABLE);
    lot_unlock(q);
    return 0;
}

int patched_pthread_getcpuclockid(pthread_t id, clockid_t *clock)
{
    if (!thread_of(id))
        return pthread_getcpuclockid(id, clock);
    *clock = CLOCK_THREAD_CPUTIME_ID;
    return 0;
}

int patched_pthread_getaffinity_np(pthread_t id, size_t size, cpu_set_t *set)
{
    if (!thread_of(id))
        return pthread_getaffinity_np(id, size, set);
    return sched_getaffinity(0, size, set) < 0 ? errno : 0;
}

/* What all share is not one's to change; a set that allows what is so already
 * is. */
int patched_pthread_setaffinity_np(pthread_t id, size_t size,
                                   const cpu_set_t *set)
{
    cpu_set_t now, both;
    if (!thread_of(id))
        return pthread_setaffinity_np(id, size, set);
    CPU_ZERO(&now);
    if (sched_getaffinity(0, sizeof(now), &now) < 0)
        return errno;
    if (size > sizeof(now))
        size = sizeof(now);
    CPU_ZERO(&both);
    CPU_AND_S(size, &both, &now, set);
    return CPU_COUNT_S(size, &both) > 0 ? 0 : EINVAL;
}

int patched_pthread_getschedparam(pthread_t id, int *policy,
                                  struct sched_param *param)
{
    if (!thread_of(id))
        return pthread_getschedparam(id, policy, param);
    *policy = SCHED_OTHER;
    param->sched_priority = 0;
    return 0;
}

static int check_priority(int policy, int priority)
{
    if (priority < sched_get_priority_min(policy) ||
        priority > sched_get_priority_max(policy))
        return EINVAL;
    return policy == SCHED_OTHER ? 0 : EPERM;
}

int patched_pthread_setschedparam(pthread_t id, int policy,
                                  const struct sched_param *param)
{
    if (!thread_of(id))
        return pthread_setschedparam(id, policy, param);
    return check_priority(policy, param->sched_priority);
}

int patched_pthread_setschedprio(pthread_t id, int priority)
{
    if (!thread_of(id))
        return pthread_setschedprio(id, priority);
    return check_priority(SCHED_OTHER, priority);
}

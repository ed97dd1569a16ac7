/*
 * The parts of waiter.h that are not on the usual path: the lock once another
 * thread holds it, lists of waiters that were taken, and a waiter that leaves
 * by itself. Any thread may lock, take and wake; a waiter leaves on its own.
 *
 * The lock:
 *
 *     FREE --lock--> HELD --another wants it, spins in vain--> HELD_AND_WANTED
 *      ^              |                                             |
 *      +----unlock----+-------------- unlock, wake one -------------+
 *
 * One that slept takes it as HELD_AND_WANTED, since others may sleep still.
 */
#include "sync/waiter.h"

#include <assert.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Looks at a lock that another thread holds before sleeping: the sections are a
 * few dozen instructions long, so it is held for longer only by a thread that
 * was interrupted, and that needs the processor. */
#define SPINS 100

/* The states of a lock, after Drepper, Futexes Are Tricky (2011), mutex 2. */
enum { FREE, HELD, HELD_AND_WANTED };

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool becomes_free(const int *lock)
{
    for (int spins = 0; spins < SPINS; spins++) {
        if (__atomic_load_n(lock, __ATOMIC_ACQUIRE) == FREE)
            return true;
        pause_briefly();
    }
    return false;
}

/* errno belongs to the fiber that locks. */
static void futex(int *lock, int op, int value)
{
    int saved = errno;
    syscall(SYS_futex, lock, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
    errno = saved;
}

void waiters_lock_slow(grove_waiters *q)
{
    for (;;) {
        int free = FREE;
        if (__atomic_compare_exchange_n(&q->lock, &free, HELD, false,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        if (becomes_free(&q->lock))
            continue;
        while (__atomic_exchange_n(&q->lock, HELD_AND_WANTED,
                                   __ATOMIC_ACQUIRE) != FREE)
            futex(&q->lock, FUTEX_WAIT, HELD_AND_WANTED);
        return;
    }
}

/* The queue may be gone as soon as it is free; waking is then in vain. */
void waiters_unlock_slow(grove_waiters *q)
{
    assert(waiters_locked(q));
    if (__atomic_exchange_n(&q->lock, FREE, __ATOMIC_RELEASE) ==
        HELD_AND_WANTED)
        futex(&q->lock, FUTEX_WAKE, 1);
}

/* By its turn at the lock: a sleeper that only looked would take the wake of
 * one that wants it. The queue is const to who looks. */
void waiters_await_unlock_slow(const grove_waiters *q)
{
    grove_waiters *queue = (grove_waiters *)q;
    if (becomes_free(&queue->lock))
        return;
    waiters_lock_slow(queue);
    waiters_unlock_slow(queue);
}

struct waiter *waiters_take_all(grove_waiters *q)
{
    struct waiter *first = NULL, **last = &first;
    struct waiter *w;
    while ((w = waiters_take(q))) {
        *last = w;
        last = &w->next;
    }
    *last = NULL;
    return first;
}

void waiters_wake(struct waiter *w)
{
    while (w) {
        struct waiter *next = w->next;
        waiter_wake(w);
        w = next;
    }
}

bool waiter_leave(struct wait_in_queue *w)
{
    struct waiter *others = NULL;
    waiters_lock(w->queue);
    bool queued = w->waiter.queued;
    if (queued) {
        assert(waiters_locked(w->queue));
        waiters_remove(w->queue, &w->waiter);
        if (w->left)
            others = w->left(w->queue);
    }
    waiters_unlock(w->queue);
    waiters_wake(others);
    return queued;
}

void wait_in_queue_abandon(struct shared_wait *wait)
{
    waiter_leave(container_of(wait, struct wait_in_queue, wait));
}

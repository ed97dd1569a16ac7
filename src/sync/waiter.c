/*
 * The parts of waiter.h that are not on the usual path.
 */
#include "sync/waiter.h"

#include <sched.h>

/* Looks at a lock that is held by another thread before giving up the
 * processor: the sections are a few dozen instructions long, so it is held for
 * longer only by a thread that was interrupted. */
#define SPINS 100

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void waiters_await_unlock_slow(const grove_waiters *q)
{
    for (int spins = 1; __atomic_load_n(&q->lock, __ATOMIC_ACQUIRE); spins++) {
        if (spins % SPINS == 0)
            sched_yield();
        else
            pause_briefly();
    }
}

void waiters_lock_slow(grove_waiters *q)
{
    while (__atomic_exchange_n(&q->lock, 1, __ATOMIC_ACQUIRE))
        waiters_await_unlock_slow(q);
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

static void leave_queue(struct wait_in_queue *w)
{
    waiters_lock(w->queue);
    if (w->waiter.queued)
        waiters_remove(w->queue, &w->waiter);
    waiters_unlock(w->queue);
}

void wait_in_queue_abandon(struct shared_wait *wait)
{
    leave_queue(container_of(wait, struct wait_in_queue, wait));
}

int waiter_wait(struct hub *hub, struct wait_in_queue *w, int64_t deadline,
                const char *what)
{
    int r = hub_wait_shared(hub, &w->wait, deadline, what);
    if (unlikely(r < 0))
        leave_queue(w);
    return r;
}

/*
 * Waiting by address: where fibers park that wait for an object of libc's (a
 * mutex, a condition), whose words stay as libc has them. See lot.c.
 */
#ifndef GROVE_PATCH_THREADS_LOT_H
#define GROVE_PATCH_THREADS_LOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "sync/waiter.h"

/* One wait; it stands on the waiter's stack. */
struct lot_wait {
    struct wait_in_queue in; /* in.waiter.value is the address */
    struct hub *hub;
};

/* Whether the calling thread's fiber may park, and if so its hub. Others (a
 * thread without a hub, a callback) wait as libc has it. */
static inline struct hub *lot_hub(void)
{
    struct hub *hub = hub_of_thread;
    bool may = hub && hub->current != hub->loop_fiber && !hub->in_callback &&
               !hub->ending;
    return may ? hub : NULL;
}

/* The same, and the thread's hub is made if there is none; NULL: cannot be. */
struct hub *lot_hub_made(void);

/* Where those stand who wait for object, locked, and unlocked again. Nothing
 * is called and nobody parks in between but what is here. */
grove_waiters *lot_lock(const void *object);
void lot_unlock(grove_waiters *q);

/* Under the lock of object: the calling fiber of hub is going to wait for it.
 */
void lot_enter(struct lot_wait *w, struct hub *hub, grove_waiters *q,
               const void *object);

/* Not locked: it waits until it is woken, or for another reason that its caller
 * cannot tell from that, and has left; or -ETIMEDOUT. A kill of the fiber is
 * told later. If interruptible, a cancel or a signal for the thread ends it. */
int lot_await(struct lot_wait *w, int64_t deadline, const char *what,
              bool interruptible);

/* It is not going to wait after all. */
void lot_leave(struct lot_wait *w);

/* Under the lock: takes up to `most` who wait for object, and the same as one
 * step. lot_wake tells whether there was any. Any thread. */
struct waiter *lot_take(grove_waiters *q, const void *object, size_t most);
bool lot_wake_slow(const void *object, size_t most);

/* The rows of the table; an address's is that of its hash. */
#define LOT_BITS 10
extern grove_waiters lot_rows[1 << LOT_BITS];

static inline grove_waiters *lot_row(const void *object)
{
    uint64_t hash = (uint64_t)(uintptr_t)object * UINT64_C(0x9e3779b97f4a7c15);
    return &lot_rows[hash >> (64 - LOT_BITS)];
}

/* The object was changed by an atomic instruction that orders it before this
 * look, or the process has one thread: who comes to wait after that sees it.
 * Who has the row locked may have tried before, and be about to enter. */
static inline bool lot_wake(const void *object, size_t most)
{
    const grove_waiters *q = lot_row(object);
#if !defined(__x86_64__)
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
    if (likely(!__atomic_load_n(&q->lock, __ATOMIC_ACQUIRE) &&
               !__atomic_load_n(&q->first, __ATOMIC_RELAXED)))
        return false;
    return lot_wake_slow(object, most);
}

#define LOT_ALL SIZE_MAX

/* abs on clock as the hub's deadline: 0, or EINVAL. NULL is never. */
int lot_deadline(clockid_t clock, const struct timespec *abs,
                 int64_t *deadline);

#endif

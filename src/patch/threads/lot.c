/*
 * The table of those who wait, by the address of what they wait for. An object
 * keeps libc's layout and libc's own calls change it, with none of them ever
 * waiting; so its static initialisers are good, and threads that use it without
 * us see what they expect.
 *
 *     waiting fiber                        who may end the wait, any thread
 *     lock the row                         change the object (libc's call)
 *     try once more (libc's call)          row locked, or anybody in it? if so:
 *     enter the row, unlock it             lock it, take, unlock, wake
 *     park
 *
 * The second try closes the gap: a change that came before the row was locked
 * is seen by it, and one that comes after finds it locked, or who waits: the
 * lock is looked at first, for by the time it is free the row was entered.
 * Locking the row and changing the object both come before what is looked at
 * then. Several objects may share a row. The lock is that of sync/waiter.h; no
 * call of libc's that could wait is made under it.
 */
#include "patch/threads/lot.h"

#include <assert.h>
#include <errno.h>

#include "hub/clock.h"
#include "patch/threads/thread.h"

grove_waiters lot_rows[1 << LOT_BITS];

struct hub *lot_hub_made(void)
{
    if (unlikely(!hub_of_thread) && !hub_create())
        return NULL;
    return lot_hub();
}

grove_waiters *lot_lock(const void *object)
{
    grove_waiters *q = lot_row(object);
    waiters_lock(q);
#if !defined(__x86_64__) /* there taking the lock orders by itself */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
    return q;
}

void lot_unlock(grove_waiters *q)
{
    waiters_unlock(q);
}

void lot_enter(struct lot_wait *w, struct hub *hub, grove_waiters *q,
               const void *object)
{
    w->hub = hub;
    wait_in_queue_init(&w->in, hub, q, (void *)(uintptr_t)object);
    waiters_push(q, &w->in.waiter);
}

/* The waits of a thread never are a deadlock to be told of: a signal's handler
 * may end them. */
int lot_await(struct lot_wait *w, int64_t deadline, const char *what,
              bool interruptible)
{
    struct hub *hub = w->hub;
    grove_shield shield;
    grove_shield_begin(&shield);
    hub->holds++;
    int r = 0;
    if (!interruptible || thread_may_wait())
        r = hub_wait_shared(hub, GROVE_WAIT_SYNC, &w->in.wait, deadline, what);
    else if (!hub_withdraw_shared(hub, &w->in.wait))
        r = 0;
    if (interruptible)
        thread_has_waited();
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
    grove_shield_end(&shield);
    waiter_leave(&w->in);
    return r == -ETIMEDOUT ? r : 0;
}

void lot_leave(struct lot_wait *w)
{
    hub_withdraw_shared(w->hub, &w->in.wait);
    waiter_leave(&w->in);
}

struct waiter *lot_take(grove_waiters *q, const void *object, size_t most)
{
    struct waiter *first = NULL, **last = &first, *next;
    for (struct waiter *w = q->first; w && most > 0; w = next) {
        next = w->next;
        if (w->value != object || !waiters_claim(q, w))
            continue;
        *last = w;
        last = &w->next;
        most--;
    }
    *last = NULL;
    return first;
}

bool lot_wake_slow(const void *object, size_t most)
{
    grove_waiters *q = lot_lock(object);
    struct waiter *taken = lot_take(q, object, most);
    lot_unlock(q);
    waiters_wake(taken);
    return taken != NULL;
}

int lot_deadline(clockid_t clock, const struct timespec *abs, int64_t *deadline)
{
    struct timespec now;
    *deadline = GROVE_NEVER;
    if (!abs)
        return 0;
    if (abs->tv_nsec < 0 || abs->tv_nsec >= GROVE_SECOND)
        return EINVAL;
    if (clock_gettime(clock, &now) < 0)
        return EINVAL;
    int64_t seconds = (int64_t)abs->tv_sec - (int64_t)now.tv_sec;
    if (seconds < 0)
        seconds = -1;
    if (seconds > INT64_MAX / GROVE_SECOND / 4)
        return 0;
    int64_t left = seconds * GROVE_SECOND + abs->tv_nsec - now.tv_nsec;
    *deadline = hub_clock() + (left > 0 ? left : 0);
    return 0;
}

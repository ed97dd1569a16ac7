/*
 * Barriers, in the words of libc's: how many are wanted, how many have come,
 * and the number of the round, which tells those who wait that it is over. They
 * are changed under the lock of the lot. One that is shared with other
 * processes is libc's alone, and a wait in it holds up the hub.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

/* As libc lays it out; what it is initialised to means the same to both. */
struct barrier {
    unsigned in;     /* who have come in this round */
    unsigned round;  /* changes at each round's end */
    unsigned count;  /* who are wanted */
    int shared;      /* with other processes; what libc has it for is 128 */
    unsigned inside; /* who have not yet left the last rounds */
};

_Static_assert(sizeof(struct barrier) <= sizeof(pthread_barrier_t),
               "it stands in its place");

int patched_pthread_barrier_init(pthread_barrier_t *barrier,
                                 const pthread_barrierattr_t *attr,
                                 unsigned count)
{
    return pthread_barrier_init(barrier, attr, count);
}

/* The last one lets all go on: PTHREAD_BARRIER_SERIAL_THREAD, and who they are.
 * The others enter: 0. */
static int arrive(struct barrier *b, struct lot_wait *w, struct hub *hub,
                  struct waiter **others, unsigned *round)
{
    grove_waiters *q = lot_lock(b);
    int r = 0;
    *round = b->round;
    if (++b->in == b->count) {
        b->in = 0;
        b->round++;
        *others = lot_take(q, b, LOT_ALL);
        r = PTHREAD_BARRIER_SERIAL_THREAD;
    } else {
        b->inside++;
        lot_enter(w, hub, q, b);
    }
    lot_unlock(q);
    return r;
}

/* Whether the round is over, which the caller leaves then; else it enters. */
static bool is_over(struct barrier *b, struct lot_wait *w, struct hub *hub,
                    unsigned round)
{
    grove_waiters *q = lot_lock(b);
    bool over = b->round != round;
    if (over)
        b->inside--;
    else
        lot_enter(w, hub, q, b);
    lot_unlock(q);
    return over;
}

int patched_pthread_barrier_wait(pthread_barrier_t *barrier)
{
    struct barrier *b = (struct barrier *)(void *)barrier;
    struct waiter *others = NULL;
    struct lot_wait w;
    unsigned round;
    struct hub *hub = b->shared ? NULL : lot_hub_made();
    if (!hub)
        return pthread_barrier_wait(barrier);
    int r = arrive(b, &w, hub, &others, &round);
    waiters_wake(others);
    if (r != 0)
        return r;
    do
        lot_await(&w, GROVE_NEVER, "barrier", false);
    while (!is_over(b, &w, hub, round));
    return 0;
}

/* Who is still on the way out is waited for, as in libc. */
int patched_pthread_barrier_destroy(pthread_barrier_t *barrier)
{
    struct barrier *b = (struct barrier *)(void *)barrier;
    if (b->shared)
        return pthread_barrier_destroy(barrier);
    while (lot_hub() && __atomic_load_n(&b->inside, __ATOMIC_ACQUIRE) > b->in)
        grove_yield();
    return 0;
}

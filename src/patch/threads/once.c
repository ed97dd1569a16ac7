/*
 * What is to be done once, in libc's word, whose values are kept:
 *
 *     0 --> RUNNING --> DONE
 *     ^        |
 *     +--------+   the function was left by a cancel or pthread_exit
 *
 * libc counts forks in the bits above these, so that a child does again what a
 * thread was doing that is not there. Here who was doing it may well be there.
 */
#include <pthread.h>

#include "patch/threads/lot.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

#define ONCE_RUNNING 1
#define ONCE_DONE 2

static void finish(pthread_once_t *once, int state)
{
    __atomic_store_n(once, state, __ATOMIC_SEQ_CST);
    lot_wake(once, LOT_ALL);
}

static void begin_again(void *once)
{
    finish(once, 0);
}

static void run(pthread_once_t *once, void (*fn)(void))
{
    pthread_cleanup_push(begin_again, once);
    fn();
    pthread_cleanup_pop(0);
    finish(once, ONCE_DONE);
}

/* Whether it is being done, and the caller has entered to wait for that. */
static bool enter_if_running(pthread_once_t *once, struct lot_wait *w,
                             struct hub *hub)
{
    grove_waiters *q = lot_lock(once);
    bool running = __atomic_load_n(once, __ATOMIC_SEQ_CST) & ONCE_RUNNING;
    if (running)
        lot_enter(w, hub, q, once);
    lot_unlock(q);
    return running;
}

int patched_pthread_once(pthread_once_t *once, void (*fn)(void))
{
    struct lot_wait w;
    struct hub *hub;
    while (!(__atomic_load_n(once, __ATOMIC_ACQUIRE) & ONCE_DONE)) {
        int fresh = 0;
        if (__atomic_compare_exchange_n(once, &fresh, ONCE_RUNNING, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            run(once, fn);
            return 0;
        }
        hub = lot_hub_made();
        if (!hub)
            return pthread_once(once, fn);
        if (enter_if_running(once, &w, hub))
            lot_await(&w, GROVE_NEVER, "pthread_once", false);
    }
    return 0;
}

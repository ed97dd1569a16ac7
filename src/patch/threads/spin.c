/*
 * Spin locks: who has one may be a fiber that waits for its turn, so the others
 * get theirs between two looks.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "patch/threads/lot.h"
#include "patch/threads/threads.h"

int patched_pthread_spin_lock(pthread_spinlock_t *lock)
{
    int r;
    while ((r = pthread_spin_trylock(lock)) == EBUSY) {
        struct hub *hub = lot_hub();
        if (hub && !run_queue_empty(&hub->queue))
            grove_yield();
        else
            sched_yield();
    }
    return r;
}

int patched_pthread_spin_trylock(pthread_spinlock_t *lock)
{
    hub_turn_if_any();
    return pthread_spin_trylock(lock);
}

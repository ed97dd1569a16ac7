/*
 * The condition: a queue that a mutex is given up for. A waiter stands in it
 * before it unlocks the mutex, so that no signal is missed between the two.
 *
 * Whatever ended the wait, the mutex is locked again before it returns, as
 * POSIX has it: that wait is shielded. One that was signalled has taken the
 * signal, even if it is killed before it has the mutex; it is told later.
 */
#include <assert.h>

#include "sync/mutex.h"
#include "sync/waiter.h"

void grove_condition_init(grove_condition *c)
{
    *c = (grove_condition)GROVE_CONDITION_INIT;
}

void grove_condition_signal(grove_condition *c)
{
    waiters_lock(&c->waiters);
    struct waiter *w = waiters_take(&c->waiters);
    waiters_unlock(&c->waiters);
    if (w)
        waiter_wake(w);
}

void grove_condition_broadcast(grove_condition *c)
{
    waiters_lock(&c->waiters);
    struct waiter *all = waiters_take_all(&c->waiters);
    waiters_unlock(&c->waiters);
    waiters_wake(all);
}

/* 0 or -EOWNERDEAD with it; -ENOTRECOVERABLE without, when it is of no use or
 * who holds it will never run again. */
static int lock_again(grove_mutex *m, unsigned depth)
{
    grove_shield shield;
    int r;
    grove_shield_begin(&shield);
    while ((r = grove_mutex_lock(m)) == -EINTR)
        ;
    grove_shield_end(&shield);
    if (r < 0 && r != -EOWNERDEAD)
        return -ENOTRECOVERABLE;
    assert(mutex_is_held(m) && m->depth == 0);
    m->depth = depth;
    return r;
}

int grove_condition_wait_until(grove_condition *c, grove_mutex *m,
                               int64_t deadline)
{
    if (!mutex_is_held(m))
        return -EPERM;
    struct hub *hub = hub_of_thread;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &c->waiters, NULL);
    waiters_lock(&c->waiters);
    waiters_push(&c->waiters, &w.waiter);
    waiters_unlock(&c->waiters);

    unsigned depth = m->depth;
    assert(m->recursive || depth == 0);
    m->depth = 0;
    grove_mutex_unlock(m);
    int r = waiter_wait(hub, &w, deadline, "condition");
    int locked = lock_again(m, depth);
    return locked < 0 ? locked : r;
}

int grove_condition_wait(grove_condition *c, grove_mutex *m)
{
    return grove_condition_wait_until(c, m, GROVE_NEVER);
}

/*
 * Once: the first who comes does it, the others wait.
 *
 *              first comes               fn succeeds
 *     TO_DO ----------------> RUNNING -----------------> DONE
 *        ^                    |  ^ |
 *        | fn fails, and      |  | | fn fails: it is the next one's turn
 *        +--------------------+  +-+
 *          nobody waits
 *
 * DONE may be read without the lock.
 */
#include <assert.h>

#include "sync/waiter.h"

enum { TO_DO, RUNNING, DONE };

/* What a waiter finds as its value when it is its turn to try. */
#define YOUR_TURN ((void *)1)

void grove_once_init(grove_once *o)
{
    *o = (grove_once)GROVE_ONCE_INIT;
}

static bool is_done(const grove_once *o)
{
    if (__atomic_load_n(&o->state, __ATOMIC_ACQUIRE) != DONE)
        return false;
    waiters_await_unlock(&o->waiters);
    return true;
}

static void set_state(grove_once *o, int state)
{
    __atomic_store_n(&o->state, state, __ATOMIC_RELEASE);
}

static void start(grove_once *o, struct grove_fiber *runner)
{
    assert(waiters_locked(&o->waiters) && o->state != DONE);
    set_state(o, RUNNING);
    o->runner = runner->identity;
}

/* Under the lock: it has failed. Who is to try next. */
static struct waiter *pass_on(grove_once *o)
{
    assert(waiters_locked(&o->waiters) && o->state == RUNNING);
    struct waiter *w = waiters_take(&o->waiters);
    if (w) {
        w->next = NULL;
        w->value = YOUR_TURN;
        start(o, w->wait->fiber);
    } else {
        o->runner = 0;
        set_state(o, TO_DO);
    }
    return w;
}

static int run(grove_once *o, int (*fn)(void *), void *arg)
{
    int r = fn(arg);
    struct waiter *woken;
    waiters_lock(&o->waiters);
    assert(o->state == RUNNING && o->runner);
    if (r < 0) {
        woken = pass_on(o);
    } else {
        set_state(o, DONE);
        woken = waiters_take_all(&o->waiters);
    }
    waiters_unlock(&o->waiters);
    waiters_wake(woken);
    if (r >= 0)
        return 0;
    hub_turn_if_any(); /* for who tries over and over */
    return r;
}

int grove_once_run_until(grove_once *o, int (*fn)(void *), void *arg,
                         int64_t deadline)
{
    if (is_done(o))
        return hub_turn_found();
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &o->waiters, NULL);
    waiters_lock(&o->waiters);
    int state = o->state;
    bool mine = o->runner == hub->current->identity;
    if (state == TO_DO)
        start(o, hub->current);
    else if (state == RUNNING && !mine)
        waiters_push(&o->waiters, &w.waiter);
    waiters_unlock(&o->waiters);

    if (state == DONE)
        return 0;
    if (state == TO_DO)
        return run(o, fn, arg);
    if (mine)
        return -EDEADLK;
    int r = waiter_wait(hub, &w, deadline, "once");
    return r == 0 && w.waiter.value == YOUR_TURN ? run(o, fn, arg) : r;
}

int grove_once_run(grove_once *o, int (*fn)(void *), void *arg)
{
    return grove_once_run_until(o, fn, arg, GROVE_NEVER);
}

/*
 * Parking and what ends it: a wake, a deadline, the deadline of an enclosing
 * scope, a kill. And the calls that do nothing else: yield, sleep, the clock.
 */
#include <assert.h>

#include "hub/hub.h"

int hub_park(struct hub *hub)
{
    struct grove_fiber *f = hub->current;
    f->state = FIBER_PARKED;
    hub_switch(hub, f, hub_next(hub));
    return f->wake_result;
}

static void on_deadline(struct timer *timer)
{
    hub_wake(container_of(timer, struct grove_fiber, timer), -ETIMEDOUT);
}

/* The wait was ended by the deadline of a scope: by the innermost of those
 * that have it. */
static void scope_expired(struct grove_fiber *f, int64_t deadline)
{
    for (struct grove_timeout *t = f->scope; t; t = t->outer) {
        if (t->deadline == deadline) {
            if (!t->expired)
                f->expired = t;
            t->expired = true;
            return;
        }
    }
}

void hub_wait_undo(struct grove_fiber *f, int r)
{
    if (r == -ECANCELED)
        f->cancelled = true;
    if (r == -ETIMEDOUT && f->expired)
        f->expired->expired = false;
}

/* Tells the current fiber of a kill, if there is one to be told now. */
static bool take_kill(struct grove_fiber *f)
{
    if (likely(!f->cancelled) || f->shields)
        return false;
    f->cancelled = false;
    return true;
}

/* The deadline that counts, and whether it is a scope's. */
static int64_t earliest(const struct grove_fiber *f, int64_t deadline,
                        bool *scoped)
{
    *scoped = f->scope && f->scope->effective < deadline;
    return *scoped ? f->scope->effective : deadline;
}

int hub_wait(struct hub *hub, int64_t deadline, const char *what, int fd)
{
    struct grove_fiber *f = hub->current;
    if (unlikely(take_kill(f)))
        return -ECANCELED;
    bool scoped;
    deadline = earliest(f, deadline, &scoped);
    f->reason = (struct wait_reason){what, fd, hub->now};
    f->waiting = true;
    int r;
    if (deadline == GROVE_NEVER) {
        r = hub_park(hub);
    } else if (deadline <= hub_clock()) {
        r = -ETIMEDOUT;
    } else {
        f->timer.fn = on_deadline;
        timer_add(&hub->timers, &f->timer, deadline);
        r = hub_park(hub);
        timer_remove(&hub->timers, &f->timer);
    }
    f->waiting = false;
    if (unlikely(r == -ETIMEDOUT)) {
        f->expired = NULL;
        if (scoped)
            scope_expired(f, deadline);
    }
    return r;
}

/* ---- yield, sleep, clock ------------------------------------------------ */

void grove_yield(void)
{
    struct hub *hub = hub_self();
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    assert(f != hub->loop_fiber);
    f->state = FIBER_READY;
    run_queue_push(&hub->queue, &f->run);
    struct grove_fiber *next = hub_next(hub);
    if (next == f)
        f->state = FIBER_RUNNING;
    else
        hub_switch(hub, f, next);
}

/* Sleeping until now or before: the others get their turn all the same. */
static int give_turn(struct hub *hub)
{
    if (take_kill(hub->current))
        return -ECANCELED;
    grove_yield();
    return 0;
}

int grove_sleep_until(int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    if (deadline <= hub_clock())
        return give_turn(hub);
    bool scoped;
    earliest(hub->current, deadline, &scoped);
    int r = hub_wait(hub, deadline, "sleep", -1);
    return r == -ETIMEDOUT && !scoped ? 0 : r;
}

int grove_sleep(int64_t ns)
{
    if (ns > 0)
        return grove_sleep_until(hub_deadline(ns));
    struct hub *hub = hub_self();
    return hub ? give_turn(hub) : -errno;
}

int64_t grove_now(void)
{
    return hub_clock();
}

/* ---- timeout scopes ------------------------------------------------------ */

void grove_timeout_begin(grove_timeout *t, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    t->outer = f->scope;
    t->deadline = deadline;
    t->effective = t->outer && t->outer->effective < deadline
                       ? t->outer->effective
                       : deadline;
    t->expired = false;
    f->scope = t;
}

int grove_timeout_end(grove_timeout *t)
{
    struct hub *hub = hub_self();
    if (!hub)
        return 0;
    struct grove_fiber *f = hub->current;
    if (!f->scope) /* it could not begin: no hub, for want of memory */
        return 0;
    assert(f->scope == t && "timeout scopes end innermost first");
    f->scope = t->outer;
    return t->expired ? -ETIMEDOUT : 0;
}

/* ---- shielded regions ---------------------------------------------------- */

void grove_shield_begin(grove_shield *s)
{
    struct hub *hub = hub_self();
    s->scope = NULL;
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    s->scope = f->scope;
    f->scope = NULL;
    f->shields++;
}

void grove_shield_end(grove_shield *s)
{
    struct hub *hub = hub_self();
    if (!hub || !hub->current->shields) /* no memory for a hub at its begin */
        return;
    struct grove_fiber *f = hub->current;
    assert(!f->scope && "timeout scopes begun in a shield end in it");
    f->scope = s->scope;
    f->shields--;
}

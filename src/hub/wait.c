/*
 * Parking and what ends it: a wake, a deadline, the deadline of an enclosing
 * scope, a kill.
 */
#include "hub/wait.h"

#include <assert.h>

__attribute__((always_inline)) static inline int park(struct hub *hub,
                                                      struct grove_fiber *f)
{
    assert(hub == hub_of_thread && hub->current == f);
    assert(f->state == FIBER_RUNNING);
    f->state = FIBER_PARKED;
    struct grove_fiber *next = hub_next(hub);
    if (unlikely(next == f)) /* a birth has found that it is its turn */
        f->state = FIBER_RUNNING;
    else
        hub_switch(hub, f, next);
    return f->wake_result;
}

int hub_park(struct hub *hub)
{
    return park(hub, hub->current);
}

static void on_deadline(struct timer *timer)
{
    hub_wake(container_of(timer, struct grove_fiber, timer), -ETIMEDOUT);
}

/* The wait was ended by the deadline of a scope: by the innermost of those
 * that have it. */
void hub_scope_expired(struct grove_fiber *f, int64_t deadline)
{
    for (struct grove_timeout *t = f->scope; t; t = t->outer) {
        assert(t->effective <= t->deadline);
        if (t->deadline == deadline) {
            if (!t->expired)
                f->expired = t;
            t->expired = true;
            f->ending = GROVE_ENDED_BY_SCOPE;
            f->ending_cause = t->cause;
            return;
        }
    }
}

static void killed(struct grove_fiber *f)
{
    f->ending = GROVE_ENDED_BY_KILL;
    f->ending_cause = f->kill_cause;
}

void hub_wait_undo(struct grove_fiber *f, int r)
{
    assert(f->state == FIBER_RUNNING && !f->waiting);
    f->ending = GROVE_ENDED_NONE;
    if (r == -ECANCELED)
        f->cancelled = true;
    if (r == -ETIMEDOUT && f->expired)
        f->expired->expired = false;
}

bool hub_take_kill(struct grove_fiber *f)
{
    if (likely(!f->cancelled) || f->shield)
        return false;
    f->cancelled = false;
    killed(f);
    return true;
}

/* What is further away, in nanoseconds, is yet to come by the clock that is
 * behind as well, and looking at that one is cheap. */
#define SOON (100 * GROVE_MILLISECOND)

/* f is going to be woken at deadline, if that is yet to come, or it looks: then
 * one that has passed is waited for all the same, until the loop looks around.
 * Whether it is. */
__attribute__((noinline)) static bool
set_timer(struct hub *hub, struct grove_fiber *f, int64_t deadline, bool looks)
{
    if (!looks && deadline <= hub_clock_coarse() + SOON &&
        deadline <= hub_clock())
        return false;
    f->timer.fn = on_deadline;
    timer_add(&hub->timers, &f->timer, deadline);
    return true;
}

__attribute__((always_inline)) static inline int wait_for(struct hub *hub,
                                                          int64_t deadline,
                                                          const char *what,
                                                          int fd, bool looks)
{
    struct grove_fiber *f = hub->current;
    assert(!hub->in_callback || f != hub->loop_fiber); /* it must not wait */
    assert(!f->waiting && !timer_pending(&f->timer));
    if (unlikely(hub_take_kill(f)))
        return -ECANCELED;
    bool scoped;
    deadline = hub_effective_deadline(f, deadline, &scoped);
    f->reason = (struct wait_reason){what, fd, hub->now};
    f->waiting = true;
    int r;
    if (deadline == GROVE_NEVER || set_timer(hub, f, deadline, looks)) {
        r = park(hub, f);
        /* The next wait is likely to have a deadline as well, a later one. */
        timer_rest(&hub->timers, &f->timer);
    } else {
        r = -ETIMEDOUT;
        f->waiting = false; /* it runs: a kill in its turn is told next time */
        hub_turn_in_vain(hub);
    }
    f->waiting = false;
    if (unlikely(r == -ETIMEDOUT)) {
        f->expired = NULL;
        f->ending = GROVE_ENDED_BY_DEADLINE;
        f->ending_cause = NULL;
        if (scoped)
            hub_scope_expired(f, deadline);
    } else if (unlikely(r == -ECANCELED)) {
        killed(f);
    }
    return r;
}

int hub_wait_counted(struct hub *hub, int64_t deadline, const char *what,
                     int fd)
{
    return wait_for(hub, deadline, what, fd, false);
}

int hub_wait_looking_counted(struct hub *hub, int64_t deadline,
                             const char *what)
{
    return wait_for(hub, deadline, what, -1, true);
}

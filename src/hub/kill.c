/*
 * Bringing about a fiber's end. A kill is told once, at a suspension point, and
 * a fiber may take its time, or ignore it. Who kills several and waits for
 * their ends tells those that are left again, after pauses that grow.
 */
#include <assert.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/wait.h"

/* Between two kills of the same fibers: long enough to clean up in, usually, at
 * first; and seldom enough, later, to cost nothing. */
#define PAUSE_MIN (10 * GROVE_MILLISECOND)
#define PAUSE_MAX GROVE_SECOND

/* f has not run and never will: its stack holds nothing. It is out of the queue
 * before its argument is taken back, so that nothing done there reaches it. */
static void end_unrun(struct hub *hub, struct grove_fiber *f)
{
    if (run_queued(&f->run))
        run_queue_remove(&f->run);
    timer_remove(&hub->timers, &f->timer);
    hub_drop_argument(f);
    hub_fiber_complete(hub, f, -ECANCELED);
    if (unlikely(hub->watched))
        hub_tell_end(f);
    hub_fiber_gone(hub);
    hub_fiber_unref(f);
}

int grove_kill(grove_fiber *f)
{
    return grove_kill_for(f, NULL);
}

int grove_kill_for(grove_fiber *f, const void *cause)
{
    struct hub *hub = f->hub;
    assert(hub == hub_of_thread);
    if (f == &hub->root)
        return -EINVAL;
    f->kill_cause = cause;
    switch ((enum fiber_state)f->state) {
    case FIBER_ENDED:
        return -ESRCH;
    case FIBER_NEW:
        if (!f->cancelled) { /* else it is being ended, and this called so */
            f->cancelled = true;
            end_unrun(hub, f);
        }
        return 0;
    case FIBER_PARKED:
        if (f->waiting && !f->shield) {
            hub_wake(f, -ECANCELED);
            return 0;
        }
        break;
    case FIBER_READY:
    case FIBER_RUNNING:
    case FIBER_STRANDED:
        break;
    }
    f->cancelled = true;
    return 0;
}

static int64_t longer_pause(int64_t pause)
{
    return pause < PAUSE_MAX / 2 ? 2 * pause : PAUSE_MAX;
}

int hub_await_killed(struct hub *hub, int64_t deadline, void (*kill)(void *arg),
                     int (*wait)(void *arg, int64_t deadline), void *arg)
{
    int64_t pause = PAUSE_MIN;
    for (;;) {
        int64_t soon = hub_deadline(pause);
        const grove_timeout *scope = hub->current->scope;
        bool again = soon < deadline && !(scope && scope->effective < soon);
        int r = wait(arg, again ? soon : deadline);
        if (r != -ETIMEDOUT || !again)
            return r;
        kill(arg);
        pause = longer_pause(pause);
    }
}

int hub_kill_rounds(struct hub *hub, int64_t deadline, void (*kill)(void *arg),
                    int (*wait)(void *arg, int64_t deadline), void *arg)
{
    kill(arg);
    return hub_await_killed(hub, deadline, kill, wait, arg);
}

/* ---- without anybody who waits --------------------------------------------- */

static void arm(struct hub *hub, struct kill_again *k)
{
    timer_add(&hub->timers, &k->timer, hub_deadline(k->pause));
}

static void on_pause(struct timer *timer)
{
    struct kill_again *k = container_of(timer, struct kill_again, timer);
    k->pause = longer_pause(k->pause);
    arm(hub_of_thread, k);
    k->kill(k);
}

int hub_kill_again_open(struct hub *hub)
{
    return timer_claim(&hub->timers);
}

void hub_kill_again_close(struct hub *hub, struct kill_again *k)
{
    hub_kill_again_stop(hub, k);
    timer_unclaim(&hub->timers);
}

void hub_kill_again_start(struct hub *hub, struct kill_again *k,
                          void (*kill)(struct kill_again *k))
{
    assert(hub == hub_of_thread);
    hub_kill_again_stop(hub, k);
    k->timer.fn = on_pause;
    k->kill = kill;
    k->pause = PAUSE_MIN;
    arm(hub, k);
    kill(k);
}

void hub_kill_again_stop(struct hub *hub, struct kill_again *k)
{
    assert(hub == hub_of_thread);
    timer_remove(&hub->timers, &k->timer);
}

/* Those to kill: the caller may be among them, and is left alone. */
struct doomed {
    struct hub *hub; /* the caller's, and theirs */
    grove_fiber *const *fs;
    size_t n; /* of fs */
};

static bool is_left(const struct doomed *d, const grove_fiber *f)
{
    return f != d->hub->current && f->state != FIBER_ENDED;
}

static void kill_each(void *arg)
{
    const struct doomed *d = arg;
    for (size_t i = 0; i < d->n; i++) {
        if (is_left(d, d->fs[i]))
            grove_kill(d->fs[i]);
    }
}

static int await_each(void *arg, int64_t deadline)
{
    const struct doomed *d = arg;
    for (size_t i = 0; i < d->n; i++) {
        while (is_left(d, d->fs[i])) {
            int r = hub_await_end(d->hub, d->fs[i], deadline, "kill_all");
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int grove_kill_all_until(grove_fiber *const *fs, size_t n, int64_t deadline)
{
    struct doomed d = {.hub = hub_of_thread, .fs = fs, .n = n};
    if (n == 0)
        return 0;
    assert(d.hub && fs[0]->hub == d.hub);
    int r = hub_kill_rounds(d.hub, deadline, kill_each, await_each, &d);
    hub_turn(d.hub); /* all may have ended before */
    return r;
}

int grove_kill_all(grove_fiber *const *fs, size_t n)
{
    return grove_kill_all_until(fs, n, GROVE_NEVER);
}

/*
 * The loop of a hub: who is next, and what is done when nobody is.
 *
 * A pass:
 *
 *     what is due, for a pass --> look --> poll --> expired timers --+
 *        ^                                                           |
 *        +-----------------------------------------------------------+
 *
 * A pass ends when nothing is due, after HUB_PASS switches, or after
 * HUB_PASS_TIME: pace.c.
 *
 * The look queues what other threads have sent. The poll does not sleep while
 * something is due. Before one that sleeps, the hub may have a glance that does
 * not, or spin for a while (spin.c), and pooled stacks are trimmed, a bounded
 * number at a time.
 *
 * Everything here is called on the hub's thread: hub_next_slow in the fiber
 * that parks or ends, the rest in the loop fiber.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "fiber/tls_masks.h"
#include "hub/clock.h"
#include "hub/hooks.h"
#include "hub/hub.h"
#include "hub/numbers.h"
#include "hub/part.h"
#include "hub/spin.h"
#include "hub/stall.h"

/* Pooled stacks looked at before a poll that sleeps. */
#define TRIM_STEP 64

/* A sleep shorter than this, in nanoseconds, is no idleness: the pooled stacks
 * are likely to be wanted again, and only one is looked at. To give one back
 * and to have its page again costs the kernel some microseconds: a thousand
 * times a second, that is not to be seen. */
#define TRIM_SLEEP GROVE_MILLISECOND

/* Whether there may be another switch in this pass. */
static bool goes_on(struct hub *hub)
{
    return hub->budget > 0 || hub_pass_extend(hub);
}

static struct grove_fiber *find_next(struct hub *hub)
{
    assert(hub == hub_of_thread && hub->budget <= HUB_PASS);
    const struct run *first = hub->queue.ends.next;
    if (!first->call && !first->birth)
        hub->budget++; /* hub_next has counted a switch that it did not make */
    while (!hub->in_callback && goes_on(hub)) {
        struct run *run = hub->queue.ends.next;
        if (run->call)
            break;
        run_queue_remove(run);
        hub->budget--;
        struct grove_fiber *f =
            run->birth ? run->birth(run)
                       : container_of(run, struct grove_fiber, run);
        if (f)
            return f;
    }
    return hub->loop_fiber;
}

struct grove_fiber *hub_next_slow(struct hub *hub)
{
    struct grove_fiber *next = find_next(hub);
    if (unlikely(!hub->turned))
        hub_stall_begin(hub, hub_clock_coarse());
    else if (next == hub->loop_fiber)
        hub_stall_look(hub, hub_clock_coarse(), hub->current);
    if (unlikely(hub->watched))
        hub_tell_switch(hub, next);
    return next;
}

static void call(struct hub *hub, struct run *run)
{
    int budget = hub->budget;
    assert(!hub->in_callback && hub->current == hub->loop_fiber);
    hub->in_callback = true;
    hub->budget = 0;
    hub->switches -= (uint64_t)budget; /* they are not made meanwhile */
    run->call(run);
    assert(hub->in_callback && hub->current == hub->loop_fiber);
    assert(hub->budget == 0);
    hub->in_callback = false;
    hub->budget = budget;
    hub->switches += (uint64_t)budget;
    hub_stall_look(hub, hub_clock_coarse(), hub->loop_fiber);
    if (unlikely(hub->watched))
        hub_pass_narrow(hub);
}

/* From the loop fiber to f; returns when a parking fiber finds nobody else. */
static void give_way(struct hub *hub, struct grove_fiber *f)
{
    struct grove_fiber *self = hub->loop_fiber;
    self->state = FIBER_PARKED;
    if (unlikely(hub->watched))
        hub_tell_switch(hub, f);
    hub_switch(hub, self, f);
}

static void run_due(struct hub *hub)
{
    while (!run_queue_empty(&hub->queue) && goes_on(hub)) {
        struct run *run = hub->queue.ends.next;
        run_queue_remove(run);
        hub->budget--;
        if (run->call) {
            call(hub, run);
            continue;
        }
        struct grove_fiber *f =
            run->birth ? run->birth(run)
                       : container_of(run, struct grove_fiber, run);
        if (f)
            give_way(hub, f);
    }
}

int64_t hub_sleep_limit(struct hub *hub)
{
    if (!run_queue_empty(&hub->queue))
        return 0;
    if (!hub->timers.count)
        return -1;
    int64_t first = timer_first(&hub->timers);
    int64_t now = hub_clock();
    return first > now ? first - now : 0;
}

/* No timer runs, nobody waits for a descriptor, no post is expected, but for
 * those that do not count; and no fixture knows of anything else. */
static bool nothing_to_come(const struct hub *hub)
{
    if (hub->timers.count + hub->loop.waits + hub->holds > hub->unref)
        return false;
    for (size_t i = 0; hub->fixtures[i]; i++) {
        if (hub->fixtures[i]->expects && hub->fixtures[i]->expects(hub))
            return false;
    }
    return true;
}

/* How many events there are, or -errno. */
static int poll_hosted(struct hub *hub, struct loop_events *events)
{
    const sigset_t *mask = hub->host->poll_prepare(hub);
    /* What the host did there may be a reason not to sleep. */
    int64_t timeout = nothing_to_come(hub) ? 0 : hub_sleep_limit(hub);
    hub->host->poll_begin(hub);
    int n = loop_wait(&hub->loop, events, timeout, mask);
    hub->host->poll_end(hub, n == -EINTR);
    return n;
}

/* To load a C++ runtime takes 600 us: in a shorter time this thread has loaded
 * none. */
#define REFRESH_TIME (100 * GROVE_MICROSECOND)

/* Before a sleep of timeout nanoseconds: looks whether a C++ runtime was
 * loaded, unless it did so a moment ago, going by the time from which timeout
 * was told. A look takes 35 ns and a lock that all threads share, a reading of
 * the clock no less: so without timers it looks each time. */
static void refresh_thread(struct hub *hub, int64_t timeout)
{
    int64_t now = hub->timers.count && timeout > 0
                      ? timer_first(&hub->timers) - timeout
                      : 0;
    if (now && now - hub->refreshed < REFRESH_TIME)
        return;
    fiber_thread_refresh(&hub->thread);
    hub->refreshed = now;
}

void (*hub_interrupted)(struct hub *hub);
_Atomic bool hub_threads_are_fibers;

/* What the kernel is to block during the sleep; NULL: what it does now, for
 * whoever could run here blocks no less. */
static const sigset_t *mask_asleep(struct hub *hub, sigset_t *room)
{
    struct tls_thread *home = &hub->own_tls;
    if (likely(!home->mask))
        return NULL;
    uint64_t mask = tls_masks_asleep(home);
    if (mask == home->mask)
        return NULL;
    sigemptyset(room);
    memcpy(room, &mask, sizeof(mask)); /* the kernel's part of it */
    return room;
}

static int sleep_for(struct hub *hub, struct loop_events *events,
                     int64_t timeout)
{
    sigset_t mask;
    if (unlikely(hub->watched))
        hub_tell_sleep(hub);
    int n = hub->host ? poll_hosted(hub, events)
                      : loop_wait(&hub->loop, events, timeout,
                                  mask_asleep(hub, &mask));
    if (unlikely(hub->watched))
        hub_tell_awake(hub);
    return n;
}

/* A poll that may sleep: other threads' posts must interrupt it. */
static void poll_sleeping(struct hub *hub, int64_t timeout)
{
    assert(run_queue_empty(&hub->queue) && !atomic_load(&hub->polling));
    int64_t began = hub_spin_sleeps(hub);
    atomic_store(&hub->polling, true);
    bool mail = hub->look(hub);
    if (!mail) {
        struct loop_events events;
        refresh_thread(hub, timeout);
        hub_pace_reset(hub);
        hub_numbers_sleep(hub);
        int n = sleep_for(hub, &events, timeout);
        hub_watch_look(hub); /* it may have been long */
        loop_dispatch(&hub->loop, &events, n);
        if (unlikely(n == -EINTR) && hub_interrupted && !hub->host)
            hub_interrupted(hub);
    }
    atomic_store(&hub->polling, false);
    hub_stall_awake();
    hub->turned = STALL_ASLEEP;
    if (hub->look(hub) || mail)
        hub_spin_slept(hub, began);
}

/* At most so many polls are not preceded by a glance. */
#define GLANCES_OFF 31

/* Under load the next events are there when the last have been dealt with. Then
 * a poll that cannot sleep costs a third of one that could: the kernel needs no
 * clock for it, nobody need be told of a sleep, and what the pace knows stays
 * known. Whether there were any; after one glance in vain the next one is left
 * out, after two in a row three, and so on, so that a hub which does sleep pays
 * for few of them. A host is asked before each poll, and has none. */
static bool glance(struct hub *hub)
{
    if (hub->host || !run_queue_empty(&hub->queue) || !hub->loop.waits)
        return false;
    if (hub->glances_off > 0) {
        hub->glances_off--;
        return false;
    }
    if (loop_poll(&hub->loop, 0) > 0) {
        hub->glances_failed = 0;
        return true;
    }
    hub->glances_failed = 2 * hub->glances_failed + 1;
    if (hub->glances_failed > GLANCES_OFF)
        hub->glances_failed = GLANCES_OFF;
    hub->glances_off = hub->glances_failed;
    return false;
}

/* Before a poll that may sleep for timeout (-1: for ever): whether more is left
 * to be done first. */
static bool trim_stacks(struct hub *hub, int64_t timeout)
{
    if (timeout < 0 || timeout >= TRIM_SLEEP)
        return stack_pool_trim(&hub->stacks, TRIM_STEP);
    stack_pool_trim(&hub->stacks, 1);
    return false;
}

static void poll_or_sleep(struct hub *hub)
{
    int64_t timeout = hub_sleep_limit(hub);
    if (timeout == 0) {
        if (hub->loop.waits)
            loop_poll(&hub->loop, 0);
    } else if (hub_spin(hub, timeout)) {
        hub->look(hub);
    } else if (trim_stacks(hub, timeout)) {
        loop_poll(&hub->loop, 0); /* more to trim: come back */
    } else if (nothing_to_come(hub)) {
        hub_deadlock(hub);
    } else {
        poll_sleeping(hub, timeout);
    }
}

static void look_around(struct hub *hub)
{
    hub->look(hub);
    if (hub->later == 0) /* a full pass: busy, it may be long till a sleep */
        fiber_thread_refresh(&hub->thread);
    if (!glance(hub))
        poll_or_sleep(hub);
    if (hub->timers.count) {
        hub->now = hub_clock();
        timer_expire(&hub->timers, hub->now);
        hub_pass_begin(hub, hub->now);
    } else {
        hub->now = hub_clock_coarse(); /* only told to people: cheap will do */
        hub_pass_begin(hub, 0);
    }
    hub_stall_look(hub, hub->now, NULL);
    hub_numbers_look(hub);
}

void hub_run(struct hub *hub)
{
    for (;;) {
        run_due(hub);
        look_around(hub);
    }
}

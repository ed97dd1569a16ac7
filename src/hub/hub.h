/*
 * The hub: one thread's scheduler. It owns the thread's fibers, run queue,
 * timers and event loop. The states of a fiber are drawn in life.h, the pass of
 * the loop in run.c; README.md draws how the files of this folder stand on each
 * other.
 *
 * Invariants:
 *   1. Exactly one fiber of a hub is RUNNING while its thread is in grove code
 *      or user code; it is hub->current.
 *   2. A fiber is queued if and only if it is NEW (and not delayed) or READY.
 *   3. Nothing but park suspends a fiber and nothing but wake makes it READY,
 *      except a host's transfer, which goes to a fiber directly.
 *   4. A parking fiber switches straight to the next in the queue. The hub's
 *      own fiber, hub->loop_fiber, runs when the queue is empty, when a
 *      callback is due, or at the end of a pass, after HUB_PASS switches in a
 *      row or HUB_PASS_TIME: it polls, expires timers and runs callbacks. While
 * it is inside a callback (which only a host's transfer can leave), parking
 * fibers return to it.
 *   5. The thread's own stack is a fiber like the others, hub->root, which
 *      never ends. When it parks and nothing can wake anybody, it is woken with
 *      -EDEADLK.
 *   6. Only the hub's own thread touches it, except ->polling, ->posters,
 *      ->references, the ring of hubs, the mailbox and the loop's wake-up.
 */
#ifndef GROVE_HUB_HUB_H
#define GROVE_HUB_HUB_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fiber/fiber.h"
#include "grove.h"
#include "hub/host.h"
#include "hub/life.h"
#include "hub/pace.h"
#include "hub/run_queue.h"
#include "hub/timer.h"
#include "loop/loop.h"

/* woken by a host's transfer, not by hub_wake */
#define HUB_TRANSFERRED 1

struct hub_fixture;
struct hub_part;
struct trace_ring;

/* Questions about names, which the layer above asks; counted here to be told
 * with the rest. */
struct hub_names {
    uint64_t asked, found, failed, timed_out; /* see grove_hub_info */
    uint64_t time; /* nanoseconds, of the last three */
};

struct hub {
    /* ---- running */
    struct fiber_thread thread;  /* what a switch needs of the thread */
    struct grove_fiber *current; /* who is RUNNING */
    struct run_queue queue;      /* what is due */
    int budget;                  /* switches until the clock is read, to see
                                    whether the pass goes on; 0 inside a
                                    callback */
    int calls;                   /* that could have waited, before the one at
                                    which the clock is read; see hub_turn */
    bool in_callback;            /* the loop fiber is inside a callback */
    bool owes_turn; /* who made the last call of a countdown was about to wait,
                       and was to let others run by that; see hub_turn_slow */
    bool watched; /* somebody is told of events: a budget is one switch, so that
                     each goes by hub_next_slow; see hooks.h */
    struct trace_ring *trace; /* where events are kept; NULL: nowhere */
    unsigned watch_seen; /* of whom there is to be told, when last looked at */
    const struct grove_host *host; /* NULL: none */
    bool keep_stacks; /* when the thread ends: a host's objects point there */
    struct grove_fiber *loop_fiber; /* runs the loop, on a stack of its own */
    int64_t now;                    /* the clock when last looked at */
    int64_t turned; /* the clock, the last time that it was seen that the hub
                       turns; 0: it has not begun to. STALL_ASLEEP: see there */
    uint64_t turned_switches; /* how many it had made then */
    int64_t numbers_due;      /* when they are published next (numbers.c) */
    int64_t refreshed;        /* when a C++ runtime was last looked for; 0: not
                                 known */
    struct timer_heap timers; /* a claim is each fiber's, and the root's */
    uint64_t next_id;         /* of the fiber that is made next */
    uint64_t identity, identity_end; /* its next one, and the last before which
                                        others are taken (life.c) */

    /* ---- reasons to go on when nothing is due, besides timers and loop.waits;
     * fixtures may know of others (hub_fixture.expects) */
    size_t holds;        /* see grove_hub_hold */
    size_t unref;        /* of the timers and waits, those that are no reason to
                            go on when nothing else is left */
    size_t shared_waits; /* parked where another thread may wake them */

    /* ---- what hangs on it: part.h */
    const struct hub_fixture *const *fixtures; /* those every hub has */
    struct hub_part *parts;                    /* the others, newest first */
    /* Queues what other threads have sent. Whether there was any. */
    bool (*look)(struct hub *hub);

    /* ---- other threads */
    _Atomic bool polling;        /* a poster must interrupt the loop */
    _Atomic unsigned posters;    /* other threads that are about to post or in
                                    the middle of it */
    _Atomic unsigned references; /* the thread's, and of grove_hub_retain */
    bool dead;        /* in a forked child: its thread is not there */
    bool forks_alone; /* a host's: a child has none of its fibers but the one
                         that forks; false again in the child */
    struct grove_fiber *survivor; /* in such a child: that one; NULL: in all
                                     other processes */
    bool ending;                  /* its thread ends: nobody runs any more */
    bool embedded;                /* another loop runs it: embed.c */
    bool told_elsewhere;          /* of its stalls: by its host */
    struct hub *next_hub, *previous_hub; /* the ring of all; see list.c */

    struct stack_pool stacks;
    struct loop loop;
    struct grove_fiber root;   /* the thread's own stack */
    unsigned loop_fibers;      /* how many loop_fiber there have been */
    unsigned glances_off;      /* polls that are to sleep without a glance
                                  before: run.c */
    unsigned glances_failed;   /* so many are left out after the next one that
                                  finds nothing */
    struct tls_thread own_tls; /* for fibers that have blocks of their own */
    uint64_t offloads;         /* jobs that its fibers gave to worker threads */
    uint64_t waits[GROVE_WAIT_KINDS]; /* that its fibers began */
    struct hub_names names;           /* what they asked about names */

    /* ---- pace.c's */
    int later;             /* switches of this pass, once budget is used up */
    struct pace strides;   /* of the switches of a pass: each grants a budget */
    struct pace call_pace; /* of the calls: each countdown's length */
    int64_t pass_began;    /* the clock, when the pass began, or when it was
                              first read after that; 0: not read yet */
    uint64_t switches;     /* granted to passes so far; made: less budget */
};

/* The calling thread's; NULL: it has none. */
extern GROVE_HOST_API __thread struct hub *hub_of_thread
    __attribute__((tls_model("initial-exec")));

/* The thread's hub, made now if it has none; NULL with errno. */
GROVE_HOST_API struct hub *hub_create(void);

static inline struct hub *hub_self(void)
{
    struct hub *hub = hub_of_thread;
    return likely(hub != NULL) ? hub : hub_create();
}

/* A signal has ended the sleep of hub, which has no host: a fiber that waits in
 * the place of a system call may have to be told. The patch layer's; NULL:
 * there is nobody. Set before anybody waits so. */
extern GROVE_HOST_API void (*hub_interrupted)(struct hub *hub);

/* Threads that are created are fibers: no host may be registered, for its own
 * threads would be fibers of the hub that it has. The patch layer's. */
extern GROVE_HOST_API _Atomic bool hub_threads_are_fibers;

/* How many processors this thread may run on: hubs.c. */
unsigned hub_processors(void);

/* ---- switching --------------------------------------------------------- */

/* How many switches it has made. */
static inline uint64_t hub_switches(const struct hub *hub)
{
    return hub->switches - (uint64_t)hub->budget;
}

/* What holds before and after each switch, whichever way it is made; checked in
 * builds with assertions. `from` is about to be left, is no longer called
 * RUNNING, and will not be lost: it is queued, or waits to be woken. */
static inline void hub_assert_leaves(const struct hub *hub,
                                     const struct grove_fiber *from)
{
    (void)hub;
    (void)from;
    assert(hub == hub_of_thread && from->hub == hub && hub->current == from);
    assert(from->state == FIBER_PARKED || from->state == FIBER_READY);
    assert(run_queued(&from->run) == (from->state == FIBER_READY));
}

/* `to` can run: it has been taken out of the queue, or it is suspended. */
static inline void hub_assert_next(const struct hub *hub,
                                   const struct grove_fiber *to)
{
    (void)hub;
    (void)to;
    assert(to->hub == hub && to != hub->current && !run_queued(&to->run));
    assert(to->state != FIBER_RUNNING && to->state != FIBER_ENDED);
}

/* Somebody has come back to `from`, on the thread that it was left on. */
static inline void hub_assert_back(const struct hub *hub,
                                   const struct grove_fiber *from)
{
    (void)hub;
    (void)from;
    assert(hub == hub_of_thread && hub->current == from);
    assert(from->state == FIBER_RUNNING && !run_queued(&from->run));
}

/* Run `to` instead of the current fiber, which has been made READY or PARKED,
 * or is left as a host wants it. Returns when somebody comes back. */
__attribute__((always_inline)) static inline void
hub_switch(struct hub *hub, struct grove_fiber *from, struct grove_fiber *to)
{
    hub_assert_leaves(hub, from);
    hub_assert_next(hub, to);
    if (from->host)
        hub->host->suspend(from);
    hub->current = to;
    to->state = FIBER_RUNNING;
    fiber_switch(&hub->thread, &from->fiber, &to->fiber);
    hub_assert_back(hub, from);
    if (from->host)
        hub->host->resume(from);
}

/* Cache lines of a parked stack that its fiber comes back through: after a
 * yield, and after a wait inside a call of net/. */
#define HUB_LINES_YIELD 2
#define HUB_LINES_WAIT 8

/* With many fibers each one's words and stack have left the cache when its turn
 * comes. So one switch ahead the stack of the next is asked for (its record
 * came with the switch before), and the record of the one after. Inlined by
 * force: gcc 12 takes a function that only prefetches for one without effect
 * and leaves out calls of it. */
__attribute__((always_inline)) static inline void hub_prefetch(struct run *next)
{
    struct run *after = next->next;
    __builtin_prefetch(after);
    __builtin_prefetch((char *)after + 64);
    if (likely(!next->call && !next->birth)) {
        struct grove_fiber *f = container_of(next, struct grove_fiber, run);
        /* A number: it is NULL where nothing was left yet. */
        uintptr_t sp = (uintptr_t)context_sp(&f->fiber.context);
        for (uintptr_t i = 0; i < HUB_LINES_YIELD; i++)
            __builtin_prefetch((void *)(sp + 64 * i));
        if (f->waiting) {
            for (uintptr_t i = HUB_LINES_YIELD; i < HUB_LINES_WAIT; i++)
                __builtin_prefetch((void *)(sp + 64 * i));
        }
    }
}

/* Who runs when the current fiber parks or ends: taken out of the queue. */
GROVE_HOST_API struct grove_fiber *hub_next_slow(struct hub *hub);

__attribute__((always_inline)) static inline struct grove_fiber *
hub_next(struct hub *hub)
{
    struct run *run = hub->queue.ends.next;
    /* The queue's end counts as a callback, and a callback that runs as a pass
     * that is over, so that two tests tell the usual case: a fiber. */
    if (likely(!run->call && !run->birth && --hub->budget > 0)) {
        run_queue_remove(run);
        hub_prefetch(hub->queue.ends.next);
        return container_of(run, struct grove_fiber, run);
    }
    return hub_next_slow(hub);
}

/* The current fiber goes to the end of the queue, and the others run. */
__attribute__((always_inline)) static inline void hub_yield(struct hub *hub)
{
    struct grove_fiber *f = hub->current;
    assert(f != hub->loop_fiber && f->state == FIBER_RUNNING);
    f->state = FIBER_READY;
    run_queue_push(&hub->queue, &f->run);
    struct grove_fiber *next = hub_next(hub);
    if (next == f)
        f->state = FIBER_RUNNING;
    else
        hub_switch(hub, f, next);
}

/* ---- turns: pace.h says who gives them ------------------------------------- */

/* Nothing is known of what is to come: the hub is new, or is about to sleep. */
static inline void hub_pace_reset(struct hub *hub)
{
    hub->strides.began = hub->call_pace.began = 0;
    hub->strides.length = hub->call_pace.length = PACE_FIRST;
    hub->calls = PACE_FIRST - 1;
}

/* Begins a pass; the clock was `now`, 0 if it was not read. */
static inline void hub_pass_begin(struct hub *hub, int64_t now)
{
    int first = hub->watched ? 1 : hub->strides.length;
    assert(!hub->in_callback && first > 0 && first <= HUB_PASS);
    hub->switches += (uint64_t)(first - hub->budget);
    hub->budget = first;
    hub->later = HUB_PASS - first;
    hub->pass_began = now;
}

/* From here on somebody is told of each switch, or of the first of a new hub:
 * what was granted is taken back but for one. */
static inline void hub_pass_narrow(struct hub *hub)
{
    assert(!hub->in_callback);
    if (hub->budget <= 1)
        return;
    hub->later += hub->budget - 1;
    hub->switches -= (uint64_t)hub->budget - 1;
    hub->budget = 1;
}

/* Counts a call that could have waited: whether hub_turn_slow is to follow. */
static inline bool hub_turn_due(struct hub *hub)
{
    assert(hub == hub_of_thread);
    return --hub->calls < 0; /* one instruction, as <= 0 is not */
}

/* The same, and does it. */
static inline void hub_turn(struct hub *hub)
{
    if (unlikely(hub_turn_due(hub)))
        hub_turn_slow(hub, true);
}

/* The same for a call on descriptor fd, as hub_turn_on_slow. */
static inline bool hub_turn_on(struct hub *hub, int fd)
{
    return likely(!hub_turn_due(hub)) || hub_turn_on_slow(hub, fd);
}

/* For calls that need no hub where they need not wait. */
static inline void hub_turn_if_any(void)
{
    if (likely(hub_of_thread))
        hub_turn(hub_of_thread);
}

/* ---- who is told of events: hooks.c ----------------------------------------- */

/* Only where hub->watched. By the current fiber: f was spawned; it will go on,
 * its park returns result; f has ended and is not current. */
GROVE_HOST_API void hub_tell_spawn(struct grove_fiber *f);
GROVE_HOST_API void hub_tell_wake(struct grove_fiber *f, int result);
GROVE_HOST_API void hub_tell_end(struct grove_fiber *f);
/* f has another name. */
void hub_tell_name(struct grove_fiber *f);
/* The current fiber goes over to `next`, and its state says why. */
GROVE_HOST_API void hub_tell_switch(struct hub *hub,
                                    const struct grove_fiber *next);

/* Make f READY if it is parked; its park returns result. Otherwise nothing. */
static inline void hub_wake(struct grove_fiber *f, int result)
{
    assert(f->hub == hub_of_thread);
    assert(f == &f->hub->root || f->references > 0);
    if (f->state != FIBER_PARKED)
        return;
    f->state = FIBER_READY;
    f->wake_result = result;
    if (unlikely(f->hub->watched))
        hub_tell_wake(f, result);
    run_queue_push(&f->hub->queue, &f->run);
}

/* For a run's birth: whether it can be f's turn, which is to be returned then.
 * One that is parked goes on as if it were woken; any other has been woken
 * already and has a place in the queue. */
static inline bool hub_turn_of(struct grove_fiber *f)
{
    assert(f->hub == hub_of_thread);
    if (unlikely(f->state != FIBER_PARKED))
        return false;
    f->wake_result = 0;
    if (unlikely(f->hub->watched))
        hub_tell_wake(f, 0);
    return true;
}

/* Undo the wake of f, which is queued: instead is queued in its place. */
static inline void hub_unwake(struct grove_fiber *f, struct run *instead)
{
    assert(f->state == FIBER_READY && run_queued(&f->run));
    struct run *next = f->run.next;
    run_queue_remove(&f->run);
    f->state = FIBER_PARKED;
    run_queue_push_before(next, instead);
}

/* hub_wake, and to the head of the queue. */
static inline void hub_wake_first(struct grove_fiber *f, int result)
{
    if (f->state != FIBER_PARKED)
        return;
    hub_wake(f, result);
    run_queue_remove(&f->run);
    run_queue_push_first(&f->hub->queue, &f->run);
}

/* For a host: go to fiber `to` now, whatever it waits for, leaving the current
 * one as it is (neither queued nor woken). The host swaps its own state. */
__attribute__((always_inline)) static inline void
hub_transfer(struct hub *hub, struct grove_fiber *from, struct grove_fiber *to)
{
    if (run_queued(&to->run))
        run_queue_remove(&to->run);
    from->state = FIBER_PARKED;
    hub_assert_leaves(hub, from);
    hub_assert_next(hub, to);
    if (unlikely(hub->watched))
        hub_tell_switch(hub, to);
    to->wake_result = HUB_TRANSFERRED;
    hub->current = to;
    to->state = FIBER_RUNNING;
    fiber_switch(&hub->thread, &from->fiber, &to->fiber);
    hub_assert_back(hub, from);
}

/* How many have not ended, the root and the loop fiber left out. Each has a
 * claim on a timer, and so they are counted. */
static inline size_t hub_fibers(const struct hub *hub)
{
    return hub->timers.claims - hub->timers.others;
}

/* One of the hub's fibers is none any more: it will not wait again. */
static inline void hub_fiber_gone(struct hub *hub)
{
    timer_unclaim_for_fiber(&hub->timers);
}

/* The current fiber has ended: gives its stack back (when no handle is left)
 * and goes to `next`, or to whoever is next when that is NULL. Inline, because
 * a call that never returns puts the return predictor off. */
__attribute__((always_inline, noreturn)) static inline void
hub_fiber_end(struct hub *hub, struct grove_fiber *f, struct grove_fiber *next)
{
    assert(hub == hub_of_thread && hub->current == f && f != &hub->root);
    assert(!run_queued(&f->run) && !f->shared);
    assert(!timer_pending(&f->timer));
    if (unlikely(f->held != NULL)) /* a host's: others have been through this */
        hub_holder_ends(f);
    if (unlikely(f->timer.slot != 0)) /* its last wait's, at rest */
        timer_remove(&hub->timers, &f->timer);
    hub_fiber_gone(hub);
    f->state = FIBER_ENDED;
    if (!next) {
        next = hub_next(hub);
    } else {
        if (run_queued(&next->run))
            run_queue_remove(&next->run);
        if (unlikely(hub->watched))
            hub_tell_switch(hub, next);
    }
    hub_assert_next(hub, next);
    hub->current = next;
    next->state = FIBER_RUNNING;
    hub_fiber_unref(f);
    fiber_leave(&hub->thread, &f->fiber, &next->fiber);
}

/* ---- what the queue holds ---------------------------------------------- */

/* Queue run, which is not queued. */
static inline void hub_queue(struct hub *hub, struct run *run)
{
    assert(hub == hub_of_thread && (run->call || run->birth));
    run_queue_push(&hub->queue, run);
}

/* ---- the loop: run.c ----------------------------------------------------- */

/* The loop, forever; the loop fiber's body. */
GROVE_HOST_API void hub_run(struct hub *hub) __attribute__((noreturn));

/* How long a poll may sleep: 0 while something is due, -1 without limit. */
int64_t hub_sleep_limit(struct hub *hub);

/* Nothing is due and nothing is to come: somebody is told (deadlock.c). */
void hub_deadlock(struct hub *hub);

/* log2 of the stack that fibers get for which no size is asked (and where it is
 * kept, 0 as long as the environment was not read); any thread
 * (stack_default.c). */
extern _Atomic unsigned hub_default_shift __attribute__((visibility("hidden")));
unsigned hub_stack_shift_first(void);

static inline unsigned hub_stack_shift(void)
{
    unsigned shift =
        atomic_load_explicit(&hub_default_shift, memory_order_relaxed);
    return likely(shift != 0) ? shift : hub_stack_shift_first();
}

/* ---- its life: hub.c ------------------------------------------------------ */

/* Whether hub ends with its thread when the values of keys are destroyed, as it
 * does at first: another destructor that needs it has that put off, and must
 * see to it itself. On the hub's thread. */
GROVE_HOST_API void hub_ends_with_keys(struct hub *hub, bool ends);

/* Give the loop fiber a stack of this kind and size, for a host that runs its
 * callbacks there. Not from within a callback. 0 or -ENOMEM. */
GROVE_HOST_API int hub_set_loop_stack(struct hub *hub, enum stack_kind kind,
                                      unsigned shift);

/* Whether it has a host. Any thread that knows the hub not to be freed. */
static inline bool hub_hosted(const grove_hub *hub)
{
    return ((const struct hub *)hub)->host != NULL;
}

/* Gives up a reference of a hub; any thread. */
void hub_unref(struct hub *hub);

/* ---- its fibers: each.c --------------------------------------------------- */

/* Calls fn for every fiber of the hub that has not ended, but its root. */
GROVE_HOST_API void hub_each(struct hub *hub,
                             void (*fn)(struct grove_fiber *f, void *arg),
                             void *arg);

#endif

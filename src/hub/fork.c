/*
 * fork(): the child has the calling fiber and the thread's own stack, and a
 * fresh loop.
 *
 * Every other fiber of C ends there and then with -ECANCELED: nobody must find
 * two processes doing the same work. Their stacks are never used again in the
 * child: whatever they waited in (an event, a list of the user's) may still
 * point there, and finds a fiber that has ended. A host's fibers stay as they
 * are, since the host's objects refer to them; they and the thread's own stack
 * go on waiting for what they waited for, timers and descriptors included. But
 * where the host has said so (forks_alone) only the calling fiber does: the
 * others are stranded, and nothing that they or the host waited for comes, as
 * if they had been native threads. That is for children that do other work in
 * the place of the program, such as a pool's workers.
 *
 * Hubs of other threads do not exist in the child; their memory stays, unused.
 */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "fiber/log.h"
#include "hub/hub.h"
#include "hub/list.h"
#include "hub/part.h"

/* Fibers to end: first all are taken out of the hub, then all are ended, as the
 * end of one may concern another. */
struct victims {
    struct grove_fiber *first; /* linked by fn, which they need no more */
};

static void collect(struct grove_fiber *f, void *arg)
{
    struct victims *v = arg;
    struct hub *hub = f->hub;
    if (f->host || f == hub->current)
        return;
    if (run_queued(&f->run))
        run_queue_remove(&f->run);
    timer_remove(&hub->timers, &f->timer);
    f->state = FIBER_ENDED; /* nothing wakes it from here on */
    f->fn = (void *(*)(void *))(uintptr_t)v->first;
    v->first = f;
}

static void end_victims(struct hub *hub, struct victims *v)
{
    while (v->first) {
        struct grove_fiber *f = v->first;
        v->first = (struct grove_fiber *)(uintptr_t)f->fn;
        assert(f->state == FIBER_ENDED);
        hub_forget_at_end(f); /* it is the parent's business */
        f->held = NULL;       /* likewise; another thread may be at it */
        if (f->shared)
            hub->shared_waits--;
        hub_fiber_complete(hub, f, -ECANCELED);
        hub_fiber_gone(hub); /* its reference stays, so that its stack does */
    }
}

/* Whether who waits so has ended. One whose node is not on its stack is not
 * found out: its wake will come to nothing. */
static bool has_ended(struct loop_wait *wait, void *arg)
{
    struct hub *hub = arg;
    struct stack *stack = stack_by_address(&hub->stacks, wait);
    return stack && ((struct grove_fiber *)stack)->state == FIBER_ENDED;
}

static bool is_everybody(struct loop_wait *wait, void *arg)
{
    (void)wait;
    (void)arg;
    return true;
}

static void renew_loop(struct hub *hub)
{
    int r = loop_renew(&hub->loop, hub->forks_alone ? is_everybody : has_ended,
                       hub);
    if (r == 0)
        return;
    log_tell(GROVE_LOG_FATAL, "no event loop for the forked process");
    abort();
}

static void strand(struct grove_fiber *f, void *arg)
{
    const struct hub *hub = arg;
    if (f == hub->current)
        return;
    assert(!run_queued(&f->run) && !timer_pending(&f->timer));
    f->state = FIBER_STRANDED;
    f->waiting = false;
}

/* All but the current fiber, after those of C have been ended. Nothing is due
 * and nothing is to come afterwards; what the watchers and timers of the host
 * refer to stays, as the stranded do. */
static void strand_all(struct hub *hub)
{
    hub->forks_alone = false;
    hub->survivor = hub->current;
    while (!run_queue_empty(&hub->queue))
        run_queue_remove(hub->queue.ends.next);
    timer_remove_all(&hub->timers);
    hub_each(hub, strand, hub);
    strand(&hub->root, hub);
    hub->unref = 0;
    hub->shared_waits = 0;
}

/* The mailbox has been emptied: nothing of the parent's will wake anybody. */
static void forked(struct hub *hub)
{
    assert(hub == hub_of_thread && !hub->dead && !hub->ending);
    hub->holds = 0;
    /* A fork inside a callback leaves the loop fiber where it is; elsewhere it
     * is parked between two passes, in a poll or in giving way. */
    struct victims v = {NULL};
    hub_each(hub, collect, &v);
    renew_loop(hub);
    end_victims(hub, &v);
    if (hub->forks_alone)
        strand_all(hub);
}

static void in_child(void)
{
    struct hub *hub = hub_of_thread;
    hub_list_forked(hub);
    hub_list_unlock();
    if (!hub)
        return;
    for (size_t i = 0; hub->fixtures[i]; i++) {
        if (hub->fixtures[i]->forked)
            hub->fixtures[i]->forked(hub);
    }
    if (hub->host)
        hub->host->forked(hub);
}

static void watch_forks(void)
{
    pthread_atfork(hub_list_lock, hub_list_unlock, in_child);
}

const struct hub_fixture hub_fork_fixture = {
    .once = watch_forks,
    .forked = forked,
};

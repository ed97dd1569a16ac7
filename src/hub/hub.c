/*
 * A hub's life and its loop. What states fibers go through, and the invariants,
 * are in hub.h.
 *
 * A pass of the loop:
 *
 *     due nodes, up to HUB_PASS --> mail --> poll --> expired timers --+
 *        ^                                                             |
 *        +-------------------------------------------------------------+
 *
 * The poll does not sleep while something is due. Before one that sleeps,
 * pooled stacks are trimmed, a bounded number at a time.
 */
#include "hub/hub.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fiber/overflow.h"

/* Pooled stacks looked at before a poll that sleeps. */
#define TRIM_STEP 64

/* A sleep shorter than this, in nanoseconds, is no idleness: the pooled stacks
 * are likely to be wanted again, and only one is looked at. */
#define TRIM_SLEEP (100 * GROVE_MICROSECOND)

__thread struct hub *hub_of_thread __attribute__((tls_model("initial-exec")));

static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void run_queue_end(struct run *run)
{
    (void)run;
    assert(!"the end of the run queue is nobody's callback");
}

static void abandon(struct grove_fiber *f, void *arg)
{
    if (f->shared)
        f->shared->abandon(f->shared);
}

/* Nobody may wake the fibers that are left any more; those who are about to are
 * waited for. */
static void leave_others(struct hub *hub)
{
    hub->ending = true;
    hub_each(hub, abandon, NULL);
    while (atomic_load(&hub->posters))
        sched_yield();
}

static void hub_destroy(void *arg)
{
    struct hub *hub = arg;
    hub_list_remove(hub);
    leave_others(hub);
    while (hub->parts) {
        struct hub_part *part = hub->parts;
        hub->parts = part->next;
        part->end(part);
    }
    struct fiber_locals *locals = hub->root.locals;
    hub->root.locals = NULL;
    if (locals)
        locals->destroy(locals);
    hub_close_mailbox(hub);
    overflow_unwatch();
    loop_destroy(&hub->loop);
    if (!hub->keep_stacks)
        stack_pool_destroy(&hub->stacks);
    hub_of_thread = NULL;
    hub_unref(hub);
}

static void once_a_process(void)
{
    pthread_key_create(&thread_end, hub_destroy);
    hub_watch_forks();
    hub_list_watch_signal();
}

static void loop_entry(void *arg)
{
    struct grove_fiber *f = arg;
    fiber_started(&f->hub->thread, &f->fiber);
    if (f->host)
        f->hub->host->begin(f);
    hub_run(f->hub);
}

static void root_init(struct hub *hub)
{
    struct grove_fiber *root = &hub->root;
    fiber_adopt_thread(&root->fiber);
    root->fiber.id = 1;
    fiber_set_name(&root->fiber, "main");
    root->hub = hub;
    root->state = FIBER_RUNNING;
    root->references = 1;
    links_init(&root->links);
    hub->current = root;
    hub->next_id = 2;
}

struct hub *hub_create(void)
{
    pthread_once(&once, once_a_process);
    struct hub *hub = NULL;
    if (posix_memalign((void **)&hub, 64, sizeof(*hub))) {
        errno = ENOMEM;
        return NULL;
    }
    memset(hub, 0, sizeof(*hub));
    int r = loop_init(&hub->loop);
    if (r < 0)
        goto fail_loop;
    stack_pool_init(&hub->stacks, sizeof(struct grove_fiber),
                    offsetof(struct grove_fiber, fiber.eh_saved));
    fiber_thread_init(&hub->thread);
    run_queue_init(&hub->queue);
    hub->budget = HUB_PASS;
    atomic_store(&hub->references, 1);
    links_init(&hub->ended_links);
    hub->ended_run.call = hub_call_ended_links;
    hub->now = hub_clock();
    root_init(hub);
    r = hub_set_loop_stack(hub, STACK_PLAIN,
                           stack_shift(grove_stack_size_default()));
    if (r < 0)
        goto fail_stack;
    r = overflow_watch(&hub->stacks, &hub_overflow_hooks);
    if (r < 0)
        goto fail_stack;
    if (pthread_setspecific(thread_end, hub) != 0) {
        r = -ENOMEM;
        goto fail_watch;
    }
    hub_of_thread = hub;
    hub_list_add(hub);
    return hub;

fail_watch:
    overflow_unwatch();
fail_stack:
    stack_pool_destroy(&hub->stacks);
    loop_destroy(&hub->loop);
fail_loop:
    free(hub);
    errno = -r;
    return NULL;
}

int hub_set_loop_stack(struct hub *hub, enum stack_kind kind, unsigned shift)
{
    assert(!hub->in_callback && hub->current != hub->loop_fiber);
    struct grove_fiber *f = hub_fiber_new(hub, kind, shift, loop_entry);
    if (!f)
        return -ENOMEM;
    hub->fibers--; /* it is no fiber of the user's */
    hub->loop_fibers++;
    fiber_set_name(&f->fiber, "hub");
    f->state = FIBER_PARKED;
    if (hub->loop_fiber)
        stack_put(&hub->loop_fiber->fiber.stack);
    hub->loop_fiber = f;
    return 0;
}

/* ---- the loop ----------------------------------------------------------- */

struct grove_fiber *hub_next_slow(struct hub *hub)
{
    while (!hub->in_callback && hub->budget > 0) {
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

static void call(struct hub *hub, struct run *run)
{
    int budget = hub->budget;
    hub->in_callback = true;
    hub->budget = 0;
    run->call(run);
    hub->in_callback = false;
    hub->budget = budget;
}

/* From the loop fiber to f; returns when a parking fiber finds nobody else. */
static void give_way(struct hub *hub, struct grove_fiber *f)
{
    struct grove_fiber *self = hub->loop_fiber;
    self->state = FIBER_PARKED;
    hub_switch(hub, self, f);
}

static void run_due(struct hub *hub)
{
    hub->budget = HUB_PASS;
    while (hub->budget > 0 && !run_queue_empty(&hub->queue)) {
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
    struct timer *first = hub->timers.root;
    if (!first)
        return -1;
    int64_t now = hub_clock();
    return first->deadline > now ? first->deadline - now : 0;
}

/* No timer runs, nobody waits for a descriptor, no post is expected, but for
 * those that do not count; and no other thread could wake anybody. */
static bool nothing_to_come(const struct hub *hub)
{
    if (hub->shared_waits && !hub_single_threaded())
        return false;
    return hub->timers.count + hub->loop.waits + hub->holds <= hub->unref;
}

/* Nothing is due and nothing is to come. */
static void deadlock(struct hub *hub)
{
    if (hub->host && hub->host->deadlock(hub))
        return;
    if (hub->root.state != FIBER_PARKED) {
        /* A fork in a fiber that has ended since: nobody is left in main. */
        static const char message[] =
            "grove: every fiber waits for another, and none is in main\n";
        ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
        (void)n;
        abort();
    }
    static const char message[] =
        "grove: deadlock: every fiber of this thread waits, and nothing is "
        "left that could wake one\n";
    ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)n;
    grove_dump(STDERR_FILENO);
    hub_wake(&hub->root, -EDEADLK);
}

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

/* A poll that may sleep: other threads' posts must interrupt it. */
static void poll_sleeping(struct hub *hub, int64_t timeout)
{
    atomic_store(&hub->polling, true);
    if (!hub_take_mail(hub)) {
        struct loop_events events;
        fiber_thread_refresh(&hub->thread);
        int n = hub->host ? poll_hosted(hub, &events)
                          : loop_wait(&hub->loop, &events, timeout, NULL);
        loop_dispatch(&hub->loop, &events, n);
    }
    atomic_store(&hub->polling, false);
    hub_take_mail(hub);
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

static void look_around(struct hub *hub)
{
    hub->switches += (uint64_t)(HUB_PASS - hub->budget);
    hub_take_mail(hub);
    int64_t timeout = hub_sleep_limit(hub);
    if (hub->budget <= 0) /* a full pass: busy, it may be long till a sleep */
        fiber_thread_refresh(&hub->thread);
    if (timeout == 0) {
        if (hub->loop.waits)
            loop_poll(&hub->loop, 0);
    } else if (trim_stacks(hub, timeout)) {
        loop_poll(&hub->loop, 0); /* more to trim: come back */
    } else if (nothing_to_come(hub)) {
        deadlock(hub);
    } else {
        poll_sleeping(hub, timeout);
    }
    if (hub->timers.root) {
        hub->now = hub_clock();
        timer_expire(&hub->timers, hub->now);
    } else {
        hub->now = hub_clock_coarse(); /* only told to people: cheap will do */
    }
}

void hub_run(struct hub *hub)
{
    for (;;) {
        run_due(hub);
        look_around(hub);
    }
}

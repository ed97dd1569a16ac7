/*
 * A hub a core: threads that each have a hub and run the same function in a
 * fiber of it.
 *
 * The caller's fiber leads; it and the threads exchange messages only:
 *
 *     caller                      each thread
 *     makes the threads
 *        <---------- report ------- hub made
 *     when all have: order ------->
 *        <---------- report ------- its function has returned
 *     when all have: order ------->
 *        <---------- report ------- its other fibers have ended, too
 *     when all have: joins the threads
 *
 * Two messages may come in between: `stop` has all fibers of the hub killed,
 * until they have ended; `call off` has the function killed, once, so that it
 * may end what it serves in an orderly way.
 *
 * So hubs can be spawned on until all functions have returned, and no fiber is
 * left when grove_hubs returns. The memory is the caller's: it outlives the
 * threads, and is lost if the caller's own thread ends meanwhile.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hub/hub.h"
#include "hub/mailbox.h"
#include "hub/wait.h"

/* Fibers that are waited for, or killed, at once. */
#define BATCH 64

struct team;

struct member {
    grove_crew crew; /* first: what the function is told */
    struct team *team;
    pthread_t thread;                         /* the caller joins it */
    struct hub_message report;                /* to the caller */
    struct hub_message order, stop, call_off; /* from the caller */
    grove_fiber *fiber; /* the member's own: runs the function; NULL: none */
    bool called_off;    /* the member's own: the function is to end */
    struct kill_again stopper; /* the member's own: kills its fibers, from
                                  the stop to its thread's end */
    int result;                /* of making the hub, then of the function */
    bool ordered;              /* the member's own: go on */
    bool stopping;             /* the member's own: fibers are to be killed */
};

struct team {
    int (*fn)(const grove_crew *crew, void *arg); /* what each runs */
    void *arg;
    struct hub *caller;         /* a reference */
    struct grove_fiber *waiter; /* the fiber that leads */
    pid_t process;              /* whose threads they are */
    unsigned threads;           /* those that were made */
    unsigned missing;           /* reports, the caller's own */
    int error;                  /* the first, the caller's own */
    _Atomic bool stopped;       /* members' results are no errors any more */
    _Atomic bool failed;        /* a hub could not be made: nothing is run */
    _Atomic bool orphaned;      /* the caller's thread has ended */
    struct hub **hubs; /* the members', a reference each; NULL: not made. While
                          some are being made: by hub_of, publish_hub. */
    struct member members[];
};

/* NULL: it is not made, or not yet: the caller may have something to tell the
 * others before all have reported. */
static struct hub *hub_of(const struct team *t, unsigned i)
{
    return __atomic_load_n(&t->hubs[i], __ATOMIC_ACQUIRE);
}

static void publish_hub(struct member *m, struct hub *hub)
{
    grove_hub_retain((grove_hub *)hub);
    __atomic_store_n(&m->team->hubs[m->crew.index], hub, __ATOMIC_RELEASE);
}

/* ---- on each thread ------------------------------------------------------------- */

/* Fibers found on a hub, with a reference each. */
struct batch {
    struct grove_fiber *fibers[BATCH];
    unsigned count;
};

static void collect(struct grove_fiber *f, void *arg)
{
    struct batch *b = arg;
    if (b->count < BATCH)
        b->fibers[b->count++] = grove_retain(f);
}

static void kill_fiber(struct grove_fiber *f, void *arg)
{
    (void)arg;
    grove_kill(f);
}

/* One may swallow the first kill, or be spawned after it. */
static void kill_fibers(struct kill_again *k)
{
    (void)k;
    hub_each(hub_of_thread, kill_fiber, NULL);
}

/* Until none is left. */
static void end_fibers(struct hub *hub)
{
    for (;;) {
        struct batch b = {.count = 0};
        hub_each(hub, collect, &b);
        if (b.count == 0)
            return;
        for (unsigned i = 0; i < b.count; i++) {
            grove_join(b.fibers[i], NULL);
            grove_release(b.fibers[i]);
        }
    }
}

static void order_arrives(struct hub *hub, struct hub_message *message)
{
    struct member *m = container_of(message, struct member, order);
    assert(hub == m->team->hubs[m->crew.index] && !m->ordered);
    hub_message_done(message);
    m->ordered = true;
    hub_wake(&hub->root, 0);
}

static void stop_arrives(struct hub *hub, struct hub_message *message)
{
    struct member *m = container_of(message, struct member, stop);
    hub_message_done(message);
    m->stopping = true;
    hub_kill_again_start(hub, &m->stopper, kill_fibers);
}

static void call_off_arrives(struct hub *hub, struct hub_message *message)
{
    struct member *m = container_of(message, struct member, call_off);
    (void)hub;
    hub_message_done(message);
    m->called_off = true;
    if (m->fiber)
        grove_kill(m->fiber);
}

static void nothing_lost(struct hub_message *m)
{
    (void)m;
}

/* Tell the caller, and wait until it says that all have told it so. */
static void report_and_wait(struct member *m, struct hub *hub)
{
    m->ordered = false;
    if (hub_message_send(m->team->caller, &m->report) < 0)
        atomic_store(&m->team->orphaned, true);
    while (!m->ordered && !atomic_load(&m->team->orphaned))
        hub_park(hub);
}

static void *call_fn(void *arg)
{
    struct member *m = arg;
    keep_frame();
    return (void *)(intptr_t)m->team->fn(&m->crew, m->team->arg);
}

static int run_fn(struct member *m)
{
    char name[FIBER_NAME_SIZE];
    snprintf(name, sizeof(name), "hubs %u", m->crew.index);
    grove_attr attr = {.name = name};
    void *value;
    if (m->stopping || m->called_off)
        return -ECANCELED;
    int r = grove_spawn_with(&m->fiber, &attr, call_fn, m);
    if (r < 0)
        return r;
    r = grove_join(m->fiber, &value);
    grove_release(m->fiber);
    m->fiber = NULL;
    return r < 0 ? r : (int)(intptr_t)value;
}

static void *thread_main(void *arg)
{
    struct member *m = arg;
    struct hub *hub = hub_create();
    m->result = hub ? hub_kill_again_open(hub) : -errno;
    if (m->result < 0) {
        hub_message_send(m->team->caller, &m->report);
        return NULL;
    }
    hub->holds++; /* others may always send it something */
    publish_hub(m, hub);
    report_and_wait(m, hub);
    if (!atomic_load(&m->team->failed)) {
        m->result = run_fn(m);
        report_and_wait(m, hub);
        end_fibers(hub);
    }
    hub_kill_again_close(hub, &m->stopper);
    hub_message_send(m->team->caller, &m->report);
    return NULL;
}

/* ---- the caller's side ------------------------------------------------------------ */

enum sent { ORDER, STOP, CALL_OFF };

static void send_to_all(struct team *t, enum sent what)
{
    for (unsigned i = 0; i < t->threads; i++) {
        struct member *m = &t->members[i];
        struct hub *hub = hub_of(t, i);
        if (hub)
            hub_message_send(hub, what == ORDER  ? &m->order
                                  : what == STOP ? &m->stop
                                                 : &m->call_off);
    }
}

static void report_arrives(struct hub *hub, struct hub_message *message)
{
    (void)hub;
    struct member *m = container_of(message, struct member, report);
    struct team *t = m->team;
    assert(hub_of_thread == t->caller && t->missing > 0);
    hub_message_done(message);
    if (m->result < 0 && t->error == 0 && !atomic_load(&t->stopped)) {
        t->error = m->result;
        send_to_all(t, STOP);
    }
    if (--t->missing == 0)
        hub_wake(t->waiter, 0);
}

/* The caller's thread ends, with the fiber that leads: they go on alone. */
static void report_lost(struct hub_message *message)
{
    struct team *t = container_of(message, struct member, report)->team;
    atomic_store(&t->orphaned, true);
    send_to_all(t, ORDER);
}

/* In a forked child the threads are not there. */
static bool threads_are_gone(const struct team *t)
{
    return getpid() != t->process;
}

/* Until every thread has reported. 0, or what ended the wait early. */
static int await_reports(struct team *t, int64_t deadline)
{
    struct hub *hub = t->caller;
    int r = 0;
    while (t->missing && r >= 0 && !threads_are_gone(t))
        r = hub_wait(hub, GROVE_WAIT_OTHER, deadline, "hubs", -1);
    if (t->missing == 0 && r < 0) {
        hub_wait_undo(hub->current, r);
        r = 0;
    }
    return r < 0 ? r : 0;
}

/* The same, whatever comes. */
static void await_all_reports(struct team *t)
{
    while (t->missing && !threads_are_gone(t))
        hub_park(t->caller);
}

static struct team *new_team(struct hub *hub, unsigned n,
                             int (*fn)(const grove_crew *, void *), void *arg)
{
    struct team *t = calloc(1, sizeof(*t) + n * sizeof(t->members[0]));
    if (!t)
        return NULL;
    t->hubs = calloc(n, sizeof(*t->hubs));
    if (!t->hubs) {
        free(t);
        return NULL;
    }
    t->fn = fn;
    t->arg = arg;
    t->caller = hub;
    t->waiter = hub->current;
    t->process = getpid();
    grove_hub_retain((grove_hub *)hub);
    for (unsigned i = 0; i < n; i++) {
        struct member *m = &t->members[i];
        m->crew = (grove_crew){i, n, (grove_hub *const *)t->hubs};
        m->team = t;
        hub_message_init(&m->report, report_arrives, report_lost);
        hub_message_init(&m->order, order_arrives, nothing_lost);
        hub_message_init(&m->stop, stop_arrives, nothing_lost);
        hub_message_init(&m->call_off, call_off_arrives, nothing_lost);
    }
    return t;
}

static void free_team(struct team *t)
{
    for (unsigned i = 0; i < t->threads; i++) {
        if (t->hubs[i])
            hub_unref(t->hubs[i]);
    }
    hub_unref(t->caller);
    free(t->hubs);
    free(t);
}

/* Makes the threads, and waits until each has its hub. 0 or the first error. */
static int make_threads(struct team *t, unsigned n)
{
    int r = 0;
    for (; r == 0 && t->threads < n; t->threads++) {
        struct member *m = &t->members[t->threads];
        r = -pthread_create(&m->thread, NULL, thread_main, m);
        if (r < 0)
            break;
    }
    t->missing = t->threads;
    await_all_reports(t);
    return r < 0 ? r : t->error;
}

/* Whatever ended the wait has all killed. */
static void stop_all(struct team *t)
{
    send_to_all(t, STOP);
    await_all_reports(t);
}

/* Lets them run. A kill is passed on to the functions, which have until the
 * deadline, or another kill, to return. 0 or what ended the wait. */
static int lead(struct team *t, int64_t deadline)
{
    t->missing = t->threads;
    send_to_all(t, ORDER);
    int r = await_reports(t, deadline);
    if (r == 0)
        return 0;
    atomic_store(&t->stopped, true);
    if (r != -ECANCELED) {
        stop_all(t);
        return r;
    }
    send_to_all(t, CALL_OFF);
    if (await_reports(t, deadline) < 0)
        stop_all(t);
    return r;
}

/* Those of their fibers that are left, which nobody waits for after a kill. */
static int finish(struct team *t, int64_t deadline, bool stop)
{
    t->missing = t->threads;
    send_to_all(t, ORDER);
    if (stop) {
        stop_all(t);
        return 0;
    }
    int r = await_reports(t, deadline);
    if (r < 0)
        stop_all(t);
    return r;
}

unsigned hub_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a set holds */
    return online > 0 ? (unsigned)online : 1;
}

static int run_team(struct team *t, unsigned n, int64_t deadline)
{
    int r = make_threads(t, n);
    if (r < 0) {
        atomic_store(&t->failed, true);
        /* Threads without a hub have reported for the last time. */
        t->missing = 0;
        for (unsigned i = 0; i < t->threads; i++)
            t->missing += t->hubs[i] != NULL;
        send_to_all(t, ORDER);
        await_all_reports(t);
        return r;
    }
    r = lead(t, deadline);
    int left = finish(t, deadline, r < 0);
    return r < 0 ? r : left < 0 ? left : t->error;
}

int grove_hubs_until(unsigned n, int (*fn)(const grove_crew *crew, void *arg),
                     void *arg, int64_t deadline)
{
    if (!fn)
        return -EINVAL;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    if (n == 0)
        n = hub_processors();
    struct team *t = new_team(hub, n, fn, arg);
    if (!t)
        return -ENOMEM;
    hub->holds++;
    int r = run_team(t, n, deadline);
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
    if (threads_are_gone(t))
        return r < 0 ? r : -ECANCELED;
    for (unsigned i = 0; i < t->threads; i++)
        pthread_join(t->members[i].thread, NULL);
    free_team(t);
    return r;
}

int grove_hubs(unsigned n, int (*fn)(const grove_crew *crew, void *arg),
               void *arg)
{
    return grove_hubs_until(n, fn, arg, GROVE_NEVER);
}

void grove_hubs_stop(const grove_crew *crew)
{
    struct team *t = container_of(crew, struct member, crew)->team;
    atomic_store(&t->stopped, true);
    send_to_all(t, STOP);
}

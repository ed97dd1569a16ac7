/*
 * The worker threads: one pool for all hubs of the process.
 *
 * A job stands on the stack of the fiber that waits for it (or on the heap: see
 * drop), so that none is allocated.
 *
 *     NEW --> QUEUED --> RUNNING --> DONE: the waiter is claimed and woken, or
 *                |          |        the job dropped if it was abandoned
 *                |          +-- fork -------> LOST, in the child
 *                +-- withdrawn --> NEW
 *
 * Invariants:
 *   1. The pool's lock guards everything in struct pool and the state of every
 *      job. Nothing is called, and no thread started, while it is held.
 *   2. A job is QUEUED if and only if it is in the queue.
 *   3. The queue is not empty only while a worker is on its way to it: a job
 *      that comes wakes an idle worker or, below the maximum, starts one; a
 *      worker goes idle only when the queue is empty.
 *   4. The worker claims the waiter of a job in the section that makes it DONE,
 *      so the waiter's stack is there until the wake has arrived.
 *
 * The worker that went idle last is woken first, so that those in excess stay
 * idle and end. Workers block all signals: those are for the program's threads.
 *
 * offload_wait is called on a hub's thread; the rest from any.
 */
#include "os/offload.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "grove.h"

#define DEFAULT_MAX 64

/* Of a worker: address space, of which only what is touched takes memory. Code
 * that is offloaded is written for threads, name service modules among it. */
#define WORKER_STACK ((size_t)2 << 20)

_Atomic int64_t offload_idle_time = 10 * GROVE_SECOND;

struct worker {
    struct worker *next; /* idle before it */
    pthread_cond_t wake;
    bool woken; /* no longer idle */
};

static struct pool {
    pthread_mutex_t lock;
    struct offload_job *first, *last; /* the queue */
    unsigned queued;                  /* how many are in it */
    unsigned threads;                 /* started and not ended */
    unsigned max;                     /* of threads; 0: not known yet */
    struct worker *idle;              /* the one that went idle last */
    pthread_cond_t done;              /* some job is */
    unsigned generation;              /* forks that led to this process */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A job that a fiber of the calling thread waits for; on the fiber's stack. */
struct waited {
    struct waited *next, **back;
    struct offload_job *job;
};

static __thread struct waited *mine;
static __thread bool is_worker;

static void lock(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/* ---- how many ---------------------------------------------------------- */

static unsigned max_from_environment(void)
{
    const char *wish = getenv("GROVE_WORKERS");
    if (!wish)
        return DEFAULT_MAX;
    char *end;
    errno = 0;
    unsigned long n = strtoul(wish, &end, 10);
    if (!errno && isdigit((unsigned char)*wish) && !*end && n > 0 &&
        n <= GROVE_WORKERS_MAX)
        return (unsigned)n;
    fprintf(stderr,
            "grove: GROVE_WORKERS is \"%s\"; expected a number of threads "
            "from 1 to %d; using %d\n",
            wish, GROVE_WORKERS_MAX, DEFAULT_MAX);
    return DEFAULT_MAX;
}

/* ---- the queue; all under the lock ------------------------------------- */

static void append(struct offload_job *job)
{
    job->state = OFFLOAD_QUEUED;
    job->next = NULL;
    job->prev = pool.last;
    if (job->prev)
        job->prev->next = job;
    else
        pool.first = job;
    pool.last = job;
    pool.queued++;
}

static void take_out(struct offload_job *job)
{
    if (job->prev)
        job->prev->next = job->next;
    else
        pool.first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        pool.last = job->prev;
    pool.queued--;
}

static void withdraw(struct offload_job *job)
{
    take_out(job);
    job->state = OFFLOAD_NEW;
}

static bool wake_idle(void)
{
    struct worker *w = pool.idle;
    if (!w)
        return false;
    pool.idle = w->next;
    w->woken = true;
    pthread_cond_signal(&w->wake);
    return true;
}

/* ---- a worker ---------------------------------------------------------- */

static void remove_from_idle(struct worker *self)
{
    struct worker **at = &pool.idle;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
}

/* Idle until woken, or for as long as that is worth while: false. */
static bool stay_idle(struct worker *self)
{
    int64_t until = hub_deadline(offload_idle_time);
    struct timespec ts = {.tv_sec = until / GROVE_SECOND,
                          .tv_nsec = until % GROVE_SECOND};
    self->woken = false;
    self->next = pool.idle;
    pool.idle = self;
    int r = 0;
    while (!self->woken && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&self->wake, &pool.lock, &ts);
    if (self->woken)
        return true;
    remove_from_idle(self);
    return false;
}

/* Runs job, which is out of the queue; returns with the lock held again. False
 * in the child of a fork that the job has made. */
static bool perform(struct offload_job *job)
{
    unsigned generation = pool.generation;
    job->state = OFFLOAD_RUNNING;
    unlock();
    job->run(job);
    lock();
    if (unlikely(pool.generation != generation))
        return false;
    job->state = OFFLOAD_DONE;
    bool abandoned = job->abandoned;
    bool ours = !abandoned && hub_claim(&job->wait, &pool);
    /* From here on the job is gone unless it is ours or abandoned. */
    pthread_cond_broadcast(&pool.done);
    unlock();
    if (ours)
        hub_wake_shared(&job->wait);
    else if (abandoned)
        job->drop(job);
    lock();
    return true;
}

static void init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static void *work(void *arg)
{
    struct worker self;
    is_worker = true;
    pthread_setname_np(pthread_self(), "grove-worker");
    init_monotonic(&self.wake);
    lock();
    while (pool.threads <= pool.max) {
        struct offload_job *job = pool.first;
        if (job) {
            take_out(job);
            if (!perform(job)) {
                unlock();
                return NULL;
            }
        } else if (!stay_idle(&self)) {
            break;
        }
    }
    pool.threads--;
    unlock();
    pthread_cond_destroy(&self.wake);
    return NULL;
}

/* A new worker, which is counted already. 0 or an errno. */
static int start_worker(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int r = pthread_attr_init(&attr);
    if (r)
        return r;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attr, work, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

/* ---- forks -------------------------------------------------------------- */

/* In the child no other thread exists. A job of this thread's that was not done
 * never will be; one whose wake was on its way is done. Those of fibers that
 * the fork has ended wake nobody. */
static void in_child(void)
{
    pool.first = pool.last = NULL;
    pool.queued = 0;
    pool.threads = 0;
    pool.idle = NULL;
    pool.generation++;
    pthread_cond_init(&pool.done, NULL);
    unlock();
    struct waited *w = mine;
    for (; w; w = w->next) {
        struct offload_job *job = w->job;
        if (job->state != OFFLOAD_DONE)
            job->state = OFFLOAD_LOST;
        if (job->wait.delivered)
            continue;
        job->wait.claimed_by = &pool;
        job->wait.delivered = true;
        hub_wake(job->wait.fiber, 0);
    }
}

static void once_a_process(void)
{
    pool.max = max_from_environment();
    pthread_atfork(lock, unlock, in_child);
}

/* ---- who waits ---------------------------------------------------------- */

static void link_mine(struct waited *w, struct offload_job *job)
{
    w->job = job;
    w->next = mine;
    w->back = &mine;
    if (mine)
        mine->back = &w->next;
    mine = w;
}

static void unlink_mine(struct waited *w)
{
    *w->back = w->next;
    if (w->next)
        w->next->back = w->back;
}

/* What became of a job whose wait was ended by something else. */
enum outcome {
    GIVEN_UP,  /* it was withdrawn, or its worker is in the parent */
    ABANDONED, /* a worker will drop it: it may be gone */
    KEPT,      /* a worker is busy with it */
    FINISHED   /* and nobody will wake the waiter for it */
};

/* Under the lock. */
static enum outcome give_up(struct offload_job *job)
{
    switch (job->state) {
    case OFFLOAD_QUEUED:
        withdraw(job);
        return GIVEN_UP;
    case OFFLOAD_RUNNING:
        if (!job->drop)
            return KEPT;
        job->abandoned = true;
        return ABANDONED;
    case OFFLOAD_DONE:
        return FINISHED;
    case OFFLOAD_NEW:
    case OFFLOAD_LOST:
        break;
    }
    return GIVEN_UP;
}

/* The thread ends while fibers of it wait, of which this is one: a job on the
 * fiber's stack holds up the thread's end until it is done. None is begun from
 * here on. */
static void abandon(struct shared_wait *wait)
{
    struct offload_job *job = container_of(wait, struct offload_job, wait);
    lock();
    for (struct waited *w = mine; w; w = w->next) {
        if (w->job->state == OFFLOAD_QUEUED)
            withdraw(w->job);
    }
    unlock();
    struct waited *w = mine;
    while (w->job != job)
        w = w->next;
    unlink_mine(w);
    lock();
    enum outcome outcome = give_up(job);
    while (outcome == KEPT && job->state == OFFLOAD_RUNNING)
        pthread_cond_wait(&pool.done, &pool.lock);
    unlock();
    if (outcome == GIVEN_UP && job->drop)
        job->drop(job);
}

/* Queue job for a worker. 0, or a negative errno: there is none. */
static int submit(struct offload_job *job)
{
    lock();
    append(job);
    if (wake_idle() || pool.threads >= pool.max) {
        unlock();
        return 0;
    }
    pool.threads++;
    unlock();
    int r = start_worker();
    if (likely(r == 0))
        return 0;
    lock();
    pool.threads--;
    /* If there are others they will come to it. */
    bool alone = pool.threads == 0 && job->state == OFFLOAD_QUEUED;
    if (alone)
        withdraw(job);
    unlock();
    return alone ? -r : 0;
}

/* Wait on, whatever else happens, for a job that a worker is busy with. */
static void wait_out(struct hub *hub, struct offload_job *job, const char *what)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    for (;;) {
        lock();
        bool over = job->state == OFFLOAD_DONE || job->state == OFFLOAD_LOST;
        if (!over)
            shared_wait_init(&job->wait, hub, abandon);
        unlock();
        if (over || hub_wait_shared(hub, &job->wait, GROVE_NEVER, what) == 0)
            break;
    }
    grove_shield_end(&shield);
}

/* 0 when the job is done, else why it is not; *outcome says what then. */
static int wait_for(struct hub *hub, struct offload_job *job, int64_t deadline,
                    const char *what, enum outcome *outcome)
{
    int r = hub_wait_shared(hub, &job->wait, deadline, what);
    *outcome = FINISHED;
    if (likely(r == 0))
        return 0;
    lock();
    *outcome = give_up(job);
    unlock();
    if (*outcome == GIVEN_UP || *outcome == ABANDONED)
        return r;
    if (*outcome == KEPT)
        wait_out(hub, job, what);
    hub_wait_undo(hub->current, r);
    *outcome = FINISHED;
    return 0;
}

/* A wait that would end at once: the job is not even begun. */
static int ended_before(struct hub *hub, int64_t deadline, const char *what)
{
    const struct grove_fiber *f = hub->current;
    if (f->scope && f->scope->effective < deadline)
        deadline = f->scope->effective;
    if ((f->cancelled && !f->shields) ||
        (deadline != GROVE_NEVER && deadline <= hub_clock()))
        return hub_wait(hub, deadline, what, -1);
    return 0;
}

static int submit_and_wait(struct hub *hub, struct offload_job *job,
                           int64_t deadline, const char *what,
                           enum outcome *outcome)
{
    *outcome = GIVEN_UP;
    int r = ended_before(hub, deadline, what);
    if (r < 0)
        return r;
    job->abandoned = false;
    shared_wait_init(&job->wait, hub, abandon);
    r = submit(job);
    if (r < 0)
        return r;
    struct waited w;
    link_mine(&w, job);
    r = wait_for(hub, job, deadline, what, outcome);
    unlink_mine(&w);
    if (r == 0 && job->state == OFFLOAD_LOST) {
        *outcome = GIVEN_UP;
        r = -ECANCELED;
    }
    return r;
}

int offload_wait(struct hub *hub, struct offload_job *job, int64_t deadline,
                 const char *what)
{
    assert(hub->current != hub->loop_fiber);
    pthread_once(&once, once_a_process);
    if (is_worker) {
        job->run(job);
        return 0;
    }
    enum outcome outcome;
    int r = submit_and_wait(hub, job, deadline, what, &outcome);
    if (r < 0 && outcome == GIVEN_UP && job->drop)
        job->drop(job);
    return r;
}

/* ---- the public calls --------------------------------------------------- */

struct call {
    struct offload_job job;
    void *(*fn)(void *);
    void *value; /* fn's argument, then what it returned */
    int error;   /* errno after it */
};

static void run_call(struct offload_job *job)
{
    struct call *c = container_of(job, struct call, job);
    c->value = c->fn(c->value);
    c->error = errno;
}

int grove_offload_until(void *(*fn)(void *), void *arg, void **result,
                        int64_t deadline)
{
    if (result)
        *result = NULL;
    if (!fn)
        return -EINVAL;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct call c = {.job.run = run_call, .fn = fn, .value = arg};
    int r = offload_wait(hub, &c.job, deadline, "offload");
    if (r < 0)
        return r;
    if (result)
        *result = c.value;
    errno = c.error;
    return 0;
}

int grove_offload(void *(*fn)(void *), void *arg, void **result)
{
    return grove_offload_until(fn, arg, result, GROVE_NEVER);
}

unsigned grove_workers_max(void)
{
    pthread_once(&once, once_a_process);
    lock();
    unsigned max = pool.max;
    unlock();
    return max;
}

/* Of those that are queued, as many as the new maximum lets run. */
static void catch_up(void)
{
    for (unsigned n = offload_counts().queued; n > 0; n--) {
        lock();
        bool more = pool.queued > 0 && pool.threads < pool.max;
        pool.threads += more;
        unlock();
        if (!more)
            return;
        if (start_worker() != 0) {
            lock();
            pool.threads--;
            unlock();
            return;
        }
    }
}

int grove_workers_set_max(unsigned max)
{
    if (max == 0 || max > GROVE_WORKERS_MAX)
        return -EINVAL;
    pthread_once(&once, once_a_process);
    lock();
    pool.max = max;
    for (unsigned n = pool.threads; n > max && wake_idle(); n--)
        ;
    unlock();
    catch_up();
    return 0;
}

struct offload_counts offload_counts(void)
{
    lock();
    struct offload_counts counts = {.threads = pool.threads,
                                    .queued = pool.queued};
    for (struct worker *w = pool.idle; w; w = w->next)
        counts.idle++;
    unlock();
    return counts;
}

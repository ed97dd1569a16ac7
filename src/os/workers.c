/*
 * The worker threads: one pool for all hubs of the process, and its queue of
 * jobs.
 *
 *     NEW --> QUEUED --> RUNNING --> DONE: the waiter is claimed and woken, or
 *                |          |        the job dropped if it was abandoned
 *                |          +-- fork -------> LOST, in the child
 *                +-- withdrawn --> NEW
 *
 * A worker:
 *
 *     started --> takes the first job, runs it <--> idle --> ends: idle for too
 *                            |                               long
 *                            +--> ends: there are more than the maximum
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
 * idle and end.
 *
 * Any thread may call these.
 */
#include "os/workers.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "fiber/log.h"
#include "os/native_thread.h"

#define DEFAULT_MAX 64

/* Of a worker: address space, of which only what is touched takes memory. Code
 * that is offloaded is written for threads, name service modules among it. */
#define WORKER_STACK ((size_t)2 << 20)

_Atomic int64_t workers_idle_time = 10 * GROVE_SECOND;

struct worker {
    struct worker *next; /* idle before it */
    pthread_cond_t wake; /* for it alone: see wake_idle */
    bool woken;          /* no longer idle */
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

static __thread bool is_worker;

/* For assertions: whether somebody has the lock, who can only be the caller if
 * the program is right. */
__attribute__((unused)) static bool is_locked(void)
{
    if (pthread_mutex_trylock(&pool.lock) != 0)
        return true;
    pthread_mutex_unlock(&pool.lock);
    return false;
}

void workers_lock(void)
{
    pthread_mutex_lock(&pool.lock);
}

void workers_unlock(void)
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
    log_tell(GROVE_LOG_WARNING,
             "GROVE_WORKERS is \"%s\"; expected a number of threads from 1 to "
             "%d; using %d",
             wish, GROVE_WORKERS_MAX, DEFAULT_MAX);
    return DEFAULT_MAX;
}

/* ---- the queue; all under the lock ------------------------------------- */

static void append(struct offload_job *job)
{
    assert(is_locked() && job->state != OFFLOAD_QUEUED);
    assert(!pool.first == !pool.last && !pool.first == !pool.queued);
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
    assert(is_locked() && job->state == OFFLOAD_QUEUED && pool.queued > 0);
    assert(job->prev ? job->prev->next == job : pool.first == job);
    assert(job->next ? job->next->prev == job : pool.last == job);
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

void workers_withdraw(struct offload_job *job)
{
    take_out(job);
    job->state = OFFLOAD_NEW;
}

static bool wake_idle(void)
{
    struct worker *w = pool.idle;
    assert(is_locked());
    if (!w)
        return false;
    assert(!w->woken);
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
    int64_t until = hub_deadline(workers_idle_time);
    struct timespec ts = {.tv_sec = until / GROVE_SECOND,
                          .tv_nsec = until % GROVE_SECOND};
    assert(is_locked() && !pool.first);
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
    workers_unlock();
    job->run(job);
    workers_lock();
    if (unlikely(pool.generation != generation))
        return false;
    assert(job->state == OFFLOAD_RUNNING);
    job->state = OFFLOAD_DONE;
    bool abandoned = job->abandoned;
    assert(!abandoned || job->drop);
    bool ours = !abandoned && hub_claim(&job->wait, job);
    /* From here on the job is gone unless it is ours or abandoned. */
    pthread_cond_broadcast(&pool.done);
    workers_unlock();
    if (ours)
        hub_wake_shared(&job->wait);
    else if (abandoned)
        job->drop(job);
    workers_lock();
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
    workers_lock();
    while (pool.threads <= pool.max) {
        struct offload_job *job = pool.first;
        if (job) {
            take_out(job);
            if (!perform(job)) {
                workers_unlock();
                return NULL;
            }
        } else if (!stay_idle(&self)) {
            break;
        }
    }
    assert(pool.threads > 0);
    pool.threads--;
    workers_unlock();
    pthread_cond_destroy(&self.wake);
    native_thread_ends();
    return NULL;
}

/* ---- jobs ---------------------------------------------------------------- */

bool workers_is_one(void)
{
    return is_worker;
}

void workers_await_done(void)
{
    pthread_cond_wait(&pool.done, &pool.lock);
}

int workers_submit(struct offload_job *job)
{
    workers_lock();
    append(job);
    if (wake_idle() || pool.threads >= pool.max) {
        workers_unlock();
        return 0;
    }
    pool.threads++;
    workers_unlock();
    int r = native_thread_start(work, NULL, WORKER_STACK);
    if (likely(r == 0))
        return 0;
    workers_lock();
    pool.threads--;
    /* If there are others they will come to it. */
    bool alone = pool.threads == 0 && job->state == OFFLOAD_QUEUED;
    if (alone)
        workers_withdraw(job);
    workers_unlock();
    return alone ? -r : 0;
}

/* ---- forks -------------------------------------------------------------- */

/* In the child no other thread exists, and nothing is queued. What becomes of
 * the jobs is told by who waits for them. */
static void in_child(void)
{
    pool.first = pool.last = NULL;
    pool.queued = 0;
    pool.threads = 0;
    pool.idle = NULL;
    pool.generation++;
    pthread_cond_init(&pool.done, NULL);
    workers_unlock();
}

static void once_a_process(void)
{
    pool.max = max_from_environment();
    pthread_atfork(workers_lock, workers_unlock, in_child);
}

void workers_init(void)
{
    pthread_once(&once, once_a_process);
}

/* ---- the public calls ----------------------------------------------------- */

unsigned grove_workers_max(void)
{
    workers_init();
    workers_lock();
    unsigned max = pool.max;
    workers_unlock();
    return max;
}

/* Of those that are queued, as many as the new maximum lets run. */
static void catch_up(void)
{
    for (unsigned n = workers_counts().queued; n > 0; n--) {
        workers_lock();
        bool more = pool.queued > 0 && pool.threads < pool.max;
        pool.threads += more;
        workers_unlock();
        if (!more)
            return;
        if (native_thread_start(work, NULL, WORKER_STACK) != 0) {
            workers_lock();
            pool.threads--;
            workers_unlock();
            return;
        }
    }
}

int grove_workers_set_max(unsigned max)
{
    if (max == 0 || max > GROVE_WORKERS_MAX)
        return -EINVAL;
    workers_init();
    workers_lock();
    pool.max = max;
    for (unsigned n = pool.threads; n > max && wake_idle(); n--)
        ;
    workers_unlock();
    catch_up();
    return 0;
}

struct workers_counts workers_counts(void)
{
    workers_lock();
    struct workers_counts counts = {.threads = pool.threads,
                                    .queued = pool.queued};
    for (struct worker *w = pool.idle; w; w = w->next)
        counts.idle++;
    workers_unlock();
    return counts;
}

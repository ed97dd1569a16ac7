/*
 * Jobs for the worker threads, as a fiber sees one: it queues the job, parks
 * until a worker has run it, and deals with what else may end its wait.
 *
 * A job stands on the stack of the fiber that waits for it (or on the heap: see
 * drop), so that none is allocated. What ends a wait early depends on the job's
 * state then, looked at under the workers' lock:
 *
 *     QUEUED ---> withdrawn: GIVEN_UP
 *     RUNNING --> with a drop: ABANDONED, its worker drops it
 *                 without: KEPT, and waited for whatever comes
 *     DONE -----> FINISHED, as if nothing had come
 *
 * Invariants:
 *   1. A job without drop is in no worker's hands once offload_wait has
 *      returned, for then its stack is used for something else.
 *   2. drop is called once for a job that has one and whose wait has failed,
 *      never for one that offload_wait returned 0 for.
 *   3. The jobs that the thread's fibers wait for are in its list `jobs`, which
 *      no other thread touches; the end of the thread and a fork need it.
 *
 * offload_wait is called on a hub's thread; the calls that make no job, from
 * any.
 */
#include "os/offload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>

#include "fiber/tls_block.h"
#include "grove.h"
#include "os/workers.h"

/* A job that a fiber of the calling thread waits for; on the fiber's stack. */
struct waited {
    struct waited *next;  /* begun before it */
    struct waited **back; /* what points to it: the list, or another's next */
    struct offload_job *job;
};

static __thread struct waited *jobs; /* the thread's own; begun last first */

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- what this thread waits for ---------------------------------------------------------- */

/* All fibers' of the thread, whichever storage they have. */
static struct waited **mine(void)
{
    return tls_block_own(&jobs);
}

static void link_mine(struct waited *w, struct offload_job *job)
{
    struct waited **list = mine();
    w->job = job;
    w->next = *list;
    w->back = list;
    if (w->next)
        w->next->back = &w->next;
    *list = w;
}

static void unlink_mine(struct waited *w)
{
    assert(*w->back == w && (!w->next || w->next->back == &w->next));
    *w->back = w->next;
    if (w->next)
        w->next->back = w->back;
}

/* After workers.c's own, which has renewed the pool: in the child no other
 * thread exists. A job of this thread's that was not done never will be; one
 * whose wake was on its way is done. Those of fibers that the fork has ended
 * wake nobody. */
static void in_child(void)
{
    for (struct waited *w = *mine(); w; w = w->next) {
        struct offload_job *job = w->job;
        if (job->state != OFFLOAD_DONE)
            job->state = OFFLOAD_LOST;
        if (job->wait.delivered)
            continue;
        job->wait.claimed_by = job;
        job->wait.delivered = true;
        hub_wake(job->wait.fiber, 0);
    }
}

static void watch_forks(void)
{
    workers_init();
    pthread_atfork(NULL, NULL, in_child);
}

/* ---- the end of a wait --------------------------------------------------- */

/* What became of a job whose wait was ended by something else. */
enum outcome {
    GIVEN_UP,  /* it was withdrawn, or its worker is in the parent */
    ABANDONED, /* a worker will drop it: it may be gone */
    KEPT,      /* a worker is busy with it */
    FINISHED   /* and nobody will wake the waiter for it */
};

/* Under the workers' lock. */
static enum outcome give_up(struct offload_job *job)
{
    assert(!job->abandoned);
    switch (job->state) {
    case OFFLOAD_QUEUED:
        workers_withdraw(job);
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
    workers_lock();
    for (struct waited *w = *mine(); w; w = w->next) {
        if (w->job->state == OFFLOAD_QUEUED)
            workers_withdraw(w->job);
    }
    workers_unlock();
    struct waited *w = *mine();
    while (w->job != job)
        w = w->next; /* it is there: its fiber waits for it */
    unlink_mine(w);
    workers_lock();
    enum outcome outcome = give_up(job);
    while (outcome == KEPT && job->state == OFFLOAD_RUNNING)
        workers_await_done();
    workers_unlock();
    if (outcome == GIVEN_UP && job->drop)
        job->drop(job);
}

/* ---- waiting ------------------------------------------------------------- */

/* Wait on, whatever else happens, for a job that a worker is busy with. */
static void wait_out(struct hub *hub, struct offload_job *job, const char *what)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    for (;;) {
        workers_lock();
        bool over = job->state == OFFLOAD_DONE || job->state == OFFLOAD_LOST;
        if (!over)
            shared_wait_init(&job->wait, hub, abandon);
        workers_unlock();
        if (over || hub_wait_shared(hub, GROVE_WAIT_WORKER, &job->wait,
                                    GROVE_NEVER, what) == 0)
            break;
    }
    grove_shield_end(&shield);
}

/* 0 when the job is done, else why it is not; *outcome says what then. */
static int wait_for(struct hub *hub, struct offload_job *job, int64_t deadline,
                    const char *what, enum outcome *outcome)
{
    int r = hub_wait_shared(hub, GROVE_WAIT_WORKER, &job->wait, deadline, what);
    *outcome = FINISHED;
    if (likely(r == 0))
        return 0;
    workers_lock();
    *outcome = give_up(job);
    workers_unlock();
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
    if ((f->cancelled && !f->shield) ||
        (deadline != GROVE_NEVER && deadline <= hub_clock()))
        return hub_wait(hub, GROVE_WAIT_WORKER, deadline, what, -1);
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
    r = workers_submit(job);
    if (r < 0)
        return r;
    struct waited w;
    link_mine(&w, job);
    hub->holds++; /* a worker is no other thread that may wake somebody */
    r = wait_for(hub, job, deadline, what, outcome);
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
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
    assert(hub == hub_of_thread && hub->current != hub->loop_fiber);
    assert(job->run && what);
    assert(job->state != OFFLOAD_QUEUED && job->state != OFFLOAD_RUNNING);
    pthread_once(&once, watch_forks);
    if (workers_is_one()) {
        job->run(job);
        return 0;
    }
    hub->offloads++;
    enum outcome outcome;
    int r = submit_and_wait(hub, job, deadline, what, &outcome);
    assert(r < 0 || outcome == FINISHED);
    assert(r == 0 || outcome == GIVEN_UP || outcome == ABANDONED);
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

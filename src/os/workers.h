/*
 * The pool of worker threads, for offload.c; see workers.c for the life of a
 * job and of a worker. Everybody else hands jobs over by offload.h.
 */
#ifndef GROVE_OS_WORKERS_H
#define GROVE_OS_WORKERS_H

#include "os/offload.h"

/* Once a process: the maximum, what happens at forks. Before the others. */
void workers_init(void);

/* Whether the calling thread is a worker: it may not wait for another. */
bool workers_is_one(void);

/* The lock of the pool, under which every job's state is. Held for a few
 * instructions; nothing parks or calls out meanwhile. */
void workers_lock(void);
void workers_unlock(void);

/* Unlocked: queue job, whose wait is initialised, for a worker. 0, or a
 * negative errno: there is none and none can be started, the job is NEW. */
int workers_submit(struct offload_job *job);

/* Locked: take job, which is QUEUED, back; it is NEW. */
void workers_withdraw(struct offload_job *job);

/* Locked: hold up the thread, and let the lock go meanwhile, until some job may
 * be DONE. */
void workers_await_done(void);

/* For tests. */
struct workers_counts {
    unsigned threads; /* started and not ended */
    unsigned idle;    /* of them, those without a job */
    unsigned queued;  /* jobs that no worker has begun */
};
struct workers_counts workers_counts(void);
extern _Atomic int64_t workers_idle_time; /* after which an idle worker ends */

#endif

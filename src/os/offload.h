/*
 * Jobs for the worker threads, as the layers above use them: the record is the
 * caller's, and may be given up while a worker is busy with it.
 */
#ifndef GROVE_OS_OFFLOAD_H
#define GROVE_OS_OFFLOAD_H

#include "hub/wait.h"
#include "hub/wait_shared.h"

enum offload_state {
    OFFLOAD_NEW,     /* not handed over yet, or withdrawn */
    OFFLOAD_QUEUED,  /* no worker has begun it: it can be withdrawn */
    OFFLOAD_RUNNING, /* a worker is in run */
    OFFLOAD_DONE,    /* run has returned */
    OFFLOAD_LOST /* run was under way, or to come, in the parent of a fork */
};

/* Zero but for run and drop before its first use. */
struct offload_job {
    /* Called on a worker; in the place if the caller is one itself. */
    void (*run)(struct offload_job *job);
    /* NULL: the job stands on the waiter's stack, and a wait for a job that
     * runs cannot be given up. Otherwise the job is on the heap and no longer
     * the caller's if offload_wait fails: then drop is called once, on a worker
     * after run, or on the caller's thread without run. */
    void (*drop)(struct offload_job *job);
    /* The following are the pool's. */
    enum offload_state state;        /* under the pool's lock */
    bool abandoned;                  /* drop it when it is done; likewise */
    struct offload_job *next, *prev; /* in the queue; likewise */
    struct shared_wait wait;         /* of the caller */
};

/* Have job->run called on a worker and park until it has returned: 0.
 * Otherwise -ECANCELED or -ETIMEDOUT (the job was withdrawn; or abandoned, if
 * it has a drop), -EAGAIN or -ENOMEM (no thread can be made), and -ECANCELED
 * when a fork has left the worker in the parent. Once begun, a job without drop
 * is waited for and 0 returned. what is for grove_dump. */
int offload_wait(struct hub *hub, struct offload_job *job, int64_t deadline,
                 const char *what);

#endif

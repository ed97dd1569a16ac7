/*
 * Waiting for the first of several things. Part of grove.h.
 */
#ifndef GROVE_SELECT_H
#define GROVE_SELECT_H

#include <grove/base.h>
#include <grove/channel.h>
#include <grove/fiber.h>
#include <grove/process.h>
#include <grove/signal.h>
#include <grove/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a clause waits for. */
typedef enum grove_clause_kind {
    GROVE_CLAUSE_NONE,     /* nothing: the clause is passed over */
    GROVE_CLAUSE_SEND,     /* sends *value to channel */
    GROVE_CLAUSE_RECV,     /* receives from channel into *value */
    GROVE_CLAUSE_EVENT,    /* event is set */
    GROVE_CLAUSE_PROMISE,  /* promise has its value, or its error */
    GROVE_CLAUSE_READABLE, /* descriptor fd is readable, or has an error */
    GROVE_CLAUSE_WRITABLE, /* it is writable, or has an error */
    GROVE_CLAUSE_FIBER,    /* fiber, of the same thread, has ended */
    GROVE_CLAUSE_PROCESS,  /* process has ended */
    GROVE_CLAUSE_SIGNAL,   /* takes one of signals that has come */
    GROVE_CLAUSE_SEMAPHORE /* acquires units of semaphore */
} grove_clause_kind;

typedef struct grove_clause {
    grove_clause_kind kind;
    int result; /* of the clause that was chosen: 0, of a signal its number, or
                   why it came to nothing: -EPIPE (the channel is closed),
                   -EBADF (no descriptor, or closed meanwhile) */
    GROVE_EXTENSION union {
        grove_channel *channel;
        grove_event *event;
        grove_promise *promise;
        int fd;
        grove_fiber *fiber;
        grove_process *process;
        grove_signals *signals;
        grove_semaphore *semaphore;
    };
    void *value;  /* as of grove_channel_send and grove_channel_recv */
    size_t units; /* of the semaphore; 0: one */
} grove_clause;

/* Wait until one of the n clauses can be done, and do it, and no other. Of
 * several that can, each has the same chance. Its index, result being set;
 * -ECANCELED, -ETIMEDOUT, -EDEADLK, -EINVAL (a kind that there is not, a
 * send without a value, or the calling fiber's own end), -ENOMEM (more than
 * GROVE_SELECT_SMALL clauses; an unbounded channel; the thread's first call).
 */
GROVE_API ssize_t grove_select(grove_clause *clauses, size_t n);
GROVE_API ssize_t grove_select_until(grove_clause *clauses, size_t n,
                                     int64_t deadline);
/* The same without waiting: -EAGAIN when none can be done now. */
GROVE_API ssize_t grove_tryselect(grove_clause *clauses, size_t n);

/* Up to so many clauses nothing is allocated. */
#define GROVE_SELECT_SMALL 16

#ifdef __cplusplus
}
#endif
#endif

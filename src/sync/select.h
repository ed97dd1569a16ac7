/*
 * What select.c and those who make the things that clauses are about know of
 * each other.
 */
#ifndef GROVE_SYNC_SELECT_H
#define GROVE_SYNC_SELECT_H

#include "sync/waiter.h"

/* The descriptor that is readable from p's end on; -1: it has ended, and there
 * is none. os/process.c's, set before there is a process to wait for. */
extern int (*select_process_fd)(const grove_process *p);

/* Takes the lowest of the signals that have come; 0: there is none. On the
 * thread that has opened s. */
static inline int signals_take(grove_signals *s)
{
    if (!s->pending)
        return 0;
    int signum = __builtin_ctzll(s->pending) + 1;
    s->pending &= s->pending - 1;
    if (!s->pending)
        grove_event_clear(&s->come);
    return signum;
}

/* ---- semaphore.c; both with its queue locked ----------------------------- */

/* Whether n units were had without waiting. A waiter's value is how many it
 * wants. */
bool semaphore_take(grove_semaphore *s, size_t n);

/* Gives those who wait what they need, as far as it goes: after one that stood
 * in their way has left the queue. They are to be woken. */
struct waiter *semaphore_serve(grove_waiters *q);

#endif

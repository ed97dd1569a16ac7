/*
 * A POSIX thread that is a fiber: its record. See thread.c.
 */
#ifndef GROVE_PATCH_THREADS_THREAD_H
#define GROVE_PATCH_THREADS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "fiber/tls_block.h"
#include "hub/hub.h"
#include "patch/threads/sent.h"

#define THREAD_NAME_SIZE 16 /* Linux's TASK_COMM_LEN */

struct thread {
    struct tls_block *block; /* whose thread pointer is its pthread_t */
    void *(*fn)(void *);     /* what it was created for */
    void *arg;
    void *value;               /* what it returned, or exited with */
    struct hub *hub;           /* it runs on; NULL: it has not begun */
    struct grove_fiber *fiber; /* likewise */
    struct fiber_end end;      /* of the fiber: its own end */
    size_t stack, guard;       /* bytes, as they were asked for */
    /* Under the lock of its own address (lot.h) */
    bool detached, ended, joined; /* joined: somebody does, or has */
    char name[THREAD_NAME_SIZE];
    /* Its own */
    int cancel_state, cancel_type; /* PTHREAD_CANCEL_... */
    bool exiting;                  /* by pthread_exit, or a cancel */
    bool interruptible;            /* it is in a wait that those below end */
    /* For other threads to set, and then poke it */
    _Atomic bool cancelled;
    struct sent sent; /* signals */
    grove_post poke;  /* has its hub look at them */
};

/* The calling thread's; NULL: it is none of ours. */
extern __thread struct thread *thread_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The record of id; NULL: an ordinary thread's. */
static inline struct thread *thread_of(pthread_t id)
{
    ptrdiff_t at = (char *)&thread_self - (char *)tls_pointer();
    return *(struct thread **)((char *)(uintptr_t)id + at);
}

static inline pthread_t thread_id(const struct thread *t)
{
    return (pthread_t)(uintptr_t)t->block->tp;
}

/* How many there are that have not ended. Any thread. */
size_t threads_living(void);

/* What libc has as a thread's number where it compares owners of locks. Only
 * where tls_block_refused() has been asked. */
static inline int thread_tid(void)
{
#if defined(__x86_64__)
    int tid;
    __asm__("movl %%fs:(%1), %0" : "=r"(tid) : "r"(tls_libc.tid));
    return tid;
#else
    return gettid();
#endif
}

/* Whether t has ended, and is there only to be joined. Any thread. */
bool thread_has_ended(struct thread *t);

/* ---- cancel.c, signal.c ------------------------------------------------------- */

/* A wait that a cancel or a signal ends begins: whether it may; it is over. */
bool thread_may_wait(void);
void thread_has_waited(void);

/* Whether something was sent to the calling thread that is to be acted on. */
bool thread_is_interrupted(void);

/* Whether t has been sent what is to interrupt it, and of that signals. */
bool thread_wants(const struct thread *t);
bool signals_due(const struct thread *t);

/* Raises those on t, which is the calling thread: whether there were any. */
bool signals_deliver(struct thread *t);

/* Acts on a cancel, which does not return, and on signals: whether there were
 * any. At the beginning and the end of what is a cancellation point. */
bool thread_act(void);

/* Has t's hub look whether t is to be interrupted. 0, or ESRCH when t has
 * ended. Any thread. */
int thread_poke(struct thread *t);

/* In the handler of one that has ended the sleep of a hub whose own thread
 * blocks it: gives it to a thread that does not, whose wait it ends. False:
 * there is none, and it is to be handled here. */
bool signals_hand_on(const siginfo_t *info);

/* See whether the usual mutex is as known; before the first thread. */
void mutex_find_out(void);

/* t ends: its robust mutexes are told (robust.c). On t. */
void thread_robust_end(void);

#endif

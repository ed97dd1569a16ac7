/*
 * Raw calls: system calls that a program's own instructions make, not libc's.
 *
 * The kernel tells of them by a signal (prctl(2),
 * PR_SET_SYSCALL_USER_DISPATCH), one thread at a time: each that has a hub,
 * while this is on.
 *
 *   raw.c              on and off, for the process and on its threads
 *   places.c           where the kernel lets calls through; whose are let be
 *   trap.c             the signal: what becomes of a call
 *   forms.c            calls about signals, in the kernel's own form
 *   move.c             from the signal's stack to the caller's
 *   through.c          calls that only their caller can make
 *   through_x86_64.S   likewise
 *   sigsys.c           the signal of the program, which uses it itself
 *   refused.c          where there is none of it
 */
#ifndef GROVE_PATCH_RAW_RAW_H
#define GROVE_PATCH_RAW_RAW_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/tls_block.h"

/* Bytes of the kernel's own masks of signals, which are shorter than libc's. */
#define RAW_MASK_BYTES 8

/* What is kept of a thread, whichever storage its fibers have. */
struct raw_thread {
    /* The kernel reads it at each call that is not libc's:
     * SYSCALL_DISPATCH_FILTER_BLOCK tells of it, _ALLOW makes it. */
    volatile uint8_t selector;
    bool on;           /* the kernel was asked for this */
    void *stack;       /* its own, from the lowest address on */
    size_t stack_size; /* bytes; 0: not known */
};

extern __thread struct raw_thread raw_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The calling thread's. */
static inline struct raw_thread *raw_thread_self(void)
{
    return tls_block_own(&raw_thread);
}

/* NULL, or why raw calls cannot be patched here. Any thread. */
const char *raw_refused(void);

/* Patch them from now on, where they are not refused; no more. Threads follow
 * when their hubs turn, the calling one at once. One at a time. 0 or a negative
 * errno. */
int raw_begin(void);
void raw_end(void);

/* Whether they are to be. */
bool raw_is_on(void);

/* Around a fork: before it, in the parent, in the child. */
void raw_hold(void);
void raw_let_go(void);
void raw_forked(void);

/* A signal that is blocked when a raw call is told of by it ends the process:
 * the mask to be set instead of set, which may be put together in *room. NULL
 * for NULL. */
const sigset_t *raw_mask(const sigset_t *set, sigset_t *room);

/* The same for the calling thread as it is, in a handler, whose mask another
 * one takes the place of at its end. */
void raw_unmask(void);

#endif

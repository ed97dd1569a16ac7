/*
 * Handlers of signals: which of them runs on this thread, and which have run.
 */
#ifndef GROVE_PATCH_HANDLERS_H
#define GROVE_PATCH_HANDLERS_H

#include <stdbool.h>

/* A handler that runs; on its stack. */
struct handler_frame {
    unsigned long cookie;        /* its own address, changed: see
                                    handlers_running_slow */
    struct handler_frame *outer; /* the one that it has interrupted */
    const void *fiber;           /* on whose stack it runs, or thread */
};

/* The thread's innermost; NULL: none. How many have run on it. */
extern __thread struct handler_frame *handlers_innermost
    __attribute__((tls_model("initial-exec")));
extern __thread unsigned handlers_run
    __attribute__((tls_model("initial-exec")));

bool handlers_running_slow(void);

/* Whether the caller is a handler, or called by one: whatever it has
 * interrupted, the runtime included, is in the middle of something. */
static inline bool handlers_running(void)
{
    return __builtin_expect(handlers_innermost != 0, 0) &&
           handlers_running_slow();
}

/* Handlers that are there are run by way of us from now on; no more. */
void handlers_take_over(void);
void handlers_give_back(void);

#endif

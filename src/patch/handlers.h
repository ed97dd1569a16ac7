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

/* Those of a thread. */
struct handlers {
    struct handler_frame *innermost; /* NULL: none runs */
    unsigned run;                    /* how many have */
    bool restart; /* all that have run since it was set have SA_RESTART */
};

/* Stands for the innermost one in the child of a vfork (vfork_*.S), which
 * runs in the middle of its parent and in its memory: to it the runtime is as
 * out of bounds as to a handler. */
extern struct handler_frame handlers_vforked;

bool handlers_running_slow(struct handlers *h);

/* Whether the caller is a handler, or called by one, or a vfork's child:
 * whatever it has interrupted, the runtime included, is in the middle of
 * something. h is its thread's. */
static inline bool handlers_running(struct handlers *h)
{
    return __builtin_expect(h->innermost != 0, 0) && handlers_running_slow(h);
}

/* Handlers that are there are run by way of us from now on; no more. */
void handlers_take_over(void);
void handlers_give_back(void);

/* Whether the kernel calls handlers that we are not told of; *restart is
 * whether all of these have SA_RESTART. errno is kept. */
bool handlers_unknown(bool *restart);

#endif

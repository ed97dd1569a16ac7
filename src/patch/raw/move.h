/*
 * From the alternate stack, on which the handler begins, to the stack of who
 * made the call.
 */
#ifndef GROVE_PATCH_RAW_MOVE_H
#define GROVE_PATCH_RAW_MOVE_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* The calling thread's own stack: noted in what is kept of it, before the
 * first call. */
void move_note_stack(void);

/* Whether a call may park on the stack that the signal has interrupted: it is
 * that of the fiber that runs, or of the thread, and has room. In the handler.
 */
bool move_may(const ucontext_t *context);

/* Have fn called on that stack, with the context or a copy of it. In the
 * handler, which is left for it: the signal ends when fn returns, by way of
 * restorer; or here, if the handler is on that stack already. */
void move_and_call(ucontext_t *context, void (*fn)(ucontext_t *context),
                   uintptr_t restorer);

#endif

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

/* In the handler: an alternate stack that the kernel has taken away for it, as
 * SS_AUTODISARM asks it to, is set again. */
void move_rearm(const ucontext_t *context);

/* sigaltstack with these arguments, as if it were called on the stack that the
 * signal has interrupted; the signal's end leaves it so. In the handler, which
 * no signal interrupts from then on. -1 with errno. */
long move_altstack(ucontext_t *context, const long *args);

#endif

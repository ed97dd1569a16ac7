/*
 * Stack overflow: who ran into its guard page is said before the process dies.
 */
#ifndef GROVE_FIBER_OVERFLOW_H
#define GROVE_FIBER_OVERFLOW_H

#include "fiber/stack.h"

/* Report overflows of pool's stacks on the calling thread, which gets an
 * alternate signal stack if it has none. The first call installs the SIGSEGV
 * handler of the process. 0 or -ENOMEM. */
int overflow_watch(const struct stack_pool *pool);

/* Stop; before the pool is destroyed, on the same thread. */
void overflow_unwatch(void);

#endif

/*
 * Reading what may not be there: memory of another thread that goes on
 * meanwhile, stacks whose bounds are not known. A fault ends the call, not the
 * process.
 */
#ifndef GROVE_FIBER_GUARDED_H
#define GROVE_FIBER_GUARDED_H

#include <stdbool.h>

/* Calls fn(arg), which only reads and holds nothing, so that it may be left
 * anywhere. Whether it came to its end; false: it ran into memory that is not
 * there. On threads that have SIGSEGV not blocked, in signal handlers, too. It
 * is no guard where the program's handler of SIGSEGV comes before ours
 * (overflow_is_first): only what is not expected to fault may be done then. */
bool guarded_call(void (*fn)(void *arg), void *arg);

/* In the handler of SIGSEGV, which has come of a fault: ends the thread's
 * guarded call and does not return; returns if none is under way. */
void guarded_fault(void);

#endif

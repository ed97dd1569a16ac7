/*
 * Which hub a new thread runs on, as grove_patch_cores has it, and how large
 * its stack is, as grove_patch_stack has it; see deal.c.
 */
#ifndef GROVE_PATCH_THREADS_DEAL_H
#define GROVE_PATCH_THREADS_DEAL_H

#include <stddef.h>

struct hub;

/* For threads without attributes; 0: libc's size, but no more than
 * DEAL_STACK_MOST: of a larger stack the two ends are in different page tables,
 * which cost more than the stack does. */
#define DEAL_STACK_MOST ((size_t)2 << 20)
size_t deal_stack_size(void);

/* The hub for the next thread; NULL: the calling thread has none and can have
 * none. */
struct hub *deal_hub(void);

#endif

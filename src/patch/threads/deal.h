/*
 * Which hub a new thread runs on; see deal.c.
 */
#ifndef GROVE_PATCH_THREADS_DEAL_H
#define GROVE_PATCH_THREADS_DEAL_H

#include <stddef.h>

struct hub;

/* Threads are dealt over n hubs from here on, of which the calling thread's is
 * the first; the others are made. 0 or -errno, and then they stay as they are.
 * Once a process, before the first thread. */
int deal_over(unsigned n);

/* Threads that are created without attributes get stacks of this size. At first
 * it is libc's, but no more than DEAL_STACK_MOST: of a larger stack the two
 * ends are in different page tables, which cost more than the stack does.
 * Before the first thread. */
#define DEAL_STACK_MOST ((size_t)2 << 20)
void deal_set_stack_size(size_t size);
size_t deal_stack_size(void);

/* The hub for the next thread; NULL: the calling thread has none and can have
 * none. */
struct hub *deal_hub(void);

#endif

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

/* Threads that are created without attributes get stacks of this size; 0: as
 * large as libc's. Before the first thread. */
void deal_set_stack_size(size_t size);
size_t deal_stack_size(void);

/* The hub for the next thread; NULL: the calling thread has none and can have
 * none. */
struct hub *deal_hub(void);

#endif

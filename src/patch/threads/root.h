/*
 * Signals for the thread whose own stack a hub of fibers runs on, as the main
 * thread's is; see root.c.
 */
#ifndef GROVE_PATCH_THREADS_ROOT_H
#define GROVE_PATCH_THREADS_ROOT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct hub;
struct sent;

/* A fiber with storage of its own is the first of hub's, the calling thread's.
 */
void root_begin(struct hub *hub);

/* Where those of the caller are kept, which is no fiber that is a thread; NULL:
 * the kernel has them. */
struct sent *root_sent(void);

/* One that was sent to id, which is no fiber. False: the kernel is to be given
 * it. Any thread. */
bool root_keep(pthread_t id, const siginfo_t *info);

/* A fiber has ended: what nobody else would take goes to the kernel. On hub's
 * thread, with the mask of that. */
void root_settle(struct hub *hub);

#endif

/*
 * Threads of the library's own, which run no fibers: workers, and those that
 * wait for children where the kernel has no pidfds.
 */
#ifndef GROVE_OS_NATIVE_THREAD_H
#define GROVE_OS_NATIVE_THREAD_H

#include <stddef.h>

/* Starts a detached thread with a stack of that many bytes and all signals
 * blocked, which calls native_thread_ends last: 0, or a positive errno. */
int native_thread_start(void *(*run)(void *arg), void *arg, size_t stack);
void native_thread_ends(void);

#endif

/*
 * Worker threads for calls that would hold up the thread. Part of grove.h.
 */
#ifndef GROVE_OFFLOAD_H
#define GROVE_OFFLOAD_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Call fn(arg) on a worker thread, park the caller until it has returned, and
 * store its value in *result (result may be NULL); errno is then what fn left.
 * A call that ends early takes fn back if no worker has begun it; once begun it
 * is waited for and 0 is returned: a kill is then told at the next wait.
 * 0, or -ECANCELED, -ETIMEDOUT (fn has not run and will not), -EINVAL (fn
 * NULL), -EAGAIN (no thread can be made), -ENOMEM, -EMFILE/-ENFILE (this
 * thread's first call). */
GROVE_API int grove_offload(void *(*fn)(void *), void *arg, void **result);
GROVE_API int grove_offload_until(void *(*fn)(void *), void *arg, void **result,
                                  int64_t deadline);

/* How many worker threads there may be at once, in the whole process:
 * GROVE_WORKERS from the environment, else 64. */
GROVE_API unsigned grove_workers_max(void);

/* Sets it. 0, or -EINVAL for 0 or more than GROVE_WORKERS_MAX. */
GROVE_API int grove_workers_set_max(unsigned max);

#define GROVE_WORKERS_MAX 1024

#ifdef __cplusplus
}
#endif
#endif

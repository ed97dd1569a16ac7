/*
 * Hubs, a thread each. Part of grove.h.
 */
#ifndef GROVE_HUB_H
#define GROVE_HUB_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A thread's scheduler; made on the thread's first call of the runtime. */
typedef struct grove_hub grove_hub;

/* The calling thread's hub; NULL with errno ENOMEM, EMFILE or ENFILE. */
GROVE_API grove_hub *grove_hub_self(void);

/* A callback in place, owned by the caller; free to be posted again once it
 * is being called. */
typedef struct grove_post {
    struct grove_post *next;
    void (*fn)(struct grove_post *post);
    int posted;
} grove_post;

/* Have post->fn(post) called on hub's own stack, from any thread or signal
 * handler: no locks, no allocation, at most one system call. Callbacks run in
 * the order they were posted. Returns 1, or 0 when post was already waiting
 * to be called. The hub must be alive: see grove_hub_hold. */
GROVE_API int grove_hub_post(grove_hub *hub, grove_post *post);

/* While held, a hub with nothing to do waits for a post instead of reporting
 * a deadlock. On the hub's own thread only. */
GROVE_API void grove_hub_hold(grove_hub *hub);
GROVE_API void grove_hub_unhold(grove_hub *hub);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Hubs, a thread each. Part of grove.h.
 */
#ifndef GROVE_HUB_H
#define GROVE_HUB_H

#include <grove/base.h>
#include <grove/fiber.h>

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
 * to be called, or -ESRCH when the hub's thread has ended. The hub must be
 * alive or retained. */
GROVE_API int grove_hub_post(grove_hub *hub, grove_post *post);

/* While held, a hub with nothing to do waits for a post instead of reporting
 * a deadlock. On the hub's own thread only. */
GROVE_API void grove_hub_hold(grove_hub *hub);
GROVE_API void grove_hub_unhold(grove_hub *hub);

/* ---- The life of a hub ------------------------------------------------- */

/* Take a reference to hub: the handle stays good after its thread has ended,
 * and what is posted, spawned or called there then fails with -ESRCH. Give it
 * back with grove_hub_release. From any thread, while the hub lives or is
 * retained. */
GROVE_API grove_hub *grove_hub_retain(grove_hub *hub);
GROVE_API void grove_hub_release(grove_hub *hub);

/* ---- Fibers on other hubs ---------------------------------------------- */

/* Spawn a detached fiber that runs fn(arg) on hub, from any thread. It runs
 * unless the hub's thread ends first. 0, or -ESRCH (it has ended), -ENOMEM,
 * -EINVAL (fn NULL). */
GROVE_API int grove_hub_spawn(grove_hub *hub, void *(*fn)(void *), void *arg);
/* The same with attributes (NULL: none), as of grove_spawn_with; drop is called
 * on hub's thread, also when that ends before the fiber is there. */
GROVE_API int grove_hub_spawn_with(grove_hub *hub, const grove_attr *attr,
                                   void *(*fn)(void *), void *arg);

/* Have fn(arg) called in a fiber of hub, wait until it has returned, and store
 * what it returned in *value (may be NULL). A caller that is killed, or whose
 * deadline passes, has that fiber killed and waits for its end all the same: fn
 * does not run any more when this returns. 0; -ESRCH when the hub's thread has
 * ended before fn; -ECANCELED, -ETIMEDOUT, -EDEADLK, -ENOMEM, -EINVAL. */
GROVE_API int grove_hub_call(grove_hub *hub, void *(*fn)(void *), void *arg,
                             void **value);
GROVE_API int grove_hub_call_until(grove_hub *hub, void *(*fn)(void *),
                                   void *arg, void **value, int64_t deadline);

/* ---- A hub a core ------------------------------------------------------- */

/* What a function that grove_hubs runs is told. */
typedef struct grove_crew {
    unsigned index;         /* which of the hubs it runs on, from 0 */
    unsigned count;         /* how many there are */
    grove_hub *const *hubs; /* all of them, good until grove_hubs returns */
} grove_crew;

/* Make n threads with a hub each (0: as many as the processors that this thread
 * may run on) and run fn(crew, arg) in a fiber of each. Returns when all these
 * and every other fiber of these hubs have ended. The first fn to return a
 * negative value ends the others: all their fibers are killed, again and again,
 * and so they are when the deadline passes. A kill of the caller is told to
 * each fn, once: those that serve end that in an orderly way and return; then
 * the other fibers are killed, and so is all at once by a second kill. 0; the
 * first negative value that an fn returned; -EAGAIN (no thread), -ENOMEM,
 * -EMFILE, -ENFILE, -EINVAL (fn NULL); -ECANCELED, -ETIMEDOUT. */
GROVE_API int
grove_hubs(unsigned n, int (*fn)(const grove_crew *crew, void *arg), void *arg);
GROVE_API int grove_hubs_until(unsigned n,
                               int (*fn)(const grove_crew *crew, void *arg),
                               void *arg, int64_t deadline);
/* Kill all fibers of these hubs; what their functions return from here on is
 * not an error. From any thread, before grove_hubs has returned. */
GROVE_API void grove_hubs_stop(const grove_crew *crew);

/* ---- In another event loop ----------------------------------------------- */

/* A descriptor that becomes readable when grove_hub_run_due should be called.
 * Another one after a fork. */
GROVE_API int grove_hub_fd(const grove_hub *hub);
/* How many nanoseconds the other loop may sleep before it must call
 * grove_hub_run_due: 0 not at all, -1 for good. To be asked before each sleep.
 */
GROVE_API int64_t grove_hub_timeout(grove_hub *hub);
/* Run what is due, without sleeping. 0, or -EBUSY on the hub's own stack. */
GROVE_API int grove_hub_run_due(grove_hub *hub);

/* ---- Numbers ------------------------------------------------------------- */

typedef struct grove_stats {
    size_t size; /* sizeof(grove_stats), or 0: see grove.h */
    /* Since the hub was made */
    uint64_t switches; /* between fibers */
    uint64_t spawned;  /* fibers */
    uint64_t ended;    /* of them */
    uint64_t polls;    /* system calls for events */
    uint64_t posts;    /* callbacks from grove_hub_post that were called */
    /* Now */
    size_t live;        /* fibers that have not ended */
    size_t parked;      /* of them, those that wait, or start later */
    size_t timers;      /* pending deadlines */
    size_t descriptors; /* waits for a descriptor */
    size_t stacks;      /* unused stacks kept for the next fibers */
} grove_stats;

/* Fill in *stats, which must be zero but for its size. On the hub's own thread
 * only. 0, or -EINVAL for a size that cannot be. */
GROVE_API int grove_hub_stats(const grove_hub *hub, grove_stats *stats);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Synchronisation. Part of grove.h.
 *
 * All of these stand in place, in memory of the caller's; the initialisers of
 * static ones are all zeros. They may be used by fibers of different hubs and
 * by plain threads at once, and wake those who wait in the order in which they
 * came. A thread may set, unlock, or release without being a hub; one that
 * waits becomes one. They are not for signal handlers, nor for memory that
 * processes share; after a fork of a process with several threads, one that
 * another thread was using at that moment must not be used in the child, as
 * POSIX has it for its mutexes.
 */
#ifndef GROVE_SYNC_H
#define GROVE_SYNC_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of those who wait; the library's own. */
typedef struct grove_waiters {
    void *first, *last;
    int lock;
} grove_waiters;

#define GROVE_WAITERS_INIT \
    { \
        0, 0, 0 \
    }

/* ---- Event ------------------------------------------------------------ */

/* A flag that fibers wait for. */
typedef struct grove_event {
    grove_waiters waiters;
    bool set;
} grove_event;

#define GROVE_EVENT_INIT \
    { \
        GROVE_WAITERS_INIT, 0 \
    }

GROVE_API void grove_event_init(grove_event *e);
/* Sets the flag and wakes all who wait. */
GROVE_API void grove_event_set(grove_event *e);
GROVE_API void grove_event_clear(grove_event *e);
GROVE_API bool grove_event_is_set(const grove_event *e);
/* 0 once the flag was set (even if cleared since), or -ETIMEDOUT, -ECANCELED,
 * -EDEADLK. */
GROVE_API int grove_event_wait(grove_event *e);
GROVE_API int grove_event_wait_until(grove_event *e, int64_t deadline);

/* ---- Mutex ------------------------------------------------------------ */

/* A lock that one fiber holds. Unlocking hands it to the one that has waited
 * longest; nobody overtakes. */
typedef struct grove_mutex {
    grove_waiters waiters;
    uintptr_t owner; /* the fiber that holds it; odd: somebody may wait */
    unsigned depth;  /* of a recursive one: locks beyond the first */
    bool recursive;
} grove_mutex;

#define GROVE_MUTEX_INIT \
    { \
        GROVE_WAITERS_INIT, 0, 0, false \
    }
/* The fiber that holds it may lock it again; it is free after as many unlocks.
 */
#define GROVE_MUTEX_RECURSIVE_INIT \
    { \
        GROVE_WAITERS_INIT, 0, 0, true \
    }

GROVE_API void grove_mutex_init(grove_mutex *m);
GROVE_API void grove_mutex_init_recursive(grove_mutex *m);
/* 0; -EDEADLK when the caller holds it already (and it is not recursive);
 * -ECANCELED, -ETIMEDOUT, -EDEADLK without it. */
GROVE_API int grove_mutex_lock(grove_mutex *m);
GROVE_API int grove_mutex_lock_until(grove_mutex *m, int64_t deadline);
/* 0, or -EBUSY when another fiber holds it, -EDEADLK as above. Never waits. */
GROVE_API int grove_mutex_trylock(grove_mutex *m);
/* 0, or -EPERM when the caller does not hold it. Never waits. */
GROVE_API int grove_mutex_unlock(grove_mutex *m);
/* Whether any fiber holds it. */
GROVE_API bool grove_mutex_is_locked(const grove_mutex *m);

#ifdef __cplusplus
}
#endif
#endif

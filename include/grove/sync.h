/*
 * Synchronisation. Part of grove.h.
 */
#ifndef GROVE_SYNC_H
#define GROVE_SYNC_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Event ------------------------------------------------------------ */

/* A flag that fibers of one thread wait for, in FIFO order. In place. */
typedef struct grove_event {
    void *first, *last;
    bool set;
} grove_event;

/* clang-format off */
#define GROVE_EVENT_INIT {0, 0, 0}
/* clang-format on */

GROVE_API void grove_event_init(grove_event *e);
/* Sets the flag and wakes all who wait. */
GROVE_API void grove_event_set(grove_event *e);
GROVE_API void grove_event_clear(grove_event *e);
GROVE_API bool grove_event_is_set(const grove_event *e);
/* 0 once the flag was set (even if cleared since), or -ETIMEDOUT, -ECANCELED,
 * -EDEADLK. */
GROVE_API int grove_event_wait(grove_event *e);
GROVE_API int grove_event_wait_until(grove_event *e, int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif

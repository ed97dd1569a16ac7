/*
 * Waits for what other processes may change, too: nobody here is told of that,
 * so it is looked at again after pauses that grow.
 */
#ifndef GROVE_PATCH_THREADS_SHARED_H
#define GROVE_PATCH_THREADS_SHARED_H

#include "hub/clock.h"

#define SHARED_PAUSE_FIRST (50 * GROVE_MICROSECOND)
#define SHARED_PAUSE_MOST (10 * GROVE_MILLISECOND)

struct shared_pace {
    bool shared;   /* others may change it */
    int64_t pause; /* the last one; 0: none yet */
};

/* How long to wait before the next look, at most until deadline. */
static inline int64_t shared_until(struct shared_pace *p, int64_t deadline)
{
    if (!p->shared)
        return deadline;
    p->pause = p->pause ? 2 * p->pause : SHARED_PAUSE_FIRST;
    if (p->pause > SHARED_PAUSE_MOST)
        p->pause = SHARED_PAUSE_MOST;
    int64_t until = hub_clock() + p->pause;
    return until < deadline ? until : deadline;
}

#endif

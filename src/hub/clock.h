/*
 * The monotonic clock, in nanoseconds, as deadlines are told in. Any thread.
 */
#ifndef GROVE_HUB_CLOCK_H
#define GROVE_HUB_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "grove.h"

static inline int64_t hub_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

/* Behind by a few milliseconds at most, for a quarter of the cost. */
static inline int64_t hub_clock_coarse(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

/* now + ns, at most GROVE_NEVER. */
static inline int64_t hub_deadline(int64_t ns)
{
    int64_t now = hub_clock();
    return ns >= GROVE_NEVER - now ? GROVE_NEVER : now + ns;
}

#endif

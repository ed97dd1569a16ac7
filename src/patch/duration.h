/*
 * Times as libc's calls take them, in nanoseconds.
 */
#ifndef GROVE_PATCH_DURATION_H
#define GROVE_PATCH_DURATION_H

#include <stdbool.h>
#include <sys/time.h>
#include <time.h>

#include "hub/clock.h"

static inline bool duration_is_valid(const struct timespec *t)
{
    return t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < GROVE_SECOND;
}

/* One that is valid; GROVE_NEVER if it is longer than can be told. */
static inline int64_t duration_of(const struct timespec *t)
{
    return t->tv_sec >= GROVE_NEVER / GROVE_SECOND
               ? GROVE_NEVER
               : t->tv_sec * GROVE_SECOND + t->tv_nsec;
}

/* When it is over; NULL is never. */
static inline int64_t duration_end(const struct timespec *t)
{
    return t ? hub_deadline(duration_of(t)) : GROVE_NEVER;
}

/* What is left until end, which is a time to come or past. */
static inline struct timespec duration_left(int64_t end)
{
    int64_t left = end - hub_clock();
    if (left < 0)
        left = 0;
    return (struct timespec){left / GROVE_SECOND, left % GROVE_SECOND};
}

#endif

/*
 * The time of an event: ticks of the processor's counter where that runs evenly
 * on all processors, else nanoseconds of the clock, which takes twice as long.
 * Any thread.
 */
#ifndef GROVE_TRACE_CLOCK_H
#define GROVE_TRACE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "fiber/visibility.h"

/* Set once, by trace_clock_begin. */
extern bool trace_counter_is_even __attribute__((visibility("hidden")));

static inline uint64_t trace_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static inline uint64_t trace_ticks(void)
{
#if defined(__x86_64__)
    if (likely(trace_counter_is_even))
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    if (likely(trace_counter_is_even)) {
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
    }
#endif
    return trace_clock();
}

/* Once a process: which of them it is, and when this was. */
void trace_clock_begin(void);

/* What ticks are in nanoseconds of the monotonic clock: a line through the
 * beginning and `now`, both of which were told by both. */
struct trace_scale {
    uint64_t ticks;
    uint64_t clock;
    double step; /* nanoseconds a tick */
};

struct trace_scale trace_scale_now(void);

static inline uint64_t trace_nanoseconds(const struct trace_scale *s,
                                         uint64_t ticks)
{
    double since = (double)(int64_t)(ticks - s->ticks) * s->step;
    return s->clock + (uint64_t)(int64_t)since;
}

#endif

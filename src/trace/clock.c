/*
 * The processor's counter against the clock. How fast it counts is not asked
 * for: it follows from two looks at both, at the beginning and when the trace
 * is written, so that nothing has to wait for a calibration. An error of a look
 * (tens of nanoseconds) is the error of the last event's time; between them it
 * is less.
 */
#include "trace/clock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Looks of which the shortest is taken: one may have been interrupted. */
#define LOOKS 5

bool trace_counter_is_even;

struct look {
    uint64_t ticks;
    uint64_t clock;
};

static struct look beginning;

/* On x86-64 it may stand still in sleeps of a processor or change its pace with
 * it, unless the processor says that it does not. */
static bool is_even(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

static struct look look(void)
{
    struct look best = {0, 0};
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < LOOKS; i++) {
        uint64_t before = trace_ticks();
        uint64_t clock = trace_clock();
        uint64_t took = trace_ticks() - before;
        if (took < shortest) {
            shortest = took;
            best = (struct look){before + took / 2, clock};
        }
    }
    return best;
}

void trace_clock_begin(void)
{
    trace_counter_is_even = is_even();
    beginning = look();
}

struct trace_scale trace_scale_now(void)
{
    struct look now = look();
    uint64_t ticks = now.ticks - beginning.ticks;
    double ns = (double)(now.clock - beginning.clock);
    return (struct trace_scale){.ticks = beginning.ticks,
                                .clock = beginning.clock,
                                .step = ticks ? ns / (double)ticks : 1};
}

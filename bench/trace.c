/*
 * What the trace costs: an event, put into a hub's ring, against a reading of
 * the processor's counter, which tells its time; an event of those that a wait
 * has, where a park and the switch after it are of one time; and a yield,
 * traced, against one that is not.
 *
 *   trace
 *   trace add COUNT | none COUNT     so many events and nothing else, or as
 *                                    many turns of an empty loop: instructions
 *                                    are counted so, by callgrind
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"
#include "hub/hub.h"
#include "trace/trace.h"

#define EVENTS 10000
#define YIELDS 10000

static struct trace_ring *ring; /* this hub's */

static void add(long count)
{
    for (long i = 0; i < count; i++)
        trace_add(ring, TRACE_SWITCH, (uint64_t)i, 1, 0);
}

static void do_nothing(long count)
{
    for (long i = 0; i < count; i++)
        __asm__ volatile("" : : "r"(i));
}

static double turn_of_events(void)
{
    int64_t begin = bench_now();
    add(EVENTS);
    return (double)(bench_now() - begin) / EVENTS;
}

/* Its hub has sleeps as well, and its spawns are fewer. */
static double turn_of_waits(void)
{
    int64_t begin = bench_now();
    for (uint64_t i = 0; i < EVENTS / 3; i++) {
        uint64_t time = trace_ticks();
        trace_add_at(ring, time, TRACE_PARK, i, (uintptr_t) "recv", 3);
        trace_add_at(ring, time, TRACE_SWITCH, i, i + 1, 0);
        trace_add(ring, TRACE_WAKE, i, 0, 0);
    }
    return (double)(bench_now() - begin) / (EVENTS / 3 * 3);
}

static double turn_of_ticks(void)
{
    uint64_t ticks = 0;
    int64_t begin = bench_now();
    for (int i = 0; i < EVENTS; i++)
        __asm__ volatile("" : "+r"(ticks) : "r"(trace_ticks()));
    return (double)(bench_now() - begin) / EVENTS;
}

static void *yields(void *unused)
{
    for (int i = 0; i < YIELDS / 2; i++)
        grove_yield();
    return NULL;
}

static double turn_of_yields(struct trace_ring *to)
{
    grove_fiber *fibers[2];
    hub_self()->trace = to;
    grove_hooks_set(NULL); /* the hub looks who is told */
    for (int i = 0; i < 2; i++)
        bench_check(grove_spawn(&fibers[i], yields, NULL), "spawn");
    int64_t begin = bench_now();
    for (int i = 0; i < 2; i++) {
        grove_join(fibers[i], NULL);
        grove_release(fibers[i]);
    }
    return (double)(bench_now() - begin) / YIELDS;
}

static double turn_traced(void)
{
    return turn_of_yields(ring);
}

static double turn_untraced(void)
{
    return turn_of_yields(NULL);
}

int main(int argc, char **argv)
{
    setenv("GROVE_TRACE", "/dev/null", 1);
    ring = hub_self()->trace;
    if (argc > 2) {
        (strcmp(argv[1], "add") == 0 ? add : do_nothing)(atol(argv[2]));
        _exit(0); /* what was added is not written */
    }
    bench_run("trace_event", turn_of_events, turn_of_ticks, "the counter's",
              1001);
    bench_run("trace_wait_event", turn_of_waits, NULL, NULL, 1001);
    bench_run("trace_yield", turn_traced, turn_untraced, "not traced", 301);
    hub_self()->trace = ring;
    return 0;
}

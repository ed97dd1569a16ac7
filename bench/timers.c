/*
 * Timers: COUNT (1,000,000) live ones, added and then cancelled, with deadlines
 * in no order, as of connections that each have a timeout.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"
#include "hub/timer.h"

static size_t count;
static struct timer_heap heap;
static struct timer *timers;
static int64_t *deadlines;

static double turn(void)
{
    int64_t start = bench_now();
    for (size_t i = 0; i < count; i++)
        timer_add(&heap, &timers[i], deadlines[i]);
    for (size_t i = 0; i < count; i++)
        timer_remove(&heap, &timers[i]);
    return (double)(bench_now() - start) / (double)count;
}

int main(int argc, char **argv)
{
    count = (size_t)bench_argument(argc, argv, 1, 1000000);
    timers = calloc(count, sizeof(*timers));
    deadlines = calloc(count, sizeof(*deadlines));
    if (!timers || !deadlines)
        bench_check(-ENOMEM, "timers");
    for (size_t i = 0; i < count; i++)
        bench_check(timer_claim(&heap), "timers");
    uint64_t random = 1;
    for (size_t i = 0; i < count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        deadlines[i] = (int64_t)(random >> 24);
    }
    bench_run("timers", turn, NULL, NULL, 11);
    return 0;
}

/*
 * A yield through the run queue: two fibers that do nothing else.
 */
#include "bare_pair.h"
#include "grove.h"

#define TURNS 50000

static void *yielder(void *unused)
{
    for (int i = 0; i < TURNS; i++)
        grove_yield();
    return NULL;
}

static double turn(void)
{
    grove_fiber *fibers[2];
    for (int i = 0; i < 2; i++)
        bench_check(grove_spawn(&fibers[i], yielder, NULL), "grove_spawn");
    int64_t start = bench_now();
    for (int i = 0; i < 2; i++)
        grove_join(fibers[i], NULL);
    double ns = (double)(bench_now() - start) / (2 * TURNS);
    for (int i = 0; i < 2; i++)
        grove_release(fibers[i]);
    return ns;
}

int main(void)
{
    bench_run("yield", turn, bare_pair_turn, "bare swap", 501);
    return 0;
}

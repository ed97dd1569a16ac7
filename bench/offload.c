/*
 * A call of a function that does nothing on a worker thread, from a fiber and
 * back.
 */
#include <stddef.h>

#include "bench.h"
#include "grove.h"

#define TURNS 500

static void *nothing(void *arg)
{
    return arg;
}

static void *caller(void *arg)
{
    for (int i = 0; i < TURNS; i++)
        bench_check(grove_offload(nothing, arg, NULL), "grove_offload");
    return arg;
}

static double turn(void)
{
    grove_fiber *f;
    bench_check(grove_spawn(&f, caller, NULL), "grove_spawn");
    int64_t start = bench_now();
    grove_join(f, NULL);
    double ns = (double)(bench_now() - start) / TURNS;
    grove_release(f);
    return ns;
}

int main(void)
{
    bench_run("offload", turn, NULL, NULL, 101);
    return 0;
}

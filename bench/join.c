/*
 * Hand-over by joining: spawn a fiber, wait for what it returns, release it.
 */
#include "bare_pair.h"
#include "grove.h"

#define TURNS 20000

static void *echo(void *arg)
{
    return arg;
}

static double turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        grove_fiber *f;
        void *value;
        grove_spawn(&f, echo, NULL);
        grove_join(f, &value);
        grove_release(f);
    }
    return (double)(bench_now() - start) / TURNS;
}

int main(void)
{
    bench_run("join", turn, bare_pair_turn, "bare swap", 301);
    return 0;
}

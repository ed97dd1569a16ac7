/*
 * Spawn and finish of an empty detached fiber whose stack comes from the pool.
 *
 *   spawn [BATCH]    fibers spawned before the others get their turn; 1
 *
 * The peer makes a bare context on a stack it has, swaps to it and back.
 */
#include <stdio.h>

#include "bare_swap.h"
#include "bench.h"
#include "grove.h"

#define TURNS 50000

static long batch;

static void *nothing(void *unused)
{
    return NULL;
}

static double turn(void)
{
    int64_t start = bench_now();
    for (long done = 0; done < TURNS; done += batch) {
        for (long i = 0; i < batch; i++)
            grove_spawn(NULL, nothing, NULL);
        grove_yield();
    }
    return (double)(bench_now() - start) / TURNS;
}

static struct bare bare_main, bare_new;

static void bare_nothing(void *unused)
{
    bare_swap(&bare_new, &bare_main);
}

static double bare_turn(void)
{
    static char stack[16384] __attribute__((aligned(64)));
    int64_t start = bench_now();
    for (long i = 0; i < TURNS; i++) {
        bare_make(&bare_new, stack + sizeof(stack), bare_nothing, NULL);
        bare_swap(&bare_main, &bare_new);
    }
    return (double)(bench_now() - start) / TURNS;
}

int main(int argc, char **argv)
{
    batch = bench_argument(argc, argv, 1, 1);
    char name[32];
    snprintf(name, sizeof(name), batch == 1 ? "spawn" : "spawn_%ld", batch);
    bench_run(name, turn, bare_turn, "bare make and two swaps", 301);
    return 0;
}

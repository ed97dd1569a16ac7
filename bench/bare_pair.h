/*
 * Two bare contexts that swap back and forth: the peer of every figure that is
 * about one switch.
 */
#ifndef GROVE_BENCH_BARE_PAIR_H
#define GROVE_BENCH_BARE_PAIR_H

#include "bare_swap.h"
#include "bench.h"

#define BARE_PAIR_TURNS 100000

static struct bare bare_main, bare_other;

static void bare_pong(void *unused)
{
    (void)unused;
    for (;;)
        bare_swap(&bare_other, &bare_main);
}

/* Nanoseconds a swap. */
static double bare_pair_turn(void)
{
    static char stack[16384] __attribute__((aligned(64)));
    if (!bare_other.sp)
        bare_make(&bare_other, stack + sizeof(stack), bare_pong, NULL);
    int64_t start = bench_now();
    for (int i = 0; i < BARE_PAIR_TURNS; i++)
        bare_swap(&bare_main, &bare_other);
    return (double)(bench_now() - start) / (2 * BARE_PAIR_TURNS);
}

#endif

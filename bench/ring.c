/*
 * Round robin over many fibers: what a switch costs when everything has left
 * the cache before its turn comes.
 *
 *   ring [COUNT [STACK]]    100000 fibers; stacks of the default size
 *
 * The peer is a ring of as many bare contexts, each of which swaps to the next,
 * on stacks 64 KiB apart.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bare_swap.h"
#include "bench.h"
#include "grove.h"

#define BARE_STACK ((size_t)64 << 10)

static long count;
static bool stop;

static void *yielder(void *unused)
{
    while (!stop)
        grove_yield();
    return NULL;
}

/* Rounds of the ring in a turn; one more, unmeasured, comes first, because the
 * other ring has taken the cache. */
#define LAPS 3

/* A yield is back here when all others have had their turn. */
static double turn(void)
{
    grove_yield();
    int64_t start = bench_now();
    for (int i = 0; i < LAPS; i++)
        grove_yield();
    return (double)(bench_now() - start) / LAPS / (double)count;
}

static struct bare bare_main;
static struct bare *bare_ring;

static void bare_member(void *arg)
{
    struct bare *self = arg;
    for (;;)
        bare_swap(self, self == &bare_ring[count - 1] ? &bare_main : self + 1);
}

static double bare_turn(void)
{
    bare_swap(&bare_main, &bare_ring[0]);
    int64_t start = bench_now();
    for (int i = 0; i < LAPS; i++)
        bare_swap(&bare_main, &bare_ring[0]);
    return (double)(bench_now() - start) / LAPS / (double)count;
}

static void make_bare_ring(void)
{
    size_t size = (size_t)count * BARE_STACK;
    char *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bare_ring = calloc((size_t)count, sizeof(*bare_ring));
    if (stacks == MAP_FAILED || !bare_ring)
        bench_check(-ENOMEM, "stacks of the bare ring");
    madvise(stacks, size, MADV_NOHUGEPAGE);
    for (long i = 0; i < count; i++)
        bare_make(&bare_ring[i], stacks + (size_t)(i + 1) * BARE_STACK,
                  bare_member, &bare_ring[i]);
}

int main(int argc, char **argv)
{
    count = bench_argument(argc, argv, 1, 100000);
    size_t stack =
        (size_t)bench_argument(argc, argv, 2, (long)grove_stack_size_default());
    grove_attr attr = {.stack_size = stack};
    for (long i = 0; i < count; i++)
        bench_check(grove_spawn_with(NULL, &attr, yielder, NULL), "spawn");
    make_bare_ring();
    char name[64];
    snprintf(name, sizeof(name), "ring_%ldk_%s", count / 1000,
             bench_size(stack));
    bench_run(name, turn, bare_turn, "bare ring on 64K stacks", 31);
    stop = true;
    grove_yield();
    return 0;
}

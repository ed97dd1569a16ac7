/*
 * Hand-overs by channels: `channel_ping`, values to and fro on two channels
 * without buffers; `channel`, one way without a buffer; `channel_buffered`, one
 * way through a buffer of 64.
 */
#include "bare_pair.h"
#include "grove.h"

#define TURNS 20000

static grove_channel *there, *back;

static void *echo(void *arg)
{
    long value;
    while (grove_channel_recv(there, &value) == 0)
        grove_channel_send(back, &value);
    return NULL;
}

static void *drain(void *arg)
{
    long value;
    while (grove_channel_recv(there, &value) == 0)
        ;
    return NULL;
}

static void make(grove_channel **c, size_t capacity)
{
    bench_check(grove_channel_create(c, sizeof(long), capacity),
                "grove_channel_create");
}

/* The nanoseconds that `turns` values took to a fiber that runs fn. */
static double timed(void *(*fn)(void *), size_t capacity, bool answers)
{
    grove_fiber *f;
    make(&there, capacity);
    make(&back, capacity);
    bench_check(grove_spawn(&f, fn, NULL), "grove_spawn");
    grove_yield();
    int64_t start = bench_now();
    for (long i = 0; i < TURNS; i++) {
        long answer;
        grove_channel_send(there, &i);
        if (answers)
            grove_channel_recv(back, &answer);
    }
    grove_channel_close(there);
    grove_join(f, NULL);
    double ns = (double)(bench_now() - start);
    grove_release(f);
    grove_channel_release(there);
    grove_channel_release(back);
    return ns;
}

static double ping_turn(void)
{
    return timed(echo, 0, true) / (2 * TURNS);
}

static double turn(void)
{
    return timed(drain, 0, false) / TURNS;
}

static double buffered_turn(void)
{
    return timed(drain, 64, false) / TURNS;
}

int main(void)
{
    bench_run("channel_ping", ping_turn, bare_pair_turn, "bare swap", 301);
    bench_run("channel", turn, bare_pair_turn, "bare swap", 301);
    bench_run("channel_buffered", buffered_turn, bare_pair_turn, "bare swap",
              301);
    return 0;
}

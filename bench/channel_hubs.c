/*
 * Hand-overs between hubs, a thread each, by channels without buffers:
 *
 *     channel_hubs_ping    to another hub and back on a second channel, half of
 *                          that
 *     channel_hubs         to another hub
 *     channel_hubs_4       to four hubs with a receiver each
 *     channel_hubs_4_one   to four receivers on one other hub
 *
 * The peer is a hand-over between two threads by semaphores of the C library,
 * one that says it is there and one that says it was taken.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "bench.h"
#include "grove.h"

#define TURNS 1000
#define ROUNDS 61
#define RECEIVERS 4

static grove_channel *there, *back;

/* ---- with channels ----------------------------------------------------------- */

/* Before the first value each receiver says that it is there. */
static void report(void)
{
    long value = 0;
    grove_channel_send(back, &value);
}

static void await_reports(int n)
{
    long value;
    while (n-- > 0)
        grove_channel_recv(back, &value);
}

static void *echo(void *arg)
{
    long value;
    report();
    while (grove_channel_recv(there, &value) == 0)
        grove_channel_send(back, &value);
    return arg;
}

static void *drain(void *arg)
{
    long value;
    report();
    while (grove_channel_recv(there, &value) == 0)
        ;
    return arg;
}

static void *drain_by_four(void *arg)
{
    grove_fiber *fibers[RECEIVERS];
    for (int i = 0; i < RECEIVERS; i++)
        bench_check(grove_spawn(&fibers[i], drain, NULL), "grove_spawn");
    for (int i = 0; i < RECEIVERS; i++) {
        grove_join(fibers[i], NULL);
        grove_release(fibers[i]);
    }
    return arg;
}

/* The nanoseconds of sending `turns` values, each answered if that is wanted.
 */
static double sent(int turns, bool answered)
{
    int64_t start = bench_now();
    for (long i = 0; i < turns; i++) {
        long answer;
        grove_channel_send(there, &i);
        if (answered)
            grove_channel_recv(back, &answer);
    }
    return (double)(bench_now() - start);
}

/* Nanoseconds a value to so many threads that run fn. */
static double timed(void *(*fn)(void *), int n, bool answered)
{
    pthread_t threads[RECEIVERS];
    int receivers = fn == drain_by_four ? RECEIVERS : n;
    bench_check(grove_channel_create(&there, sizeof(long), 0), "create");
    bench_check(grove_channel_create(&back, sizeof(long), 0), "create");
    for (int i = 0; i < n; i++)
        bench_check(pthread_create(&threads[i], NULL, fn, NULL), "thread");
    await_reports(receivers);
    sent(TURNS / 10, answered); /* they find their pace */
    double ns = sent(TURNS, answered);
    grove_channel_close(there);
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    grove_channel_release(there);
    grove_channel_release(back);
    return ns / TURNS;
}

static double ping_turn(void)
{
    return timed(echo, 1, true) / 2;
}

static double turn(void)
{
    return timed(drain, 1, false);
}

static double four_turn(void)
{
    return timed(drain, RECEIVERS, false);
}

static double four_on_one_turn(void)
{
    return timed(drain_by_four, 1, false);
}

/* ---- with semaphores --------------------------------------------------------- */

static sem_t given, taken;
static bool over;

static void *take(void *arg)
{
    while (sem_wait(&given) == 0 && !over)
        sem_post(&taken);
    return arg;
}

static double semaphore_turn(void)
{
    pthread_t thread;
    over = false;
    sem_init(&given, 0, 0);
    sem_init(&taken, 0, 0);
    bench_check(pthread_create(&thread, NULL, take, NULL), "pthread_create");
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        sem_post(&given);
        sem_wait(&taken);
    }
    double ns = (double)(bench_now() - start);
    over = true;
    sem_post(&given);
    pthread_join(thread, NULL);
    return ns / TURNS;
}

int main(void)
{
    bench_run("channel_hubs_ping", ping_turn, semaphore_turn, "sem_t", ROUNDS);
    bench_run("channel_hubs", turn, semaphore_turn, "sem_t", ROUNDS);
    bench_run("channel_hubs_4", four_turn, semaphore_turn, "sem_t", ROUNDS);
    bench_run("channel_hubs_4_one", four_on_one_turn, semaphore_turn, "sem_t",
              ROUNDS);
    return 0;
}

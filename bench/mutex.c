/*
 * Mutexes.
 *
 *   mutex            lock and unlock of one that nobody else wants, in a
 * process of one thread mutex_threads    the same once the process has another
 * thread, which sleeps mutex_handover   two fibers that each unlock it to the
 * other
 *
 * The peers are a pthread mutex that nobody else wants, and the bare swap.
 */
#include <pthread.h>
#include <unistd.h>

#include "bare_pair.h"
#include "grove.h"

#define TURNS 100000
#define HANDOVERS 20000

static grove_mutex mutex;
static pthread_mutex_t peer = PTHREAD_MUTEX_INITIALIZER;

static double turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        grove_mutex_lock(&mutex);
        grove_mutex_unlock(&mutex);
    }
    return (double)(bench_now() - start) / TURNS;
}

static double peer_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&peer);
        pthread_mutex_unlock(&peer);
    }
    return (double)(bench_now() - start) / TURNS;
}

/* Whoever unlocks it hands it to the other, who waits, and then waits too. */
static void *player(void *arg)
{
    for (int i = 0; i < HANDOVERS; i++) {
        grove_mutex_lock(&mutex);
        grove_yield();
        grove_mutex_unlock(&mutex);
    }
    return arg;
}

static double handover_turn(void)
{
    grove_fiber *fibers[2];
    for (int i = 0; i < 2; i++)
        bench_check(grove_spawn(&fibers[i], player, NULL), "grove_spawn");
    int64_t start = bench_now();
    for (int i = 0; i < 2; i++)
        grove_join(fibers[i], NULL);
    double ns = (double)(bench_now() - start) / (2 * HANDOVERS);
    for (int i = 0; i < 2; i++)
        grove_release(fibers[i]);
    return ns;
}

static void *sleep_on(void *arg)
{
    pause();
    return arg;
}

int main(void)
{
    bench_run("mutex", turn, peer_turn, "pthread mutex", 301);
    bench_run("mutex_handover", handover_turn, bare_pair_turn, "bare swap",
              101);
    pthread_t thread;
    bench_check(pthread_create(&thread, NULL, sleep_on, NULL),
                "pthread_create");
    bench_run("mutex_threads", turn, peer_turn, "pthread mutex", 301);
    return 0; /* ends the other thread too */
}

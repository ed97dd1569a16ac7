/*
 * Semaphores: acquiring and releasing a unit that nobody else wants, in a
 * process of one thread. The peer is a sem_t.
 */
#include <semaphore.h>

#include "bench.h"
#include "grove.h"

#define TURNS 100000

static grove_semaphore semaphore = GROVE_SEMAPHORE_INIT(1);
static sem_t peer;

static double turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        grove_semaphore_acquire(&semaphore, 1);
        grove_semaphore_release(&semaphore, 1);
    }
    return (double)(bench_now() - start) / TURNS;
}

static double peer_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        sem_wait(&peer);
        sem_post(&peer);
    }
    return (double)(bench_now() - start) / TURNS;
}

int main(void)
{
    sem_init(&peer, 0, 1);
    bench_run("semaphore", turn, peer_turn, "sem_t", 301);
    return 0;
}

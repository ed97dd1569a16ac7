/*
 * A call of a function that does nothing on a worker thread, from a fiber and
 * back; beside it the same hand-over between two threads by condition
 * variables.
 */
#include <pthread.h>

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

/* ---- the peer ------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static int calls, done;

static void *worker(void *arg)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < TURNS; i++) {
        while (calls <= i)
            pthread_cond_wait(&asked, &lock);
        done++;
        pthread_cond_signal(&answered);
    }
    pthread_mutex_unlock(&lock);
    return arg;
}

static double peer_turn(void)
{
    pthread_t thread;
    calls = done = 0;
    bench_check(pthread_create(&thread, NULL, worker, NULL), "pthread_create");
    int64_t start = bench_now();
    pthread_mutex_lock(&lock);
    for (int i = 0; i < TURNS; i++) {
        calls++;
        pthread_cond_signal(&asked);
        while (done <= i)
            pthread_cond_wait(&answered, &lock);
    }
    pthread_mutex_unlock(&lock);
    double ns = (double)(bench_now() - start) / TURNS;
    pthread_join(thread, NULL);
    return ns;
}

int main(void)
{
    bench_run("offload", turn, peer_turn, "two threads", 101);
    return 0;
}

/*
 * Three sleeps take the time of one.
 *
 *     $ sleep_together
 *     one after another: 302 ms
 *     together: 101 ms
 */
#include <inttypes.h>
#include <stdio.h>

#include <grove.h>

#include "usage.h"

#define N 3

static void *sleeper(void *arg)
{
    grove_sleep(100 * GROVE_MILLISECOND);
    return NULL;
}

static int64_t one_after_another(void)
{
    int64_t begin = grove_now();
    for (int i = 0; i < N; i++)
        sleeper(NULL);
    return grove_now() - begin;
}

static int64_t together(void)
{
    int64_t begin = grove_now();
    grove_fiber *fibers[N];
    for (int i = 0; i < N; i++)
        grove_spawn(&fibers[i], sleeper, NULL);
    grove_join_all(fibers, N, 0);
    for (int i = 0; i < N; i++)
        grove_release(fibers[i]);
    return grove_now() - begin;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: sleep_together\n\nThree sleeps, one after another and "
                "at once.");
    printf("one after another: %" PRId64 " ms\n",
           one_after_another() / GROVE_MILLISECOND);
    printf("together: %" PRId64 " ms\n", together() / GROVE_MILLISECOND);
    return 0;
}

/* For test_inspect.py: two threads that spawn and end fibers as fast as they
 * can, and a third that makes and ends hubs. */
#include <grove.h>
#include <pthread.h>
#include <stdio.h>

static void *shallow(void *arg)
{
    grove_yield();
    return arg;
}

static void *parked(void *arg)
{
    grove_sleep(GROVE_MICROSECOND);
    return arg;
}

static void *churn(void *arg)
{
    for (;;) {
        for (int i = 0; i < 100; i++)
            grove_spawn(NULL, i % 2 ? shallow : parked, arg);
        grove_sleep(10 * GROVE_MICROSECOND);
    }
    return arg;
}

static void *short_lived(void *arg)
{
    grove_fiber *fiber;
    if (grove_spawn(&fiber, parked, arg) == 0) {
        grove_join(fiber, NULL);
        grove_release(fiber);
    }
    return arg;
}

static void *make_hubs(void *arg)
{
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, short_lived, NULL) != 0)
            continue;
        pthread_join(thread, NULL);
    }
    return arg;
}

int main(void)
{
    pthread_t threads[2];
    if (pthread_create(&threads[0], NULL, churn, NULL) != 0 ||
        pthread_create(&threads[1], NULL, make_hubs, NULL) != 0)
        return 1;
    puts("parked");
    fflush(stdout);
    churn(NULL);
}

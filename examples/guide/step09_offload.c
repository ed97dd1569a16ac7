/* What would hold up the thread is done by another one. */
#include <stdint.h>
#include <stdio.h>

#include <grove.h>

static int done;

static void *tick(void *arg)
{
    (void)arg;
    while (!done)
        grove_sleep(GROVE_MILLISECOND);
    puts("others ran meanwhile");
    return NULL;
}

/* Computes for a while: on a worker thread, without a fiber of its own. */
static void *sum(void *arg)
{
    intptr_t total = 0;
    for (intptr_t i = 1; i <= (intptr_t)arg; i++)
        total += i;
    return (void *)total;
}

int main(void)
{
    grove_fiber *ticker;
    void *total;
    if (grove_spawn(&ticker, tick, NULL) < 0)
        return 1;
    if (grove_offload(sum, (void *)(intptr_t)1000000, &total) < 0)
        return 1;
    printf("the sum is %lld\n", (long long)(intptr_t)total);
    done = 1;
    grove_join(ticker, NULL);
    grove_release(ticker);
    return 0;
}

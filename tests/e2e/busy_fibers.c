/* For test_inspect.py: a fiber that computes 6 ms at a time, one that computes
 * 2 ms, and one that sleeps; with an argument four more that are never done. */
#include <grove.h>
#include <stdint.h>
#include <stdio.h>

static void compute(int64_t ns)
{
    int64_t end = grove_now() + ns;
    while (grove_now() < end)
        ;
}

static void *work(void *arg)
{
    for (;;) {
        compute((intptr_t)arg * GROVE_MILLISECOND);
        grove_sleep(GROVE_MILLISECOND);
    }
    return arg;
}

static void *crowd(void *arg)
{
    for (;;) {
        compute(GROVE_MILLISECOND);
        grove_yield();
    }
    return arg;
}

static void *sleep_on(void *arg)
{
    grove_sleep(3600 * GROVE_SECOND);
    return arg;
}

int main(int argc, char **argv)
{
    grove_attr attr = {.name = "long"};

    (void)argv;
    grove_spawn_with(NULL, &attr, work, (void *)(intptr_t)6);
    attr.name = "short";
    grove_spawn_with(NULL, &attr, work, (void *)(intptr_t)2);
    attr.name = "sleeper";
    grove_spawn_with(NULL, &attr, sleep_on, NULL);
    for (int i = 0; i < 4 && argc > 1; i++) {
        char name[] = "crowd0";
        name[5] += (char)i;
        attr.name = name;
        grove_spawn_with(NULL, &attr, crowd, NULL);
    }
    puts("parked");
    fflush(stdout);
    grove_sleep(3600 * GROVE_SECOND);
}

/* Values come back by the join; a kill is an error that a wait returns. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include <grove.h>

static void *add(void *arg)
{
    const int *numbers = arg;
    return (void *)(intptr_t)(numbers[0] + numbers[1]);
}

static void *sleep_long(void *arg)
{
    (void)arg;
    int r = grove_sleep(3600 * GROVE_SECOND);
    /* What it has is given back here, as after any error. */
    return (void *)(intptr_t)r;
}

int main(void)
{
    int numbers[] = {40, 2};
    grove_fiber *adds, *sleeps;
    void *value;

    if (grove_spawn(&adds, add, numbers) < 0 ||
        grove_spawn(&sleeps, sleep_long, NULL) < 0)
        return 1;
    grove_join(adds, &value);
    printf("the sum is %d\n", (int)(intptr_t)value);
    grove_kill(sleeps);
    grove_join(sleeps, &value);
    if ((intptr_t)value == -ECANCELED)
        puts("the sleeper was told ECANCELED");
    grove_release(adds);
    grove_release(sleeps);
    return 0;
}

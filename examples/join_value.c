/*
 * Fibers return values, and may be killed.
 *
 *     $ join_value
 *     6 * 7 = 42
 *     the sleeper was woken after 10 ms: Operation canceled
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

struct product {
    int a, b;
};

static void *multiply(void *arg)
{
    const struct product *p = arg;
    return (void *)(intptr_t)(p->a * p->b);
}

/* What a killed fiber waits in returns -ECANCELED; it then cleans up and ends
 * like any other. */
static void *sleep_long(void *arg)
{
    int r = grove_sleep(3600 * GROVE_SECOND);
    return (void *)(intptr_t)r;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: join_value\n\nA fiber that returns a value, and one "
                "that is killed.");
    struct product p = {6, 7};
    grove_fiber *fiber;
    void *value;

    if (grove_spawn(&fiber, multiply, &p) < 0)
        return EXIT_FAILURE;
    grove_join(fiber, &value);
    grove_release(fiber);
    printf("%d * %d = %" PRIdPTR "\n", p.a, p.b, (intptr_t)value);

    if (grove_spawn(&fiber, sleep_long, NULL) < 0)
        return EXIT_FAILURE;
    grove_sleep(10 * GROVE_MILLISECOND);
    grove_kill(fiber);
    grove_join(fiber, &value);
    grove_release(fiber);
    printf("the sleeper was woken after 10 ms: %s\n",
           strerror((int)-(intptr_t)value));
    return 0;
}

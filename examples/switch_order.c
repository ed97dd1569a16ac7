/*
 * Two fibers that take turns: what runs when is decided by the program alone.
 *
 *     $ switch_order
 *     foo, step 1
 *     bar, step 1
 *     foo, step 2
 *     bar, step 2
 */
#include <stdio.h>

#include <grove.h>

#include "usage.h"

static void *work(void *name)
{
    for (int step = 1; step <= 2; step++) {
        printf("%s, step %d\n", (const char *)name, step);
        grove_yield(); /* to the other one */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: switch_order\n\nTwo fibers that take turns.");
    grove_fiber *fibers[2];
    grove_spawn(&fibers[0], work, (void *)"foo"); /* neither runs yet */
    grove_spawn(&fibers[1], work, (void *)"bar");
    grove_join_all(fibers, 2, 0);
    grove_release(fibers[0]);
    grove_release(fibers[1]);
    return 0;
}

/* Who waits lets others run: three sleep at once, and the shortest is over
 * first. */
#include <stdint.h>
#include <stdio.h>

#include <grove.h>

static void *nap(void *arg)
{
    intptr_t which = (intptr_t)arg;
    grove_sleep((4 - which) * 20 * GROVE_MILLISECOND);
    printf("%d has slept\n", (int)which);
    return NULL;
}

int main(void)
{
    grove_fiber *fibers[3];
    for (intptr_t i = 0; i < 3; i++) {
        if (grove_spawn(&fibers[i], nap, (void *)(i + 1)) < 0)
            return 1;
    }
    grove_join_all(fibers, 3, 0);
    for (int i = 0; i < 3; i++)
        grove_release(fibers[i]);
    return 0;
}

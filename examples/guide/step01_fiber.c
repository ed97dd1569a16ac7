/* A fiber: a function with a stack of its own. */
#include <stdio.h>

#include <grove.h>

static void *greet(void *name)
{
    printf("hello, %s\n", (const char *)name);
    return NULL;
}

int main(void)
{
    static char world[] = "world";
    grove_fiber *fiber;
    int r = grove_spawn(&fiber, greet, world);
    if (r < 0)
        return 1;
    puts("spawned, and not run yet");
    grove_join(fiber, NULL); /* now it runs */
    grove_release(fiber);
    return 0;
}

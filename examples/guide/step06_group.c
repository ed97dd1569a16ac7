/* A group: as many fibers as may run at once, waited for together. */
#include <stdio.h>

#include <grove.h>

static int running, most;

static int work(void *arg)
{
    (void)arg;
    if (++running > most)
        most = running;
    int r = grove_sleep(GROVE_MILLISECOND);
    running--;
    return r;
}

int main(void)
{
    grove_group group;
    grove_group_attr attr = {.limit = 4};

    grove_group_begin(&group, &attr);
    for (int i = 0; i < 100; i++) {
        if (grove_group_spawn(&group, NULL, work, NULL) <
            0) /* waits for room */
            break;
    }
    int r = grove_group_end(&group);
    printf("100 were done, %d at once\n", most);
    return r < 0;
}

/* For test_debugging.py: parks fibers in known places of two hubs, says so in a
 * line, and waits to be looked at. */
#include <grove.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int ends[2];
static grove_event never = GROVE_EVENT_INIT;
static grove_event second_runs = GROVE_EVENT_INIT;

static void park_deep_inside(int depth)
{
    char byte;
    if (depth > 0)
        park_deep_inside(depth - 1);
    else if (grove_read(ends[0], &byte, 1) == 1)
        puts("somebody wrote");
}

static void *reader(void *arg)
{
    park_deep_inside(3);
    return arg;
}

static void *sleeper(void *arg)
{
    grove_sleep(3600 * GROVE_SECOND);
    return arg;
}

static void *second_hub(void *arg)
{
    grove_set_name(grove_self(), "second");
    grove_event_set(&second_runs);
    grove_event_wait(&never);
    return arg;
}

int main(void)
{
    grove_attr attr = {.name = "reader"};
    pthread_t thread;

    if (pipe(ends) < 0 || grove_spawn_with(NULL, &attr, reader, NULL) < 0)
        return 1;
    attr.name = "sleeper";
    if (grove_spawn_with(NULL, &attr, sleeper, NULL) < 0 ||
        pthread_create(&thread, NULL, second_hub, NULL) != 0)
        return 1;
    grove_event_wait(&second_runs);
    puts("parked");
    fflush(stdout);
    grove_event_wait(&never);
}

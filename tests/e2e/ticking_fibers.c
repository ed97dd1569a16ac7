/* For test_inspect.py: a fiber that sleeps as many milliseconds as the first
 * argument says and then has the thread sleep for as many as the second says,
 * again and again. For each byte of input it tells how often. Before, it gives
 * worker threads as many calls as the third argument says. */
#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct timespec held;
static int64_t pause_for;
static long rounds;

static void *tick(void *arg)
{
    for (;;) {
        grove_sleep(pause_for);
        if (held.tv_nsec)
            nanosleep(&held, NULL);
        rounds++;
    }
    return arg;
}

static void *nothing(void *arg)
{
    return arg;
}

int main(int argc, char **argv)
{
    char byte;
    if (argc < 3)
        return 1;
    pause_for = atol(argv[1]) * GROVE_MILLISECOND;
    held.tv_nsec = atol(argv[2]) * GROVE_MILLISECOND;
    for (long i = 0; argc > 3 && i < atol(argv[3]); i++) {
        if (grove_offload(nothing, NULL, NULL) < 0)
            return 1;
    }
    if (grove_spawn(NULL, tick, NULL) < 0)
        return 1;
    grove_yield();
    puts("parked");
    fflush(stdout);
    while (grove_read(0, &byte, 1) == 1) {
        printf("%ld\n", rounds);
        fflush(stdout);
    }
}

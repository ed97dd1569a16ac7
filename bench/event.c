/*
 * Hand-over by events: two fibers, each of which waits for its own event
 * and sets the other's.
 */
#include "bare_pair.h"
#include "grove.h"

#define TURNS 20000

static grove_event events[2];

static void *player(void *arg)
{
    int me = arg != NULL;
    for (int i = 0; i < TURNS; i++) {
        grove_event_wait(&events[me]);
        grove_event_clear(&events[me]);
        grove_event_set(&events[!me]);
    }
    return NULL;
}

static double turn(void)
{
    grove_fiber *fibers[2];
    grove_event_init(&events[0]);
    grove_event_init(&events[1]);
    grove_event_set(&events[0]); /* who begins */
    for (int i = 0; i < 2; i++)
        bench_check(grove_spawn(&fibers[i], player, i ? &events : NULL),
                    "grove_spawn");
    int64_t start = bench_now();
    for (int i = 0; i < 2; i++)
        grove_join(fibers[i], NULL);
    double ns = (double)(bench_now() - start) / (2 * TURNS);
    for (int i = 0; i < 2; i++)
        grove_release(fibers[i]);
    return ns;
}

int main(void)
{
    bench_run("event", turn, bare_pair_turn, "bare swap", 301);
    return 0;
}

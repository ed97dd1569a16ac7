/*
 * Two hubs with work to do, watched from a thread that has none: a line for
 * each hub every so often, and at the end how often fibers waited for what.
 *
 *   watch [TIMES]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <grove.h>

#include "usage.h"

#define KINDS 16

/* How often fibers have parked for what; of all hubs, so each is atomic. The
 * words are the library's own and never freed. */
static struct {
    const char *_Atomic what;
    atomic_ulong parks;
} kinds[KINDS];

static void count_park(grove_fiber *f, const char *what, int fd, void *arg)
{
    (void)f;
    (void)fd;
    (void)arg;
    for (int i = 0; what && i < KINDS; i++) {
        const char *found = NULL;
        if (atomic_compare_exchange_strong(&kinds[i].what, &found, what) ||
            found == what) {
            atomic_fetch_add(&kinds[i].parks, 1);
            return;
        }
    }
}

/* The shortest time that so many hundredths of the delays are below. */
static double delay_us(const grove_hub_info *info, unsigned hundredths)
{
    uint64_t all = 0, below = 0;
    int i = 0;
    for (int j = 0; j < GROVE_DELAYS; j++)
        all += info->delays[j];
    while (i < GROVE_DELAYS - 1 &&
           (below += info->delays[i]) * 100 < all * hundredths)
        i++;
    return (double)(INT64_C(1024) << i) / 1e3;
}

static void print_hub(const grove_hub_info *info, void *arg)
{
    (void)arg;
    printf("%7ld %-6s %9" PRIu64 " %10" PRIu64 " %7" PRIu64 " %9.0f %9.0f\n",
           info->thread, info->asleep ? "asleep" : "awake", info->live,
           info->switches, info->polls, delay_us(info, 50), delay_us(info, 99));
}

static atomic_bool over;

/* The thread that watches: it has no hub, and makes none. */
static void *watch(void *times)
{
    for (int i = 0; i < *(int *)times; i++) {
        usleep(100000);
        printf(
            " thread state     fibers   switches   polls  p50 <us  p99 <us\n");
        grove_each_hub(print_hub, NULL);
    }
    atomic_store(&over, true);
    return NULL;
}

static int take(void *channel)
{
    int value;
    while (grove_channel_recv(channel, &value) == 0)
        grove_sleep(GROVE_MILLISECOND);
    return 0;
}

/* A hub's work: one fiber sends, ten receive and rest. */
static int work(const grove_crew *crew, void *arg)
{
    (void)crew;
    (void)arg;
    grove_channel *c;
    grove_group takers;
    int r = grove_channel_create(&c, sizeof(int), 4);
    if (r < 0)
        return r;
    grove_group_begin(&takers, NULL);
    for (int i = 0; i < 10 && r == 0; i++)
        r = grove_group_spawn(&takers, NULL, take, c);
    for (int value = 0; r == 0 && !atomic_load(&over); value++)
        r = grove_channel_send(c, &value);
    grove_channel_close(c);
    grove_group_end(&takers);
    grove_channel_release(c);
    return r;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 1,
                "usage: watch [TIMES]\n\n"
                "Prints what two hubs are doing, ten times a second, TIMES "
                "times (5).");
    int times = argc > 1 ? usage_number(argv[1], 1, 1000000) : 5;
    grove_hooks hooks = {.size = sizeof(hooks), .park = count_park};
    pthread_t thread;
    if (grove_hooks_set(&hooks) < 0 ||
        pthread_create(&thread, NULL, watch, &times) != 0)
        return 1;
    int r = grove_hubs(2, work, NULL);
    pthread_join(thread, NULL);
    grove_hooks_set(NULL);
    for (int i = 0; i < KINDS && atomic_load(&kinds[i].what); i++)
        printf("%lu waits in %s\n", atomic_load(&kinds[i].parks),
               atomic_load(&kinds[i].what));
    return r < 0 ? 1 : 0;
}

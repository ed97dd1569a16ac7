/*
 * How long a fiber that never waits holds up a timer: a ticker sleeps 1 ms at a
 * time while another fiber does nothing but one kind of calls that need not
 * wait. The figure is the worst gap between two ticks in processor time of the
 * thread, so that what other processes took does not count.
 *
 *   ticker_gap_channel, _select, _mutex, _semaphore, _event, _file, _past
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"

#define TICKS 300

static grove_channel *channel;
static grove_mutex mutex = GROVE_MUTEX_INIT;
static grove_semaphore semaphore = GROVE_SEMAPHORE_INIT(1);
static grove_event set, never;
static int file;

static void on_channel(void)
{
    long value = 1;
    bench_check(grove_channel_send(channel, &value), "send");
    bench_check(grove_channel_recv(channel, &value), "recv");
}

static void on_select(void)
{
    long value = 1;
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_SEND, .channel = channel, .value = &value},
        {.kind = GROVE_CLAUSE_EVENT, .event = &never}};
    bench_check((int)grove_select(clauses, 2), "select");
    clauses[0].kind = GROVE_CLAUSE_RECV;
    bench_check((int)grove_select(clauses, 2), "select");
}

static void on_mutex(void)
{
    bench_check(grove_mutex_lock(&mutex), "lock");
    bench_check(grove_mutex_unlock(&mutex), "unlock");
}

static void on_semaphore(void)
{
    bench_check(grove_semaphore_acquire(&semaphore, 1), "acquire");
    bench_check(grove_semaphore_release(&semaphore, 1), "release");
}

static void on_event(void)
{
    bench_check(grove_event_wait(&set), "wait");
}

static void on_file(void)
{
    static char page[4096];
    if (grove_pread(file, page, sizeof(page), 0) < 0)
        bench_check(errno, "pread");
}

static void on_past(void)
{
    if (grove_event_wait_until(&never, 1) != -ETIMEDOUT)
        bench_check(EINVAL, "wait until the past");
}

static const struct {
    const char *name;
    void (*operate)(void);
} primitives[] = {
    {"ticker_gap_channel", on_channel}, {"ticker_gap_select", on_select},
    {"ticker_gap_mutex", on_mutex},     {"ticker_gap_semaphore", on_semaphore},
    {"ticker_gap_event", on_event},     {"ticker_gap_file", on_file},
    {"ticker_gap_past", on_past},
};

static bool done;

static double cpu_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void *tick(void *gap)
{
    double worst = 0, last = cpu_ms();
    for (int i = 0; i < TICKS; i++) {
        grove_sleep(GROVE_MILLISECOND);
        double now = cpu_ms();
        if (now - last > worst)
            worst = now - last;
        last = now;
    }
    *(double *)gap = worst;
    done = true;
    return NULL;
}

static void *saturate(void *arg)
{
    void (*operate)(void) = *(void (**)(void))arg;
    while (!done)
        operate();
    return NULL;
}

static double worst_gap(void (*const *operate)(void))
{
    grove_fiber *f[2];
    double gap = 0;
    done = false;
    bench_check(grove_spawn(&f[0], tick, &gap), "grove_spawn");
    bench_check(grove_spawn(&f[1], saturate, (void *)operate), "grove_spawn");
    for (int i = 0; i < 2; i++) {
        grove_join(f[i], NULL);
        grove_release(f[i]);
    }
    return gap;
}

int main(void)
{
    char path[] = "/tmp/grove-ticker-XXXXXX", page[4096] = "";
    file = mkstemp(path);
    unlink(path);
    if (file < 0 || write(file, page, sizeof(page)) < 0)
        bench_check(errno, path);
    bench_check(grove_channel_create(&channel, sizeof(long), 64),
                "grove_channel_create");
    grove_event_set(&set);
    for (size_t i = 0; i < sizeof(primitives) / sizeof(*primitives); i++)
        bench_print(primitives[i].name, worst_gap(&primitives[i].operate),
                    "ms");
    grove_channel_release(channel);
    return 0;
}

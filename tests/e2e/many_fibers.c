/* For test_inspect.py: many fibers that are parked, in number the first
 * argument, and a ticker that measures how late it is woken, less the time that
 * its thread waited for a processor, which others have. For each byte of input
 * it tells the longest delay since the last one, in microseconds. */
#include <fcntl.h>
#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static grove_event never = GROVE_EVENT_INIT;
static int64_t longest;

static void *wait_for_ever(void *arg)
{
    grove_event_wait(&never);
    return arg;
}

/* How long the thread has waited for a processor, in nanoseconds. */
static int64_t waited(void)
{
    static int fd = -1;
    char text[128];
    long long ran, waits = 0;
    if (fd < 0)
        fd = open("/proc/thread-self/schedstat", O_RDONLY);
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    sscanf(text, "%lld %lld", &ran, &waits);
    return waits;
}

static void *tick(void *arg)
{
    for (;;) {
        int64_t before = waited();
        int64_t due = grove_now() + GROVE_MILLISECOND;
        grove_sleep_until(due);
        int64_t late = grove_now() - due - (waited() - before);
        if (late > longest)
            longest = late;
    }
    return arg;
}

int main(int argc, char **argv)
{
    grove_attr attr = {.name = "ticker"};
    char byte;
    long n = argc > 1 ? atol(argv[1]) : 1000;

    for (long i = 0; i < n; i++) {
        if (grove_spawn(NULL, wait_for_ever, NULL) < 0)
            return 1;
        if (i % 1000 == 0)
            grove_yield();
    }
    if (grove_spawn_with(NULL, &attr, tick, NULL) < 0)
        return 1;
    grove_sleep(10 * GROVE_MILLISECOND);
    puts("parked");
    fflush(stdout);
    while (grove_read(0, &byte, 1) == 1) {
        printf("%lld\n", (long long)(longest / GROVE_MICROSECOND));
        fflush(stdout);
        longest = 0;
    }
}

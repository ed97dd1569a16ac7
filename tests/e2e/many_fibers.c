/* For test_inspect.py: many fibers that are parked, in number the first
 * argument, and one that is never done: again and again it uses memory that is
 * to be made, or, with a second argument, maps and unmaps it, and yields. The
 * kernel has locks for that, which a reader of the process takes, too. It
 * measures how long it was held up in the kernel in a round: the time, less
 * that in which its thread ran and in which it waited for a processor, which
 * others have. For each byte of input it tells the longest since the last one,
 * in microseconds, and how many rounds there were. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <grove.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SIZE (16 * 4096)

static grove_event never = GROVE_EVENT_INIT;
static int64_t longest;
static long rounds;
static bool maps;

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

static int64_t clock_of(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * GROVE_SECOND + t.tv_nsec;
}

static char *map(void)
{
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static void use(char *p)
{
    for (int i = 0; i < SIZE; i += 4096)
        p[i] = 1;
}

static void use_memory(void)
{
    static char *kept;
    if (maps) {
        char *p = map();
        use(p);
        munmap(p, SIZE);
    } else {
        if (!kept)
            kept = map();
        use(kept);
        madvise(kept, SIZE, MADV_DONTNEED);
    }
}

/* How often the thread has slept. */
static long slept(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static void *work(void *arg)
{
    for (;;) {
        /* The time is taken last at the beginning and first at the end. */
        int64_t waits = waited(), ran = clock_of(CLOCK_THREAD_CPUTIME_ID);
        int64_t begin = clock_of(CLOCK_MONOTONIC);
        long sleeps = slept();
        use_memory();
        bool was_held_up = slept() != sleeps;
        int64_t took = clock_of(CLOCK_MONOTONIC) - begin;
        took -= clock_of(CLOCK_THREAD_CPUTIME_ID) - ran;
        took -= waited() - waits;
        if (was_held_up && took > longest)
            longest = took;
        rounds++;
        grove_yield();
    }
    return arg;
}

int main(int argc, char **argv)
{
    grove_attr attr = {.name = "worker"};
    char byte;
    long n = argc > 1 ? atol(argv[1]) : 1000;
    maps = argc > 2;

    for (long i = 0; i < n; i++) {
        if (grove_spawn(NULL, wait_for_ever, NULL) < 0)
            return 1;
        if (i % 1000 == 0)
            grove_yield();
    }
    if (grove_spawn_with(NULL, &attr, work, NULL) < 0)
        return 1;
    grove_sleep(10 * GROVE_MILLISECOND);
    puts("parked");
    fflush(stdout);
    while (grove_read(0, &byte, 1) == 1) {
        printf("%lld %ld\n", (long long)(longest / GROVE_MICROSECOND), rounds);
        fflush(stdout);
        longest = rounds = 0;
    }
}

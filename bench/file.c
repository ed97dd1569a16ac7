/*
 * Reading 4 KiB of a file that is in memory from a fiber, beside pread; the
 * same on a worker thread, which is what every read would cost without the look
 * at what is in memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"

#define TURNS 1000
#define SIZE 4096

static int fd;
static char buf[SIZE];

static void check(ssize_t n)
{
    bench_check(n == SIZE ? 0 : -5, "reading");
}

static double plain_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++)
        check(pread(fd, buf, SIZE, 0));
    return (double)(bench_now() - start) / TURNS;
}

static double grove_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++)
        check(grove_pread(fd, buf, SIZE, 0));
    return (double)(bench_now() - start) / TURNS;
}

static void *read_it(void *arg)
{
    check(pread(fd, buf, SIZE, 0));
    return NULL;
}

static double worker_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++)
        bench_check(grove_offload(read_it, NULL, NULL), "grove_offload");
    return (double)(bench_now() - start) / TURNS;
}

int main(void)
{
    char name[] = "/var/tmp/grove-bench-XXXXXX";
    fd = mkstemp(name);
    if (fd < 0 || unlink(name) < 0 || write(fd, buf, SIZE) != SIZE) {
        perror(name);
        return 1;
    }
    bench_run("file_read", grove_turn, plain_turn, "pread", 101);
    bench_run("file_read_worker", worker_turn, plain_turn, "pread", 31);
    return 0;
}

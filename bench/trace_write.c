/*
 * Writing a trace: nanoseconds and bytes an event that is kept, in Perfetto's
 * format beside JSON, of a ring that is full of 50 connections' echoes.
 *
 *   trace_write
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"

#define CONNECTIONS 50
#define ECHOES 1500 /* of each: 7 events an echo, which are too many */
#define ROUNDS 5

/* Of the trace of the process, which has 32 bytes an event. */
#define EVENTS ((8 << 20) / 32)

static char folder[] = "/tmp/grove-bench-XXXXXX";
static char json[sizeof(folder) + 16], perfetto[sizeof(folder) + 16];

static int fd_of(void *arg)
{
    return (int)(intptr_t)arg;
}

static void *serve(void *arg)
{
    char byte;
    while (grove_recv(fd_of(arg), &byte, 1, 0) == 1)
        bench_check(grove_send(fd_of(arg), &byte, 1, 0) != 1, "send");
    grove_close(fd_of(arg));
    return NULL;
}

static void *ask(void *arg)
{
    char byte = 0;
    for (int i = 0; i < ECHOES; i++) {
        bench_check(grove_send(fd_of(arg), &byte, 1, 0) != 1, "send");
        bench_check(grove_recv(fd_of(arg), &byte, 1, 0) != 1, "recv");
    }
    grove_close(fd_of(arg));
    return NULL;
}

static grove_fiber *start(const char *name, void *(*fn)(void *), int fd)
{
    grove_fiber *f;
    grove_attr attr = {.name = name};
    bench_check(grove_spawn_with(&f, &attr, fn, (void *)(intptr_t)fd), "spawn");
    return f;
}

static void fill_ring(void)
{
    grove_fiber *fibers[2 * CONNECTIONS];
    for (int i = 0; i < 2 * CONNECTIONS; i += 2) {
        int ends[2];
        bench_check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
        fibers[i] = start("serve", serve, ends[0]);
        fibers[i + 1] = start("ask", ask, ends[1]);
    }
    for (int i = 0; i < 2 * CONNECTIONS; i++) {
        grove_join(fibers[i], NULL);
        grove_release(fibers[i]);
    }
}

static double turn_of(const char *path)
{
    int64_t begin = bench_now();
    bench_check(grove_trace_write(path), path);
    return (double)(bench_now() - begin) / EVENTS;
}

static double turn_of_perfetto(void)
{
    return turn_of(perfetto);
}

static double turn_of_json(void)
{
    return turn_of(json);
}

static double size_of(const char *path)
{
    struct stat st;
    bench_check(stat(path, &st), path);
    return (double)st.st_size / EVENTS;
}

int main(void)
{
    setenv("GROVE_TRACE", "/dev/null", 1);
    setenv("GROVE_TRACE_SIZE", "8M", 1);
    bench_check(mkdtemp(folder) == NULL, "mkdtemp");
    snprintf(json, sizeof(json), "%s/x.json", folder);
    snprintf(perfetto, sizeof(perfetto), "%s/x.pftrace", folder);
    fill_ring();
    bench_run("trace_write", turn_of_perfetto, turn_of_json, "JSON", ROUNDS);
    bench_print_ratio("trace_size", size_of(perfetto), "bytes",
                      size_of(perfetto) / size_of(json), "JSON");
    unlink(json);
    unlink(perfetto);
    rmdir(folder);
    _exit(fflush(stdout)); /* once is enough */
}

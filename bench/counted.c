/*
 * Work whose cost is counted, not timed: tests/e2e/test_counts.py runs this
 * program with two lengths and compares.
 *
 *   counted yield | spawn | echo | stream | mutex | group COUNT
 *
 * yield: of two fibers; spawn: and finish, of detached fibers; echo: a send and
 * a recv of each of two fibers, who park for each other; stream: the same by
 * streams, with deadlines, as servers do it; mutex: lock and unlock; group:
 * spawn and finish, of fibers of a group with room for one.
 * Prints how often memory was asked for meanwhile, after the first hundred
 * times.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench.h"
#include "grove.h"

#define WARM_UP 100

/* ---- who asks for memory: the linker's --wrap leads here ------------------- */

static long allocations;

#define WRAP(type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        allocations++; \
        return __real_##name arguments; \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(int, posix_memalign, (void **out, size_t align, size_t size),
     (out, align, size))
WRAP(void *, mmap,
     (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset))

/* ---- the work ------------------------------------------------------------------ */

static int sockets[2];

static void *yielder(void *count)
{
    for (long i = 0; i < (long)count; i++)
        grove_yield();
    return NULL;
}

static void *nothing(void *unused)
{
    return NULL;
}

static void *ponger(void *count)
{
    char message[64];
    for (long i = 0; i < (long)count; i++) {
        if (grove_recv(sockets[1], message, sizeof(message), 0) <= 0 ||
            grove_send(sockets[1], message, sizeof(message), 0) < 0)
            bench_check(errno, "ponger");
    }
    return NULL;
}

static void *pinger(void *count)
{
    char message[64] = "ping";
    for (long i = 0; i < (long)count; i++) {
        if (grove_send(sockets[0], message, sizeof(message), 0) < 0 ||
            grove_recv(sockets[0], message, sizeof(message), 0) <= 0)
            bench_check(errno, "pinger");
    }
    return NULL;
}

static grove_stream *streams[2];

/* What comes is seen where it is, and an answer sent or written. */
static void exchange(grove_stream *s, bool writes)
{
    static const char message[64] = "pong";
    const char *at;
    ssize_t n = grove_stream_peek_until(s, sizeof(message), &at,
                                        grove_now() + GROVE_SECOND);
    if (n > 0)
        grove_stream_consume(s, (size_t)n);
    int r = writes ? grove_stream_write(s, message, sizeof(message))
                   : grove_stream_send(s, message, sizeof(message));
    if (n <= 0 || r < 0)
        bench_check(r < 0 ? -r : EPROTO, "stream");
}

static void *answerer(void *count)
{
    for (long i = 0; i < (long)count; i++)
        exchange(streams[1], true);
    grove_stream_flush(streams[1]);
    return NULL;
}

static void *asker(void *count)
{
    static const char message[64] = "ping";
    const char *at;
    grove_stream_send(streams[0], message, sizeof(message));
    for (long i = 1; i < (long)count; i++)
        exchange(streams[0], false);
    grove_stream_peek(streams[0], sizeof(message), &at);
    grove_stream_consume(streams[0], sizeof(message));
    return NULL;
}

static void run_pair(void *(*a)(void *), void *(*b)(void *), long count)
{
    grove_fiber *fibers[2];
    bench_check(grove_spawn(&fibers[0], a, (void *)count), "spawn");
    bench_check(grove_spawn(&fibers[1], b, (void *)count), "spawn");
    for (int i = 0; i < 2; i++) {
        grove_join(fibers[i], NULL);
        grove_release(fibers[i]);
    }
}

static int no_error(void *unused)
{
    return 0;
}

static void lock_and_unlock(long count)
{
    static grove_mutex mutex;
    for (long i = 0; i < count; i++) {
        grove_mutex_lock(&mutex);
        grove_mutex_unlock(&mutex);
    }
}

static void spawn_in_group(long count)
{
    grove_group group;
    grove_group_begin(&group, &(grove_group_attr){.limit = 1});
    for (long i = 0; i < count; i++)
        bench_check(grove_group_spawn(&group, NULL, no_error, NULL), "spawn");
    bench_check(grove_group_end(&group), "group");
}

static void run(const char *what, long count)
{
    if (strcmp(what, "yield") == 0) {
        run_pair(yielder, yielder, count / 2);
    } else if (strcmp(what, "spawn") == 0) {
        for (long i = 0; i < count; i++) {
            grove_spawn(NULL, nothing, NULL);
            grove_yield();
        }
    } else if (strcmp(what, "mutex") == 0) {
        lock_and_unlock(count);
    } else if (strcmp(what, "group") == 0) {
        spawn_in_group(count);
    } else if (strcmp(what, "stream") == 0) {
        run_pair(answerer, asker, count);
    } else {
        run_pair(ponger, pinger, count);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr,
                "usage: counted yield | spawn | echo | stream | mutex | group "
                "COUNT\n");
        return 2;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
        bench_check(errno, "socketpair");
    if (strcmp(argv[1], "stream") == 0) {
        for (int i = 0; i < 2; i++)
            bench_check(-grove_stream_new(&streams[i], sockets[i], NULL),
                        "stream");
    }
    run(argv[1], WARM_UP);
    long before = allocations;
    run(argv[1], strtol(argv[2], NULL, 10));
    printf("%ld\n", allocations - before);
    return 0;
}

/*
 * Fetch pages one after another, then all at once, and show when each began
 * and ended.
 *
 *     $ fetch http://127.0.0.1:4567/300 http://127.0.0.1:4567/200 ...
 *     one after another: 503 ms
 *       |==============================                    |    0 -  301 /300
 *       |                              ====================|  301 -  503 /200
 *     at once: 302 ms
 *       |==================================================|    0 -  302 /300
 *       |==================================                |    0 -  202 /200
 */
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

#define WIDTH 50 /* columns of the timeline */

struct fetch {
    int port;
    char path[256];
    int64_t begin, end;
    bool ok; /* answered 200 */
};

/* Send the request and read to the end; whether it was answered 200. */
static bool get(int fd, const char *path)
{
    char buf[4096];
    int n = snprintf(buf, sizeof(buf), "GET %s HTTP/1.0\r\n\r\n", path);
    if (grove_send(fd, buf, (size_t)n, MSG_NOSIGNAL) < 0)
        return false;
    ssize_t got = grove_recv(fd, buf, 12, MSG_WAITALL);
    bool ok = got == 12 && memcmp(buf, "HTTP/1.", 7) == 0 &&
              memcmp(buf + 8, " 200", 4) == 0;
    while (got > 0)
        got = grove_recv(fd, buf, sizeof(buf), 0);
    return ok && got == 0;
}

/* A fiber's function, and an ordinary one. */
static void *run(void *arg)
{
    struct fetch *f = arg;
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)f->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    f->begin = grove_now();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    f->ok = grove_connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
            get(fd, f->path);
    grove_close(fd);
    f->end = grove_now();
    return NULL;
}

/* A line a fetch; true when all have succeeded. */
static bool show(const char *title, const struct fetch *fs, size_t n,
                 int64_t begin)
{
    int64_t total = grove_now() - begin;
    bool ok = true;
    printf("%s: %" PRId64 " ms\n", title, total / GROVE_MILLISECOND);
    for (size_t i = 0; i < n; i++) {
        int64_t from = fs[i].begin - begin, to = fs[i].end - begin;
        int first = (int)(from * WIDTH / total);
        int last = (int)(to * WIDTH / total);
        printf("  |");
        for (int column = 0; column < WIDTH; column++)
            putchar(column >= first && column < last ? '=' : ' ');
        printf("| %4" PRId64 " - %4" PRId64 " %s%s\n", from / GROVE_MILLISECOND,
               to / GROVE_MILLISECOND, fs[i].path, fs[i].ok ? "" : " FAILED");
        ok = ok && fs[i].ok;
    }
    return ok;
}

static bool one_after_another(struct fetch *fs, size_t n)
{
    int64_t begin = grove_now();
    for (size_t i = 0; i < n; i++)
        run(&fs[i]);
    return show("one after another", fs, n, begin);
}

static bool at_once(struct fetch *fs, size_t n)
{
    grove_fiber **fibers = calloc(n, sizeof(*fibers));
    int64_t begin = grove_now();
    for (size_t i = 0; i < n; i++) {
        if (grove_spawn(&fibers[i], run, &fs[i]) < 0)
            exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < n; i++) {
        grove_join(fibers[i], NULL);
        grove_release(fibers[i]);
    }
    free(fibers);
    return show("at once", fs, n, begin);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, INT_MAX,
                "usage: fetch http://127.0.0.1:PORT/PATH...\n\nFetch pages one "
                "after another, then all at once.");
    size_t n = argc > 1 ? (size_t)argc - 1 : 0;
    struct fetch *fs = calloc(n + 1, sizeof(*fs));
    for (size_t i = 0; i < n; i++) {
        if (sscanf(argv[i + 1], "http://127.0.0.1:%d%255s", &fs[i].port,
                   fs[i].path) != 2 ||
            fs[i].path[0] != '/') {
            fprintf(stderr, "fetch: not http://127.0.0.1:PORT/PATH: %s\n",
                    argv[i + 1]);
            n = 0;
        }
    }
    if (n == 0) {
        free(fs);
        usage_refuse();
    }
    bool ok = one_after_another(fs, n);
    ok = at_once(fs, n) && ok;
    free(fs);
    return ok ? 0 : EXIT_FAILURE;
}

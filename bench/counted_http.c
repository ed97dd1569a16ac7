/*
 * Requests over HTTP, counted as the work of counted.c is:
 *
 *   counted_http COUNT
 *
 * The thread's own fiber asks over a connection that is kept, and another one
 * answers, as the server of http_hello does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"
#include "grove.h"

static const char request[] =
    "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n"
    "User-Agent: bench\r\nAccept-Encoding: gzip\r\n\r\n";

static int sockets[2];

static void hello(grove_http *h)
{
    grove_http_field type = grove_http_field_of("Content-Type", "text/plain");
    grove_http_respond(h, 200, &type, 1, "hello", 5);
}

static void *serve(void *unused)
{
    grove_stream *stream;
    (void)unused;
    bench_check(-grove_stream_new(&stream, sockets[1], NULL), "stream");
    grove_http_serve_stream(stream, NULL, hello, NULL);
    return NULL;
}

static void ask(void)
{
    char answer[1024];
    ssize_t n = -1;
    if (grove_send(sockets[0], request, sizeof(request) - 1, 0) > 0)
        n = grove_recv(sockets[0], answer, sizeof(answer), 0);
    if (n < 20 || memcmp(answer + n - 5, "hello", 5) != 0)
        bench_check(n < 0 ? errno : EPROTO, "the answer");
}

int main(int argc, char **argv)
{
    grove_fiber *server;
    long count = bench_argument(argc, argv, 1, 1000);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
        bench_check(errno, "socketpair");
    bench_check(-grove_spawn(&server, serve, NULL), "spawn");
    for (long i = 0; i < count; i++)
        ask();
    grove_close(sockets[0]);
    grove_join(server, NULL);
    grove_release(server);
    return 0;
}

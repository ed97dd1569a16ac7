/*
 * Pass TCP connections on to another server, both ways at once. When one side
 * has sent all it has to send, the other is told so and may go on sending: a
 * half-close is passed on as such.
 *
 *     $ tcp_proxy 127.0.0.1:0 www.example.org http
 *     listening on 127.0.0.1:4567
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

#define PATIENCE (10 * GROVE_SECOND) /* for the other server to answer */

static const char *host, *service; /* whom to pass connections on to */

/* What is read is sent from where it is: only little is copied. */
static const grove_stream_attr buffers = {.read_size = 65536,
                                          .write_size = GROVE_STREAM_SIZE_MIN,
                                          .no_auto_flush = true};

/* One direction of a connection. */
struct way {
    grove_stream *from, *to;
    size_t bytes;
    bool failed;
};

/* Pass on what there is: how much, 0 at the end, or a negative errno. */
static ssize_t pass_some(struct way *w)
{
    const char *at;
    ssize_t n = grove_stream_peek(w->from, 1, &at);
    if (n <= 0)
        return n;
    int r = grove_stream_send(w->to, at, (size_t)n);
    grove_stream_consume(w->from, (size_t)n);
    return r < 0 ? r : n;
}

/* Pass on until the sender ends; an error ends both directions. */
static void *pass_on(void *arg)
{
    struct way *w = arg;
    ssize_t n;
    while ((n = pass_some(w)) > 0)
        w->bytes += (size_t)n;
    w->failed = n < 0 || grove_stream_shutdown(w->to) < 0;
    if (w->failed) {
        shutdown(grove_stream_fd(w->from), SHUT_RDWR);
        shutdown(grove_stream_fd(w->to), SHUT_RDWR);
    }
    return NULL;
}

/* Both directions: the answers come by a fiber of their own. */
static void pass_both_ways(grove_stream *client, grove_stream *server)
{
    struct way there = {.from = client, .to = server};
    struct way back = {.from = server, .to = client};
    grove_fiber *answers;
    if (grove_spawn(&answers, pass_on, &back) < 0)
        return;
    pass_on(&there);
    grove_join(answers, NULL);
    grove_release(answers);
    fprintf(stderr, "%zu bytes there, %zu back%s\n", there.bytes, back.bytes,
            there.failed || back.failed ? ", broken off" : "");
}

static grove_stream *dial(void)
{
    grove_stream *stream;
    int fd = grove_dial_until(host, service, grove_now() + PATIENCE);
    if (fd < 0) {
        fprintf(stderr, "%s, %s: %s\n", host, service, strerror(errno));
        return NULL;
    }
    if (grove_stream_new(&stream, fd, &buffers) == 0)
        return stream;
    grove_close(fd);
    return NULL;
}

static void serve(grove_connection *c)
{
    grove_stream *client, *server;
    if (grove_stream_new_connection(&client, c, &buffers) < 0)
        return;
    server = dial();
    if (server)
        pass_both_ways(client, server);
    grove_stream_free(server);
    grove_stream_free(client);
}

static void tell_address(const grove_server *server)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof(a);
    char text[128];
    grove_server_address(server, (struct sockaddr *)&a, &size);
    grove_address_text((struct sockaddr *)&a, size, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 3, 3,
                "usage: tcp_proxy ADDRESS:PORT HOST SERVICE\n\nPass TCP "
                "connections on to another server.");
    host = argv[2];
    service = argv[3];
    grove_server_attr attr = {.address = argv[1]};
    grove_server *proxy;
    int r = grove_server_start(&proxy, &attr, serve, NULL);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(-r));
        return EXIT_FAILURE;
    }
    tell_address(proxy);
    return grove_server_wait(proxy) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

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

/* One direction of a connection. */
struct way {
    int from, to;
    size_t bytes;
    bool failed;
};

/* Pass on until the sender ends; an error ends both directions. */
static void *pass_on(void *arg)
{
    struct way *w = arg;
    char buf[16384];
    ssize_t n;
    while ((n = grove_recv(w->from, buf, sizeof(buf), 0)) > 0) {
        if (grove_send(w->to, buf, (size_t)n, MSG_NOSIGNAL) < n)
            break;
        w->bytes += (size_t)n;
    }
    w->failed = n != 0;
    if (w->failed) {
        shutdown(w->from, SHUT_RDWR);
        shutdown(w->to, SHUT_RDWR);
    } else {
        shutdown(w->to, SHUT_WR);
    }
    return NULL;
}

/* Both directions: the answers come by a fiber of their own. */
static void pass_both_ways(int client, int server)
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

static void *serve(void *arg)
{
    int client = (int)(intptr_t)arg;
    int server = grove_dial_until(host, service, grove_now() + PATIENCE);
    if (server < 0) {
        fprintf(stderr, "%s, %s: %s\n", host, service, strerror(errno));
    } else {
        pass_both_ways(client, server);
        grove_close(server);
    }
    grove_close(client);
    return NULL;
}

static int listen_on(const char *address)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof(a);
    char text[128];
    int fd = grove_listen(address, NULL);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&a, &size) < 0) {
        fprintf(stderr, "%s: %s\n", address, strerror(errno));
        exit(EXIT_FAILURE);
    }
    grove_address_text((struct sockaddr *)&a, size, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 3, 3,
                "usage: tcp_proxy ADDRESS:PORT HOST SERVICE\n\nPass TCP "
                "connections on to another server.");
    host = argv[2];
    service = argv[3];
    int listener = listen_on(argv[1]);
    for (;;) {
        int fd = grove_accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && grove_spawn(NULL, serve, (void *)(intptr_t)fd) < 0)
            grove_close(fd);
        else if (fd < 0) /* out of descriptors, say: some will be closed */
            grove_sleep(100 * GROVE_MILLISECOND);
    }
}

/*
 * An echo server: a fiber a connection, written as if each had a thread.
 *
 *     $ echo_server [PORT]
 *     listening on 127.0.0.1:4567
 *
 * Without a port it takes a free one. See echo_clients.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;
    while ((n = grove_recv(fd, buf, sizeof(buf), 0)) > 0) {
        if (grove_send(fd, buf, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
    }
    grove_close(fd);
    return NULL;
}

static int listen_on(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(addr);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&addr, size) < 0 ||
        listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &size) < 0)
        return -1;
    printf("listening on 127.0.0.1:%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 1,
                "usage: echo_server [PORT]\n\nSend back what clients send; "
                "without PORT on a free one.");
    int server = listen_on(usage_port(argv[1]));
    if (server < 0) {
        perror("echo_server");
        return EXIT_FAILURE;
    }
    for (;;) {
        int fd = grove_accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            /* Out of descriptors: wait for clients to leave. */
            perror("echo_server: accept");
            grove_sleep(100 * GROVE_MILLISECOND);
            continue;
        }
        int r = grove_spawn(NULL, serve, (void *)(intptr_t)fd);
        if (r < 0) {
            fprintf(stderr, "echo_server: spawn: %s\n", strerror(-r));
            grove_close(fd);
        }
    }
}

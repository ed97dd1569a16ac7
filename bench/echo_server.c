/*
 * Echo servers that do the same: one with a fiber a connection, one written by
 * hand around epoll; and the first on two hubs, threads that listen on one
 * address.
 *
 *   echo_server grove | epoll | hubs
 *
 * Prints the port it listens on, of 127.0.0.1, and its process's number, and
 * serves until it or its parent ends.
 * The second is what the first is measured against, so it makes no system call
 * that it need not: edge-triggered, one registration a connection, and a read
 * that leaves room in the buffer is known to have taken all there was.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"

#define BUFFER 1024
#define EVENTS 256

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void tell(int port)
{
    printf("%d %d\n", port, (int)getpid());
    fflush(stdout);
}

static int listener(int flags)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
        listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        bench_check(errno, "listen");
    tell(ntohs(address.sin_port));
    return fd;
}

/* ---- grove --------------------------------------------------------------- */

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[BUFFER];
    ssize_t n;
    while ((n = grove_recv(fd, buffer, sizeof(buffer), 0)) > 0) {
        if (grove_send(fd, buffer, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
    }
    grove_close(fd);
    return NULL;
}

static void run_grove(void)
{
    int server = listener(0);
    for (;;) {
        int fd = grove_accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            bench_check(errno, "accept");
        no_delay(fd);
        bench_check(grove_spawn(NULL, serve, (void *)(intptr_t)fd), "spawn");
    }
}

/* ---- hubs ----------------------------------------------------------------- */

static void echo(grove_connection *c)
{
    char buffer[BUFFER];
    ssize_t n;
    no_delay(c->fd);
    while ((n = grove_recv(c->fd, buffer, sizeof(buffer), 0)) > 0) {
        if (grove_send(c->fd, buffer, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
    }
}

/* On port, or, for the first, on a free one, which is stored. */
static grove_server *start_server(int *port)
{
    char address[32];
    grove_server *server;
    snprintf(address, sizeof(address), "127.0.0.1:%d", *port);
    grove_server_attr attr = {.address = address, .reuse_port = true};
    bench_check(-grove_server_start(&server, &attr, echo, NULL), "server");
    *port = grove_server_port(server);
    return server;
}

static void *run_hub(void *arg)
{
    grove_server_wait(start_server(arg));
    return NULL;
}

static void run_hubs(void)
{
    int port = 0;
    pthread_t thread;
    grove_server *server = start_server(&port);
    bench_check(pthread_create(&thread, NULL, run_hub, &port), "thread");
    tell(port);
    grove_server_wait(server);
}

/* ---- epoll ---------------------------------------------------------------- */

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET,
                                .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_check(errno, "epoll_ctl");
}

static void accept_all(int epoll, int server)
{
    for (;;) {
        int fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        no_delay(fd);
        add(epoll, fd);
    }
}

/* 64 bytes at a time never fill a socket's buffer, so what a full server would
 * keep for a slow client is left out. */
static void on_readable(int fd, bool may_be_last)
{
    char buffer[BUFFER];
    ssize_t n;
    do {
        n = recv(fd, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) < n) {
            close(fd);
            return;
        }
    } while (n == BUFFER || may_be_last);
}

static void run_epoll(void)
{
    int server = listener(SOCK_NONBLOCK);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    add(epoll, server);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == server)
                accept_all(epoll, server);
            else
                on_readable(events[i].data.fd,
                            events[i].events & ~(unsigned)EPOLLIN);
        }
    }
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (argc == 2 && strcmp(argv[1], "grove") == 0)
        run_grove();
    if (argc == 2 && strcmp(argv[1], "epoll") == 0)
        run_epoll();
    if (argc == 2 && strcmp(argv[1], "hubs") == 0)
        run_hubs();
    fprintf(stderr, "usage: echo_server grove | epoll | hubs\n");
    return 2;
}

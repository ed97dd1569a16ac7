/*
 * Echo servers that do the same: one with a fiber a connection, the same on two
 * hubs, and one written by hand around epoll.
 *
 *   echo_server grove | hubs | epoll
 *
 * Prints the port it listens on, of 127.0.0.1, and its process's number, and
 * serves until it or its parent ends.
 * The last is what the first is measured against, so it makes no system call
 * that it need not: edge-triggered, one registration a connection, and a read
 * that leaves room in the buffer is known to have taken all there was.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

/* On *port; 0: on a free one, which is stored there. Several may share it. */
static int listener_on(int flags, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)*port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 ||
        listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        bench_check(errno, "listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static void announce(int port)
{
    printf("%d %d\n", port, (int)getpid());
    fflush(stdout);
}

static int listener(int flags)
{
    int port = 0;
    int fd = listener_on(flags, &port);
    announce(port);
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

static void accept_fibers(int server)
{
    for (;;) {
        int fd = grove_accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            bench_check(errno, "accept");
        no_delay(fd);
        bench_check(grove_spawn(NULL, serve, (void *)(intptr_t)fd), "spawn");
    }
}

/* What the kernel gives to this hub's listener. */
static int serve_hub(const grove_crew *crew, void *servers)
{
    accept_fibers(((int *)servers)[crew->index]);
    return 0;
}

static void run_hubs(void)
{
    int servers[2], port = 0;
    for (int i = 0; i < 2; i++)
        servers[i] = listener_on(0, &port);
    announce(port);
    bench_check(grove_hubs(2, serve_hub, servers), "grove_hubs");
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
        accept_fibers(listener(0));
    if (argc == 2 && strcmp(argv[1], "hubs") == 0)
        run_hubs();
    if (argc == 2 && strcmp(argv[1], "epoll") == 0)
        run_epoll();
    fprintf(stderr, "usage: echo_server grove | hubs | epoll\n");
    return 2;
}

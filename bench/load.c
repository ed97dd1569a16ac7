/*
 * Clients of a server that is measured by somebody else: one request under way
 * on each connection, and what they cost the server's process.
 *
 *   load PORT PID CONNECTIONS REQUESTS SIZE
 *
 * Connects to PORT of 127.0.0.1 and has some requests answered; then, for every
 * line of its input, REQUESTS more of SIZE bytes, whose answers are as long,
 * and prints how many nanoseconds of processor time process PID took for each.
 * Runs on the second processor, if there is one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "bench.h"
#include "servers.h"

#define EVENTS 256
#define SIZE_MAX_HERE 65536
#define ANSWER_TIME 60000 /* milliseconds in which some answer comes */

static char message[SIZE_MAX_HERE]; /* what is sent */
static size_t size;                 /* of it */
static int connections;
static int *clients; /* their sockets */
static int epoll;    /* that waits for answers */

static void connect_all(int port)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc((size_t)connections, sizeof(*clients));
    for (int i = 0; i < connections; i++) {
        int fd = bench_connect(port);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            bench_check(errno, "connect");
        clients[i] = fd;
    }
}

static void request(int fd)
{
    if (send(fd, message, size, MSG_NOSIGNAL) != (ssize_t)size)
        bench_check(EPIPE, "send");
}

static void reply(int fd)
{
    static char answer[SIZE_MAX_HERE];
    if (recv(fd, answer, size, MSG_WAITALL) != (ssize_t)size)
        bench_check(EPIPE, "recv");
}

/* Make so many requests, and have all their answers. */
static void make_requests(int count)
{
    struct epoll_event events[EVENTS];
    int sent = 0;
    for (; sent < count && sent < connections; sent++)
        request(clients[sent]);
    for (int done = 0; done < count;) {
        int n = epoll_wait(epoll, events, EVENTS, ANSWER_TIME);
        if (n <= 0)
            bench_check(n < 0 ? errno : ETIMEDOUT, "an answer");
        for (int i = 0; i < n; i++, done++) {
            reply(events[i].data.fd);
            if (sent < count) {
                request(events[i].data.fd);
                sent++;
            }
        }
    }
}

int main(int argc, char **argv)
{
    int port = (int)bench_argument(argc, argv, 1, 0);
    pid_t pid = (pid_t)bench_argument(argc, argv, 2, 0);
    connections = (int)bench_argument(argc, argv, 3, 100);
    int count = (int)bench_argument(argc, argv, 4, 2000);
    size = (size_t)bench_argument(argc, argv, 5, 64);
    if (size > sizeof(message))
        bench_check(EMSGSIZE, "the size");
    memset(message, 'x', sizeof(message));
    bench_pin(1);
    connect_all(port);
    make_requests(count);
    for (char line[16]; fgets(line, sizeof(line), stdin);) {
        double before = bench_cpu_time(pid);
        make_requests(count);
        printf("%.1f\n", (bench_cpu_time(pid) - before) / count);
        fflush(stdout);
    }
    return 0;
}

/*
 * The echo server's cost: processor time of the server's process a request, as
 * its scheduler counts it, with grove and written by hand around epoll.
 *
 *   echo CONNECTIONS          microseconds a request, and the ratio
 *   echo CONNECTIONS calls    system calls a request, counted by the kernel
 *   echo CONNECTIONS strace   the same counted by strace, which needs no rights
 *                             but slows the server, so that it finds more
 *                             requests at once
 *   echo CONNECTIONS work     the same without waits, whose number is a matter
 *                             of how many requests one finds
 *
 *   echo CONNECTIONS hubs     microseconds a request on two hubs, and the ratio
 *                             to one: how much the second costs where the
 *                             clients leave it no processor
 *
 *   echo CONNECTIONS traced   microseconds a request with a trace of what the
 *                             fibers do, and the ratio to a server without
 *
 * Server and clients have a processor each where there are two. Each connection
 * has one request of 64 bytes under way. Both servers live throughout, and the
 * clients turn from one to the other; the value is the median of all rounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "servers.h"

#define MESSAGE 64
#define ROUNDS 41
#define EVENTS 256
#define REQUESTS 20000 /* of which calls are counted */

struct server {
    pid_t child; /* the server, or strace */
    pid_t pid;
    int port;
    int epoll; /* the clients' */
    int *clients;
};

static int connections;

/* ---- the server's process ---------------------------------------------------- */

static void exec_server(const char *kind, const char *log)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
    char *name = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
    if (!name)
        bench_check(errno, "readlink");
    strcpy(name, "/echo_server");
    if (strcmp(kind, "traced") == 0) {
        setenv("GROVE_TRACE", "/dev/null", 1);
        kind = "grove";
    }
    if (log)
        execlp("strace", "strace", "-f", "-c", "-U", "name,calls", "-o", log,
               path, kind, (char *)NULL);
    else
        execl(path, path, kind, (char *)NULL);
    perror(log ? "strace" : path);
    _exit(127);
}

/* With log, under strace, which writes its counts there. */
static void start(struct server *server, const char *kind, const char *log)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        bench_check(errno, "pipe");
    server->child = fork();
    if (server->child < 0)
        bench_check(errno, "fork");
    if (server->child == 0) {
        if (strcmp(kind, "hubs") != 0)
            bench_pin(0);
        dup2(out[1], STDOUT_FILENO);
        exec_server(kind, log);
    }
    close(out[1]);
    FILE *line = fdopen(out[0], "r");
    if (!line || fscanf(line, "%d %d", &server->port, &server->pid) != 2)
        bench_check(EIO, "the server's port");
    fclose(line);
}

static void stop(struct server *server)
{
    for (int i = 0; i < connections; i++)
        close(server->clients[i]);
    close(server->epoll);
    free(server->clients);
    kill(server->pid, SIGTERM);
    waitpid(server->child, NULL, 0);
}

/* ---- the clients -------------------------------------------------------------- */

static void connect_all(struct server *server)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->clients = calloc((size_t)connections, sizeof(int));
    for (int i = 0; i < connections; i++) {
        int fd = bench_connect(server->port);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            bench_check(errno, "connect");
        server->clients[i] = fd;
    }
}

static void request(int fd)
{
    static const char message[MESSAGE] = "ping";
    if (send(fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
        bench_check(EPIPE, "send");
}

static void reply(int fd)
{
    char message[MESSAGE];
    if (recv(fd, message, MESSAGE, MSG_WAITALL) != MESSAGE)
        bench_check(EPIPE, "recv");
}

/* Make so many requests, and have all their replies. */
static void make_requests(struct server *server, int count)
{
    int sent = 0;
    int done = 0;
    for (; sent < count && sent < connections; sent++)
        request(server->clients[sent]);
    while (done < count) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(server->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++, done++) {
            reply(events[i].data.fd);
            if (sent < count) {
                request(events[i].data.fd);
                sent++;
            }
        }
    }
}

/* ---- figures -------------------------------------------------------------------- */

/* Microseconds a request. */
static double turn(struct server *server)
{
    int count = connections < 1000 ? 4000 : 10000;
    double before = bench_cpu_time(server->pid);
    make_requests(server, count);
    return (bench_cpu_time(server->pid) - before) / count / 1000;
}

static void compare(const char *kind, const char *peer_kind, const char *format,
                    const char *peer_name)
{
    struct server ours, peer;
    double times[ROUNDS];
    double ratios[ROUNDS];
    start(&ours, kind, NULL);
    start(&peer, peer_kind, NULL);
    bench_pin(1);
    connect_all(&ours);
    connect_all(&peer);
    turn(&ours);
    turn(&peer);
    for (int i = 0; i < ROUNDS; i++) {
        times[i] = turn(&ours);
        ratios[i] = times[i] / turn(&peer);
    }
    char name[32];
    snprintf(name, sizeof(name), format, connections);
    bench_print_ratio(name, bench_median(times, ROUNDS), "us-cpu",
                      bench_median(ratios, ROUNDS), peer_name);
    stop(&ours);
    stop(&peer);
}

/* A count of the system calls that process pid makes from now on; -1 where
 * tracing is not allowed. */
static int open_counter(pid_t pid)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
                                   .size = sizeof(attr)};
    unsigned long long id;
    FILE *file =
        fopen("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", "re");
    if (!file)
        return -1;
    int found = fscanf(file, "%llu", &id);
    fclose(file);
    attr.config = id;
    return found == 1 ? (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, 0)
                      : -1;
}

/* System calls a request, or 0 where they cannot be counted. */
static double counted_calls(const char *kind)
{
    struct server server;
    start(&server, kind, NULL);
    bench_pin(1);
    connect_all(&server);
    turn(&server);
    int counter = open_counter(server.pid);
    make_requests(&server, REQUESTS);
    uint64_t calls = 0;
    if (read(counter, &calls, sizeof(calls)) != sizeof(calls))
        calls = 0;
    close(counter);
    stop(&server);
    return (double)calls / REQUESTS;
}

struct calls {
    double all;
    double waits;
};

/* What strace has counted: a name and a number a line, the total last. */
static struct calls read_counts(const char *log)
{
    FILE *file = fopen(log, "re");
    char line[256];
    char name[64];
    double count;
    struct calls calls = {0};
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%63s %lf", name, &count) != 2)
            continue;
        if (strcmp(name, "total") == 0)
            calls.all = count;
        else if (strncmp(name, "epoll_wait", 10) == 0 ||
                 strncmp(name, "epoll_pwait", 11) == 0)
            calls.waits += count;
    }
    if (file)
        fclose(file);
    if (calls.all == 0)
        bench_check(EIO, "strace's counts");
    return calls;
}

/* System calls of a server that answers so many requests and no more. */
static struct calls calls_of(const char *kind, int requests)
{
    char log[] = "/tmp/echo-XXXXXX";
    int fd = mkstemp(log);
    if (fd < 0)
        bench_check(errno, "mkstemp");
    close(fd);
    struct server server;
    start(&server, kind, log);
    bench_pin(1);
    connect_all(&server);
    make_requests(&server, requests);
    stop(&server);
    struct calls calls = read_counts(log);
    unlink(log);
    return calls;
}

/* The difference of two lengths is what requests cost. */
static struct calls straced(const char *kind)
{
    int few = 2 * connections;
    struct calls many = calls_of(kind, few + REQUESTS);
    struct calls start_and_end = calls_of(kind, few);
    return (struct calls){(many.all - start_and_end.all) / REQUESTS,
                          (many.waits - start_and_end.waits) / REQUESTS};
}

static double straced_calls(const char *kind)
{
    return straced(kind).all;
}

static double straced_work(const char *kind)
{
    struct calls calls = straced(kind);
    return calls.all - calls.waits;
}

static void compare_calls(double (*calls)(const char *kind))
{
    char name[32];
    snprintf(name, sizeof(name), "echo_%d_calls", connections);
    double ours = calls("grove");
    double peer = calls("epoll");
    if (peer == 0)
        fprintf(stderr, "bench: %s: skipped, tracing is not allowed\n", name);
    else
        bench_print_ratio(name, ours, "calls", ours / peer, "epoll server");
}

int main(int argc, char **argv)
{
    connections = (int)bench_argument(argc, argv, 1, 100);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    const char *what = argc > 2 ? argv[2] : "";
    if (strcmp(what, "calls") == 0)
        compare_calls(counted_calls);
    else if (strcmp(what, "strace") == 0)
        compare_calls(straced_calls);
    else if (strcmp(what, "work") == 0)
        compare_calls(straced_work);
    else if (strcmp(what, "hubs") == 0)
        compare("hubs", "grove", "echo_%d_hubs", "one hub");
    else if (strcmp(what, "traced") == 0)
        compare("traced", "grove", "echo_%d_traced", "not traced");
    else
        compare("grove", "epoll", "echo_%d", "epoll server");
    return 0;
}

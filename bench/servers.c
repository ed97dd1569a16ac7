/*
 * Servers as processes of their own; see servers.h.
 */
#include "servers.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define CLIENTS 50
#define EVENTS 64
#define ROUNDS 101
#define START_TRIES 500   /* each followed by a pause of 10 ms */
#define ANSWER_TIME 20000 /* milliseconds in which some answer comes */

struct bench_client {
    int fd;
    size_t got; /* bytes of the answer to its batch */
};

/* ---- processors ------------------------------------------------------------ */

void bench_pin(int i)
{
    static cpu_set_t all;
    if (CPU_COUNT(&all) == 0)
        sched_getaffinity(0, sizeof(all), &all);
    i %= CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && i-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof(one), &one);
        }
    }
}

double bench_cpu_time(pid_t pid)
{
    clockid_t clock;
    struct timespec ts = {0, 0};
    bench_check(clock_getcpuclockid(pid, &clock), "the server's clock");
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* ---- programs ---------------------------------------------------------------- */

const char *bench_built(const char *name)
{
    static char path[4096];
    ssize_t n =
        readlink("/proc/self/exe", path, sizeof(path) - strlen(name) - 1);
    /* BUILD/bench/PROGRAM */
    for (int up = 0; up < 2; up++) {
        char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;
        if (!slash)
            bench_check(errno ? errno : ENAMETOOLONG, "readlink");
        n = slash - path;
    }
    path[n] = '/';
    strcpy(path + n + 1, name);
    return path;
}

const char *bench_installed(const char *name)
{
    static char path[64];
    static const char *const folders[] = {"/usr/sbin", "/usr/bin",
                                          "/usr/local/sbin", "/usr/local/bin"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

/* ---- connections ------------------------------------------------------------- */

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int bench_connect(int port)
{
    struct sockaddr_in address = loopback(port);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        bench_check(errno, "socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Of those that the system gives to nobody by itself, so that none is taken
 * meanwhile, and no connection to it ends up at its own port. */
int bench_free_port(void)
{
    static int port;
    if (port == 0)
        port = 10000 + (int)(getpid() * 7919u % 20000);
    for (int tries = 0; tries < 1000; tries++) {
        struct sockaddr_in address = loopback(++port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
        close(fd);
        if (free)
            return port;
    }
    bench_check(EADDRINUSE, "a free port");
    return -1;
}

static void connect_all(struct bench_server *server)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->clients = calloc(CLIENTS, sizeof(*server->clients));
    for (int i = 0; i < CLIENTS; i++) {
        struct bench_client *client = &server->clients[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        client->fd = bench_connect(server->port);
        if (client->fd < 0 ||
            epoll_ctl(server->epoll, EPOLL_CTL_ADD, client->fd, &event) < 0)
            bench_check(errno, "connect");
    }
}

/* ---- a server's process ------------------------------------------------------- */

static void run(const char *const argv[])
{
    bench_pin(0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (freopen("/dev/null", "r+", stdout) && dup2(1, 0) == 0 &&
        dup2(1, 2) == 2)
        execv(argv[0], (char *const *)argv);
    _exit(127);
}

static void await_listening(struct bench_server *server)
{
    for (int i = 0; i < START_TRIES; i++) {
        int status, fd = bench_connect(server->port);
        if (fd >= 0) {
            close(fd);
            return;
        }
        if (waitpid(server->pid, &status, WNOHANG) != 0) {
            fprintf(stderr, "bench: %s: ended before it listened\n",
                    server->name);
            exit(1);
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fprintf(stderr, "bench: %s: does not listen on 127.0.0.1:%d\n",
            server->name, server->port);
    exit(1);
}

void bench_server_start(struct bench_server *server, const char *const argv[])
{
    server->pid = fork();
    if (server->pid < 0)
        bench_check(errno, "fork");
    if (server->pid == 0)
        run(argv);
    await_listening(server);
    connect_all(server);
}

void bench_server_stop(struct bench_server *server)
{
    for (int i = 0; i < CLIENTS; i++)
        close(server->clients[i].fd);
    close(server->epoll);
    free(server->clients);
    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
}

/* ---- requests ------------------------------------------------------------------- */

static void request(struct bench_server *server, struct bench_client *client,
                    const struct bench_load *load)
{
    const char *batch = load->batches[server->next++ % load->count];
    client->got = 0;
    if (send(client->fd, batch, load->size, MSG_NOSIGNAL) !=
        (ssize_t)load->size)
        bench_check(EPIPE, "send");
}

/* Receive what has come; whether that is the whole answer. */
static bool answered(struct bench_client *client, const struct bench_load *load)
{
    static char reply[1 << 17];
    ssize_t n = recv(client->fd, reply, sizeof(reply), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        bench_check(n < 0 ? errno : EPIPE, "recv");
    client->got += (size_t)n;
    if (client->got > load->reply_size)
        bench_check(EPROTO, "an answer that is too long");
    return client->got == load->reply_size;
}

static void have_answered(struct bench_server *server,
                          const struct bench_load *load, size_t batches)
{
    size_t sent = 0, done = 0;
    for (; sent < batches && sent < CLIENTS; sent++)
        request(server, &server->clients[sent], load);
    while (done < batches) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(server->epoll, events, EVENTS, ANSWER_TIME);
        if (n == 0)
            bench_check(ETIMEDOUT, server->name);
        for (int i = 0; i < n; i++) {
            if (!answered(events[i].data.ptr, load))
                continue;
            done++;
            if (sent < batches) {
                request(server, events[i].data.ptr, load);
                sent++;
            }
        }
    }
}

double bench_server_turn(struct bench_server *server,
                         const struct bench_load *load, size_t batches)
{
    double before = bench_cpu_time(server->pid);
    have_answered(server, load, batches);
    return (bench_cpu_time(server->pid) - before) / (double)batches;
}

void bench_servers_compare(const char *name, struct bench_server *ours,
                           struct bench_server *peer,
                           const struct bench_load *load, size_t batches,
                           size_t requests)
{
    double times[ROUNDS], ratios[ROUNDS], theirs = 0;
    bench_server_turn(ours, load, batches);
    if (peer)
        theirs = bench_server_turn(peer, load, batches);
    for (int i = 0; i < ROUNDS; i++) {
        /* Who was first is second in the next round: a machine that becomes
         * slower or faster favours neither. */
        if (peer && i % 2)
            theirs = bench_server_turn(peer, load, batches);
        times[i] = bench_server_turn(ours, load, batches);
        if (peer && i % 2 == 0)
            theirs = bench_server_turn(peer, load, batches);
        ratios[i] = times[i] / theirs;
    }
    double value = bench_median(times, ROUNDS) / (double)requests / 1000;
    if (peer)
        bench_print_ratio(name, value, "us-cpu", bench_median(ratios, ROUNDS),
                          peer->name);
    else
        bench_print(name, value, "us-cpu");
}

/*
 * What an idle connection of a grove_server costs: memory of the server's
 * process, resident and page tables; what the kernel keeps for its socket is
 * not in it. Each connection has had a request answered, and waits for the
 * next.
 *
 *   idle [COUNT [STACK]]    10000 connections; stacks of the default size
 *
 * Of it a fiber's stack is 4096 bytes, the page that it touches, and its page
 * table entries (see parked.c); the record of a descriptor is 64; the rest is
 * the server's record of the connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"

/* A line of /proc/self/status, in bytes. */
static double status(const char *key)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    long kib = 0;
    while (file && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtol(line + strlen(key), NULL, 10);
    }
    if (file)
        fclose(file);
    return (double)kib * 1024;
}

static void echo(grove_connection *c)
{
    char buf[64];
    ssize_t n;
    while ((n = grove_connection_read(c, buf, sizeof(buf))) > 0)
        grove_connection_write(c, buf, (size_t)n);
}

/* The clients' process: connects to the port that comes from `in`, has a
 * request answered on each connection, says so to `out`, and keeps them. */
static void be_clients(long count, int in, int out)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int port;
    char c = 'x';
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(in, &port, sizeof(port)) != sizeof(port))
        _exit(1);
    addr.sin_port = htons((uint16_t)port);
    for (long i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
            send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1)
            bench_check(errno, "connect");
    }
    if (write(out, &c, 1) == 1)
        pause();
    _exit(1);
}

static void allow_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    long count = bench_argument(argc, argv, 1, 10000);
    size_t stack =
        (size_t)bench_argument(argc, argv, 2, (long)grove_stack_size_default());
    int down[2], up[2];
    allow_descriptors();
    if (pipe(down) < 0 || pipe(up) < 0)
        bench_check(errno, "pipe");
    pid_t child = fork();
    if (child == 0)
        be_clients(count, down[0], up[1]);
    close(up[1]);

    grove_server_attr attr = {.address = "127.0.0.1:0", .stack_size = stack};
    grove_server *server;
    bench_check(grove_server_start(&server, &attr, echo, NULL), "server");
    grove_yield();
    double resident = status("VmRSS:"), tables = status("VmPTE:");
    int port = grove_server_port(server);
    char c;
    if (write(down[1], &port, sizeof(port)) != sizeof(port) ||
        grove_read(up[0], &c, 1) != 1)
        bench_check(EIO, "clients");
    resident = (status("VmRSS:") - resident) / (double)count;
    tables = (status("VmPTE:") - tables) / (double)count;

    char name[64], unit[64];
    snprintf(name, sizeof(name), "idle_%ldk_%s", count / 1000,
             bench_size(stack));
    snprintf(unit, sizeof(unit), "bytes (%.0f of them page tables)", tables);
    bench_print(name, resident + tables, unit);
    kill(child, SIGKILL);
    exit(0);
}

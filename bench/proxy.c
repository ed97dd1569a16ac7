/*
 * A proxy of TCP: processor time of its process an exchange of SIZE bytes there
 * and SIZE bytes back, of the example tcp_proxy, HAProxy and nginx.
 *
 *   proxy SIZE
 *
 * 50 connections with one exchange under way each. The server behind, which
 * sends back what it got, is a thread of this program. Both peers have one
 * thread and their own defaults otherwise.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "servers.h"

#define SMALL_TURN 1000 /* exchanges of a turn */
#define LARGE_TURN 200
#define EVENTS 64

static size_t size; /* bytes of an exchange, either way */

/* ---- the server behind ---------------------------------------------------------- */

/* A connection of a proxy's. */
struct behind {
    int fd;
    size_t got; /* bytes of what is to be sent back */
    char bytes[];
};

static void accept_behind(int epoll, int listener)
{
    struct behind *b = calloc(1, sizeof(*b) + size);
    b->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = b};
    if (b->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, b->fd, &event) < 0)
        bench_check(errno, "accept");
}

/* The whole message is sent back at once. This waits until the client reads,
 * which is another thread. */
static void echo(struct behind *b)
{
    ssize_t n = recv(b->fd, b->bytes + b->got, size - b->got, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close(b->fd);
        free(b);
        return;
    }
    b->got += (size_t)n;
    if (b->got == size) {
        b->got = 0;
        send(b->fd, b->bytes, size, MSG_NOSIGNAL);
    }
}

static void *serve(void *arg)
{
    int listener = (int)(intptr_t)arg, epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event accepts = {.events = EPOLLIN};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepts) < 0)
        bench_check(errno, "epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                echo(events[i].data.ptr);
            else
                accept_behind(epoll, listener);
        }
    }
    return NULL;
}

/* Its port. */
static int start_behind(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 ||
        listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        bench_check(errno, "listen");
    pthread_t thread;
    bench_check(pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd),
                "thread");
    return ntohs(address.sin_port);
}

/* ---- the proxies ------------------------------------------------------------------ */

static char folder[] =
    "/tmp/proxy-XXXXXX"; /* the peers', and ours to work in */

static const char haproxy_conf[] = "global\n"
                                   "    nbthread 1\n"
                                   "defaults\n"
                                   "    mode tcp\n"
                                   "    timeout connect 10s\n"
                                   "    timeout client 60s\n"
                                   "    timeout server 60s\n"
                                   "listen bench\n"
                                   "    bind 127.0.0.1:%d\n"
                                   "    server behind 127.0.0.1:%d\n";

#define NGINX_STREAM "/usr/lib/nginx/modules/ngx_stream_module.so"

static const char nginx_conf[] = "load_module " NGINX_STREAM ";\n"
                                 "daemon off;\n"
                                 "master_process off;\n"
                                 "pid nginx.pid;\n"
                                 "error_log stderr crit;\n"
                                 "events { worker_connections 1024; }\n"
                                 "stream {\n"
                                 "    server {\n"
                                 "        listen 127.0.0.1:%d;\n"
                                 "        proxy_pass 127.0.0.1:%d;\n"
                                 "    }\n"
                                 "}\n";

static void start_ours(struct bench_server *server, int behind)
{
    char address[32], port[16];
    server->port = bench_free_port();
    snprintf(address, sizeof(address), "127.0.0.1:%d", server->port);
    snprintf(port, sizeof(port), "%d", behind);
    bench_server_start(server,
                       (const char *[]){bench_built(server->name), address,
                                        "127.0.0.1", port, NULL});
}

/* A configuration for a proxy that listens on port, in the folder that it
 * works in. What nginx is told is its pid file it removes in the end, so that
 * must be in there, too. */
static void write_conf(const char *format, int port, int behind)
{
    FILE *file = fopen("conf", "we");
    if (!file || fprintf(file, format, port, behind) < 0 || fclose(file) != 0)
        bench_check(errno, "conf");
}

static bool start_haproxy(struct bench_server *server, int behind)
{
    const char *path = bench_installed("haproxy");
    if (!path)
        return false;
    server->port = bench_free_port();
    write_conf(haproxy_conf, server->port, behind);
    bench_server_start(server,
                       (const char *[]){path, "-db", "-f", "conf", NULL});
    return true;
}

static bool start_nginx(struct bench_server *server, int behind)
{
    const char *path = bench_installed("nginx");
    if (!path || access(NGINX_STREAM, R_OK) < 0)
        return false;
    server->port = bench_free_port();
    write_conf(nginx_conf, server->port, behind);
    bench_server_start(server, (const char *[]){path, "-p", folder, "-e",
                                                "stderr", "-c", "conf", NULL});
    return true;
}

/* ---- figures ------------------------------------------------------------------------ */

/* A peer, its row and what brings it. */
struct peer {
    const char *name, *suffix, *packages;
    bool (*start)(struct bench_server *server, int behind);
};

static const struct peer peers[] = {
    {"HAProxy", "", "haproxy", start_haproxy},
    {"nginx", "_nginx", "nginx and libnginx-mod-stream", start_nginx},
};

static void compare(struct bench_server *ours, const struct peer *peer,
                    const struct bench_load *load, int behind)
{
    char name[48];
    struct bench_server other = {.name = peer->name};
    size_t batches = size < 4096 ? SMALL_TURN : LARGE_TURN;
    if (size % 1024)
        snprintf(name, sizeof(name), "proxy_%zu%s", size, peer->suffix);
    else
        snprintf(name, sizeof(name), "proxy_%zuk%s", size / 1024, peer->suffix);
    bool there = peer->start(&other, behind);
    if (!there)
        fprintf(stderr,
                "bench: %s: no %s to compare with: install the packages %s\n",
                name, peer->name, peer->packages);
    bench_servers_compare(name, ours, there ? &other : NULL, load, batches, 1);
    if (there)
        bench_server_stop(&other);
    unlink("conf");
}

int main(int argc, char **argv)
{
    struct bench_server ours = {.name = "examples/tcp_proxy"};
    size = (size_t)bench_argument(argc, argv, 1, 48);
    char *message = calloc(1, size);
    struct bench_load load = {&message, 1, size, size};
    bench_pin(1);
    int behind = start_behind();
    start_ours(&ours, behind);
    if (!mkdtemp(folder) || chdir(folder) < 0)
        bench_check(errno, folder);
    for (size_t i = 0; i < sizeof(peers) / sizeof(*peers); i++)
        compare(&ours, &peers[i], &load, behind);
    bench_server_stop(&ours);
    unlink("nginx.pid"); /* if it did not end by itself */
    rmdir(folder);
    return 0;
}

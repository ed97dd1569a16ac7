/*
 * A short answer over HTTP: processor time of the server's process a request,
 * with libgrove-http and with nginx, which answers the same by `return`.
 *
 *   http_hello CONNECTIONS    microseconds a request, and the ratio to nginx
 *
 * Server and clients have a processor each where there are two. Each connection
 * is kept and has one request under way. Both servers live throughout, and the
 * clients turn from one to the other; the value is the median of all rounds.
 * nginx is one process, without a log.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"

#define REQUEST \
    "GET / HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\n" \
    "User-Agent: bench\r\nAccept-Encoding: gzip\r\n\r\n"
#define ROUNDS 41
#define REQUESTS 4000
#define EVENTS 256
#define CONNECTIONS_MAX 1000

struct peer {
    pid_t pid;
    int port;
    int epoll; /* the clients' */
    int clients[CONNECTIONS_MAX];
};

static int connections;
static char place[] = "/tmp/http_hello-XXXXXX"; /* nginx's */

/* ---- the servers --------------------------------------------------------------- */

/* Onto the i-th processor, if there are so many. */
static void pin(int i)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(i, &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        bench_check(errno, "bind");
    close(fd);
    return ntohs(address.sin_port);
}

static void hello(grove_http *h)
{
    grove_http_field type = grove_http_field_of("Content-Type", "text/plain");
    grove_http_respond(h, 200, &type, 1, "hello", 5);
}

static void serve(grove_connection *c)
{
    grove_http_serve(c, NULL, hello, NULL);
}

static void run_grove(int port)
{
    char address[32];
    grove_server_attr attr = {.address = address};
    grove_server *server;
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    bench_check(-grove_server_start(&server, &attr, serve, NULL), "server");
    grove_server_wait(server);
    _exit(1);
}

static void write_config(const char *path, int port)
{
    FILE *file = fopen(path, "we");
    if (!file)
        bench_check(errno, path);
    fprintf(file,
            "daemon off; master_process off; worker_processes 1;\n"
            "pid %s/pid; error_log stderr crit;\n"
            "events { worker_connections 4096; }\n"
            "http { access_log off; keepalive_requests 1000000000;\n"
            "client_body_temp_path %s/b; proxy_temp_path %s/p;\n"
            "fastcgi_temp_path %s/f; uwsgi_temp_path %s/u;\n"
            "scgi_temp_path %s/s; default_type text/plain;\n"
            "server { listen 127.0.0.1:%d; return 200 hello; } }\n",
            place, place, place, place, place, place, port);
    fclose(file);
}

static void run_nginx(int port)
{
    char config[64];
    snprintf(config, sizeof(config), "%s/conf", place);
    write_config(config, port);
    execlp("nginx", "nginx", "-p", place, "-c", config, (char *)NULL);
    execl("/usr/sbin/nginx", "nginx", "-p", place, "-c", config, (char *)NULL);
    fprintf(stderr, "bench: http_hello: nginx is missing: tools/setup bench\n");
    _exit(127);
}

/* ---- the clients ---------------------------------------------------------------- */

static int connect_client(const struct peer *peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)peer->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int64_t until = bench_now() + 10 * GROVE_SECOND;;) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
            return fd;
        if (bench_now() > until || waitpid(peer->pid, NULL, WNOHANG) != 0)
            bench_check(errno, "connect");
        close(fd);
        usleep(10000); /* it is not listening yet */
    }
}

static void start(struct peer *peer, void (*run)(int port))
{
    peer->port = free_port();
    peer->pid = fork();
    if (peer->pid < 0)
        bench_check(errno, "fork");
    if (peer->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        pin(0);
        run(peer->port);
    }
    peer->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++) {
        int fd = peer->clients[i] = connect_client(peer);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(peer->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void request(int fd)
{
    ssize_t size = sizeof(REQUEST) - 1;
    if (send(fd, REQUEST, (size_t)size, MSG_NOSIGNAL) != size)
        bench_check(EPIPE, "send");
}

/* An answer, which comes in one piece. */
static void reply(int fd)
{
    char answer[1024];
    ssize_t n = recv(fd, answer, sizeof(answer), 0);
    if (n < 20 || memcmp(answer, "HTTP/1.1 200", 12) != 0 ||
        memcmp(answer + n - 5, "hello", 5) != 0)
        bench_check(EPROTO, "the answer");
}

static void make_requests(struct peer *peer, int count)
{
    int sent = 0;
    for (; sent < count && sent < connections; sent++)
        request(peer->clients[sent]);
    for (int done = 0; done < count;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(peer->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++, done++) {
            reply(events[i].data.fd);
            if (sent < count) {
                request(events[i].data.fd);
                sent++;
            }
        }
    }
}

/* ---- figures ----------------------------------------------------------------------- */

static double cpu_time(pid_t pid)
{
    clockid_t clock;
    struct timespec ts = {0, 0};
    bench_check(clock_getcpuclockid(pid, &clock), "the server's clock");
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Microseconds a request. */
static double turn(struct peer *peer)
{
    double before = cpu_time(peer->pid);
    make_requests(peer, REQUESTS);
    return (cpu_time(peer->pid) - before) / REQUESTS / 1000;
}

static void clean_up(void)
{
    static const char *const names[] = {"b", "p", "f", "u", "s", "conf", "pid"};
    char path[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", place, names[i]);
        remove(path);
    }
    rmdir(place);
}

int main(int argc, char **argv)
{
    struct peer ours, nginx;
    double times[ROUNDS], ratios[ROUNDS];
    char name[32];
    connections = (int)bench_argument(argc, argv, 1, 100);
    if (connections < 1 || connections > CONNECTIONS_MAX)
        bench_check(EINVAL, "connections");
    if (!mkdtemp(place))
        bench_check(errno, "mkdtemp");
    atexit(clean_up);
    start(&ours, run_grove);
    start(&nginx, run_nginx);
    pin(1);
    turn(&ours);
    turn(&nginx);
    for (int i = 0; i < ROUNDS; i++) {
        times[i] = turn(&ours);
        ratios[i] = times[i] / turn(&nginx);
    }
    snprintf(name, sizeof(name), "http_hello_%d", connections);
    bench_print_ratio(name, bench_median(times, ROUNDS), "us-cpu",
                      bench_median(ratios, ROUNDS), "nginx");
    kill(ours.pid, SIGKILL);
    kill(nginx.pid, SIGQUIT);
    waitpid(ours.pid, NULL, 0);
    waitpid(nginx.pid, NULL, 0);
    return 0;
}

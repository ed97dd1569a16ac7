/*
 * Echo over TLS: processor time of the server's process a request, with grove
 * and written by hand around OpenSSL and epoll.
 *
 *   tls_echo [CONNECTIONS]    100
 *
 * As echo.c: server and clients have a processor each where there are two, each
 * connection has one request of 64 bytes under way, the servers live throughout
 * and take turns, and the value is the median of all rounds. Both servers have
 * the same OpenSSL context (TLS 1.3, buffers released, read-ahead), the second
 * its BIO of descriptors. Epoll is level-triggered there: a connection is read
 * once, and again only if OpenSSL has more, which costs no call in vain.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "bench.h"
#include "grove.h"
#include "servers.h"

#define MESSAGE 64
#define BUFFER 1024
#define EVENTS 256
#define ROUNDS 21
#define REQUESTS 4000 /* of a turn */

static int connections;
static grove_tls_context *context;

static void check(bool ok, const char *action)
{
    if (!ok)
        bench_check(errno ? errno : EIO, action);
}

static char *pem_text(BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    return strndup(data, (size_t)n);
}

/* A context with a certificate made just now. */
static grove_tls_context *make_context(void)
{
    grove_tls_context *made;
    X509 *x509 = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_NAME *name = X509_get_subject_name(x509);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), 86400);
    X509_set_pubkey(x509, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"bench", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    check(X509_sign(x509, key, EVP_sha256()), "sign");
    BIO *cert = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(cert, x509);
    PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL);
    bench_check(-grove_tls_context_new(&made, GROVE_TLS_SERVER), "context");
    bench_check(-grove_tls_context_cert_text(made, pem_text(cert),
                                             pem_text(secret), NULL),
                "certificate");
    return made;
}

/* ---- the servers ----------------------------------------------------------- */

static int listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check(fd >= 0 &&
              bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(fd, 1024) == 0,
          "listen");
    return fd;
}

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void echo(grove_connection *c)
{
    char buf[BUFFER];
    ssize_t n;
    no_delay(c->fd);
    while ((n = grove_tls_read(c->tls, buf, sizeof(buf))) > 0) {
        if (grove_tls_write(c->tls, buf, (size_t)n) < 0)
            break;
    }
}

static void run_grove(int fd)
{
    grove_server *server;
    grove_server_attr attr = {.fd = fd, .tls = context};
    bench_check(-grove_server_start(&server, &attr, echo, NULL), "server");
    grove_server_wait(server);
}

static void add(int epoll, int fd, void *ssl)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = ssl};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void accept_all(int epoll, int server)
{
    int fd;
    while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        SSL *ssl = SSL_new(grove_tls_context_native(context));
        no_delay(fd);
        SSL_set_fd(ssl, fd);
        SSL_set_accept_state(ssl);
        add(epoll, fd, ssl);
    }
}

/* 64 bytes at a time never fill a socket's buffer, so what a full server would
 * keep for a slow client is left out. */
static void on_readable(SSL *ssl)
{
    char buf[BUFFER];
    do {
        ERR_clear_error();
        int n = SSL_read(ssl, buf, sizeof(buf));
        if (n > 0) {
            n = SSL_write(ssl, buf, n);
        } else if (SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ) {
            return;
        }
        if (n <= 0) {
            close(SSL_get_fd(ssl));
            SSL_free(ssl);
            return;
        }
    } while (SSL_has_pending(ssl));
}

static void run_epoll(int server)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    add(epoll, server, NULL);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else
                accept_all(epoll, server);
        }
    }
}

struct server {
    pid_t pid;
    struct sockaddr_in address;
    SSL **clients;
};

static void start(struct server *server, void (*run)(int fd))
{
    int fd = listener();
    socklen_t size = sizeof(server->address);
    getsockname(fd, (struct sockaddr *)&server->address, &size);
    server->pid = fork();
    check(server->pid >= 0, "fork");
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bench_pin(0);
        run(fd);
        _exit(1);
    }
    close(fd);
}

/* ---- the clients ------------------------------------------------------------- */

static void connect_all(struct server *server)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(ctx, 1);
    server->clients = calloc((size_t)connections, sizeof(SSL *));
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(fd >= 0 && connect(fd, (struct sockaddr *)&server->address,
                                 sizeof(server->address)) == 0,
              "connect");
        no_delay(fd);
        server->clients[i] = SSL_new(ctx);
        SSL_set_fd(server->clients[i], fd);
        check(SSL_connect(server->clients[i]) == 1, "handshake");
    }
}

/* Microseconds a request. Each connection's next request follows its reply, as
 * they come round. */
static double turn(struct server *server)
{
    char message[MESSAGE] = "ping";
    int rounds = (REQUESTS + connections - 1) / connections;
    double before = bench_cpu_time(server->pid);
    for (int i = 0; i < connections; i++)
        check(SSL_write(server->clients[i], message, MESSAGE) == MESSAGE,
              "write");
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < connections; i++) {
            SSL *ssl = server->clients[i];
            check(SSL_read(ssl, message, MESSAGE) == MESSAGE, "read");
            if (round + 1 < rounds)
                check(SSL_write(ssl, message, MESSAGE) == MESSAGE, "write");
        }
    }
    return (bench_cpu_time(server->pid) - before) / (rounds * connections) /
           1000;
}

int main(int argc, char **argv)
{
    connections = (int)bench_argument(argc, argv, 1, 100);
    context = make_context();
    struct server ours, peer;
    double times[ROUNDS], ratios[ROUNDS];
    start(&ours, run_grove);
    start(&peer, run_epoll);
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
    snprintf(name, sizeof(name), "tls_echo_%d", connections);
    bench_print_ratio(name, bench_median(times, ROUNDS), "us-cpu",
                      bench_median(ratios, ROUNDS), "epoll server");
    kill(ours.pid, SIGKILL);
    kill(peer.pid, SIGKILL);
    return 0;
}

/*
 * Servers as processes of their own, what they cost, and clients for them.
 *
 * A server is a program that listens on a TCP port of 127.0.0.1 which was free
 * a moment ago. It has the first processor to itself, as far as the machine is
 * idle, and the clients the second; its output is thrown away, and it ends with
 * this program, whatever ends that. Its cost is the processor time of the whole
 * process, as the kernel's scheduler counts it.
 *
 * Its clients are connections with one batch of requests under way each: when
 * the whole answer has come, the next batch is sent.
 */
#ifndef GROVE_BENCH_SERVERS_H
#define GROVE_BENCH_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Run on the i-th of the processors that this process may use. */
void bench_pin(int i);

/* Nanoseconds that process pid has run, all its threads. */
double bench_cpu_time(pid_t pid);

/* A connection to a port of 127.0.0.1, or -1 with errno. */
int bench_connect(int port);

/* A port of 127.0.0.1 that nobody listens on. */
int bench_free_port(void);

struct bench_server {
    const char *name; /* of the program, as a line's peer */
    pid_t pid;
    int port;
    int epoll;                    /* that waits for answers */
    struct bench_client *clients; /* the connections */
    size_t next;                  /* the batch that is sent next */
};

/* What clients send, batch by batch and then from the first again, and how
 * long the answer to a batch is. */
struct bench_load {
    char **batches;
    size_t count;      /* of batches */
    size_t size;       /* bytes of each */
    size_t reply_size; /* bytes of the answer to each */
};

/* The path of a program of the build: "examples/tcp_proxy". Static. */
const char *bench_built(const char *name);

/* The path of an installed program; NULL: it is not installed. Static. */
const char *bench_installed(const char *name);

/* Start argv, which is to listen on server->port, and connect to it. Ends the
 * program if it does not listen within some seconds. */
void bench_server_start(struct bench_server *server, const char *const argv[]);
void bench_server_stop(struct bench_server *server);

/* Have so many batches answered; the program ends if an answer is of another
 * length. Returns the nanoseconds of processor time that a batch took. */
double bench_server_turn(struct bench_server *server,
                         const struct bench_load *load, size_t batches);

/* Ours and a peer by turns, each of so many batches of so many requests: a line
 * of the processor time of a request, and the ratio. peer NULL: ours alone. */
void bench_servers_compare(const char *name, struct bench_server *ours,
                           struct bench_server *peer,
                           const struct bench_load *load, size_t batches,
                           size_t requests);

#endif

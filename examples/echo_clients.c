/*
 * Clients of echo_server.c: so many at once, each making so many requests.
 *
 *     $ echo_clients PORT [CLIENTS [REQUESTS]]
 *     100 clients, 10000 answers in 97 ms
 */
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

static struct sockaddr_in server = {.sin_family = AF_INET};
static int requests = 100;

/* One request and its answer. */
static bool ask(int fd, const char *request, size_t len)
{
    char answer[64];
    return grove_send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len &&
           grove_recv(fd, answer, len, MSG_WAITALL) == (ssize_t)len &&
           memcmp(answer, request, len) == 0;
}

/* Returns how many answers were right. */
static void *client(void *arg)
{
    int number = (int)(intptr_t)arg;
    intptr_t answers = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (grove_connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0) {
        char request[64];
        for (int i = 0; i < requests; i++) {
            int len = snprintf(request, sizeof(request),
                               "request %d of client %d\n", i, number);
            answers += ask(fd, request, (size_t)len);
        }
    } else {
        perror("echo_clients: connect");
    }
    grove_close(fd);
    return (void *)answers;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, 3,
                "usage: echo_clients PORT [CLIENTS [REQUESTS]]\n\nClients of "
                "echo_server, all at once.");
    int n = argc > 2 ? usage_number(argv[2], 1, INT_MAX) : 100;
    if (argc > 3)
        requests = usage_number(argv[3], 0, INT_MAX);
    server.sin_port = htons((uint16_t)usage_number(argv[1], 1, 65535));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    grove_fiber **clients = calloc((size_t)n, sizeof(*clients));
    int64_t begin = grove_now(), answers = 0;
    for (int i = 0; i < n; i++) {
        if (grove_spawn(&clients[i], client, (void *)(intptr_t)i) < 0)
            return EXIT_FAILURE;
    }
    for (int i = 0; i < n; i++) {
        void *value;
        grove_join(clients[i], &value);
        grove_release(clients[i]);
        answers += (intptr_t)value;
    }
    free(clients);
    printf("%d clients, %" PRId64 " answers in %" PRId64 " ms\n", n, answers,
           (grove_now() - begin) / GROVE_MILLISECOND);
    return answers == (int64_t)n * requests ? 0 : EXIT_FAILURE;
}

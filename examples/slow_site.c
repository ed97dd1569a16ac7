/*
 * A site of slow pages: GET /N answers after N milliseconds. For fetch.c, and
 * for trying out any client.
 *
 *     $ slow_site [PORT]
 *     listening on 127.0.0.1:4567
 *     $ curl http://127.0.0.1:4567/300
 *     This page took 300 ms.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

#define LONGEST 60000 /* milliseconds */

/* Read up to the empty line that ends a request's head. Its first line is left
 * in buf as a string. */
static bool read_request(int fd, char *buf, size_t size)
{
    size_t have = 0;
    while (have + 1 < size) {
        ssize_t n = grove_recv(fd, buf + have, size - 1 - have, 0);
        if (n <= 0)
            return false;
        have += (size_t)n;
        buf[have] = '\0';
        if (strstr(buf, "\r\n\r\n") || strstr(buf, "\n\n")) {
            buf[strcspn(buf, "\r\n")] = '\0';
            return true;
        }
    }
    return false;
}

static void answer(int fd, const char *status, const char *body)
{
    char page[512];
    int n = snprintf(page, sizeof(page),
                     "HTTP/1.0 %s\r\n"
                     "Content-Type: text/plain\r\n"
                     "Content-Length: %zu\r\n"
                     "\r\n"
                     "%s",
                     status, strlen(body), body);
    grove_send(fd, page, (size_t)n, MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[4096], body[128];
    int ms;
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + 10 * GROVE_SECOND);
    bool complete = read_request(fd, request, sizeof(request));
    grove_timeout_end(&t);
    if (!complete) {
        /* Gone, or too slow to be waited for. */
    } else if (sscanf(request, "GET /%d", &ms) != 1 || ms < 0 || ms > LONGEST) {
        answer(fd, "404 Not Found", "Ask for /N, N milliseconds.\n");
    } else {
        grove_sleep(ms * GROVE_MILLISECOND);
        snprintf(body, sizeof(body), "This page took %d ms.\n", ms);
        answer(fd, "200 OK", body);
    }
    grove_close(fd);
    return NULL;
}

static int listen_on(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(addr);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&addr, size) < 0 ||
        listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &size) < 0)
        return -1;
    printf("listening on 127.0.0.1:%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    usage_check(
        argc, argv, 0, 1,
        "usage: slow_site [PORT]\n\nGET /N answers after N milliseconds.");
    int server = listen_on(usage_port(argv[1]));
    if (server < 0) {
        perror("slow_site");
        return EXIT_FAILURE;
    }
    for (;;) {
        int fd = grove_accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            grove_sleep(100 * GROVE_MILLISECOND); /* out of descriptors */
        else if (grove_spawn(NULL, serve, (void *)(intptr_t)fd) < 0)
            grove_close(fd);
    }
}

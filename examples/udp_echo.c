/*
 * An echo server for datagrams, on all addresses of the host: each answer comes
 * from the address that was asked, and many go in one system call.
 *
 *     $ udp_echo [PORT]
 *     listening on port 4567
 *
 * Without a port it takes a free one.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

#define BATCH 32
#define LONGEST 65536

/* An IPv6 socket, to which IPv4 peers come as well; an IPv4 one where the host
 * has no IPv6. */
static int bind_to(int port)
{
    char address[16];
    snprintf(address, sizeof(address), ":%d", port);
    int fd = grove_bind_udp(address, NULL);
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    if (fd < 0 || grove_datagram_want_local(fd) < 0 ||
        getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
        return -1;
    /* The port stands at the same place for both. */
    printf("listening on port %d\n",
           ntohs(((struct sockaddr_in *)&bound)->sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    usage_check(
        argc, argv, 0, 1,
        "usage: udp_echo [PORT]\n\nSend back the datagrams that come, "
        "from the address that they\ncame to; without PORT on a free one.");
    int fd = bind_to(usage_port(argv[1]));
    char *room = malloc((size_t)BATCH * LONGEST);
    if (fd < 0 || !room) {
        perror("udp_echo");
        return EXIT_FAILURE;
    }
    for (;;) {
        grove_datagram batch[BATCH];
        for (size_t i = 0; i < BATCH; i++)
            batch[i] =
                (grove_datagram){.data = room + i * LONGEST, .size = LONGEST};
        ssize_t n = grove_recv_datagrams(fd, batch, BATCH);
        if (n < 0 || grove_send_datagrams(fd, batch, (size_t)n) < 0)
            perror("udp_echo"); /* of one peer: the others are served on */
    }
}

/* Sockets: the calls that everybody knows, and a fiber for each side. */
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <grove.h>

static void *echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[64];
    ssize_t n;
    while ((n = grove_recv(fd, buf, sizeof(buf), 0)) > 0) {
        if (grove_send(fd, buf, (size_t)n, MSG_NOSIGNAL) < 0)
            break;
    }
    grove_close(fd);
    return NULL;
}

int main(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
        grove_spawn(NULL, echo, (void *)(intptr_t)fds[1]) < 0)
        return 1;
    char answer[64];
    if (grove_send(fds[0], "are you there?", 14, MSG_NOSIGNAL) < 0)
        return 1;
    ssize_t n = grove_recv(fds[0], answer, sizeof(answer), 0);
    printf("it said \"%.*s\"\n", n > 0 ? (int)n : 0, answer);
    grove_close(fds[0]);
    return 0;
}

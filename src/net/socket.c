/*
 * Descriptors that are the runtime's from their beginning, and the options of
 * sockets that the runtime has to know of.
 *
 * Waits for them cost no check, because grove_close tells of their end. Which
 * hub they belong to is not fixed: another one finds them unknown, and checks.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "grove.h"
#include "net/net.h"

int net_own(struct hub *hub, int fd)
{
    if (fd >= 0)
        loop_own(&hub->loop, fd);
    return fd;
}

void net_send_at_once(int fd)
{
    int one = 1, error = errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    errno = error;
}

int grove_socket(int domain, int type, int protocol)
{
    struct hub *hub = hub_self();
    return hub ? net_own(hub, socket(domain, type, protocol)) : -1;
}

int grove_socketpair(int domain, int type, int protocol, int fds[2])
{
    struct hub *hub = hub_self();
    if (!hub || socketpair(domain, type, protocol, fds) < 0)
        return -1;
    net_own(hub, fds[0]);
    net_own(hub, fds[1]);
    return 0;
}

int grove_pipe2(int fds[2], int flags)
{
    struct hub *hub = hub_self();
    if (!hub || pipe2(fds, flags) < 0)
        return -1;
    net_own(hub, fds[0]);
    net_own(hub, fds[1]);
    return 0;
}

int grove_setsockopt(int fd, int level, int name, const void *value,
                     socklen_t size)
{
    int r = setsockopt(fd, level, name, value, size);
    if (r == 0 && hub_of_thread && level == SOL_SOCKET &&
        (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        loop_read_timeouts(&hub_of_thread->loop, fd);
    return r;
}

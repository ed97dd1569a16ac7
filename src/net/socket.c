/*
 * Descriptors that are the runtime's from their beginning or are given to it
 * and away from it, and the options of sockets that the runtime has to know of.
 *
 * Waits for them cost no check, because grove_close tells of their end, on
 * whichever thread it is called: see hub/descriptor.c.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "grove.h"
#include "net/net.h"

int net_own(int fd)
{
    if (fd >= 0)
        hub_opened(fd);
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
    return hub_self() ? net_own(socket(domain, type, protocol)) : -1;
}

int grove_socketpair(int domain, int type, int protocol, int fds[2])
{
    if (!hub_self() || socketpair(domain, type, protocol, fds) < 0)
        return -1;
    net_own(fds[0]);
    net_own(fds[1]);
    return 0;
}

int grove_pipe2(int fds[2], int flags)
{
    if (!hub_self() || pipe2(fds, flags) < 0)
        return -1;
    net_own(fds[0]);
    net_own(fds[1]);
    return 0;
}

int grove_setsockopt(int fd, int level, int name, const void *value,
                     socklen_t size)
{
    int r = setsockopt(fd, level, name, value, size);
    if (r == 0)
        net_option_set(fd, level, name, value, size);
    return r;
}

/* ---- giving and taking ----------------------------------------------------- */

int grove_adopt(int fd)
{
    if (!hub_self() || fcntl(fd, F_GETFD) < 0)
        return -1;
    hub_adopt(fd);
    return 0;
}

int grove_disown(int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        return -1;
    hub_disown(fd);
    return 0;
}

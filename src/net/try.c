/*
 * Receiving and sending in two halves, a try and a wait, for one who must do
 * something in between: TLS, whose library calls back for bytes and must not be
 * left by a switch meanwhile.
 *
 * O_NONBLOCK is not looked at: the try never blocks, and the wait is asked for.
 */
#include <assert.h>

#include "net/net.h"

ssize_t net_try_recv(int fd, void *buf, size_t len)
{
    struct hub *hub = hub_self();
    struct loop_fd *record = hub ? loop_fd(&hub->loop, fd) : NULL;
    if (unlikely(!record))
        return -1;
    /* As in net_begin: what the hints say of an owned descriptor is so. */
    if (!record->readable && loop_trusted(record)) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t n = recvfrom(fd, buf, len, MSG_DONTWAIT, NULL, NULL);
    if (n < 0 && errno == EAGAIN && record->registered)
        record->readable = false;
    net_note_read(record, n, len);
    return n;
}

ssize_t net_try_send(int fd, const void *buf, size_t len)
{
    return sendto(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

int net_await(int fd, unsigned direction, int64_t deadline, const char *what)
{
    assert(direction && !(direction & ~(LOOP_READ | LOOP_WRITE)));
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    int r = direction == (LOOP_READ | LOOP_WRITE)
                ? hub_wait_either(hub, fd, deadline, what)
                : hub_wait_fd(hub, fd, direction, deadline, what);
    return r == HUB_TRANSFERRED ? -EINTR : r == -ENOSPC ? -ENOMEM : r;
}

void net_watch(int fd)
{
    struct hub *hub = hub_self();
    struct loop_fd *record = hub ? loop_fd(&hub->loop, fd) : NULL;
    if (record && !record->registered)
        loop_register(&hub->loop, record); /* or the next wait tells why not */
}

void net_count_call(void)
{
    struct hub *hub = hub_self();
    if (hub)
        hub_turn(hub);
}

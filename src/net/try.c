/*
 * Receiving and sending in two halves, a try and a wait, for one who must do
 * something in between: TLS, whose library calls back for bytes and must not be
 * left by a switch meanwhile.
 *
 * O_NONBLOCK is not looked at: the try never blocks, and the wait is asked for.
 */
#include <assert.h>

#include "net/net.h"

ssize_t net_try_recv_on(struct loop_fd *record, void *buf, size_t len)
{
    ssize_t n = recvfrom(record->number, buf, len, MSG_DONTWAIT, NULL, NULL);
    if (n < 0 && errno == EAGAIN && record->registered)
        record->readable = false;
    net_note_read(record, n, len);
    return n;
}

ssize_t net_try_recv(int fd, void *buf, size_t len)
{
    struct loop_fd *record = net_record(fd);
    if (unlikely(!record))
        return -1;
    if (net_nothing_came(record)) {
        errno = EAGAIN;
        return -1;
    }
    return net_try_recv_on(record, buf, len);
}

/* fd takes no more for now: who is going to wait need not try before. */
static void note_full(int fd)
{
    struct hub *hub = hub_of_thread;
    struct loop_fd *record = hub ? loop_fd(&hub->loop, fd) : NULL;
    if (record && record->registered)
        record->writable = false;
    errno = EAGAIN;
}

ssize_t net_try_send(int fd, const void *buf, size_t len)
{
    ssize_t n = sendto(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    if (unlikely(n < 0) && errno == EAGAIN)
        note_full(fd);
    return n;
}

/* What a call that waits comes to whose wait has ended with r. */
static int told(int r)
{
    return r == HUB_TRANSFERRED ? -EINTR : r == -ENOSPC ? -ENOMEM : r;
}

int net_await(int fd, unsigned direction, int64_t deadline, const char *what)
{
    assert(direction && !(direction & ~(LOOP_READ | LOOP_WRITE)));
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    return told(direction == (LOOP_READ | LOOP_WRITE)
                    ? hub_wait_either(hub, fd, deadline, what)
                    : hub_wait_fd(hub, fd, direction, deadline, what));
}

int net_await_on(struct loop_fd *record, unsigned direction, int64_t deadline,
                 const char *what)
{
    struct hub *hub = hub_of_thread;
    if (direction == (LOOP_READ | LOOP_WRITE))
        return net_await(record->number, direction, deadline, what);
    int r = loop_trusted(record) ? 0 : loop_register(&hub->loop, record);
    return told(unlikely(r < 0)
                    ? r
                    : hub_wait_record(hub, record, direction, deadline, what));
}

void net_count_call(void)
{
    struct hub *hub = hub_self();
    if (hub)
        hub_turn(hub);
}

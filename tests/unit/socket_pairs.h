/*
 * Connected pairs of every kind that can be read from and written to, and what
 * tests do to a descriptor behind the runtime's back: fill it, empty it, look
 * at its flags.
 */
#ifndef TESTS_UNIT_SOCKET_PAIRS_H
#define TESTS_UNIT_SOCKET_PAIRS_H

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "grove.h"

enum kind { TCP, UNIX_STREAM, UNIX_PACKET, UNIX_DATAGRAM, UDP, PIPE, KINDS };

static const char *const kind_names[] = {
    "TCP", "Unix stream", "Unix seqpacket", "Unix datagram", "UDP", "pipe"};

struct pair {
    int in;  /* the end the tests read from */
    int out; /* the other */
};

HELPER struct sockaddr_in loopback(void)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* A socket bound to a free port of the loopback, and its address. */
HELPER int bound(int type, struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, type, 0);
    socklen_t size = sizeof(*addr);
    *addr = loopback();
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)addr, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &size), 0);
    return fd;
}

HELPER int listener(struct sockaddr_in *addr)
{
    int fd = bound(SOCK_STREAM, addr);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

/* A listener whose queue is full drops further SYNs: connect waits. What keeps
 * it full is in fds. */
HELPER void fill_queue(int server, const struct sockaddr_in *addr, int fds[3])
{
    assert_int_equal(listen(server, 0), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (const struct sockaddr *)addr, sizeof(*addr));
    }
}

/* A socket that is connected to a listener. */
HELPER int connected_to(const struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    check(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0,
          "127.0.0.1 cannot be connected to (%s): the loopback interface must "
          "be up (ip link set lo up)",
          strerror(errno));
    return fd;
}

HELPER struct pair tcp_pair(void)
{
    struct sockaddr_in addr;
    int server = listener(&addr);
    struct pair p = {.out = connected_to(&addr)};
    p.in = accept(server, NULL, NULL);
    assert_true(p.in >= 0);
    int one = 1;
    setsockopt(p.in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(p.out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    close(server);
    return p;
}

HELPER struct pair udp_pair(void)
{
    struct sockaddr_in a, b;
    struct pair p = {.in = bound(SOCK_DGRAM, &a), .out = bound(SOCK_DGRAM, &b)};
    assert_int_equal(connect(p.in, (struct sockaddr *)&b, sizeof(b)), 0);
    assert_int_equal(connect(p.out, (struct sockaddr *)&a, sizeof(a)), 0);
    return p;
}

HELPER struct pair pair_of(enum kind kind)
{
    static const int types[] = {[UNIX_STREAM] = SOCK_STREAM,
                                [UNIX_PACKET] = SOCK_SEQPACKET,
                                [UNIX_DATAGRAM] = SOCK_DGRAM};
    int fds[2];
    if (kind == TCP)
        return tcp_pair();
    if (kind == UDP)
        return udp_pair();
    if (kind == PIPE)
        assert_int_equal(pipe(fds), 0);
    else
        assert_int_equal(socketpair(AF_UNIX, types[kind], 0, fds), 0);
    return (struct pair){.in = fds[0], .out = fds[1]};
}

HELPER void pair_close(struct pair p)
{
    assert_int_equal(grove_close(p.in), 0);
    assert_int_equal(grove_close(p.out), 0);
}

HELPER void set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

HELPER void set_blocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

/* Nothing may leave O_NONBLOCK changed... */
HELPER void assert_blocking(int fd)
{
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
}

/* ... but where it is set for good, for no call's own flag does: then it can be
 * told that it was not the owner who did it. */
HELPER void assert_kept_nonblocking(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(fd, F_GETSIG), SIGIO);
}

HELPER size_t write_until_eagain(int fd)
{
    static const char block[4096];
    size_t total = 0;
    ssize_t n;
    while ((n = write(fd, block, sizeof(block))) > 0)
        total += (size_t)n;
    assert_int_equal(errno, EAGAIN);
    return total;
}

HELPER bool is_tcp(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    return domain == AF_INET;
}

/* Write to a blocking descriptor until it takes no more; how much it took. What
 * TCP has taken it passes on to the peer while that has room, and takes more:
 * until it has taken nothing for a while. Its buffer must not grow meanwhile:
 * one whose size was set does not. */
HELPER size_t fill(int fd)
{
    int flags = fcntl(fd, F_GETFL), small = 16384;
    size_t more = is_tcp(fd);
    if (more)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    size_t total = write_until_eagain(fd);
    while (more > 0) {
        usleep(60000); /* longer than the peer puts off telling what it has */
        more = write_until_eagain(fd);
        total += more;
    }
    fcntl(fd, F_SETFL, flags);
    return total;
}

/* Read until nothing is left; how much there was. */
HELPER size_t empty(int fd)
{
    char block[65536];
    int flags = fcntl(fd, F_GETFL);
    size_t total = 0;
    ssize_t n;
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while ((n = read(fd, block, sizeof(block))) > 0)
        total += (size_t)n;
    fcntl(fd, F_SETFL, flags);
    return total;
}

/* Every descriptor that a test opened was closed: how many are open. */
HELPER int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

#endif

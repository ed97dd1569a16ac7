/*
 * A server under test, as its clients see it. They are made by the system's
 * calls: nobody runs meanwhile.
 */
#ifndef TESTS_UNIT_SERVERS_H
#define TESTS_UNIT_SERVERS_H

#include "socket_pairs.h"
#include "unit.h"

#include "grove.h"

/* What a server does: says lines back, by a stream. */
HELPER void echo_lines(grove_connection *c)
{
    grove_stream *stream;
    char *line;
    assert_int_equal(grove_stream_new_connection(&stream, c, NULL), 0);
    while (grove_stream_read_line(stream, &line, NULL, 0) > 0)
        grove_stream_printf(stream, "%s\n", line);
    grove_stream_close(stream);
}

/* Connects fd, a socket of the server's family. */
HELPER void connect_socket(int fd, const grove_server *server)
{
    struct sockaddr_storage addr;
    socklen_t size = sizeof(addr);
    assert_int_equal(
        grove_server_address(server, (struct sockaddr *)&addr, &size), 0);
    int r = connect(fd, (struct sockaddr *)&addr, size);
    check(r == 0, "connect: %s", strerror(errno));
}

HELPER int connect_to(const grove_server *server)
{
    struct sockaddr_storage addr;
    socklen_t size = sizeof(addr);
    assert_int_equal(
        grove_server_address(server, (struct sockaddr *)&addr, &size), 0);
    int fd = socket(addr.ss_family, SOCK_STREAM, 0);
    connect_socket(fd, server);
    return fd;
}

/* Whether a byte comes back. */
HELPER bool answers(int fd)
{
    char c;
    return send(fd, "x", 1, MSG_NOSIGNAL) == 1 &&
           grove_recv_until(fd, &c, 1, 0, grove_now() + HANG) == 1;
}

HELPER grove_server_stats stats_of(const grove_server *server)
{
    grove_server_stats stats = {.size = sizeof(stats)};
    assert_int_equal(grove_server_get_stats(server, &stats), 0);
    return stats;
}

HELPER grove_server_stats stats_of_hub(const grove_server *server, unsigned i)
{
    grove_server_stats stats = {.size = sizeof(stats)};
    assert_int_equal(grove_server_get_hub_stats(server, i, &stats), 0);
    return stats;
}

/* Until so many connections are there. */
HELPER void wait_active(const grove_server *server, size_t n)
{
    int64_t hang = grove_now() + HANG;
    while (stats_of(server).active != n && grove_now() < hang)
        grove_sleep(MS / 10);
    assert_int_equal(stats_of(server).active, n);
}

#endif

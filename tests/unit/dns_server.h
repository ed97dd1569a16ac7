/*
 * A name server for tests, on a free UDP port of the loopback and a thread of
 * its own, and over TCP on the same port for answers too long for UDP. It knows
 * names by what they begin with:
 *
 *   a<N>...     A 10.(N>>16).(N>>8).N and AAAA fd00::N
 *   four..., six...   A or AAAA only
 *   alias...    CNAME four.test, with its A
 *   local...    A 127.0.0.1
 *   race...     A 127.0.0.2, 127.0.0.1
 *   big...      40 addresses: truncated over UDP
 *   silent...   never answered
 *   broken...   SERVFAIL
 *   <reversed>.in-addr.arpa   PTR host.test, if it begins with 1.
 *   all others  NXDOMAIN
 *
 * Of the questions for drop..., every n-th may be dropped: dns_server.drop.
 */
#ifndef TESTS_UNIT_DNS_SERVER_H
#define TESTS_UNIT_DNS_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dns_server {
    int udp, tcp;
    int stop[2]; /* a pipe: closed, the thread ends */
    char address[32];
    pthread_t thread;
    atomic_int questions;
    atomic_int drop; /* of so many questions one is dropped; 0: none */
};

#define DNS_SERVER_HEADER 12

/* A question's name with dots; where it ends in the message, or 0. */
static size_t dns_server_name(const unsigned char *m, size_t n, char *name)
{
    size_t at = DNS_SERVER_HEADER, out = 0;
    while (at < n && m[at]) {
        size_t len = m[at++];
        if (len > 63 || at + len >= n || out + len + 2 > 256)
            return 0;
        memcpy(name + out, m + at, len);
        out += len;
        name[out++] = '.';
        at += len;
    }
    name[out ? out - 1 : 0] = '\0';
    return at + 5 <= n ? at + 5 : 0;
}

static size_t dns_server_put(unsigned char *m, size_t at, unsigned value,
                             int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        m[at++] = (unsigned char)(value >> (8 * i));
    return at;
}

/* A record of the question's name (or of what `owner` points to). */
static size_t dns_server_record(unsigned char *m, size_t at, unsigned owner,
                                unsigned type, const void *data, unsigned len)
{
    at = dns_server_put(m, at, 0xc000 | owner, 2);
    at = dns_server_put(m, at, type, 2);
    at = dns_server_put(m, at, 1, 2);
    at = dns_server_put(m, at, 60, 4);
    at = dns_server_put(m, at, len, 2);
    memcpy(m + at, data, len);
    m[7]++;
    return at + len;
}

static size_t dns_server_address(unsigned char *m, size_t at, unsigned owner,
                                 unsigned type, unsigned number)
{
    unsigned char v4[4], v6[16] = {0xfd};
    dns_server_put(v4, 0, 10u << 24 | number, 4);
    dns_server_put(v6, 12, number, 4);
    return type == 1 ? dns_server_record(m, at, owner, 1, v4, 4)
                     : dns_server_record(m, at, owner, 28, v6, 16);
}

static bool dns_server_is(const char *name, const char *what)
{
    return strncasecmp(name, what, strlen(what)) == 0;
}

/* Turns the question m of n bytes into its answer: the length, or 0. */
static size_t dns_server_answer(struct dns_server *s, unsigned char *m,
                                size_t n, bool tcp)
{
    static const unsigned char four[] = "\4four\4test", host[] = "\4host\4test";
    char name[257] = "";
    size_t at = dns_server_name(m, n, name);
    if (!at)
        return 0;
    unsigned type = (unsigned)m[at - 4] << 8 | m[at - 3];
    int nth = atomic_fetch_add(&s->questions, 1) + 1;
    int drop = atomic_load(&s->drop);
    if (dns_server_is(name, "silent") || (drop && nth % drop == 0))
        return 0;
    m[2] |= 0x80;
    m[3] = 0x80;
    memset(m + 6, 0, 6); /* no answers yet, nothing else */
    bool address = type == 1 || type == 28;
    if (dns_server_is(name, "broken")) {
        m[3] |= 2;
    } else if (dns_server_is(name, "alias")) {
        at = dns_server_record(m, at, 12, 5, four, sizeof(four));
        if (type == 1)
            at = dns_server_address(m, at, (unsigned)at - sizeof(four), 1, 4);
    } else if (dns_server_is(name, "four")) {
        if (type == 1)
            at = dns_server_address(m, at, 12, 1, 4);
    } else if (dns_server_is(name, "six")) {
        if (type == 28)
            at = dns_server_address(m, at, 12, 28, 6);
    } else if (dns_server_is(name, "local")) { /* for connections */
        static const unsigned char v4[] = {127, 0, 0, 1};
        if (type == 1)
            at = dns_server_record(m, at, 12, 1, v4, 4);
    } else if (dns_server_is(name, "race")) { /* two to choose from */
        static const unsigned char v4[] = {127, 0, 0, 2, 127, 0, 0, 1};
        for (int i = 0; type == 1 && i < 2; i++)
            at = dns_server_record(m, at, 12, 1, v4 + 4 * i, 4);
    } else if (dns_server_is(name, "big") && !tcp) {
        m[2] |= 2;
    } else if (dns_server_is(name, "big")) {
        for (unsigned i = 0; address && i < 40; i++)
            at = dns_server_address(m, at, 12, type, 256 + i);
    } else if (type == 12 && dns_server_is(name, "1.")) {
        at = dns_server_record(m, at, 12, 12, host, sizeof(host));
    } else if (address && (name[0] == 'a' || name[0] == 'A')) {
        at = dns_server_address(m, at, 12, type,
                                (unsigned)strtoul(name + 1, NULL, 10));
    } else {
        m[3] |= 3;
    }
    return at;
}

static void dns_server_udp(struct dns_server *s)
{
    unsigned char m[4096];
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    ssize_t n =
        recvfrom(s->udp, m, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
    size_t len =
        n > DNS_SERVER_HEADER ? dns_server_answer(s, m, (size_t)n, false) : 0;
    if (len)
        sendto(s->udp, m, len, 0, (struct sockaddr *)&from, size);
}

static void dns_server_tcp(struct dns_server *s)
{
    unsigned char m[4096];
    int fd = accept(s->tcp, NULL, NULL);
    ssize_t n = recv(fd, m, 2, MSG_WAITALL);
    size_t len = n == 2 ? (size_t)m[0] << 8 | m[1] : 0;
    while (len && len < 512 &&
           recv(fd, m + 2, len, MSG_WAITALL) == (ssize_t)len) {
        len = dns_server_answer(s, m + 2, len, true);
        dns_server_put(m, 0, (unsigned)len, 2);
        if (!len)
            break;
        /* In two parts, so that the reader has to come back. */
        size_t part = (len + 2) / 2;
        send(fd, m, part, MSG_NOSIGNAL);
        send(fd, m + part, len + 2 - part, MSG_NOSIGNAL);
        n = recv(fd, m, 2, MSG_WAITALL);
        len = n == 2 ? (size_t)m[0] << 8 | m[1] : 0;
    }
    close(fd);
}

static void *dns_server_run(void *arg)
{
    struct dns_server *s = arg;
    struct pollfd p[] = {
        {s->udp, POLLIN, 0}, {s->tcp, POLLIN, 0}, {s->stop[0], POLLIN, 0}};
    while (poll(p, 3, -1) > 0 && !p[2].revents) {
        if (p[0].revents)
            dns_server_udp(s);
        if (p[1].revents)
            dns_server_tcp(s);
    }
    return NULL;
}

/* Whether it runs; its address is in s->address, as grove_dns_set_servers
 * takes it. */
static bool dns_server_start(struct dns_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int buffer = 8 << 20;
    memset(s, 0, sizeof(*s));
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->udp, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    /* The TCP port first: of UDP's the same one is free, as a rule. */
    if (bind(s->tcp, (struct sockaddr *)&a, size) < 0 ||
        listen(s->tcp, 16) < 0 ||
        getsockname(s->tcp, (struct sockaddr *)&a, &size) < 0 ||
        bind(s->udp, (struct sockaddr *)&a, size) < 0 || pipe(s->stop) < 0)
        return false;
    snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", ntohs(a.sin_port));
    return pthread_create(&s->thread, NULL, dns_server_run, s) == 0;
}

static void dns_server_stop(struct dns_server *s)
{
    close(s->stop[1]);
    pthread_join(s->thread, NULL);
    close(s->stop[0]);
    close(s->udp);
    close(s->tcp);
}

#endif

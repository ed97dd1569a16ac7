/* Datagrams in batches: order, addresses, runs that the system cuts up, and
 * what happens where it does not. */
#include "fiber_calls.h"
#include "socket_pairs.h"

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* ---- what the system is made to do --------------------------------------- */

static bool knows_no_runs;             /* an old kernel */
static int refusal;                    /* errno that runs meet; 0: they go */
static unsigned calls, messages, runs; /* that were sent */

int __real_getsockopt(int fd, int level, int name, void *value,
                      socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value,
                      socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    if (knows_no_runs && level == IPPROTO_UDP && name == UDP_SEGMENT) {
        errno = ENOPROTOOPT;
        return -1;
    }
    return __real_getsockopt(fd, level, name, value, size);
}

static bool is_run(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
            return true;
    }
    return false;
}

int __real_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    unsigned taken = 0;
    while (taken < n && !(refusal && is_run(&m[taken].msg_hdr)))
        taken++;
    if (taken == 0 && n > 0) {
        errno = refusal;
        return -1;
    }
    int r = __real_sendmmsg(fd, m, taken, flags);
    calls++;
    for (int i = 0; i < r; i++, messages++)
        runs += is_run(&m[i].msg_hdr);
    return r;
}

static int as_usual(void **state)
{
    (void)state;
    knows_no_runs = false;
    refusal = 0;
    calls = messages = runs = 0;
    return 0;
}

/* ---- sending and receiving ----------------------------------------------- */

enum { MANY = 150, ROOM = 2000 };

static char out[MANY][ROOM], in[MANY][ROOM];

/* A datagram to addr that tells its number. */
static grove_datagram numbered(int i, size_t len,
                               const struct sockaddr_in *addr)
{
    memset(out[i], 'a' + i % 26, len);
    snprintf(out[i], ROOM, "%d", i);
    grove_datagram d = {.data = out[i], .len = len, .peer_len = sizeof(*addr)};
    memcpy(&d.peer, addr, sizeof(*addr));
    return d;
}

static void receive_all(int fd, const grove_datagram *sent, int n)
{
    grove_datagram got[MANY];
    for (int done = 0; done < n;) {
        for (int i = 0; i < MANY; i++)
            got[i] = (grove_datagram){.data = in[i], .size = ROOM};
        ssize_t r = grove_recv_datagrams_until(fd, got, (size_t)(n - done),
                                               grove_now() + HANG);
        check(r > 0 && r <= 64, "%zd, %s", r, strerror(errno));
        for (ssize_t i = 0; i < r; i++, done++) {
            assert_int_equal(got[i].len, sent[done].len);
            assert_memory_equal(in[i], sent[done].data, got[i].len);
            assert_false(got[i].cut);
            assert_int_equal(got[i].local_len, 0);
        }
    }
}

/* Lengths in all orders, two peers: whatever goes out as one, each gets its own
 * in the order in which they were sent. */
static void send_mixed(void)
{
    static const size_t lengths[] = {1200, 1200, 300, 300, 300, 1,
                                     1200, 0,    0,   700, 701, 700};
    struct sockaddr_in a, b;
    int fd_a = bound(SOCK_DGRAM, &a), fd_b = bound(SOCK_DGRAM, &b);
    int from = grove_bind_udp("127.0.0.1:0", NULL);
    grove_datagram d[MANY], to_a[MANY], to_b[MANY];
    int n_a = 0, n_b = 0;
    for (int i = 0; i < MANY; i++) {
        bool first = i % 7 < 4;
        d[i] = numbered(i, lengths[i % UNIT_COUNT(lengths)], first ? &a : &b);
        if (first)
            to_a[n_a++] = d[i];
        else
            to_b[n_b++] = d[i];
    }
    assert_int_equal(grove_send_datagrams(from, d, MANY), MANY);
    receive_all(fd_a, to_a, n_a);
    receive_all(fd_b, to_b, n_b);
    close(fd_a);
    close(fd_b);
    grove_close(from);
}

static void all_arrive_in_their_order(void **state)
{
    (void)state;
    send_mixed();
    assert_true(calls <= 3);
}

static void the_same_where_the_system_cuts_up_none(void **state)
{
    (void)state;
    knows_no_runs = true;
    send_mixed();
    assert_int_equal(messages, MANY);
    assert_int_equal(runs, 0);
}

static void the_same_where_runs_are_refused(void **state)
{
    (void)state;
    static const int refusals[] = {EIO, EINVAL, EMSGSIZE, EOPNOTSUPP};
    for (size_t i = 0; i < UNIT_COUNT(refusals); i++) {
        as_usual(NULL);
        refusal = refusals[i];
        send_mixed();
        assert_int_equal(messages, MANY);
    }
}

/* n datagrams of a length go out as so many messages. */
static void expect_messages(int from, int to, const struct sockaddr_in *addr,
                            int n, size_t len, unsigned expected)
{
    grove_datagram d[MANY];
    as_usual(NULL);
    for (int i = 0; i < n; i++)
        d[i] = numbered(i, len, addr);
    assert_int_equal(grove_send_datagrams(from, d, (size_t)n), n);
    assert_int_equal(messages, expected);
    receive_all(to, d, n);
}

static void a_run_is_one_message(void **state)
{
    (void)state;
    struct sockaddr_in addr;
    int to = bound(SOCK_DGRAM, &addr);
    int from = grove_bind_udp("127.0.0.1:0", NULL), none = 0;
    if (setsockopt(from, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof(none)) < 0)
        unit_skip("the kernel cuts up no datagrams; Linux 4.18 does");
    expect_messages(from, to, &addr, 1, 1000, 1);
    expect_messages(from, to, &addr, 40, 1000, 1);
    /* No more than 65,000 bytes are one, and no more than 64 datagrams. */
    expect_messages(from, to, &addr, 60, 1400, 2);
    expect_messages(from, to, &addr, 100, 3, 2);
    close(to);
    grove_close(from);
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    struct sockaddr_in addr;
    int to = bound(SOCK_DGRAM, &addr);
    int from = grove_bind_udp("127.0.0.1:0", NULL);
    grove_datagram d = numbered(1, 100, &addr);
    assert_int_equal(grove_send_datagrams(from, &d, 1), 1);
    grove_datagram got = {.data = in[0], .size = 10};
    assert_int_equal(grove_recv_datagrams(to, &got, 1), 1);
    assert_int_equal(got.len, 10);
    assert_true(got.cut);
    close(to);
    grove_close(from);
}

static void a_connected_socket_needs_no_peer(void **state)
{
    (void)state;
    struct pair p = pair_of(UDP);
    grove_datagram d[2] = {{.data = out[0], .len = 5},
                           {.data = out[1], .len = 5}};
    assert_int_equal(grove_send_datagrams(p.out, d, 2), 2);
    receive_all(p.in, d, 2);
    pair_close(p);
}

/* ---- local addresses ------------------------------------------------------ */

/* Asked at an address of the host, the answer comes from that one. */
static void ask_and_answer(int server, const struct sockaddr_in *asked)
{
    struct sockaddr_in client_addr, from;
    socklen_t size = sizeof(from);
    int client = bound(SOCK_DGRAM, &client_addr);
    assert_int_equal(
        sendto(client, "?", 1, 0, (const void *)asked, sizeof(*asked)), 1);
    grove_datagram d = {.data = in[0], .size = ROOM};
    assert_int_equal(grove_recv_datagrams(server, &d, 1), 1);
    assert_true(d.local_len > 0);
    assert_int_equal(grove_send_datagrams(server, &d, 1), 1);
    assert_int_equal(grove_recvfrom_until(client, in[0], ROOM, 0, (void *)&from,
                                          &size, grove_now() + HANG),
                     1);
    assert_int_equal(from.sin_addr.s_addr, asked->sin_addr.s_addr);
    assert_int_equal(from.sin_port, asked->sin_port);
    grove_close(client);
}

static void ask_at_each_address(int server, in_port_t port)
{
    assert_int_equal(grove_datagram_want_local(server), 0);
    for (uint32_t i = 1; i <= 3; i++) {
        struct sockaddr_in asked = {.sin_family = AF_INET,
                                    .sin_port = port,
                                    .sin_addr.s_addr = htonl(0x7f000000 + i)};
        ask_and_answer(server, &asked);
    }
    grove_close(server);
}

static void answers_come_from_the_address_asked(void **state)
{
    (void)state;
    struct sockaddr_in addr = {0};
    socklen_t size = sizeof(addr);
    int server = grove_bind_udp("0.0.0.0:0", NULL);
    assert_int_equal(getsockname(server, (void *)&addr, &size), 0);
    ask_at_each_address(server, addr.sin_port);
}

static void on_a_socket_of_both_protocols_too(void **state)
{
    (void)state;
    struct sockaddr_in6 addr = {0};
    socklen_t size = sizeof(addr);
    int server = grove_bind_udp("[::]:0", NULL);
    if (server < 0)
        unit_skip("no IPv6 here: its module is not loaded, or it is disabled");
    assert_int_equal(getsockname(server, (void *)&addr, &size), 0);
    ask_at_each_address(server, addr.sin6_port);
}

/* ---- waiting --------------------------------------------------------------- */

static ssize_t make_receive(struct call *c)
{
    grove_datagram d[4];
    for (int i = 0; i < 4; i++)
        d[i] = (grove_datagram){.data = in[i], .size = ROOM};
    return c->deadline == GROVE_NEVER
               ? grove_recv_datagrams(c->fd, d, 4)
               : grove_recv_datagrams_until(c->fd, d, 4, c->deadline);
}

static ssize_t make_send(struct call *c)
{
    static grove_datagram d[MANY];
    for (int i = 0; i < MANY; i++)
        d[i] = (grove_datagram){.data = out[i], .len = 1000};
    return c->deadline == GROVE_NEVER
               ? grove_send_datagrams(c->fd, d, MANY)
               : grove_send_datagrams_until(c->fd, d, MANY, c->deadline);
}

static ssize_t make_recvmmsg(struct call *c)
{
    struct iovec iov[4];
    struct mmsghdr m[4] = {0};
    for (int i = 0; i < 4; i++) {
        iov[i] = (struct iovec){in[i], ROOM};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    return c->deadline == GROVE_NEVER
               ? grove_recvmmsg(c->fd, m, 4, c->flags)
               : grove_recvmmsg_until(c->fd, m, 4, c->flags, c->deadline);
}

static ssize_t make_sendmmsg(struct call *c)
{
    struct iovec iov = {out[0], 1000};
    struct mmsghdr m[MANY] = {0};
    for (int i = 0; i < MANY; i++)
        m[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
    return c->deadline == GROVE_NEVER
               ? grove_sendmmsg(c->fd, m, MANY, c->flags)
               : grove_sendmmsg_until(c->fd, m, MANY, c->flags, c->deadline);
}

static void receiving_waits_for_the_first(void **state)
{
    (void)state;
    struct pair p = pair_of(UNIX_DATAGRAM);
    struct call c = {.make = make_receive, .name = "receive", .fd = p.in};
    start_parked(&c);
    for (int i = 0; i < 3; i++)
        assert_int_equal(write(p.out, "abc", 3), 3);
    expect_result(&c, 3);
    start_parked(&c);
    grove_kill(c.fiber);
    expect_error(&c, ECANCELED);
    c.deadline = grove_now() + MS;
    call_start(&c);
    expect_error(&c, ETIMEDOUT);
    pair_close(p);
}

/* The queue of a Unix socket is short: the rest goes as the reader reads. */
static void sending_waits_for_room(void **state)
{
    (void)state;
    ssize_t (*const makes[])(struct call *) = {make_send, make_sendmmsg};
    for (size_t i = 0; i < UNIT_COUNT(makes); i++) {
        struct pair p = pair_of(UNIX_DATAGRAM);
        struct call c = {.make = makes[i], .name = "send", .fd = p.out};
        start_parked(&c);
        for (int n = 0; n < MANY; n++)
            assert_int_equal(
                grove_recv_until(p.in, in[0], ROOM, 0, grove_now() + HANG),
                1000);
        expect_result(&c, MANY);
        /* A part is told; of none at all, why. */
        c.deadline = grove_now() + 20 * MS;
        call_start(&c);
        call_finish(&c);
        check(c.result > 0 && c.result < MANY, "%zd", c.result);
        c.deadline = grove_now() + MS;
        call_start(&c);
        expect_error(&c, ETIMEDOUT);
        pair_close(p);
    }
}

static void recvmmsg_waits_for_all_or_for_one(void **state)
{
    (void)state;
    struct pair p = pair_of(UNIX_DATAGRAM);
    struct call c = {.make = make_recvmmsg, .name = "recvmmsg", .fd = p.in};
    start_parked(&c);
    for (int i = 0; i < 4; i++) {
        grove_yield();
        expect_parked(&c);
        assert_int_equal(write(p.out, "abc", 3), 3);
    }
    expect_result(&c, 4);
    c.flags = MSG_WAITFORONE;
    start_parked(&c);
    assert_int_equal(write(p.out, "abc", 3), 3);
    expect_result(&c, 1);
    c.flags = 0;
    assert_int_equal(write(p.out, "abc", 3), 3);
    c.deadline = grove_now() + MS;
    call_start(&c);
    expect_result(&c, 1); /* a part, when the deadline passes */
    c.flags = MSG_DONTWAIT;
    call_start(&c);
    expect_error(&c, EAGAIN);
    pair_close(p);
}

/* ---- mistakes --------------------------------------------------------------- */

static void mistakes_are_told(void **state)
{
    (void)state;
    struct pair p = pair_of(UNIX_DATAGRAM);
    grove_datagram d = {.data = in[0], .size = ROOM};
    assert_int_equal(grove_recv_datagrams(p.in, &d, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(grove_send_datagrams(p.out, &d, 0), 0);
    assert_int_equal(grove_recv_datagrams(-1, &d, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(grove_send_datagrams(-1, &d, 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(grove_datagram_want_local(p.in), -1);
    assert_int_equal(errno, EAFNOSUPPORT);
    assert_int_equal(grove_datagram_want_local(-1), -1);
    assert_int_equal(errno, EBADF);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_arrive_in_their_order, as_usual),
        cmocka_unit_test_setup(the_same_where_the_system_cuts_up_none,
                               as_usual),
        cmocka_unit_test_setup(the_same_where_runs_are_refused, as_usual),
        cmocka_unit_test_setup(a_run_is_one_message, as_usual),
        cmocka_unit_test_setup(what_is_too_long_is_cut, as_usual),
        cmocka_unit_test_setup(a_connected_socket_needs_no_peer, as_usual),
        cmocka_unit_test_setup(answers_come_from_the_address_asked, as_usual),
        cmocka_unit_test_setup(on_a_socket_of_both_protocols_too, as_usual),
        cmocka_unit_test_setup(receiving_waits_for_the_first, as_usual),
        cmocka_unit_test_setup(sending_waits_for_room, as_usual),
        cmocka_unit_test_setup(recvmmsg_waits_for_all_or_for_one, as_usual),
        cmocka_unit_test_setup(mistakes_are_told, as_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * NET_PARK, the mode of a host whose descriptors all have O_NONBLOCK set:
 * every call parks where NET_POSIX would say EAGAIN.
 */
#include "net/net.h"
#include "socket_calls.h"

static ssize_t park_recv(struct call *c)
{
    return net_recv(c->fd, c->buf, c->len, c->flags, c->deadline, NET_PARK);
}

static ssize_t park_read(struct call *c)
{
    return net_read(c->fd, c->buf, c->len, c->deadline, NET_PARK);
}

static ssize_t park_recvmsg(struct call *c)
{
    struct iovec iov = {c->buf, c->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return net_recvmsg(c->fd, &msg, c->flags, c->deadline, NET_PARK);
}

static ssize_t park_send(struct call *c)
{
    return net_send(c->fd, c->buf, c->len, c->flags, c->deadline, NET_PARK);
}

static ssize_t park_write(struct call *c)
{
    return net_write(c->fd, c->buf, c->len, c->deadline, NET_PARK);
}

static ssize_t park_sendmsg(struct call *c)
{
    struct iovec iov = {c->buf, c->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return net_sendmsg(c->fd, &msg, c->flags, c->deadline, NET_PARK);
}

static ssize_t park_accept(struct call *c)
{
    return net_accept4(c->fd, NULL, NULL, 0, c->deadline, NET_PARK);
}

static ssize_t park_connect(struct call *c)
{
    return net_connect(c->fd, c->more, (socklen_t)c->len, c->deadline,
                       NET_PARK);
}

static void receiving_parks(void **state)
{
    static ssize_t (*const makes[])(struct call *) = {park_recv, park_read,
                                                      park_recvmsg};
    for (int kind = 0; kind < KINDS; kind++) {
        struct pair p = pair_of(kind);
        char buf[4] = "";
        set_nonblocking(p.in);
        for (int i = 0; i < 3; i++) {
            struct call c =
                io_call(makes[i], kind_names[kind], p.in, buf, sizeof(buf));
            if (kind == PIPE && makes[i] != park_read)
                continue;
            start_parked(&c);
            assert_int_equal(write(p.out, "x", 1), 1);
            expect_result(&c, 1);
        }
        assert_true(fcntl(p.in, F_GETFL) & O_NONBLOCK);
        pair_close(p);
    }
}

static void sending_parks(void **state)
{
    static ssize_t (*const makes[])(struct call *) = {park_send, park_write,
                                                      park_sendmsg};
    static const enum kind kinds[] = {TCP, UNIX_STREAM, PIPE};
    for (int k = 0; k < 3; k++) {
        struct pair p = pair_of(kinds[k]);
        char buf[64] = "";
        set_nonblocking(p.in);
        set_nonblocking(p.out);
        for (int i = 0; i < 3; i++) {
            struct call c = io_call(makes[i], kind_names[kinds[k]], p.out, buf,
                                    sizeof(buf));
            if (kinds[k] == PIPE && makes[i] != park_write)
                continue;
            fill(p.out);
            start_parked(&c);
            while (!c.finished) {
                empty(p.in);
                assert_int_equal(grove_sleep(MS / 4), 0);
            }
            expect_result(&c, sizeof(buf));
            empty(p.in);
        }
        assert_true(fcntl(p.out, F_GETFL) & O_NONBLOCK);
        pair_close(p);
    }
}

static void connecting_parks(void **state)
{
    struct sockaddr_in addr;
    int server = bound(SOCK_STREAM, &addr), fds[4];
    set_nonblocking(server);
    assert_int_equal(listen(server, 0), 0);
    struct call a = {.make = park_accept, .name = "accept", .fd = server};
    start_parked(&a);
    for (int i = 0; i < 4; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct call c = {.make = park_connect,
                     .name = "connect",
                     .fd = fds[0],
                     .more = &addr,
                     .len = sizeof(addr)};
    call_start(&c);
    expect_result(&c, 0);
    call_finish(&a);
    assert_true(a.result >= 0);
    /* Nobody accepts these: the last waits. */
    for (int i = 1; i < 3; i++)
        connect(fds[i], (struct sockaddr *)&addr, sizeof(addr));
    c.fd = fds[3];
    c.deadline = grove_now() + 2 * MS;
    call_start(&c);
    expect_error(&c, ETIMEDOUT);
    assert_true(fcntl(fds[3], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(net_close(fds[i]), 0);
    net_close((int)a.result);
    net_close(server);
}

/* As a host that wants the parts itself does it. */
static void dontwait_is_heeded(void **state)
{
    struct pair p = pair_of(TCP);
    char c;
    assert_int_equal(net_recv(p.in, &c, 1, MSG_DONTWAIT, GROVE_NEVER, NET_PARK),
                     -1);
    assert_int_equal(errno, EAGAIN);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receiving_parks),
        cmocka_unit_test(sending_parks),
        cmocka_unit_test(connecting_parks),
        cmocka_unit_test(dontwait_is_heeded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

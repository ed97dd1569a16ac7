/*
 * connect, accept4 and close, and what becomes of those who wait when a
 * connection or a descriptor ends.
 */
#include <assert.h>
#include <signal.h>
#include <sys/wait.h>

#include "socket_calls.h"
#include "unit.h"

/* ---- accept ------------------------------------------------------------ */

static void accept_takes_who_is_there(void **state)
{
    struct sockaddr_in addr, peer;
    socklen_t size = sizeof(peer);
    int server = listener(&addr), client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        grove_connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_blocking(client);
    int fd = grove_accept4(server, (struct sockaddr *)&peer, &size,
                           SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(size, sizeof(peer));
    struct sockaddr_in own;
    getsockname(client, (struct sockaddr *)&own, &size);
    assert_int_equal(own.sin_port, peer.sin_port);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_kept_nonblocking(server);
    grove_close(fd);
    grove_close(client);
    grove_close(server);
}

static void accept_waits_in_order(void **state)
{
    struct sockaddr_in addr;
    int server = listener(&addr);
    struct call c[3];
    for (int i = 0; i < 3; i++) {
        c[i] = accept_call(server);
        start_parked(&c[i]);
    }
    for (int i = 0; i < 3; i++) {
        int client = connected_to(&addr);
        call_finish(&c[i]);
        assert_true(c[i].result >= 0);
        for (int j = i + 1; j < 3; j++)
            expect_parked(&c[j]);
        grove_close((int)c[i].result);
        grove_close(client);
    }
    assert_kept_nonblocking(server);
    grove_close(server);
}

/* Whose hint says that nothing was received. */
static void accept_of_what_does_not_listen(void **state)
{
    int s[2];
    char byte;
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(grove_recv_until(s[0], &byte, 1, 0, grove_now() + MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    int64_t deadline = grove_now() + HANG;
    assert_int_equal(grove_accept4_until(s[0], NULL, NULL, 0, deadline), -1);
    assert_int_equal(errno, EINVAL);
    assert_true(grove_now() < deadline); /* it is tried then, too */
    grove_close(s[0]);
    grove_close(s[1]);
}

static void accept_ends_otherwise(void **state)
{
    struct sockaddr_in addr;
    int server = listener(&addr);
    struct call c = accept_call(server);
    c.deadline = grove_now() + MS;
    call_start(&c);
    expect_error(&c, ETIMEDOUT);
    c.deadline = 0;
    call_start(&c);
    grove_kill(c.fiber);
    expect_error(&c, ECANCELED);
    call_start(&c);
    grove_close(server);
    expect_error(&c, EBADF);
    call_start(&c);
    expect_error(&c, EBADF);

    server = listener(&addr);
    set_nonblocking(server);
    c.fd = server;
    for (int i = 0; i < 2; i++) {
        call_start(&c);
        expect_error(&c, EAGAIN);
    }
    int client = connected_to(&addr);
    call_start(&c);
    call_finish(&c);
    assert_true(c.result >= 0);
    grove_close((int)c.result);
    grove_close(client);
    grove_close(server);

    int udp = bound(SOCK_DGRAM, &addr), fds[2];
    c.fd = udp;
    call_start(&c);
    expect_error(&c, EOPNOTSUPP);
    grove_close(udp);
    assert_int_equal(pipe(fds), 0);
    c.fd = fds[0];
    call_start(&c);
    expect_error(&c, ENOTSOCK);
    grove_close(fds[0]);
    grove_close(fds[1]);
}

/* ---- connect ----------------------------------------------------------- */

static void connect_is_refused(void **state)
{
    struct sockaddr_in addr;
    int fd = bound(SOCK_STREAM, &addr); /* bound, but nobody listens */
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct call c = connect_call(client, &addr, sizeof(addr));
    for (int i = 0; i < 2; i++) {
        call_start(&c);
        expect_error(&c, ECONNREFUSED);
        assert_blocking(client);
    }
    /* The same socket may try elsewhere. */
    int server = listener(&addr);
    call_start(&c);
    expect_result(&c, 0);
    call_start(&c);
    expect_error(&c, EISCONN);
    grove_close(client);
    grove_close(server);
    grove_close(fd);
}

static void connect_waits(void **state)
{
    struct sockaddr_in addr;
    int fds[3];
    int server = bound(SOCK_STREAM, &addr);
    fill_queue(server, &addr, fds);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct call c = connect_call(client, &addr, sizeof(addr));
    c.deadline = grove_now() + 2 * MS;
    call_start(&c);
    expect_error(&c, ETIMEDOUT);
    assert_blocking(client);
    c.deadline = GROVE_NEVER;
    call_start(&c); /* goes on waiting for the same attempt */
    expect_parked(&c);
    grove_kill(c.fiber);
    expect_error(&c, ECANCELED);
    start_parked(&c);
    grove_close(client);
    expect_error(&c, EBADF);

    client = socket(AF_INET, SOCK_STREAM, 0);
    set_nonblocking(client);
    c.fd = client;
    call_start(&c);
    expect_error(&c, EINPROGRESS);
    call_start(&c);
    expect_error(&c, EALREADY);
    grove_close(client);
    for (int i = 0; i < 3; i++)
        grove_close(fds[i]);
    grove_close(server);
}

static void unix_connect_waits_for_the_queue(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(addr);
    int server = socket(AF_UNIX, SOCK_STREAM, 0), full[3];
    assert_int_equal(
        bind(server, (struct sockaddr *)&addr, sizeof(sa_family_t)), 0);
    getsockname(server, (struct sockaddr *)&addr, &size);
    assert_int_equal(listen(server, 0), 0);
    int n = 0;
    for (; n < 3; n++) {
        full[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(full[n], (struct sockaddr *)&addr, size) < 0)
            break;
    }
    assert_int_equal(errno, EAGAIN);
    int client = full[n];
    struct call c = connect_call(client, &addr, size);
    call_start(&c);
    expect_error(&c, EAGAIN);
    set_blocking(client);
    int fresh = dup(client);
    c.fd = fresh;
    c.deadline = grove_now() + 3 * MS;
    call_start(&c);
    expect_error(&c, ETIMEDOUT);
    c.deadline = GROVE_NEVER;
    expect_end_by_kill(&c);
    call_start(&c);
    assert_int_equal(grove_sleep(2 * MS), 0);
    expect_parked(&c);
    int first = grove_accept4(server, NULL, NULL, 0);
    assert_true(first >= 0);
    expect_result(&c, 0);
    assert_blocking(fresh);
    /* The waiting did not spoil what comes after. */
    char byte = 0;
    int second = grove_accept4(server, NULL, NULL, 0);
    assert_true(second >= 0);
    assert_int_equal(grove_send_until(fresh, "x", 1, 0, grove_now() + HANG), 1);
    assert_int_equal(grove_recv_until(second, &byte, 1, 0, grove_now() + HANG),
                     n == 1 ? 1 : -1);
    for (int i = 0; i <= n; i++)
        grove_close(full[i]);
    grove_close(fresh);
    grove_close(first);
    grove_close(second);
    grove_close(server);
}

static void connect_refuses_what_it_must(void **state)
{
    struct sockaddr_in addr = loopback();
    struct call c = {.make = make_connect,
                     .name = "connect",
                     .fd = -1,
                     .more = &addr,
                     .len = sizeof(addr)};
    call_start(&c);
    expect_error(&c, EBADF);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    c.fd = fds[0];
    call_start(&c);
    expect_error(&c, ENOTSOCK);
    grove_close(fds[0]);
    grove_close(fds[1]);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    c.fd = fd;
    c.len = 3;
    call_start(&c);
    expect_error(&c, EINVAL);
    grove_close(fd);
}

/* ---- the end of a connection ------------------------------------------- */

enum happening { DATA, FIN, SEE, READ, HAPPENINGS };

/* Data and the end, in any order with the loop's looking (SEE) and the
 * reader's reading (READ): it always gets all data and then the end. */
static void play(const enum happening *order, int n)
{
    struct pair p = pair_of(TCP);
    char buf[16] = "";
    size_t sent = 0, got = 0;
    bool fin = false;
    struct call c = recv_call(p.in, buf, sizeof(buf));
    for (int i = 0; i < n; i++) {
        switch (order[i]) {
        case DATA:
            if (!fin)
                sent += (size_t)send(p.out, "abc", 3, 0);
            break;
        case FIN:
            shutdown(p.out, SHUT_WR);
            fin = true;
            break;
        case SEE:
            grove_sleep(MS / 20);
            break;
        case READ:
            c.deadline = grove_now();
            c.result = make_recv(&c);
            if (c.result > 0)
                got += (size_t)c.result;
            break;
        case HAPPENINGS:
            break;
        }
    }
    if (!fin)
        shutdown(p.out, SHUT_WR);
    c.deadline = grove_now() + HANG;
    do {
        c.result = make_recv(&c);
        check(c.result >= 0, "recv: errno %d", errno);
        got += (size_t)c.result;
    } while (c.result > 0);
    assert_int_equal(got, sent);
    assert_int_equal(make_recv(&c), 0);
    pair_close(p);
}

static void data_and_end_in_every_order(void **state)
{
    enum { STEPS = 5 };
    int orders = 1;
    for (int i = 0; i < STEPS; i++)
        orders *= HAPPENINGS;
    for (int code = 0; code < orders; code++) {
        enum happening order[STEPS];
        for (int i = 0, rest = code; i < STEPS; i++, rest /= HAPPENINGS)
            order[i] = (enum happening)(rest % HAPPENINGS);
        play(order, STEPS);
    }
}

/* A reader that waits all the while. */
static void data_and_end_at_once_reach_a_parked_reader(void **state)
{
    struct pair p = pair_of(TCP);
    char buf[16] = "";
    struct call c = recv_call(p.in, buf, sizeof(buf));
    start_parked(&c);
    assert_int_equal(send(p.out, "abc", 3, 0), 3);
    shutdown(p.out, SHUT_WR);
    expect_result(&c, 3);
    call_start(&c);
    expect_result(&c, 0);
    /* The other direction goes on. */
    assert_int_equal(grove_send(p.in, "x", 1, 0), 1);
    assert_int_equal(grove_recv(p.out, buf, 1, 0), 1);
    pair_close(p);
}

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static void reset_wakes_both_directions(void **state)
{
    struct pair p = pair_of(TCP);
    char buf[16] = "";
    fill(p.in);
    struct call reader = recv_call(p.in, buf, sizeof(buf));
    struct call writer = send_call(p.in, buf, sizeof(buf));
    call_start(&reader);
    call_start(&writer);
    expect_parked(&reader);
    expect_parked(&writer);
    reset(p.out);
    expect_error(&reader, ECONNRESET);
    call_finish(&writer);
    assert_int_equal(writer.result, -1);
    assert_true(writer.error == EPIPE || writer.error == ECONNRESET);
    /* Afterwards, too, nobody waits. */
    call_start(&reader);
    expect_result(&reader, 0);
    call_start(&writer);
    expect_error(&writer, EPIPE);
    grove_close(p.in);
}

static void own_shutdown_wakes_the_reader(void **state)
{
    static const enum kind kinds[] = {TCP, UNIX_STREAM};
    for (int k = 0; k < 2; k++) {
        struct pair p = pair_of(kinds[k]);
        char buf[4];
        struct call c = recv_call(p.in, buf, sizeof(buf));
        start_parked(&c);
        shutdown(p.in, SHUT_RDWR);
        expect_result(&c, 0);
        pair_close(p);
    }
}

static void hang_up_of_a_unix_socket_wakes_both(void **state)
{
    struct pair p = pair_of(UNIX_STREAM);
    char buf[16] = "";
    fill(p.in);
    struct call reader = recv_call(p.in, buf, sizeof(buf));
    struct call writer = send_call(p.in, buf, sizeof(buf));
    call_start(&reader);
    call_start(&writer);
    close(p.out);
    call_finish(&reader);
    assert_true(reader.result == 0 || reader.error == ECONNRESET);
    expect_error(&writer, EPIPE);
    grove_close(p.in);
}

/* ---- close and numbers used again -------------------------------------- */

static void close_wakes_all(void **state)
{
    struct pair p = pair_of(TCP);
    char buf[16] = "";
    fill(p.in);
    struct call c[4];
    for (int i = 0; i < 4; i++) {
        c[i] = (struct call){.make = i < 2 ? make_recv : make_send,
                             .name = i < 2 ? "recv" : "send",
                             .fd = p.in,
                             .buf = buf,
                             .len = sizeof(buf)};
        start_parked(&c[i]);
    }
    assert_int_equal(grove_close(p.in), 0);
    for (int i = 0; i < 4; i++)
        expect_error(&c[i], EBADF);
    assert_int_equal(grove_close(p.in), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(grove_close(-1), -1);
    assert_int_equal(errno, EBADF);
    grove_close(p.out);
}

/* What was known of the old file must not be believed of the new one. */
static void number_reused_after_close(void **state)
{
    for (int round = 0; round < 4; round++) {
        struct pair p = pair_of(round % 2 ? TCP : UNIX_STREAM);
        char buf[4];
        struct call c = recv_call(p.in, buf, sizeof(buf));
        start_parked(&c);
        send(p.out, "a", 1, 0); /* an event for the old file is on its way */
        int number = p.in;
        grove_close(p.in);
        close(p.out);
        struct pair q = pair_of(round % 2 ? UNIX_STREAM : TCP);
        if (q.out == number)
            q = (struct pair){.in = q.out, .out = q.in};
        if (q.in != number) {
            assert_int_equal(dup2(q.in, number), number);
            close(q.in);
            q.in = number;
        }
        expect_error(&c, EBADF);
        call_start(&c);
        assert_int_equal(grove_sleep(MS), 0);
        expect_parked(&c);
        send(q.out, "b", 1, 0);
        expect_result(&c, 1);
        assert_int_equal(buf[0], 'b');
        pair_close(q);
    }
}

/* Closed behind the runtime's back, while exhausted; the number comes back
 * from accept or goes into connect. */
static void number_reused_after_a_plain_close(void **state)
{
    struct sockaddr_in addr;
    int server = listener(&addr);
    struct call c = {.make = make_recv, .name = "recv"};
    char buf[4] = "";
    c.buf = buf;
    c.len = sizeof(buf);
    for (int round = 0; round < 3; round++) {
        struct pair p = pair_of(UNIX_STREAM);
        c.fd = p.in;
        c.deadline = grove_now();
        call_start(&c); /* registers it */
        expect_error(&c, ETIMEDOUT);
        int client = socket(AF_INET, SOCK_STREAM, 0);
        close(p.in);
        assert_int_equal(
            connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
        int fd = grove_accept4(server, NULL, NULL, 0);
        assert_int_equal(fd, p.in);
        c.deadline = grove_now() + HANG;
        start_parked(&c);
        send(client, "x", 1, 0);
        expect_result(&c, 1);

        /* accept's own and the client's, closed plainly, into connect. */
        c.fd = client;
        c.deadline = grove_now();
        call_start(&c);
        expect_error(&c, ETIMEDOUT);
        close(client);
        int again = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(again, client);
        assert_int_equal(
            grove_connect(again, (struct sockaddr *)&addr, sizeof(addr)), 0);
        int other = grove_accept4(server, NULL, NULL, 0);
        c.deadline = grove_now() + HANG;
        start_parked(&c);
        send(other, "y", 1, 0);
        expect_result(&c, 1);
        grove_close(other);
        grove_close(again);
        grove_close(fd);
        close(p.out);
    }
    grove_close(server);
}

static void waiter_of_a_lost_number_is_woken_by_accept(void **state)
{
    struct sockaddr_in addr;
    int server = listener(&addr), client = socket(AF_INET, SOCK_STREAM, 0);
    struct pair p = pair_of(UNIX_STREAM);
    char buf[4] = "";
    struct call c = recv_call(p.in, buf, sizeof(buf));
    start_parked(&c);
    close(p.in);
    assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    int fd = grove_accept4(server, NULL, NULL, 0);
    assert_int_equal(fd, p.in);
    expect_error(&c, EBADF);
    grove_close(fd);
    grove_close(client);
    grove_close(server);
    close(p.out);
}

/* ---- fork -------------------------------------------------------------- */

/* In the child: the descriptors work on the child's own loop. */
static void *child_echoes(void *arg)
{
    const int *fds = arg;
    pid_t pid = fork();
    if (pid != 0)
        return (void *)(intptr_t)pid;
    char buf[4] = "";
    for (int i = 0; i < 2; i++) {
        if (grove_recv_until(fds[0], buf, 4, 0, grove_now() + HANG) != 4 ||
            grove_send(fds[0], buf, 4, 0) != 4)
            _exit(1);
    }
    _exit(0);
}

static void a_fork_in_a_fiber_has_a_fresh_loop(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct pair p = pair_of(TCP);
    char buf[4] = "";
    struct call c = recv_call(p.in, buf, 4);
    c.deadline = grove_now() + MS;
    call_start(&c); /* registered in the parent */
    expect_error(&c, ETIMEDOUT);
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, child_echoes, &p.in), 0);
    void *pid;
    assert_int_equal(grove_join(f, &pid), 0);
    grove_release(f);
    c.fd = p.out;
    c.deadline = grove_now() + HANG;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(p.out, "ping", 4, 0), 4);
        call_start(&c);
        expect_result(&c, 4);
        assert_memory_equal(buf, "ping", 4);
    }
    int status;
    assert_int_equal(waitpid((pid_t)(intptr_t)pid, &status, 0),
                     (pid_t)(intptr_t)pid);
    assert_int_equal(status, 0);
    pair_close(p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    assert(grove_hub_self());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accept_takes_who_is_there),
        cmocka_unit_test(accept_waits_in_order),
        cmocka_unit_test(accept_of_what_does_not_listen),
        cmocka_unit_test(accept_ends_otherwise),
        cmocka_unit_test(connect_is_refused),
        cmocka_unit_test(connect_waits),
        cmocka_unit_test(unix_connect_waits_for_the_queue),
        cmocka_unit_test(connect_refuses_what_it_must),
        cmocka_unit_test(data_and_end_in_every_order),
        cmocka_unit_test(data_and_end_at_once_reach_a_parked_reader),
        cmocka_unit_test(reset_wakes_both_directions),
        cmocka_unit_test(own_shutdown_wakes_the_reader),
        cmocka_unit_test(hang_up_of_a_unix_socket_wakes_both),
        cmocka_unit_test(close_wakes_all),
        cmocka_unit_test(number_reused_after_close),
        cmocka_unit_test(number_reused_after_a_plain_close),
        cmocka_unit_test(waiter_of_a_lost_number_is_woken_by_accept),
        cmocka_unit_test(a_fork_in_a_fiber_has_a_fresh_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

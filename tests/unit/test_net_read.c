/*
 * The calls that receive: each, on every kind of descriptor, when there is
 * something, when there is not yet, and when the wait ends otherwise.
 */
#include <assert.h>

#include "socket_calls.h"

static ssize_t make_readv(struct call *c)
{
    struct iovec iov[2] = {part(c, 0), part(c, 1)};
    return c->deadline == GROVE_NEVER
               ? grove_readv(c->fd, iov, 2)
               : grove_readv_until(c->fd, iov, 2, c->deadline);
}

static ssize_t make_recvfrom(struct call *c)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof(from);
    return c->deadline == GROVE_NEVER
               ? grove_recvfrom(c->fd, c->buf, c->len, c->flags,
                                (struct sockaddr *)&from, &size)
               : grove_recvfrom_until(c->fd, c->buf, c->len, c->flags,
                                      (struct sockaddr *)&from, &size,
                                      c->deadline);
}

static ssize_t make_recvmsg(struct call *c)
{
    struct iovec iov[2] = {part(c, 0), part(c, 1)};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    return c->deadline == GROVE_NEVER
               ? grove_recvmsg(c->fd, &msg, c->flags)
               : grove_recvmsg_until(c->fd, &msg, c->flags, c->deadline);
}

static const struct way ways_to_receive[] = {{"read", make_read, false},
                                             {"readv", make_readv, false},
                                             {"recv", make_recv, true},
                                             {"recvfrom", make_recvfrom, true},
                                             {"recvmsg", make_recvmsg, true}};

/* Every call on a fresh pair of every kind that it works on. */
static void each(void (*test)(struct call *c, struct pair p))
{
    static const struct ways ways = {ways_to_receive,
                                     UNIT_COUNT(ways_to_receive), false};
    each_way(&ways, any_kind, test);
}

static void ready(struct call *c, struct pair p)
{
    assert_int_equal(write(p.out, "ready", 5), 5);
    c->deadline = grove_now() - 1; /* no wait: it does not count */
    call_start(c);
    expect_result(c, 5);
    assert_memory_equal(c->buf, "ready", 5);
}

static void takes_what_is_there(void **state)
{
    each(ready);
}

static void late(struct call *c, struct pair p)
{
    for (int round = 0; round < 3; round++) {
        start_parked(c);
        assert_int_equal(write(p.out, "later", 5), 5);
        expect_result(c, 5);
        assert_memory_equal(c->buf, "later", 5);
    }
}

static void waits_for_what_comes(void **state)
{
    each(late);
}

static void late_on_main(struct call *c, struct pair p)
{
    assert_int_equal(write(p.out, "first", 5), 5);
    c->deadline = GROVE_NEVER;
    assert_int_equal(c->make(c), 5);
    c->deadline = grove_now() + 2 * MS;
    assert_int_equal(c->make(c), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static void works_on_the_threads_own_stack(void **state)
{
    each(late_on_main);
}

static void over(struct call *c, struct pair p)
{
    (void)p;
    int64_t begin = grove_now();
    c->deadline = begin + 2 * MS;
    call_start(c);
    expect_error(c, ETIMEDOUT);
    assert_true(grove_now() >= begin + 2 * MS);
    /* Again, now that the descriptor is known to be exhausted. */
    c->deadline = grove_now();
    call_start(c);
    expect_error(c, ETIMEDOUT);
}

static void ends_at_its_deadline(void **state)
{
    each(over);
}

static void ready_at_the_end(struct call *c, struct pair p)
{
    call_start(c);
    assert_int_equal(write(p.out, "1", 1), 1);
    expect_result(c, 1);
    c->deadline = grove_now() - 1;
    call_start(c);
    expect_error(c, ETIMEDOUT);
    /* The loop has not seen this yet. */
    assert_int_equal(write(p.out, "2", 1), 1);
    call_start(c);
    expect_result(c, 1);
    assert_int_equal(c->buf[0], '2');
}

static void takes_what_is_there_when_its_deadline_has_passed(void **state)
{
    each(ready_at_the_end);
}

static void killed(struct call *c, struct pair p)
{
    expect_end_by_kill(c);
    /* Nothing was lost by it. */
    assert_int_equal(write(p.out, "after", 5), 5);
    call_start(c);
    expect_result(c, 5);
}

static void ends_when_killed(void **state)
{
    each(killed);
}

static void scoped(struct call *c, struct pair p)
{
    (void)p;
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + 2 * MS);
    c->deadline = GROVE_NEVER;
    assert_int_equal(c->make(c), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
}

static void ends_with_an_enclosing_scope(void **state)
{
    each(scoped);
}

static void closed(struct call *c, struct pair p)
{
    (void)p;
    expect_end_by_close(c);
}

static void ends_when_the_descriptor_is_closed(void **state)
{
    each(closed);
}

static void nonblocking(struct call *c, struct pair p)
{
    set_nonblocking(p.in);
    for (int round = 0; round < 2; round++) {
        call_start(c);
        expect_error(c, EAGAIN);
        assert_int_equal(write(p.out, "x", 1), 1);
        call_start(c);
        expect_result(c, 1);
    }
    assert_true(fcntl(p.in, F_GETFL) & O_NONBLOCK);
    set_blocking(p.in);
}

static void gets_eagain_with_o_nonblock(void **state)
{
    each(nonblocking);
}

static void bad(struct call *c, struct pair p)
{
    (void)p;
    expect_bad_descriptors(c);
}

static void refuses_a_bad_descriptor(void **state)
{
    each(bad);
}

static void ended(struct call *c, struct pair p)
{
    int type = SOCK_STREAM;
    socklen_t size = sizeof(type);
    getsockopt(p.in, SOL_SOCKET, SO_TYPE, &type, &size);
    if (type == SOCK_DGRAM)
        return;
    int copy = dup(p.in);
    start_parked(c);
    if (shutdown(p.out, SHUT_WR) < 0) { /* a pipe */
        close(p.out);
        expect_result(c, 0);
        p.out = dup2(copy, p.out);
    } else {
        expect_result(c, 0);
    }
    call_start(c);
    expect_result(c, 0);
    close(copy);
}

static void sees_the_end(void **state)
{
    each(ended);
}

/* ---- several who wait -------------------------------------------------- */

static void readers_are_woken_in_order(void **state)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct pair p = pair_of(kind);
        struct call c[4];
        char bufs[4][1];
        for (int i = 0; i < 4; i++) {
            c[i] = io_call(make_read, kind_names[kind], p.in, bufs[i], 1);
            start_parked(&c[i]);
        }
        for (int i = 0; i < 4; i++) {
            char byte = (char)('a' + i);
            assert_int_equal(write(p.out, &byte, 1), 1);
            expect_result(&c[i], 1);
            assert_int_equal(bufs[i][0], byte);
            for (int j = i + 1; j < 4; j++)
                expect_parked(&c[j]);
        }
        pair_close(p);
    }
}

static void all_readers_get_their_part(void **state)
{
    struct pair p = pair_of(TCP);
    struct call c[4];
    char bufs[4][1];
    for (int i = 0; i < 4; i++) {
        c[i] = recv_call(p.in, bufs[i], 1);
        call_start(&c[i]);
    }
    assert_int_equal(write(p.out, "abcd", 4), 4);
    for (int i = 0; i < 4; i++) {
        expect_result(&c[i], 1);
        assert_int_equal(bufs[i][0], 'a' + i);
    }
    pair_close(p);
}

/* ---- flags ------------------------------------------------------------- */

static void dontwait_does_not_wait(void **state)
{
    struct pair p = pair_of(TCP);
    char c;
    assert_int_equal(grove_recv(p.in, &c, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(write(p.out, "x", 1), 1);
    assert_int_equal(grove_recv(p.in, &c, 1, 0), 1);
    assert_int_equal(grove_recv(p.in, &c, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    pair_close(p);
}

static void peek_leaves_what_it_saw(void **state)
{
    struct pair p = pair_of(TCP);
    char buf[8] = "";
    struct call c = {.make = make_recv,
                     .name = "peek",
                     .fd = p.in,
                     .buf = buf,
                     .len = 8,
                     .flags = MSG_PEEK};
    start_parked(&c);
    assert_int_equal(write(p.out, "abc", 3), 3);
    expect_result(&c, 3);
    call_start(&c);
    expect_result(&c, 3);
    assert_int_equal(grove_recv(p.in, buf, 8, 0), 3);
    pair_close(p);
}

static void waitall_of(enum kind kind, ssize_t (*make)(struct call *c))
{
    struct pair p = pair_of(kind);
    char buf[8] = "";
    struct call c = {.make = make,
                     .name = "MSG_WAITALL",
                     .fd = p.in,
                     .buf = buf,
                     .len = 8,
                     .flags = MSG_WAITALL};
    /* In three parts. */
    call_start(&c);
    assert_int_equal(write(p.out, "abc", 3), 3);
    assert_int_equal(grove_sleep(MS), 0);
    expect_parked(&c);
    assert_int_equal(write(p.out, "def", 3), 3);
    assert_int_equal(grove_sleep(MS), 0);
    expect_parked(&c);
    assert_int_equal(write(p.out, "ghij", 4), 4);
    expect_result(&c, 8);
    assert_memory_equal(buf, "abcdefgh", 8);
    /* A part, then the deadline; a part, then a kill; a part, then the end. */
    c.deadline = grove_now() + 2 * MS;
    call_start(&c);
    expect_result(&c, 2);
    assert_memory_equal(buf, "ij", 2);
    c.deadline = GROVE_NEVER;
    assert_int_equal(write(p.out, "kl", 2), 2);
    call_start(&c);
    assert_int_equal(grove_sleep(MS), 0);
    expect_parked(&c);
    grove_kill(c.fiber);
    expect_result(&c, 2);
    call_start(&c);
    assert_int_equal(write(p.out, "mno", 3), 3);
    assert_int_equal(shutdown(p.out, SHUT_WR), 0);
    expect_result(&c, 3);
    call_start(&c);
    expect_result(&c, 0);
    pair_close(p);
}

static void waitall_fills_the_buffer(void **state)
{
    waitall_of(TCP, make_recv);
    waitall_of(UNIX_STREAM, make_recv);
    waitall_of(TCP, make_recvmsg);
    waitall_of(UNIX_STREAM, make_recvmsg);
}

static void waitall_of_datagrams_is_one(void **state)
{
    static const enum kind kinds[] = {UDP, UNIX_DATAGRAM, UNIX_PACKET};
    for (int i = 0; i < 3; i++) {
        struct pair p = pair_of(kinds[i]);
        char buf[8];
        assert_int_equal(write(p.out, "abc", 3), 3);
        assert_int_equal(grove_recv(p.in, buf, 8, MSG_WAITALL), 3);
        pair_close(p);
    }
}

static void waitall_peeks_until_all_is_there(void **state)
{
    struct pair p = pair_of(TCP);
    char buf[4] = "";
    struct call c = {.make = make_recv,
                     .name = "peek all",
                     .fd = p.in,
                     .buf = buf,
                     .len = 4,
                     .flags = MSG_WAITALL | MSG_PEEK};
    call_start(&c);
    assert_int_equal(write(p.out, "ab", 2), 2);
    assert_int_equal(grove_sleep(MS), 0);
    expect_parked(&c);
    assert_int_equal(write(p.out, "cd", 2), 2);
    expect_result(&c, 4);
    assert_int_equal(grove_recv(p.in, buf, 3, 0), 3);
    start_parked(&c);
    assert_int_equal(shutdown(p.out, SHUT_WR), 0);
    expect_result(&c, 1);
    pair_close(p);
}

static void urgent_data_does_not_stop_the_stream(void **state)
{
    struct pair p = pair_of(TCP);
    char buf[16] = "";
    struct call c = recv_call(p.in, buf, sizeof(buf));
    call_start(&c);
    assert_int_equal(send(p.out, "ab!", 3, MSG_OOB), 3);
    assert_int_equal(send(p.out, "cd", 2, 0), 2);
    expect_result(&c, 2); /* up to the mark */
    assert_int_equal(grove_recv(p.in, buf, 1, MSG_OOB), 1);
    assert_int_equal(buf[0], '!');
    call_start(&c);
    expect_result(&c, 2); /* from it on */
    assert_memory_equal(buf, "cd", 2);
    pair_close(p);
}

static void no_bytes_are_no_wait(void **state)
{
    struct pair p = pair_of(UDP);
    char c;
    assert_int_equal(grove_read(p.in, &c, 0), 0);
    assert_int_equal(write(p.out, "x", 1), 1);
    assert_int_equal(grove_read(p.in, &c, 0), 0);
    assert_int_equal(grove_read(p.in, &c, 1), 1);
    /* A datagram of nothing is one. */
    assert_int_equal(grove_send(p.out, "", 0, 0), 0);
    assert_int_equal(grove_recv(p.in, &c, 1, 0), 0);
    pair_close(p);
}

static void senders_address_is_told(void **state)
{
    struct sockaddr_in a, b, from;
    int in = bound(SOCK_DGRAM, &a), out = bound(SOCK_DGRAM, &b);
    socklen_t size = sizeof(from);
    char c;
    assert_int_equal(
        grove_sendto(out, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
    assert_int_equal(
        grove_recvfrom(in, &c, 1, 0, (struct sockaddr *)&from, &size), 1);
    assert_int_equal(size, sizeof(b));
    assert_memory_equal(&from.sin_port, &b.sin_port, sizeof(b.sin_port));
    grove_close(in);
    grove_close(out);
}

static void invalid_vectors_are_refused(void **state)
{
    struct pair p = pair_of(TCP);
    char c;
    struct iovec iov[2] = {{&c, (size_t)INTPTR_MAX}, {&c, 1}};
    assert_int_equal(grove_readv(p.in, iov, -1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(grove_readv(p.in, iov, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(grove_readv(p.in, iov, 0), 0);
    assert_int_equal(grove_readv(p.in, iov, 1 << 20), -1);
    assert_int_equal(errno, EINVAL);
    pair_close(p);
}

int main(void)
{
    assert(grove_hub_self()); /* it keeps two descriptors */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_there),
        cmocka_unit_test(waits_for_what_comes),
        cmocka_unit_test(works_on_the_threads_own_stack),
        cmocka_unit_test(ends_at_its_deadline),
        cmocka_unit_test(takes_what_is_there_when_its_deadline_has_passed),
        cmocka_unit_test(ends_when_killed),
        cmocka_unit_test(ends_with_an_enclosing_scope),
        cmocka_unit_test(ends_when_the_descriptor_is_closed),
        cmocka_unit_test(gets_eagain_with_o_nonblock),
        cmocka_unit_test(refuses_a_bad_descriptor),
        cmocka_unit_test(sees_the_end),
        cmocka_unit_test(readers_are_woken_in_order),
        cmocka_unit_test(all_readers_get_their_part),
        cmocka_unit_test(dontwait_does_not_wait),
        cmocka_unit_test(peek_leaves_what_it_saw),
        cmocka_unit_test(waitall_fills_the_buffer),
        cmocka_unit_test(waitall_of_datagrams_is_one),
        cmocka_unit_test(waitall_peeks_until_all_is_there),
        cmocka_unit_test(urgent_data_does_not_stop_the_stream),
        cmocka_unit_test(no_bytes_are_no_wait),
        cmocka_unit_test(senders_address_is_told),
        cmocka_unit_test(invalid_vectors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

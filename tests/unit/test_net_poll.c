/*
 * poll: what it reports, when it waits, what ends its wait.
 */
#include <assert.h>
#include <sys/epoll.h>

#include "socket_calls.h"

/* c->more: the struct pollfd, c->len: how many, c->flags: the timeout when
 * there is no deadline. */
static ssize_t make_poll(struct call *c)
{
    return c->deadline == GROVE_NEVER
               ? grove_poll(c->more, c->len, c->flags)
               : grove_poll_until(c->more, c->len, c->deadline);
}

static struct call poll_call(struct pollfd *fds, size_t n)
{
    return (struct call){
        .make = make_poll, .name = "poll", .more = fds, .len = n, .flags = -1};
}

static void reports_what_is_ready(void **state)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct pair p = pair_of(kind);
        struct pollfd fds[3] = {
            {p.in, POLLIN, -1}, {p.out, POLLOUT, -1}, {-5, POLLIN, -1}};
        assert_int_equal(grove_poll(fds, 3, -1), 1);
        assert_int_equal(fds[0].revents, 0);
        assert_int_equal(fds[1].revents, POLLOUT);
        assert_int_equal(fds[2].revents, 0);
        assert_int_equal(write(p.out, "x", 1), 1);
        assert_int_equal(grove_poll(fds, 3, -1), 2);
        assert_int_equal(fds[0].revents, POLLIN);
        pair_close(p);
    }
}

static void waits_for_one_of_several(void **state)
{
    enum { MANY = 40 };
    for (size_t n = 1; n <= MANY; n += n < 3 ? 1 : 12) {
        struct pair p[MANY];
        struct pollfd fds[MANY];
        for (size_t i = 0; i < n; i++) {
            p[i] = pair_of(i % 2 ? UNIX_STREAM : PIPE);
            fds[i] = (struct pollfd){p[i].in, POLLIN, -1};
        }
        for (size_t i = 0; i < n; i += 5) {
            struct call c = poll_call(fds, n);
            char byte;
            start_parked(&c);
            assert_int_equal(write(p[i].out, "x", 1), 1);
            expect_result(&c, 1);
            for (size_t j = 0; j < n; j++)
                assert_int_equal(fds[j].revents, i == j ? POLLIN : 0);
            assert_int_equal(grove_read(p[i].in, &byte, 1), 1);
        }
        for (size_t i = 0; i < n; i++)
            pair_close(p[i]);
    }
}

static void waits_for_room(void **state)
{
    static const enum kind kinds[] = {TCP, UNIX_STREAM, PIPE};
    for (int k = 0; k < 3; k++) {
        struct pair p = pair_of(kinds[k]);
        struct pollfd fd = {p.out, POLLOUT, 0};
        struct call c = poll_call(&fd, 1);
        char block[65536];
        fill(p.out);
        start_parked(&c);
        set_nonblocking(p.in);
        while (!c.finished) {
            ssize_t n = read(p.in, block, sizeof(block));
            (void)n;
            assert_int_equal(grove_sleep(MS / 4), 0);
        }
        expect_result(&c, 1);
        assert_int_equal(fd.revents, POLLOUT);
        pair_close(p);
    }
}

/* A change in a direction nobody asked about does not end the wait. */
static void other_events_are_none(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fd = {p.in, POLLPRI, 0};
    struct call c = poll_call(&fd, 1);
    call_start(&c);
    assert_int_equal(send(p.out, "x", 1, 0), 1);
    assert_int_equal(grove_sleep(MS), 0);
    expect_parked(&c);
    assert_int_equal(send(p.out, "!", 1, MSG_OOB), 1);
    expect_result(&c, 1);
    assert_int_equal(fd.revents, POLLPRI);
    pair_close(p);
}

static void timeouts(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fd = {p.in, POLLIN, -1};
    int64_t begin = grove_now();
    assert_int_equal(grove_poll(&fd, 1, 0), 0);
    assert_int_equal(grove_poll(&fd, 1, 3), 0);
    assert_int_equal(fd.revents, 0);
    assert_true(grove_now() - begin >= 3 * MS);
    begin = grove_now();
    assert_int_equal(grove_poll_until(&fd, 1, begin + 2 * MS), 0);
    assert_true(grove_now() - begin >= 2 * MS);
    assert_int_equal(grove_poll_until(&fd, 1, 0), 0);
    assert_int_equal(grove_poll(NULL, 0, 2), 0);
    assert_int_equal(send(p.out, "x", 1, 0), 1);
    assert_int_equal(grove_poll_until(&fd, 1, 0), 1);
    /* A scope's end is an error, unlike poll's own. */
    struct pollfd none = {p.out, POLLIN, 0};
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + 2 * MS);
    assert_int_equal(grove_poll(&none, 1, -1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    grove_timeout_begin(&t, grove_now() + HANG);
    assert_int_equal(grove_poll(&none, 1, 2), 0);
    assert_int_equal(grove_timeout_end(&t), 0);
    pair_close(p);
}

static void ends_when_killed(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fd = {p.in, POLLIN, 0};
    struct call c = poll_call(&fd, 1);
    call_start(&c);
    grove_kill(c.fiber);
    expect_error(&c, ECANCELED);
    pair_close(p);
}

static void bad_descriptors_are_reported(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fds[2] = {{p.in, POLLIN, 0}, {1000, POLLIN, 0}};
    assert_int_equal(grove_poll(fds, 2, -1), 1);
    assert_int_equal(fds[1].revents, POLLNVAL);
    /* Closed meanwhile. */
    fds[1] = (struct pollfd){p.out, POLLIN, 0};
    struct call c = poll_call(fds, 2);
    start_parked(&c);
    grove_close(p.out);
    call_finish(&c);
    assert_true(c.result >= 1);
    assert_int_equal(fds[1].revents, POLLNVAL);
    grove_close(p.in);
}

static void hang_ups_are_reported_unasked(void **state)
{
    struct pair p = pair_of(TCP), q = pair_of(PIPE);
    struct pollfd fd = {p.in, 0, 0};
    struct call c = poll_call(&fd, 1);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    start_parked(&c);
    setsockopt(p.out, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(p.out);
    expect_result(&c, 1);
    assert_true(fd.revents & POLLHUP);
    fd = (struct pollfd){q.in, 0, 0};
    start_parked(&c);
    close(q.out);
    expect_result(&c, 1);
    assert_int_equal(fd.revents, POLLHUP);
    grove_close(q.in);
    grove_close(p.in);
    p = pair_of(TCP);
    fd = (struct pollfd){p.in, POLLRDHUP, 0};
    start_parked(&c);
    shutdown(p.out, SHUT_WR);
    expect_result(&c, 1);
    assert_int_equal(fd.revents, POLLRDHUP);
    pair_close(p);
}

static void one_listed_twice_is_reported_twice(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fds[2] = {{p.in, POLLIN, 0}, {p.in, POLLIN | POLLPRI, 0}};
    struct call c = poll_call(fds, 2);
    start_parked(&c);
    assert_int_equal(send(p.out, "x", 1, 0), 1);
    expect_result(&c, 2);
    pair_close(p);
}

/* Two who poll and one who reads: the reader does not take the polls away. */
static void pollers_and_a_reader_share_a_descriptor(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fds[2] = {{p.in, POLLIN, 0}, {p.in, POLLIN, 0}};
    struct call a = poll_call(&fds[0], 1), b = poll_call(&fds[1], 1);
    char buf[4];
    struct call r = recv_call(p.in, buf, 4);
    call_start(&a);
    call_start(&b);
    call_start(&r);
    assert_int_equal(send(p.out, "x", 1, 0), 1);
    expect_result(&r, 1);
    expect_result(&a, 1);
    expect_result(&b, 1);
    pair_close(p);
}

static void an_epoll_of_ones_own_can_be_polled(void **state)
{
    struct pair p = pair_of(TCP);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, p.in, &event), 0);
    struct pollfd fd = {epoll, POLLIN, 0};
    struct call c = poll_call(&fd, 1);
    for (int i = 0; i < 2; i++) {
        char byte;
        start_parked(&c);
        assert_int_equal(send(p.out, "x", 1, 0), 1);
        expect_result(&c, 1);
        assert_int_equal(grove_recv(p.in, &byte, 1, 0), 1);
    }
    grove_close(epoll);
    pair_close(p);
}

static void works_on_the_threads_own_stack(void **state)
{
    struct pair p = pair_of(TCP);
    struct pollfd fd = {p.in, POLLIN, 0};
    assert_int_equal(grove_poll(&fd, 1, 2), 0);
    assert_int_equal(send(p.out, "x", 1, 0), 1);
    assert_int_equal(grove_poll(&fd, 1, -1), 1);
    pair_close(p);
}

int main(void)
{
    assert(grove_hub_self());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_what_is_ready),
        cmocka_unit_test(waits_for_one_of_several),
        cmocka_unit_test(waits_for_room),
        cmocka_unit_test(other_events_are_none),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(ends_when_killed),
        cmocka_unit_test(bad_descriptors_are_reported),
        cmocka_unit_test(hang_ups_are_reported_unasked),
        cmocka_unit_test(one_listed_twice_is_reported_twice),
        cmocka_unit_test(pollers_and_a_reader_share_a_descriptor),
        cmocka_unit_test(an_epoll_of_ones_own_can_be_polled),
        cmocka_unit_test(works_on_the_threads_own_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

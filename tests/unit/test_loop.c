/* The event loop below the hub: records, edges, order, closing, limits. */
#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "fiber/visibility.h"
#include "loop/loop.h"

static struct loop loop;

static int begin(void **state)
{
    (void)state;
    return loop_init(&loop);
}

static int finish(void **state)
{
    (void)state;
    loop_destroy(&loop);
    return 0;
}

struct noted {
    struct loop_wait wait;
    int number;
    int result;
    int calls;
};

static int order[16];
static unsigned calls;

static void note(struct loop_wait *wait, int result)
{
    struct noted *n = container_of(wait, struct noted, wait);
    n->result = result;
    n->calls++;
    order[calls++ % UNIT_COUNT(order)] = n->number;
}

static void add(struct noted *n, int fd, unsigned direction)
{
    struct loop_fd *record = loop_fd(&loop, fd);
    assert_non_null(record);
    assert_int_equal(loop_register(&loop, record), 0);
    n->wait.direction = direction;
    n->wait.fn = note;
    n->result = 1;
    loop_wait_add(&loop, record, &n->wait);
}

/* Registered by one who will say when it is closed: a wait brings no events
 * that were there before. */
static void own(int fd)
{
    loop_own(&loop, fd);
    assert_int_equal(loop_register(&loop, loop_fd(&loop, fd)), 0);
}

/* Events that the registration itself brings. */
static void drain(void)
{
    while (loop_poll(&loop, 0) > 0) {
    }
    calls = 0;
}

static void waiters_are_woken_in_order_and_only_their_direction(void **state)
{
    (void)state;
    int s[2];
    struct noted r[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct noted w = {.number = 9};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    own(s[0]);
    drain();
    for (int i = 0; i < 3; i++)
        add(&r[i], s[0], LOOP_READ);
    assert_int_equal(loop.waits, 3);
    assert_int_equal(loop_poll(&loop, 0), 0);
    assert_int_equal(write(s[1], "x", 1), 1);
    assert_int_equal(loop_poll(&loop, -1), 1);
    assert_int_equal(calls, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(order[i], i + 1);
        assert_int_equal(r[i].result, 0);
    }
    assert_int_equal(loop.waits, 0);
    /* It could be written to all along: that is no edge. */
    add(&w, s[0], LOOP_WRITE);
    drain();
    assert_int_equal(w.calls, 0);
    loop_wait_remove(&loop, &w.wait);
    loop_forget(&loop, s[0]);
    close(s[0]);
    close(s[1]);
}

static void one_taken_back_is_not_called(void **state)
{
    (void)state;
    int s[2];
    struct noted r[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    for (int i = 0; i < 3; i++)
        add(&r[i], s[0], LOOP_READ);
    loop_wait_remove(&loop, &r[2].wait); /* the last, the first, none */
    loop_wait_remove(&loop, &r[0].wait);
    loop_wait_remove(&loop, &r[0].wait);
    add(&r[2], s[0], LOOP_READ);
    assert_int_equal(loop.waits, 2);
    calls = 0;
    assert_int_equal(write(s[1], "x", 1), 1);
    while (loop.waits)
        loop_poll(&loop, -1);
    assert_int_equal(calls, 2);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 3);
    assert_int_equal(r[0].calls, 0);
    loop_forget(&loop, s[0]);
    close(s[0]);
    close(s[1]);
}

static void hang_ups_wake_both_directions(void **state)
{
    (void)state;
    int ends[2];
    struct noted r = {.number = 1}, w = {.number = 2};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    own(ends[0]);
    drain();
    add(&r, ends[0], LOOP_READ);
    add(&w, ends[0], LOOP_WRITE);
    close(ends[1]);
    while (loop.waits)
        assert_true(loop_poll(&loop, 1000000000) > 0);
    assert_int_equal(r.result, 0);
    assert_int_equal(w.result, 0);
    assert_true(loop_fd(&loop, ends[0])->no_short_reads);
    loop_forget(&loop, ends[0]);
    close(ends[0]);
}

static void forgetting_wakes_with_ebadf(void **state)
{
    (void)state;
    int s[2];
    struct noted r = {.number = 1}, w = {.number = 2};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    add(&r, s[0], LOOP_READ);
    add(&w, s[0], LOOP_WRITE);
    uint32_t generation = loop_fd(&loop, s[0])->generation;
    loop_forget(&loop, s[0]);
    assert_int_equal(r.result, -EBADF);
    assert_int_equal(w.result, -EBADF);
    assert_int_equal(loop.waits, 0);
    assert_int_equal(loop_fd(&loop, s[0])->generation, generation + 1);
    loop_forget(&loop, s[0]); /* again, and of what was never seen */
    loop_forget(&loop, 77777);
    loop_forget(&loop, -1);
    loop_forget(&loop, INT32_MAX);
    close(s[0]);
    close(s[1]);
}

/* The old file lives on in a dup: its events are not the new one's. */
static void events_of_the_last_file_of_a_number_are_stale(void **state)
{
    (void)state;
    int a[2], b[2];
    struct noted r = {.number = 1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
    own(a[0]);
    drain();
    int twin = dup(a[0]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
    loop_forget(&loop, a[0]);
    assert_int_equal(dup2(b[0], a[0]), a[0]);
    own(a[0]);
    drain();
    add(&r, a[0], LOOP_READ);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(loop_poll(&loop, 0), 0);
    assert_int_equal(r.calls, 0);
    assert_int_equal(write(b[1], "x", 1), 1);
    assert_int_equal(loop_poll(&loop, 0), 1);
    assert_int_equal(r.calls, 1);
    loop_forget(&loop, a[0]);
    close(twin);
    close(a[0]);
    close(a[1]);
    close(b[0]);
    close(b[1]);
}

static struct noted again;

static void add_again(struct loop_wait *wait, int result)
{
    note(wait, result);
    loop_wait_add(&loop, wait->fd, wait);
}

static void one_may_add_itself_again(void **state)
{
    (void)state;
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    own(s[0]);
    drain();
    again = (struct noted){.number = 5};
    add(&again, s[0], LOOP_READ);
    again.wait.fn = add_again;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(write(s[1], "x", 1), 1);
        assert_int_equal(loop_poll(&loop, 1000000000), 1);
        assert_int_equal(again.calls, i);
        assert_int_equal(loop.waits, 1);
    }
    loop_wait_remove(&loop, &again.wait);
    loop_forget(&loop, s[0]);
    close(s[0]);
    close(s[1]);
}

static void files_are_always_ready_and_bad_numbers_bad(void **state)
{
    (void)state;
    int fd = open("/proc/self/exe", O_RDONLY);
    struct loop_fd *record = loop_fd(&loop, fd);
    assert_int_equal(loop_register(&loop, record), 0);
    assert_true(record->always_ready);
    loop_forget(&loop, fd);
    close(fd);
    assert_int_equal(loop_register(&loop, loop_fd(&loop, fd)), -EBADF);
    assert_false(loop_fd(&loop, fd)->registered);
    errno = 0;
    assert_null(loop_fd(&loop, -1));
    assert_int_equal(errno, EBADF);
    assert_null(loop_fd(&loop, INT32_MIN));
    assert_null(loop_fd(&loop, LOOP_CHUNK * LOOP_CHUNKS));
    assert_int_equal(errno, EMFILE);
    assert_non_null(loop_fd(&loop, LOOP_CHUNK * LOOP_CHUNKS - 1));
}

static int64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void a_poll_sleeps_as_long_as_it_is_told(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) { /* then as on older kernels */
        for (int64_t ns = 1000; ns < 5000000; ns *= 3) {
            int64_t start = now();
            assert_int_equal(loop_poll(&loop, ns), 0);
            assert_true(now() - start >= ns);
        }
        loop.has_pwait2 = false;
    }
}

static void an_interruption_ends_a_poll(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        errno = 123;
        loop_interrupt(&loop);
        assert_int_equal(errno, 123);
        loop_interrupt(&loop); /* both are one */
        assert_int_equal(loop_poll(&loop, -1), 1);
        assert_int_equal(loop_poll(&loop, 0), 0);
    }
}

static void on_signal(int signum)
{
    (void)signum;
}

static void a_signal_ends_a_poll(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGALRM, &action, NULL);
    ualarm(2000, 2000); /* the first may come before the poll */
    assert_int_equal(loop_poll(&loop, -1), -EINTR);
    ualarm(0, 0);
    signal(SIGALRM, SIG_IGN); /* one may be on its way yet */
}

static void more_events_than_fit_come_in_turns(void **state)
{
    (void)state;
    enum { N = 300 };
    static int s[N][2];
    static struct noted r[N];
    int total = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s[i]), 0);
        r[i] = (struct noted){.number = i};
        own(s[i][0]);
    }
    drain();
    for (int i = 0; i < N; i++) {
        add(&r[i], s[i][0], LOOP_READ);
        assert_int_equal(write(s[i][1], "x", 1), 1);
    }
    for (int rounds = 0; loop.waits && rounds < 3; rounds++) {
        calls = 0;
        total += loop_poll(&loop, 0);
    }
    assert_int_equal(total, N);
    assert_int_equal(loop.waits, 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(r[i].calls, 1);
        loop_forget(&loop, s[i][0]);
        close(s[i][0]);
        close(s[i][1]);
    }
}

static bool odd_ones_have_gone(struct loop_wait *wait, void *arg)
{
    (void)arg;
    return container_of(wait, struct noted, wait)->number % 2;
}

static void a_renewed_loop_keeps_those_who_have_not_gone(void **state)
{
    (void)state;
    int s[2];
    struct noted r[4] = {
        {.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    own(s[0]);
    drain();
    for (int i = 0; i < 4; i++)
        add(&r[i], s[0], LOOP_READ);
    assert_int_equal(loop_renew(&loop, odd_ones_have_gone, NULL), 0);
    assert_int_equal(loop.waits, 2);
    assert_int_equal(write(s[1], "x", 1), 1);
    while (loop.waits)
        assert_true(loop_poll(&loop, 1000000000) > 0);
    assert_int_equal(calls, 2);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 2);
    loop_forget(&loop, s[0]);
    close(s[0]);
    close(s[1]);
}

static int poll_without_epoll(void)
{
    close(loop.epoll);
    return loop_poll(&loop, 0);
}

static void a_lost_epoll_is_told_and_the_end(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, poll_without_epoll);
    assert_true(unit_died_of(&child, SIGABRT));
    assert_non_null(strstr(child.text, "closed by the program"));
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(waiters_are_woken_in_order_and_only_their_direction),
        LOOP_TEST(one_taken_back_is_not_called),
        LOOP_TEST(hang_ups_wake_both_directions),
        LOOP_TEST(forgetting_wakes_with_ebadf),
        LOOP_TEST(events_of_the_last_file_of_a_number_are_stale),
        LOOP_TEST(one_may_add_itself_again),
        LOOP_TEST(files_are_always_ready_and_bad_numbers_bad),
        LOOP_TEST(a_poll_sleeps_as_long_as_it_is_told),
        LOOP_TEST(an_interruption_ends_a_poll),
        LOOP_TEST(a_signal_ends_a_poll),
        LOOP_TEST(more_events_than_fit_come_in_turns),
        LOOP_TEST(a_renewed_loop_keeps_those_who_have_not_gone),
        LOOP_TEST(a_lost_epoll_is_told_and_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Descriptors between hubs: closed on one while fibers of another wait, handed
 * over, given away, closed behind the runtime's back with a dup left alive, and
 * their numbers taken by files of other kinds.
 *
 * The other hub is a thread's that does what it is called for (grove_hub_call).
 * Which descriptors a hub's epoll has is read from /proc/self/fdinfo.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "hub/hub.h"
#include "hub_threads.h"
#include "socket_calls.h"

/* ---- the other hub ---------------------------------------------------------- */

static struct other {
    pthread_t thread;
    grove_hub *hub;
    grove_event over;
    sem_t there;
} other;

static void *live(void *arg)
{
    other.hub = grove_hub_retain(grove_hub_self());
    sem_post(&other.there);
    grove_event_wait(&other.over);
    return arg;
}

static int begin(void **state)
{
    (void)state;
    other.over = (grove_event)GROVE_EVENT_INIT;
    return sem_init(&other.there, 0, 0) ||
           pthread_create(&other.thread, NULL, live, NULL) ||
           sem_wait(&other.there);
}

static int finish(void **state)
{
    (void)state;
    grove_event_set(&other.over);
    pthread_join(other.thread, NULL);
    grove_hub_release(other.hub);
    return 0;
}

/* fn(arg) in a fiber of the other hub, which says by NULL that all is well. */
static void there(void *(*fn)(void *), void *arg)
{
    void *value = NULL;
    int r = grove_hub_call_until(other.hub, fn, arg, &value,
                                 grove_now() + 2 * HANG);
    check(r == 0, "the other hub: %d", r);
    check(!value, "the other hub: %s", (const char *)value);
}

/* Not call_start: cmocka's assertions are for the test's own thread. */
static void *start_there(void *arg)
{
    struct call *c = arg;
    c->finished = false;
    if (!c->deadline)
        c->deadline = GROVE_NEVER;
    if (grove_spawn(&c->fiber, call_entry, c) < 0)
        return FAILURE("spawn");
    grove_yield();
    return c->finished ? FAILURE("the call did not wait") : NULL;
}

static void *finish_there(void *arg)
{
    struct call *c = arg;
    int r = grove_join_until(c->fiber, NULL, grove_now() + HANG);
    if (r == -ETIMEDOUT) {
        grove_kill(c->fiber);
        grove_join(c->fiber, NULL);
    }
    grove_release(c->fiber);
    return r == 0 ? NULL : FAILURE("the call was not woken");
}

/* Whether the hub's epoll has number registered. */
static bool registered(const grove_hub *hub, int number)
{
    char path[64], line[256];
    bool found = false;
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
             ((const struct hub *)hub)->loop.epoll);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        int tfd;
        found |= sscanf(line, "tfd: %d", &tfd) == 1 && tfd == number;
    }
    fclose(file);
    return found;
}

/* A wait in vain, so that the hub has the descriptor registered. */
static void wait_in_vain(int fd)
{
    char byte;
    assert_int_equal(grove_read_until(fd, &byte, 1, grove_now() + 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_true(registered(grove_hub_self(), fd));
}

static void *wait_in_vain_there(void *arg)
{
    char byte;
    ssize_t n = grove_read_until(*(int *)arg, &byte, 1, grove_now() + 1);
    return n < 0 && errno == ETIMEDOUT ? NULL : FAILURE("it did not wait");
}

/* ---- closing ---------------------------------------------------------------- */

/* The stranger takes the number at once. */
static void expect_ebadf_there(struct call *c)
{
    int s[2];
    char buf[4];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(write(s[1], "mine", 4), 4);
    there(start_there, c);
    assert_int_equal(grove_close(c->fd), 0);
    assert_int_equal(dup2(s[0], c->fd), c->fd);
    there(finish_there, c);
    check(c->result == -1 && c->error == EBADF,
          "%s: %zd, errno %d, expected EBADF", c->name, c->result, c->error);
    check(recv(s[0], buf, 4, MSG_DONTWAIT) == 4,
          "%s: the stranger's bytes are gone", c->name);
    check(recv(s[1], buf, 4, MSG_DONTWAIT) < 0,
          "%s: the stranger was sent something", c->name);
    grove_close(c->fd);
    close(s[0]);
    close(s[1]);
}

static void closing_wakes_the_waiters_of_other_hubs(void **state)
{
    static const struct {
        const char *name;
        ssize_t (*make)(struct call *);
        bool send;
    } calls[] = {{"recv", make_recv, false},
                 {"read", make_read, false},
                 {"poll", make_poll_one, false},
                 {"select", make_select_readable, false},
                 {"splice", make_splice_in, false},
                 {"send", make_send, true},
                 {"write", make_write, true}};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < UNIT_COUNT(calls); i++) {
        struct pair p = pair_of(UNIX_STREAM);
        char buf[16] = "";
        struct call c = io_call(calls[i].make, calls[i].name,
                                calls[i].send ? p.out : p.in, buf, 16);
        if (c.make == make_splice_in)
            c.flags = ends[1];
        if (calls[i].send)
            fill(p.out);
        expect_ebadf_there(&c);
        close(calls[i].send ? p.in : p.out);
    }
    struct sockaddr_in addr;
    struct call c = accept_call(grove_listen("127.0.0.1:0", NULL));
    expect_ebadf_there(&c);
    struct call plain = accept_call(listener(&addr));
    expect_ebadf_there(&plain);
    int server = listener(&addr), fds[3];
    fill_queue(server, &addr, fds);
    struct call d =
        connect_call(socket(AF_INET, SOCK_STREAM, 0), &addr, sizeof(addr));
    expect_ebadf_there(&d);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(server);
    close(ends[0]);
    close(ends[1]);
}

static void *close_it(void *arg)
{
    return grove_close(*(int *)arg) == 0 ? NULL : FAILURE("close");
}

/* And the other way round, by a thread that has no hub. */
static void any_thread_may_close(void **state)
{
    struct pair p = pair_of(UNIX_STREAM);
    pthread_t thread;
    char byte;
    void *value;
    struct call c = recv_call(p.in, &byte, 1);
    start_parked(&c);
    assert_int_equal(pthread_create(&thread, NULL, close_it, &p.in), 0);
    expect_error(&c, EBADF);
    assert_int_equal(pthread_join(thread, &value), 0);
    assert_null(value);
    close(p.out);
}

enum { MANY = 100 };

static struct call calls_there[MANY];
static _Atomic int held; /* 1: the other hub does not look; 2: go on */

static void *start_many(void *arg)
{
    for (int i = 0; i < MANY; i++) {
        void *failure = start_there(&calls_there[i]);
        if (failure)
            return failure;
    }
    return arg;
}

static void *hold_up(void *arg)
{
    atomic_store(&held, 1);
    while (atomic_load(&held) != 2)
        sched_yield();
    return arg;
}

/* More than a hub keeps the numbers of until it looks. */
static void a_hub_that_is_held_up_is_told_of_all(void **state)
{
    struct pair p[MANY];
    char bytes[MANY];
    for (int i = 0; i < MANY; i++) {
        p[i] = pair_of(UNIX_STREAM);
        calls_there[i] = recv_call(p[i].in, &bytes[i], 1);
    }
    there(start_many, NULL);
    atomic_store(&held, 0);
    assert_int_equal(grove_hub_spawn(other.hub, hold_up, NULL), 0);
    while (atomic_load(&held) != 1)
        sched_yield();
    for (int i = 0; i < MANY; i++)
        grove_close(p[i].in);
    atomic_store(&held, 2);
    for (int i = 0; i < MANY; i++) {
        there(finish_there, &calls_there[i]);
        check(calls_there[i].error == EBADF, "%d: errno %d", i,
              calls_there[i].error);
        close(p[i].out);
    }
}

/* As long as a dup lives the kernel would keep what is registered, and nobody
 * could take it back. */
static void no_registration_outlives_its_number(void **state)
{
    struct pair p = pair_of(UNIX_STREAM);
    wait_in_vain(p.in);
    there(wait_in_vain_there, &p.in);
    assert_true(registered(other.hub, p.in));
    int twin = dup(p.in);
    assert_int_equal(grove_close(p.in), 0);
    assert_false(registered(grove_hub_self(), p.in));
    assert_false(registered(other.hub, p.in));
    close(twin);
    close(p.out);
}

static void *pass(void *arg)
{
    grove_sleep(MS / 10); /* the hub looks at its posts and its epoll */
    return arg;
}

/* ---- handing over ------------------------------------------------------------- */

static void its_new_hub_is_the_only_one_it_wakes(void **state)
{
    int s[2];
    char byte;
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    wait_in_vain(s[0]);
    there(wait_in_vain_there, &s[0]);
    assert_true(registered(other.hub, s[0]));
    assert_false(registered(grove_hub_self(), s[0]));
    /* Who still waits there is not let down. */
    wait_in_vain(s[0]);
    struct call c = recv_call(s[0], &byte, 1);
    start_parked(&c);
    there(wait_in_vain_there, &s[0]);
    assert_true(registered(grove_hub_self(), s[0]));
    assert_int_equal(write(s[1], "x", 1), 1);
    expect_result(&c, 1);
    grove_close(s[0]);
    grove_close(s[1]);
}

static void giving_away_ends_the_registrations_of_all(void **state)
{
    int s[2];
    char byte;
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    wait_in_vain(s[0]);
    there(wait_in_vain_there, &s[0]);
    wait_in_vain(s[0]);
    assert_int_equal(grove_disown(s[0]), 0);
    assert_false(registered(grove_hub_self(), s[0]));
    there(pass, NULL); /* it has looked */
    struct call c = recv_call(s[1], &byte, 1);
    there(start_there, &c);
    assert_false(registered(other.hub, s[0]));
    /* One that somebody waits for goes on, and may be used by everybody. */
    assert_int_equal(grove_disown(s[1]), 0);
    assert_int_equal(grove_write(s[0], "x", 1), 1);
    there(finish_there, &c);
    assert_int_equal(c.result, 1);
    grove_close(s[0]);
    grove_close(s[1]);
}

static void what_is_not_open_can_be_neither_given_nor_taken(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 2; i++) {
        int fd = i ? ends[0] : -1;
        errno = 0;
        assert_int_equal(grove_adopt(fd), -1);
        assert_int_equal(errno, EBADF);
        errno = 0;
        assert_int_equal(grove_disown(fd), -1);
        assert_int_equal(errno, EBADF);
    }
}

/* ---- closed behind our back ------------------------------------------------------ */

/* What takes the number: opened at it, and made ready. */
struct successor {
    const char *name;
    int (*open)(int *end); /* with the other end, if it has one */
    void (*feed)(int fd, int end);
    ssize_t (*make)(struct call *c);
};

static int open_pipe(int *end)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    *end = ends[1];
    return ends[0];
}

static int open_socket(int *end)
{
    struct pair p = pair_of(TCP);
    *end = p.out;
    return p.in;
}

static void feed_end(int fd, int end)
{
    (void)fd;
    assert_int_equal(write(end, "x", 1), 1);
}

static int open_eventfd(int *end)
{
    *end = -1;
    return eventfd(0, 0);
}

static void feed_eventfd(int fd, int end)
{
    (void)end;
    assert_int_equal(eventfd_write(fd, 1), 0);
}

static int open_timer(int *end)
{
    *end = -1;
    return timerfd_create(CLOCK_MONOTONIC, 0);
}

static void feed_timer(int fd, int end)
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    (void)end;
    assert_int_equal(timerfd_settime(fd, 0, &soon, NULL), 0);
}

static struct sockaddr_in listens_at;

static int open_listener(int *end)
{
    int fd = listener(&listens_at);
    *end = socket(AF_INET, SOCK_STREAM, 0);
    return fd;
}

static void feed_listener(int fd, int end)
{
    (void)fd;
    assert_int_equal(
        connect(end, (struct sockaddr *)&listens_at, sizeof(listens_at)), 0);
}

static const struct successor successors[] = {
    {"pipe", open_pipe, feed_end, make_read},
    {"socket", open_socket, feed_end, make_recv},
    {"eventfd", open_eventfd, feed_eventfd, make_read},
    {"timerfd", open_timer, feed_timer, make_read},
    {"listener", open_listener, feed_listener, make_accept},
};

/* Who it belonged to, and how it was closed. */
enum past { PLAIN, DUPPED, GIVEN_AWAY, STDIO, PASTS };

static const char *const pasts[] = {"close", "close, and a dup lives",
                                    "disown, close", "disown, fclose"};

/* A descriptor that both hubs have registered, closed without a word; its
 * number is free. The end of it that lives, or -1, and its peer. */
static int lose(enum past past, int *twin, int *peer)
{
    int s[2];
    int r = past >= GIVEN_AWAY ? grove_socketpair(AF_UNIX, SOCK_STREAM, 0, s)
                               : socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    assert_int_equal(r, 0);
    wait_in_vain(s[0]);
    there(wait_in_vain_there, &s[0]);
    wait_in_vain(s[0]);
    *twin = past == DUPPED ? dup(s[0]) : -1;
    *peer = s[1];
    if (past >= GIVEN_AWAY)
        assert_int_equal(grove_disown(s[0]), 0);
    /* To ThreadSanitizer an epoll_ctl beside a close is a race. */
    if (past >= GIVEN_AWAY && UNIT_TSAN)
        there(pass, NULL);
    if (past == STDIO)
        assert_int_equal(fclose(fdopen(s[0], "r+")), 0);
    else
        assert_int_equal(close(s[0]), 0);
    return s[0];
}

/* After a look at what there is. */
static void *waits_on(void *arg)
{
    pass(NULL);
    return ((struct call *)arg)->finished ? FAILURE("it was woken") : NULL;
}

static void start_on(bool elsewhere, struct call *c)
{
    if (elsewhere)
        there(start_there, c);
    else
        start_parked(c);
}

static void finish_on(bool elsewhere, struct call *c)
{
    if (elsewhere)
        there(finish_there, c);
    else
        call_finish(c);
}

/* The next file of the number is waited for as if there had been none: what is
 * sent to the last one wakes nobody, what comes for it does. */
static void succeed(const struct successor *next, enum past past,
                    bool elsewhere)
{
    int twin, peer, end;
    char buf[16], name[96];
    int number = lose(past, &twin, &peer);
    int fd = next->open(&end);
    if (fd != number) {
        assert_int_equal(dup2(fd, number), number);
        close(fd);
    }
    snprintf(name, sizeof(name), "%s after %s, %s", next->name, pasts[past],
             elsewhere ? "on the other hub" : "here");
    struct call c =
        io_call(make_select_readable, name, number, buf, sizeof(buf));
    start_on(elsewhere, &c);
    if (twin >= 0)
        assert_int_equal(write(peer, "old", 3), 3);
    if (elsewhere)
        there(waits_on, &c);
    else
        assert_null(waits_on(&c));
    next->feed(number, end);
    finish_on(elsewhere, &c);
    check(c.result == 0, "%s: %zd, errno %d", name, c.result, c.error);
    struct call d = io_call(next->make, name, number, buf, sizeof(buf));
    d.flags = 0;
    assert_int_equal(grove_spawn(&d.fiber, call_entry, &d), 0);
    call_finish(&d);
    check(d.result >= 0, "%s: errno %d", name, d.error);
    if (next->make == make_accept)
        close((int)d.result);
    /* And the call itself, waiting. */
    if (next->make != make_accept) {
        d.deadline = GROVE_NEVER;
        start_on(elsewhere, &d);
        next->feed(number, end);
        finish_on(elsewhere, &d);
        check(d.result > 0, "%s: errno %d", name, d.error);
    }
    close(number);
    close(peer);
    if (end >= 0)
        close(end);
    if (twin >= 0)
        close(twin);
}

static void a_number_is_taken_by_a_file_of_another_kind(void **state)
{
    int before = open_descriptors();
    for (size_t i = 0; i < UNIT_COUNT(successors); i++) {
        for (int past = 0; past < PASTS; past++) {
            succeed(&successors[i], (enum past)past, false);
            succeed(&successors[i], (enum past)past, true);
        }
    }
    assert_int_equal(open_descriptors(), before);
}

/* Who was waiting when it was closed behind our back is told when the number's
 * next file is waited for, and never gets what is that one's. */
static void who_waited_for_the_last_file_gets_nothing_of_the_next(void **state)
{
    struct pair p = pair_of(UNIX_STREAM), q = pair_of(UNIX_STREAM);
    char old[4], next[4];
    struct call c = recv_call(p.in, old, sizeof(old));
    start_parked(&c);
    assert_int_equal(dup2(q.in, p.in), p.in); /* closes it */
    struct call d = recv_call(p.in, next, sizeof(next));
    call_start(&d);
    assert_int_equal(write(q.out, "next", 4), 4);
    expect_error(&c, EBADF);
    expect_result(&d, 4);
    pair_close(p);
    pair_close(q);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_wakes_the_waiters_of_other_hubs),
        cmocka_unit_test(any_thread_may_close),
        cmocka_unit_test(a_hub_that_is_held_up_is_told_of_all),
        cmocka_unit_test(no_registration_outlives_its_number),
        cmocka_unit_test(its_new_hub_is_the_only_one_it_wakes),
        cmocka_unit_test(giving_away_ends_the_registrations_of_all),
        cmocka_unit_test(what_is_not_open_can_be_neither_given_nor_taken),
        cmocka_unit_test(a_number_is_taken_by_a_file_of_another_kind),
        cmocka_unit_test(who_waited_for_the_last_file_gets_nothing_of_the_next),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}

/*
 * A number that is closed and taken by the next connection between the moment
 * in which a fiber is woken and its turn: the fiber must not touch the
 * stranger's data, whatever call it is in and whatever has ended its wait.
 *
 * Order instead of chance: a thief waits for a descriptor of its own, which
 * becomes ready before the victim's. Both are woken in one look at the kernel's
 * events, the thief first, and it does the exchange in its turn. Where
 * deadlines wake them, the clock stands until both wait.
 */
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "socket_calls.h"
#include "stopped_clock.h"
#include "turns.h"

enum ending { BY_EDGE, BY_DEADLINE };

struct theft {
    int bell[2];     /* the thief is woken by a byte here */
    int number;      /* what it closes */
    int stranger[2]; /* the first takes the number */
    int64_t at;      /* when it acts; 0: at a byte */
};

/* The stranger's end of the pair has the number, and four bytes to read. */
static void exchange(struct theft *t)
{
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(grove_close(t->number), 0);
    assert_int_equal(dup2(s[0], t->number), t->number);
    close(s[0]);
    t->stranger[0] = t->number;
    t->stranger[1] = s[1];
    assert_int_equal(write(s[1], "mine", 4), 4);
}

static void *steal(void *arg)
{
    struct theft *t = arg;
    char byte;
    if (t->at)
        grove_sleep_until(t->at);
    else
        grove_recv(t->bell[0], &byte, 1, 0);
    exchange(t);
    return NULL;
}

/* Nothing was taken of it and nothing given to it. */
static void expect_untouched(struct theft *t, const char *name)
{
    char buf[8];
    ssize_t n = recv(t->stranger[0], buf, sizeof(buf), MSG_DONTWAIT);
    check(n == 4, "%s: of the stranger's 4 bytes %zd are left", name, n);
    n = recv(t->stranger[1], buf, sizeof(buf), MSG_DONTWAIT);
    check(n < 0, "%s: the stranger was sent %zd bytes", name, n);
    close(t->stranger[1]);
    grove_close(t->stranger[0]);
}

/* ---- calls ------------------------------------------------------------------ */

static ssize_t reuse_recv(struct call *c)
{
    return grove_recv_until(c->fd, c->buf, c->len, c->flags, c->deadline);
}

static ssize_t reuse_recvmsg(struct call *c)
{
    struct iovec iov = {c->buf, c->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return grove_recvmsg_until(c->fd, &msg, c->flags, c->deadline);
}

static ssize_t reuse_recvfrom(struct call *c)
{
    struct sockaddr_storage addr;
    socklen_t size = sizeof(addr);
    return grove_recvfrom_until(c->fd, c->buf, c->len, c->flags,
                                (struct sockaddr *)&addr, &size, c->deadline);
}

static ssize_t reuse_read(struct call *c)
{
    return grove_read_until(c->fd, c->buf, c->len, c->deadline);
}

static ssize_t reuse_accept(struct call *c)
{
    return grove_accept4_until(c->fd, NULL, NULL, 0, c->deadline);
}

static ssize_t reuse_send(struct call *c)
{
    return grove_send_until(c->fd, c->buf, c->len, c->flags, c->deadline);
}

static ssize_t reuse_sendmsg(struct call *c)
{
    struct iovec iov = {c->buf, c->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return grove_sendmsg_until(c->fd, &msg, c->flags, c->deadline);
}

static ssize_t reuse_writev(struct call *c)
{
    struct iovec iov[2] = {{c->buf, 1}, {c->buf, c->len - 1}};
    return grove_writev_until(c->fd, iov, 2, c->deadline);
}

static ssize_t reuse_sendfile(struct call *c)
{
    off_t offset = 0;
    return grove_sendfile_until(c->fd, c->flags, &offset, c->len, c->deadline);
}

/* ---- victims ---------------------------------------------------------------- */

/* Have the hub ask the kernel. A socket that has been added can be written to:
 * until that was told it keeps its place before those that become ready. */
static void forget_what_is_ready(void)
{
    const struct hub *hub = hub_self();
    for (uint64_t polls = hub->loop.polls; hub->loop.polls == polls;)
        grove_yield();
}

/* Start the victim and the thief, wake both, in this order: thief, victim. */
static void rob(struct call *c, struct theft *t, enum ending ending,
                void (*wake)(void *arg), void *arg)
{
    grove_fiber *thief;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t->bell), 0);
    t->number = c->fd;
    t->at = 0;
    if (ending == BY_DEADLINE) {
        clock_stop();
        t->at = grove_now() + 5 * MS;
        c->deadline = t->at + 1;
    } else {
        c->deadline = GROVE_NEVER;
    }
    assert_int_equal(grove_spawn(&thief, steal, t), 0);
    call_start(c);
    grove_yield();
    forget_what_is_ready();
    expect_parked(c);
    if (ending == BY_EDGE) {
        assert_int_equal(write(t->bell[1], "!", 1), 1);
        wake(arg);
    } else {
        clock_go_on(5 * MS + 1); /* both are due when the hub looks next */
    }
    call_finish(c);
    assert_int_equal(grove_join(thief, NULL), 0);
    grove_release(thief);
    close(t->bell[0]);
    close(t->bell[1]);
}

static void feed(void *arg)
{
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
}

static void take_all(void *arg)
{
    char block[65536];
    while (recv(*(int *)arg, block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
}

static void expect_ebadf(const struct call *c)
{
    check(c->result == -1 && c->error == EBADF,
          "%s: %zd, errno %d, expected EBADF", c->name, c->result, c->error);
}

static void readers_leave_the_stranger_alone(void **state)
{
    static const struct {
        const char *name;
        ssize_t (*make)(struct call *);
    } calls[] = {{"recv", reuse_recv},      {"recvmsg", reuse_recvmsg},
                 {"read", reuse_read},      {"recvfrom", reuse_recvfrom},
                 {"poll", make_poll_one},   {"select", make_select_readable},
                 {"splice", make_splice_in}};
    static const enum kind kinds[] = {UNIX_STREAM, TCP, UDP};
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    for (int ending = BY_EDGE; ending <= BY_DEADLINE; ending++) {
        for (size_t i = 0; i < UNIT_COUNT(kinds) * UNIT_COUNT(calls); i++) {
            enum kind kind = kinds[i / UNIT_COUNT(calls)];
            struct pair p = pair_of(kind);
            struct theft t;
            char buf[16] = "";
            struct call c = {.make = calls[i % UNIT_COUNT(calls)].make,
                             .name = calls[i % UNIT_COUNT(calls)].name,
                             .fd = p.in,
                             .buf = buf,
                             .len = sizeof(buf)};
            if (c.make == make_splice_in)
                c.flags = pipe_ends[1];
            if ((c.make == make_select_readable && ending == BY_DEADLINE) ||
                (c.make == make_splice_in && kind == UDP)) {
                pair_close(p); /* a select does not try again: -ETIMEDOUT is as
                                  true; nothing is spliced from UDP */
                continue;
            }
            rob(&c, &t, ending, feed, &p.out);
            expect_ebadf(&c);
            expect_untouched(&t, c.name);
            close(p.out);
        }
    }
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

static void writers_leave_the_stranger_alone(void **state)
{
    static const struct {
        const char *name;
        ssize_t (*make)(struct call *);
    } calls[] = {{"send", reuse_send},
                 {"sendmsg", reuse_sendmsg},
                 {"writev", reuse_writev},
                 {"sendfile", reuse_sendfile}};
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 4096), 0);
    for (int ending = BY_EDGE; ending <= BY_DEADLINE; ending++) {
        for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
            struct pair p = pair_of(UNIX_STREAM);
            struct theft t;
            char buf[16] = "";
            struct call c = {.make = calls[i].make,
                             .name = calls[i].name,
                             .fd = p.out,
                             .buf = buf,
                             .len = sizeof(buf)};
            if (c.make == reuse_sendfile)
                c.flags = fileno(file);
            fill(p.out);
            rob(&c, &t, ending, take_all, &p.in);
            expect_ebadf(&c);
            expect_untouched(&t, c.name);
            close(p.in);
        }
    }
    fclose(file);
}

/* As POSIX has it: what was done before is told, and nothing of the rest. */
static void a_part_done_before_is_told(void **state)
{
    struct pair p = pair_of(UNIX_STREAM);
    struct theft t;
    char buf[16] = "";
    struct call c = {.make = reuse_recv,
                     .name = "recv of MSG_WAITALL",
                     .fd = p.in,
                     .buf = buf,
                     .flags = MSG_WAITALL,
                     .len = sizeof(buf)};
    assert_int_equal(write(p.out, "abc", 3), 3);
    rob(&c, &t, BY_EDGE, feed, &p.out);
    check(c.result == 3, "%s: %zd, errno %d", c.name, c.result, c.error);
    assert_memory_equal(buf, "abc", 4);
    expect_untouched(&t, c.name);
    close(p.out);
}

/* The other end of a splice, which is not the one that is waited for. */
static void splice_looks_at_both_ends(void **state)
{
    struct pair p = pair_of(UNIX_STREAM), q = pair_of(UNIX_STREAM);
    int ends[2];
    struct theft t;
    assert_int_equal(pipe(ends), 0);
    struct call c = {.make = make_splice_in,
                     .name = "splice",
                     .fd = ends[0],
                     .flags = q.out,
                     .len = 16};
    /* The pipe is waited for; the socket is stolen. */
    grove_fiber *thief;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t.bell), 0);
    t.number = q.out;
    t.at = 0;
    assert_int_equal(grove_spawn(&thief, steal, &t), 0);
    call_start(&c);
    grove_yield();
    expect_parked(&c);
    feed(&t.bell[1]);
    feed(&ends[1]);
    expect_error(&c, EBADF);
    assert_int_equal(grove_join(thief, NULL), 0);
    grove_release(thief);
    expect_untouched(&t, c.name);
    close(t.bell[0]);
    close(t.bell[1]);
    close(q.in);
    close(ends[0]);
    close(ends[1]);
    pair_close(p);
}

static void join_server(void *arg)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in *addr = arg;
    assert_int_equal(connect(client, (struct sockaddr *)addr, sizeof(*addr)),
                     0);
    close(client);
}

static void accept_takes_no_call_of_another_listener(void **state)
{
    for (int ending = BY_EDGE; ending <= BY_DEADLINE; ending++) {
        struct sockaddr_in addr;
        struct theft t;
        struct call c = {.make = reuse_accept, .name = "accept"};
        c.fd = listener(&addr);
        rob(&c, &t, ending, join_server, &addr);
        expect_ebadf(&c);
        expect_untouched(&t, c.name);
    }
}

/* ---- in the call's own turn --------------------------------------------------- */

static void *exchange_at_once(void *theft)
{
    exchange(theft);
    return NULL;
}

static ssize_t reuse_poll_many(struct call *c)
{
    struct pollfd fds[40];
    for (size_t i = 0; i < UNIT_COUNT(fds); i++)
        fds[i] = (struct pollfd){.fd = i == 7 ? c->fd : -1, .events = POLLIN};
    int n = grove_poll(fds, UNIT_COUNT(fds), -1);
    if (n != 1 || fds[7].revents != POLLNVAL)
        return n;
    errno = EBADF;
    return -1;
}

/* Every call lets the others run now and then before it begins, or, where it
 * has taken something, before it returns. */
static void a_number_taken_in_the_calls_turn(void **state)
{
    static const struct {
        const char *name;
        ssize_t (*make)(struct call *);
    } calls[] = {{"recv", reuse_recv},     {"read", reuse_read},
                 {"send", reuse_send},     {"accept", reuse_accept},
                 {"poll", make_poll_one},  {"select", make_select_readable},
                 {"poll", reuse_poll_many}};
    for (size_t i = 0; i < UNIT_COUNT(calls); i++) {
        struct pair p = pair_of(UNIX_STREAM);
        struct theft t = {.number = p.in};
        char buf[16] = "";
        struct call c = {.name = calls[i].name,
                         .fd = p.in,
                         .buf = buf,
                         .len = sizeof(buf),
                         .deadline = GROVE_NEVER};
        grove_fiber *thief;
        assert_int_equal(write(p.out, "x", 1), 1); /* nothing waits */
        assert_int_equal(grove_spawn(&thief, exchange_at_once, &t), 0);
        turn_after(0);
        c.result = calls[i].make(&c);
        c.error = errno;
        expect_ebadf(&c);
        expect_untouched(&t, c.name);
        assert_int_equal(grove_join(thief, NULL), 0);
        grove_release(thief);
        close(p.out);
    }
}

/* Neither asks the stranger what has become of it nor connects it. */
static void connect_asks_nobody_else(void **state)
{
    struct sockaddr_in addr;
    struct theft t;
    int server = listener(&addr), fds[3];
    fill_queue(server, &addr, fds);
    struct call c =
        connect_call(socket(AF_INET, SOCK_STREAM, 0), &addr, sizeof(addr));
    rob(&c, &t, BY_DEADLINE, NULL, NULL);
    expect_ebadf(&c);
    expect_untouched(&t, c.name);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(server);
}

static ssize_t recv_in_a_scope(struct call *c)
{
    struct grove_timeout scope;
    grove_timeout_begin(&scope, c->deadline);
    ssize_t n = grove_recv(c->fd, c->buf, c->len, 0);
    int error = errno;
    c->flags = grove_timeout_end(&scope);
    errno = error;
    return n;
}

/* The deadline was a scope's: it is not what has ended the call. */
static void a_scope_has_not_expired(void **state)
{
    struct pair p = pair_of(UNIX_STREAM);
    struct theft t;
    char byte;
    struct call c = {.make = recv_in_a_scope,
                     .name = "recv in a scope",
                     .fd = p.in,
                     .buf = &byte,
                     .len = 1};
    rob(&c, &t, BY_DEADLINE, NULL, NULL);
    expect_ebadf(&c);
    assert_int_equal(c.flags, 0);
    expect_untouched(&t, c.name);
    close(p.out);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_leave_the_stranger_alone),
        cmocka_unit_test(writers_leave_the_stranger_alone),
        cmocka_unit_test(a_part_done_before_is_told),
        cmocka_unit_test(splice_looks_at_both_ends),
        cmocka_unit_test(accept_takes_no_call_of_another_listener),
        cmocka_unit_test(connect_asks_nobody_else),
        cmocka_unit_test(a_number_taken_in_the_calls_turn),
        cmocka_unit_test(a_scope_has_not_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

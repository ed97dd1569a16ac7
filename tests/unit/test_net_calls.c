/*
 * How many system calls an echoed request costs the server: what the hints of
 * src/loop/loop.h are for. Linked with --wrap for every libc function that is
 * a system call of the library's; requests are made with others.
 */
#include <assert.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "hub/hub.h"
#include "socket_pairs.h"
#include "stopped_clock.h"
#include "turns.h"

static long count;

/* A function that is counted and then called. */
#define COUNTED(type, name, parameters, arguments) \
    type __real_##name parameters; \
    type __wrap_##name parameters; \
    type __wrap_##name parameters \
    { \
        count++; \
        return __real_##name arguments; \
    }

COUNTED(ssize_t, recv, (int fd, void *buf, size_t n, int flags),
        (fd, buf, n, flags))
COUNTED(ssize_t, recvfrom,
        (int fd, void *buf, size_t n, int flags, struct sockaddr *a,
         socklen_t *size),
        (fd, buf, n, flags, a, size))
COUNTED(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
COUNTED(ssize_t, send, (int fd, const void *buf, size_t n, int flags),
        (fd, buf, n, flags))
COUNTED(ssize_t, sendto,
        (int fd, const void *buf, size_t n, int flags, const struct sockaddr *a,
         socklen_t size),
        (fd, buf, n, flags, a, size))
COUNTED(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
        (fd, m, flags))
COUNTED(ssize_t, preadv64v2,
        (int fd, const struct iovec *v, int n, off_t offset, int flags),
        (fd, v, n, offset, flags))
COUNTED(ssize_t, pwritev64v2,
        (int fd, const struct iovec *v, int n, off_t offset, int flags),
        (fd, v, n, offset, flags))
COUNTED(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n))
COUNTED(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
COUNTED(int, fcntl64, (int fd, int op, long arg), (fd, op, arg))
COUNTED(int, fstat64, (int fd, struct stat *st), (fd, st))
COUNTED(int, poll, (struct pollfd * p, nfds_t n, int timeout), (p, n, timeout))
COUNTED(int, getsockopt,
        (int fd, int level, int name, void *value, socklen_t *size),
        (fd, level, name, value, size))
COUNTED(int, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *e),
        (epoll, op, fd, e))
COUNTED(int, epoll_wait, (int epoll, struct epoll_event *e, int n, int timeout),
        (epoll, e, n, timeout))
COUNTED(int, epoll_pwait2,
        (int epoll, struct epoll_event *e, int n, const struct timespec *t,
         const sigset_t *mask),
        (epoll, e, n, t, mask))
COUNTED(int, madvise, (void *at, size_t n, int advice), (at, n, advice))
COUNTED(int, mincore, (void *at, size_t n, unsigned char *v), (at, n, v))

enum { CONNECTIONS = 100, ROUNDS = 20, SIZE = 64 };

static int served;
static grove_event all_served = GROVE_EVENT_INIT;

static void request_served(void)
{
    if (++served % CONNECTIONS == 0)
        grove_event_set(&all_served);
}

static void *echo_by_recv(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;
    while ((n = grove_recv(fd, buf, sizeof(buf), 0)) > 0) {
        grove_send(fd, buf, (size_t)n, 0);
        request_served();
    }
    return NULL;
}

static void *echo_by_read(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;
    while ((n = grove_read(fd, buf, sizeof(buf))) > 0) {
        grove_write(fd, buf, (size_t)n);
        request_served();
    }
    return NULL;
}

/* All clients ask, then all get their answers. */
static void ask(const struct pair *p, int rounds)
{
    char buf[SIZE] = "";
    for (int round = 0; round < rounds; round++) {
        grove_event_clear(&all_served);
        for (int i = 0; i < CONNECTIONS; i++)
            assert_int_equal(write(p[i].out, buf, SIZE), SIZE);
        assert_int_equal(grove_event_wait(&all_served), 0);
        for (int i = 0; i < CONNECTIONS; i++)
            assert_int_equal(read(p[i].out, buf, SIZE), SIZE);
    }
}

/* In the place of a descriptor one that the runtime has made. */
static void own(int *fd)
{
    int made = grove_socket(AF_INET, SOCK_STREAM, 0);
    assert_true(made >= 0);
    assert_int_equal(dup2(*fd, made), made);
    close(*fd);
    *fd = made;
}

static void adopt(int *fd)
{
    assert_int_equal(grove_adopt(*fd), 0);
}

static void leave(int *fd)
{
    (void)fd;
}

/* Calls a request, over many, the first of each connection left out. */
static double cost(enum kind kind, void (*prepare)(int *fd),
                   void *(*server)(void *))
{
    struct pair p[CONNECTIONS];
    grove_fiber *fibers[CONNECTIONS];
    if (GROVE_TURNS_PASSES)
        unit_skip(TURNS_ALWAYS);
    for (int i = 0; i < CONNECTIONS; i++) {
        p[i] = pair_of(kind);
        prepare(&p[i].in);
        assert_int_equal(
            grove_spawn(&fibers[i], server, (void *)(intptr_t)p[i].in), 0);
    }
    clock_stop(); /* no pass of the loop is ended by time */
    ask(p, 1);
    count = 0;
    ask(p, ROUNDS);
    clock_go_on(0);
    double calls = (double)count / (ROUNDS * CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++)
        shutdown(p[i].out, SHUT_WR);
    grove_join_all(fibers, CONNECTIONS, 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        grove_release(fibers[i]);
        pair_close(p[i]);
    }
    print_message("%s: %.3f system calls a request\n", kind_names[kind], calls);
    return calls;
}

static void a_request_over_tcp_costs_two(void **state)
{
    assert_true(cost(TCP, own, echo_by_recv) <= 2.05);
    assert_true(cost(TCP, own, echo_by_read) <= 2.05);
}

/* A short read does not say of these that they are exhausted. */
static void a_request_over_others_costs_three(void **state)
{
    assert_true(cost(UNIX_STREAM, own, echo_by_recv) <= 3.05);
}

/* One that may be closed behind our back is looked at before each wait. */
static void a_descriptor_of_others_costs_four(void **state)
{
    assert_true(cost(TCP, leave, echo_by_recv) <= 4.05);
}

static void one_that_was_adopted_costs_two(void **state)
{
    assert_true(cost(TCP, adopt, echo_by_recv) <= 2.05);
}

static void adopt_and_disown(int *fd)
{
    adopt(fd);
    assert_int_equal(grove_disown(*fd), 0);
}

static void one_that_was_given_away_costs_four(void **state)
{
    double calls = cost(TCP, adopt_and_disown, echo_by_recv);
    assert_true(calls > 3.9 && calls <= 4.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_over_tcp_costs_two),
        cmocka_unit_test(a_request_over_others_costs_three),
        cmocka_unit_test(a_descriptor_of_others_costs_four),
        cmocka_unit_test(one_that_was_adopted_costs_two),
        cmocka_unit_test(one_that_was_given_away_costs_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Servers short of descriptors and memory: they wait and go on, and leak
 * nothing. And what the kernel says of single connections.
 */
#include "faults.h"
#include "servers.h"
#include "stopped_clock.h"
#include "turns.h"

static int begun, ended;

static void echo(grove_connection *c)
{
    char buf[64];
    ssize_t n;
    begun++;
    while ((n = grove_connection_read(c, buf, sizeof(buf))) > 0)
        grove_connection_write(c, buf, (size_t)n);
    ended++;
}

static const grove_server_attr anywhere = {.address = "127.0.0.1:0"};

/* ---- starting ----------------------------------------------------------- */

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign)

static void starting_reports_no_memory(void **state)
{
    int before = open_descriptors();
    int refused = 0;
    bool hit = true;
    for (int nth = 1; hit; nth++) {
        grove_server *server;
        fault_arm(MEMORY, nth, ENOMEM);
        int r = grove_server_start(&server, &anywhere, echo, NULL);
        hit = fault_disarm();
        refused += r < 0;
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_true(hit);
            continue;
        }
        assert_int_equal(grove_server_stop(server), 0);
        grove_server_release(server);
    }
    assert_true(refused > 0);
    assert_int_equal(open_descriptors(), before);
}

/* ---- accepting ------------------------------------------------------------ */

/* While the acceptor is refused descriptors it pauses, each time longer, and
 * then serves all the same. */
static void it_waits_for_descriptors_and_memory(void **state)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    int before = open_descriptors();
    for (int i = 0; i < 4; i++) {
        grove_server *server;
        assert_int_equal(grove_server_start(&server, &anywhere, echo, NULL), 0);
        int fd = connect_to(server);
        fault_arm(FAULT_accept4, 1, errors[i]);
        int64_t start = grove_now();
        assert_true(answers(fd));
        assert_true(fault_disarm());
        assert_true(grove_now() - start >= 10 * MS);
        assert_int_equal(stats_of(server).paused, 1);
        grove_close(fd);
        assert_int_equal(grove_server_stop(server), 0);
        grove_server_release(server);
    }
    assert_int_equal(open_descriptors(), before);
}

/* Stopped, or woken by the end of a connection, while it pauses. */
static void a_pause_ends_early(void **state)
{
    grove_server *server;
    assert_int_equal(grove_server_start(&server, &anywhere, echo, NULL), 0);
    int first = connect_to(server);
    assert_true(answers(first));
    /* Refused until its pause is the longest. */
    int second = connect_to(server);
    for (int nth = 1; nth <= 7; nth++) {
        fault_arm(FAULT_accept4, 1, EMFILE);
        int64_t hang = grove_now() + HANG;
        while (stats_of(server).paused < (uint64_t)nth && grove_now() < hang)
            grove_sleep(MS);
        assert_true(fault_disarm());
    }
    /* 640 ms by now, which never pass; the end of the first gives a descriptor
     * back. */
    clock_stop();
    fault_arm(FAULT_accept4, 2, EMFILE);
    grove_close(first);
    assert_true(answers(second));
    clock_go_on(0);
    /* And at once after that. */
    assert_true(fault_disarm());
    assert_int_equal(stats_of(server).paused, 8);
    grove_close(second);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void errors_of_single_connections(void **state)
{
    static const int errors[] = {ECONNABORTED, EINTR,    EPERM,       EPROTO,
                                 ENOPROTOOPT,  ENETDOWN, ENETUNREACH, EHOSTDOWN,
                                 EHOSTUNREACH, ENONET};
    grove_server *server;
    assert_int_equal(grove_server_start(&server, &anywhere, echo, NULL), 0);
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        int fd = connect_to(server);
        fault_arm(FAULT_accept4, 1, errors[i]);
        assert_true(answers(fd));
        assert_true(fault_disarm());
        grove_close(fd);
    }
    assert_int_equal(stats_of(server).paused, 0);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void errors_of_the_socket_end_it(void **state)
{
    static const int errors[] = {EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP};
    for (int i = 0; i < 4; i++) {
        grove_server *server;
        assert_int_equal(grove_server_start(&server, &anywhere, echo, NULL), 0);
        int fd = connect_to(server);
        fault_arm(FAULT_accept4, 1, errors[i]);
        assert_int_equal(grove_server_wait(server), -errors[i]);
        assert_true(fault_disarm());
        assert_int_equal(grove_server_stop(server), 0);
        grove_close(fd);
        grove_server_release(server);
    }
}

/* No memory for a connection, or its fiber: it is closed, the other served. */
static void connections_without_memory_are_refused(void **state)
{
    int before = open_descriptors();
    int refused = 0;
    for (int nth = 1;; nth++) {
        grove_server *server;
        assert_int_equal(grove_server_start(&server, &anywhere, echo, NULL), 0);
        grove_yield(); /* the acceptor has parked */
        int fd = connect_to(server), next = connect_to(server);
        fault_arm(MEMORY, nth, ENOMEM);
        int answered = answers(fd) + answers(next);
        bool hit = fault_disarm();
        int closed = (int)stats_of(server).refused;
        /* Or it was of no consequence. */
        assert_int_equal(answered, 2 - closed);
        assert_true(closed <= hit);
        refused += closed;
        grove_close(fd);
        grove_close(next);
        assert_int_equal(grove_server_stop(server), 0);
        grove_server_release(server);
        if (!hit)
            break;
    }
    assert_true(refused > 0);
    assert_int_equal(open_descriptors(), before);
}

/* ---- stopping ---------------------------------------------------------------- */

/* Accepted, and killed before their fibers have begun. */
static void connections_that_have_not_begun(void **state)
{
    enum { CLIENTS = 8 };
    int before = open_descriptors();
    grove_server *server;
    assert_int_equal(grove_server_start(&server, &anywhere, echo, NULL), 0);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_to(server);
    /* The acceptor takes all, and then ends. */
    fault_arm(FAULT_accept4, CLIENTS + 1, EBADF);
    begun = 0;
    turn_after(TURN_NEVER);
    grove_yield();
    assert_true(fault_disarm());
    assert_int_equal(stats_of(server).active, CLIENTS);
    assert_int_equal(grove_server_stop_until(server, 0), CLIENTS);
    assert_int_equal(stats_of(server).active, 0);
    assert_int_equal(begun, 0);
    for (int i = 0; i < CLIENTS; i++) {
        char c;
        assert_int_equal(recv(fds[i], &c, 1, 0), 0);
        close(fds[i]);
    }
    grove_server_release(server);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_reports_no_memory),
        cmocka_unit_test(it_waits_for_descriptors_and_memory),
        cmocka_unit_test(a_pause_ends_early),
        cmocka_unit_test(errors_of_single_connections),
        cmocka_unit_test(errors_of_the_socket_end_it),
        cmocka_unit_test(connections_without_memory_are_refused),
        cmocka_unit_test(connections_that_have_not_begun),
    };
    grove_yield(); /* the hub is made */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

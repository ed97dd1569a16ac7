/*
 * Servers on several hubs: dealt evenly, limited, counted and stopped as one.
 */
#include "faults.h"
#include "hub_threads.h"
#include "servers.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define HUBS 4
#define CLIENTS 40

static _Atomic int begun, ended, no_memory;

/* How many threads may still be made; -1: as many as there are. */
static _Atomic int threads_left = -1;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg)
{
    if (threads_left == 0)
        return EAGAIN;
    if (threads_left > 0)
        threads_left--;
    return __real_pthread_create(thread, attr, fn, arg);
}

static void echo(grove_connection *c)
{
    char buf[64];
    ssize_t n;
    begun++;
    while (grove_connection_rest(c, true) == 0 &&
           (n = grove_connection_read(c, buf, sizeof(buf))) > 0) {
        grove_connection_rest(c, false);
        grove_connection_write(c, buf, (size_t)n);
    }
    ended++;
}

/* The same, but never rests: only its client or a kill ends it. */
static void endless(grove_connection *c)
{
    char byte;
    ssize_t n;
    begun++;
    while ((n = grove_connection_read(c, &byte, 1)) > 0)
        grove_connection_write(c, &byte, 1);
    no_memory += n < 0 && errno == ENOMEM;
    ended++;
}

static grove_server *start(grove_server_attr attr,
                           void (*serve)(grove_connection *c), void *arg)
{
    grove_server *server;
    begun = ended = no_memory = 0;
    attr.hubs = attr.hubs ? attr.hubs : HUBS;
    attr.address = attr.address ? attr.address : "127.0.0.1:0";
    int r = grove_server_start(&server, &attr, serve, arg);
    check(r == 0, "start: %s", strerror(-r));
    return server;
}

static void end_server(grove_server *server)
{
    assert_int_equal(grove_server_stop_until(server, grove_now() + HANG), 0);
    assert_int_equal(begun, ended);
    grove_server_release(server);
}

/* ---- dealing ------------------------------------------------------------------- */

/* The function runs on the thread that the connection is counted for. */
static void say_thread(grove_connection *c)
{
    grove_hub *hub = grove_hub_self();
    char byte;
    grove_connection_write(c, &hub, sizeof(hub));
    grove_connection_read(c, &byte, 1);
}

static void dealt_evenly(const char *address)
{
    int before = open_descriptors();
    grove_server *server =
        start((grove_server_attr){.address = address}, say_thread, NULL);
    grove_hub *hubs[HUBS] = {NULL}, *hub;
    int fds[CLIENTS], each[HUBS] = {0};
    assert_int_equal(grove_server_hubs(server), HUBS);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_to(server);
    for (int i = 0; i < CLIENTS; i++) {
        int k = 0;
        assert_int_equal(grove_recv_until(fds[i], &hub, sizeof(hub),
                                          MSG_WAITALL, grove_now() + HANG),
                         sizeof(hub));
        while (k < HUBS && hubs[k] && hubs[k] != hub)
            k++;
        assert_true(k < HUBS);
        hubs[k] = hub;
        each[k]++;
    }
    for (unsigned i = 0; i < HUBS; i++) {
        assert_int_equal(each[i], CLIENTS / HUBS);
        assert_int_equal(stats_of_hub(server, i).active, CLIENTS / HUBS);
        assert_int_equal(stats_of_hub(server, i).accepted, CLIENTS / HUBS);
    }
    assert_int_equal(stats_of(server).accepted, CLIENTS);
    /* Those that end make room for the next where they were. */
    for (int i = 0; i < CLIENTS; i += 2)
        close(fds[i]);
    wait_active(server, CLIENTS / 2);
    for (int i = 0; i < CLIENTS; i += 2)
        fds[i] = connect_to(server);
    wait_active(server, CLIENTS);
    for (unsigned i = 0; i < HUBS; i++)
        assert_int_equal(stats_of_hub(server, i).active, CLIENTS / HUBS);
    grove_server_stats stats = {.size = sizeof(stats)};
    assert_int_equal(grove_server_get_hub_stats(server, HUBS, &stats), -EINVAL);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    end_server(server);
    assert_int_equal(open_descriptors(), before);
}

static void connections_are_dealt_evenly(void **state)
{
    (void)state;
    dealt_evenly("127.0.0.1:0");
    dealt_evenly("unix:@grove-test-server-hubs");
}

static void the_limit_is_of_all(void **state)
{
    (void)state;
    grove_server *server = start((grove_server_attr){.limit = 6}, echo, NULL);
    int fds[9];
    for (int i = 0; i < 9; i++)
        fds[i] = connect_to(server);
    for (int i = 0; i < 6; i++)
        assert_true(answers(fds[i]));
    assert_int_equal(stats_of(server).accepted, 6);
    /* On whichever hub one ends there is room for another. */
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
        assert_true(answers(fds[6 + i]));
        assert_true(stats_of(server).active <= 6);
    }
    for (int i = 3; i < 9; i++)
        close(fds[i]);
    end_server(server);
}

static void hubs_out_of_range(void **state)
{
    grove_server *server;
    grove_server_attr attr = {.address = "127.0.0.1:0",
                              .hubs = GROVE_SERVER_HUBS_MAX + 1};
    (void)state;
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), -EINVAL);
    server = start((grove_server_attr){.hubs = GROVE_HUBS_ALL}, echo, NULL);
    assert_true(grove_server_hubs(server) >= 1);
    int fd = connect_to(server);
    assert_true(answers(fd));
    close(fd);
    end_server(server);
}

/* ---- stopping ------------------------------------------------------------------- */

/* Requests in flight: none is answered before all are there. */
static grove_event may_answer;

static void answer_later(grove_connection *c)
{
    char byte;
    begun++;
    if (grove_connection_read(c, &byte, 1) == 1) {
        grove_event_wait(&may_answer);
        grove_connection_write(c, &byte, 1);
    }
    ended++;
}

static void *stop_server(void *server)
{
    int r = grove_server_stop_until(server, grove_now() + HANG);
    return (void *)(intptr_t)r;
}

static void no_request_in_flight_is_cut(void **state)
{
    (void)state;
    grove_event_init(&may_answer);
    grove_server *server =
        start((grove_server_attr){.name = NULL}, answer_later, NULL);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connect_to(server);
        assert_int_equal(send(fds[i], "x", 1, 0), 1);
    }
    wait_active(server, CLIENTS);
    grove_fiber *stopper;
    assert_int_equal(grove_spawn(&stopper, stop_server, server), 0);
    assert_int_equal(grove_server_wait(server), 0);
    assert_true(grove_server_is_stopping(server));
    assert_int_equal(grove_server_port(server), 0);
    assert_int_equal(grove_result(stopper, NULL), -EAGAIN);
    grove_event_set(&may_answer);
    for (int i = 0; i < CLIENTS; i++) {
        char c = 0;
        assert_int_equal(grove_recv_until(fds[i], &c, 1, 0, grove_now() + HANG),
                         1);
        assert_int_equal(c, 'x');
        close(fds[i]);
    }
    void *value;
    assert_int_equal(grove_join(stopper, &value), 0);
    assert_null(value);
    grove_release(stopper);
    assert_int_equal(ended, CLIENTS);
    grove_server_release(server);
}

static void those_that_rest_are_ended(void **state)
{
    (void)state;
    grove_server *server = start((grove_server_attr){.name = NULL}, echo, NULL);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = connect_to(server);
        assert_true(answers(fds[i]));
    }
    end_server(server);
    assert_int_equal(ended, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
}

static void those_that_are_left_are_killed(void **state)
{
    (void)state;
    grove_server *server =
        start((grove_server_attr){.name = NULL}, endless, NULL);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_to(server);
    wait_active(server, CLIENTS);
    assert_int_equal(grove_server_stop_until(server, grove_now() + MS),
                     CLIENTS);
    assert_int_equal(begun, ended);
    assert_int_equal(stats_of(server).active, 0);
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    grove_server_release(server);
}

/* Waits, stops and asks on a thread of its own. */
static void *stop_from_outside(void *server)
{
    if (grove_server_port(server) == 0)
        return FAILURE("port");
    if (grove_server_wait_until(server, grove_now() + MS) != -ETIMEDOUT)
        return FAILURE("wait");
    if (grove_server_stop_until(server, grove_now() + MS) != 2)
        return FAILURE("stop");
    return grove_server_wait(server) == 0 ? NULL : FAILURE("wait, stopped");
}

static void any_thread_may_stop_it(void **state)
{
    (void)state;
    grove_server *server =
        start((grove_server_attr){.name = NULL}, endless, NULL);
    int fds[2] = {connect_to(server), connect_to(server)};
    pthread_t thread;
    void *failure;
    wait_active(server, 2);
    assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, server),
                     0);
    assert_int_equal(grove_server_wait_until(server, grove_now() + HANG), 0);
    wait_active(server, 0);
    while (pthread_tryjoin_np(thread, &failure) == EBUSY)
        grove_sleep(MS / 10);
    check(!failure, "%s", (const char *)failure);
    grove_server_release(server);
    close(fds[0]);
    close(fds[1]);
}

static void *stop_and_tell(void *arg)
{
    *(_Atomic int *)arg = 1;
    return NULL;
}

/* A connection cannot wait for itself, on whichever hub it is; a fiber that it
 * has spawned there holds up the end of its thread. */
static void stop_myself(grove_connection *c)
{
    begun++;
    int r = grove_server_stop(c->server);
    grove_spawn(NULL, stop_and_tell, c->arg);
    grove_connection_write(c, &r, sizeof(r));
    ended++;
}

static void no_connection_may_stop_it(void **state)
{
    (void)state;
    static _Atomic int told;
    grove_server *server =
        start((grove_server_attr){.name = NULL}, stop_myself, &told);
    for (int i = 0; i < HUBS; i++) {
        int fd = connect_to(server), r = 0;
        assert_int_equal(grove_recv_until(fd, &r, sizeof(r), MSG_WAITALL,
                                          grove_now() + HANG),
                         sizeof(r));
        assert_int_equal(r, -EDEADLK);
        close(fd);
    }
    end_server(server);
    assert_int_equal(told, 1);
}

/* The handle is given back; connections go on, and the threads end with them.
 */
static void released_it_goes_on_to_its_end(void **state)
{
    (void)state;
    int before = open_descriptors();
    grove_server *server =
        start((grove_server_attr){.name = NULL}, endless, NULL);
    int fds[HUBS];
    for (int i = 0; i < HUBS; i++) {
        fds[i] = connect_to(server);
        assert_true(answers(fds[i]));
    }
    grove_server_release(server);
    for (int i = 0; i < HUBS; i++) {
        char c;
        assert_int_equal(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(grove_recv_until(fds[i], &c, 1, 0, grove_now() + HANG),
                         1);
        close(fds[i]);
    }
    int64_t hang = grove_now() + HANG;
    while (open_descriptors() != before && grove_now() < hang)
        grove_sleep(MS);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(begun, ended);
}

/* ---- what goes wrong ---------------------------------------------------------------- */

static void hubs_that_cannot_be_made(void **state)
{
    (void)state;
    int before = open_descriptors();
    const grove_server_attr attr = {.address = "127.0.0.1:0", .hubs = HUBS};
    for (int n = 0; n < HUBS - 1; n++) {
        grove_server *server;
        threads_left = n;
        int r = grove_server_start(&server, &attr, echo, NULL);
        threads_left = -1;
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(open_descriptors(), before);
    }
}

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign)

/* Wherever memory fails, at the start or for a connection, on any hub: an error
 * of the start, or that connection is closed. */
static void memory_that_fails(void **state)
{
    (void)state;
    int before = open_descriptors(), refused = 0, not_started = 0;
    const grove_server_attr attr = {.address = "127.0.0.1:0", .hubs = 2};
    bool hit = true;
    for (int nth = 1; hit; nth++) {
        grove_server *server;
        begun = ended = no_memory = 0;
        fault_arm(MEMORY, nth, ENOMEM);
        int r = grove_server_start(&server, &attr, endless, NULL);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            hit = fault_disarm();
            assert_true(hit);
            not_started++;
            continue;
        }
        int fds[3], answered = 0;
        for (int i = 0; i < 3; i++)
            fds[i] = connect_to(server);
        for (int i = 0; i < 3; i++)
            answered += answers(fds[i]);
        hit = fault_disarm();
        int closed = (int)stats_of(server).refused;
        /* A hub's first wait for a descriptor is the connection's to be told.
         */
        assert_int_equal(answered, 3 - closed - no_memory);
        refused += closed;
        for (int i = 0; i < 3; i++)
            close(fds[i]);
        end_server(server);
    }
    assert_true(not_started > 0);
    assert_true(refused > 0);
    assert_int_equal(open_descriptors(), before);
}

/* ---- descriptors ---------------------------------------------------------------------- */

static void hubs_without_descriptors(void **state)
{
    (void)state;
    int before = open_descriptors(), refused = 0;
    const grove_server_attr attr = {.address = "127.0.0.1:0", .hubs = HUBS};
    bool hit = true;
    for (int nth = 1; hit; nth++) {
        grove_server *server;
        begun = ended = 0;
        fault_arm(FAULT_epoll_create1 | FAULT_eventfd, nth, EMFILE);
        int r = grove_server_start(&server, &attr, echo, NULL);
        hit = fault_disarm();
        if (r == 0) {
            assert_false(hit);
            end_server(server);
        } else {
            assert_int_equal(r, -EMFILE);
            refused++;
        }
        assert_int_equal(open_descriptors(), before);
    }
    assert_true(refused >= HUBS - 1);
}

/* From now on there are so many descriptors to be had. Returns the limit that
 * was. */
static struct rlimit leave_descriptors(int count)
{
    struct rlimit old, few;
    int taken[8];
    assert_true(count > 0 && count <= 8);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    for (int i = 0; i < count; i++) /* the lowest that are free */
        taken[i] = dup(0);
    few.rlim_cur = (rlim_t)taken[count - 1] + 1;
    for (int i = 0; i < count; i++)
        close(taken[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    return old;
}

/* Of twice as many clients as there are descriptors half are served; the others
 * each when a connection has ended, on whichever hub. */
static void descriptors_that_run_out(void **state)
{
    (void)state;
    if (getenv("GROVE_UNDER_VALGRIND"))
        unit_skip("beyond the limit valgrind closes what accept4 has accepted, "
                  "so that its client is lost; it runs without");
    int before = open_descriptors();
    grove_server *server =
        start((grove_server_attr){.name = NULL}, endless, NULL);
    int fds[2 * HUBS];
    for (int i = 0; i < 2 * HUBS; i++)
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit old = leave_descriptors(HUBS);
    for (int i = 0; i < 2 * HUBS; i++)
        connect_socket(fds[i], server);
    for (int i = 0; i < HUBS; i++)
        assert_true(answers(fds[i]));
    int64_t hang = grove_now() + HANG;
    while (stats_of(server).paused == 0 && grove_now() < hang)
        grove_sleep(MS / 10);
    for (unsigned i = 0; i < HUBS; i++)
        assert_int_equal(stats_of_hub(server, i).active, 1);
    for (int i = 0; i < HUBS; i++) {
        assert_int_equal(shutdown(fds[i], SHUT_RDWR), 0);
        assert_true(answers(fds[HUBS + i]));
        assert_int_equal(stats_of(server).active, HUBS);
    }
    assert_int_equal(grove_server_stop_until(server, grove_now()), HUBS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(stats_of(server).accepted, 2 * HUBS);
    assert_int_equal(stats_of(server).refused, 0);
    assert_int_equal(begun, 2 * HUBS);
    assert_int_equal(ended, 2 * HUBS);
    for (int i = 0; i < 2 * HUBS; i++)
        close(fds[i]);
    grove_server_release(server);
    assert_int_equal(open_descriptors(), before);
}

/* ---- fork ------------------------------------------------------------------------------ */

/* In the child nothing goes on, and the calls say so. */
static int child_of(grove_server *server)
{
    if (!grove_server_is_stopping(server))
        return 1;
    if (stats_of(server).active != 0)
        return 2;
    if (grove_server_stop_until(server, grove_now() + HANG) != 0)
        return 3;
    grove_server_release(server);
    return 0;
}

static void forked(unsigned hubs)
{
    grove_server *server = start((grove_server_attr){.hubs = hubs}, echo, NULL);
    int fds[HUBS];
    for (int i = 0; i < HUBS; i++) {
        fds[i] = connect_to(server);
        assert_true(answers(fds[i]));
    }
    pid_t child = fork();
    if (child == 0)
        _exit(child_of(server));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (int i = 0; i < HUBS; i++) {
        assert_true(answers(fds[i]));
        close(fds[i]);
    }
    end_server(server);
}

static void a_child_does_not_serve(void **state)
{
    (void)state;
    forked(1);
    forked(HUBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_dealt_evenly),
        cmocka_unit_test(the_limit_is_of_all),
        cmocka_unit_test(hubs_out_of_range),
        cmocka_unit_test(no_request_in_flight_is_cut),
        cmocka_unit_test(those_that_rest_are_ended),
        cmocka_unit_test(those_that_are_left_are_killed),
        cmocka_unit_test(any_thread_may_stop_it),
        cmocka_unit_test(no_connection_may_stop_it),
        cmocka_unit_test(released_it_goes_on_to_its_end),
        cmocka_unit_test(hubs_that_cannot_be_made),
        cmocka_unit_test(memory_that_fails),
        cmocka_unit_test(hubs_without_descriptors),
        cmocka_unit_test(descriptors_that_run_out),
        cmocka_unit_test(a_child_does_not_serve),
    };
    grove_yield(); /* the hub is made */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

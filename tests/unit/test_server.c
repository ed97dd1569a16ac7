/*
 * Servers: addresses, connections each in a fiber, the limit, and all the ways
 * to stop.
 */
#include "fiber_calls.h"
#include "servers.h"

#include <netinet/in.h>
#include <pthread.h>

/* ---- a server and its clients ------------------------------------------------ */

/* Says back what it is told; counts in arg. */
struct counts {
    int begun, ended, cancelled;
};

static void echo(grove_connection *c)
{
    struct counts *counts = c->arg;
    char buf[256];
    ssize_t n;
    counts->begun++;
    while ((n = grove_connection_read(c, buf, sizeof(buf))) > 0) {
        if (grove_connection_write(c, buf, (size_t)n) < 0)
            break;
    }
    counts->cancelled += n < 0 && errno == ECANCELED;
    counts->ended++;
}

static struct counts counts;

static grove_server *start(grove_server_attr attr,
                           void (*serve)(grove_connection *c))
{
    grove_server *server;
    counts = (struct counts){0, 0, 0};
    if (!attr.address && !attr.fd)
        attr.address = "127.0.0.1:0";
    int r = grove_server_start(&server, &attr, serve, &counts);
    check(r == 0, "start: %s", strerror(-r));
    return server;
}

static void expect_echo(int fd)
{
    char buf[8];
    int64_t hang = grove_now() + HANG;
    assert_int_equal(grove_send_until(fd, "hello", 5, 0, hang), 5);
    assert_int_equal(grove_recv_until(fd, buf, 5, MSG_WAITALL, hang), 5);
    assert_memory_equal(buf, "hello", 5);
}

static void expect_closed(int fd)
{
    char c;
    ssize_t n = grove_recv_until(fd, &c, 1, 0, grove_now() + HANG);
    check(n == 0 || (n < 0 && errno == ECONNRESET), "not closed: %zd, %s", n,
          strerror(errno));
}

/* ---- serving ------------------------------------------------------------------ */

static void each_connection_has_a_fiber(void **state)
{
    enum { CLIENTS = 50 };
    int before = open_descriptors();
    grove_server *server = start((grove_server_attr){.name = "echo"}, echo);
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = connect_to(server);
    for (int i = CLIENTS - 1; i >= 0; i--)
        expect_echo(fds[i]);
    assert_int_equal(counts.begun, CLIENTS);
    assert_int_equal(stats_of(server).active, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        grove_close(fds[i]);
    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(counts.ended, CLIENTS);
    grove_server_stats stats = {.size = 0}; /* it says none */
    assert_int_equal(grove_server_get_stats(server, &stats), 0);
    assert_int_equal(stats.accepted, CLIENTS);
    assert_int_equal(stats.active, 0);
    assert_int_equal(stats.refused, 0);
    assert_int_equal(stats.failed, 0);
    assert_int_equal(stats.paused, 0);
    grove_server_release(server);
    assert_int_equal(open_descriptors(), before);
}

static void tell_peer(grove_connection *c)
{
    const struct sockaddr_in *peer = (const struct sockaddr_in *)c->peer;
    char text[64], address[INET_ADDRSTRLEN];
    assert_int_equal(c->peer_size, sizeof(*peer));
    assert_null(c->tls);
    assert_non_null(c->server);
    inet_ntop(AF_INET, &peer->sin_addr, address, sizeof(address));
    int n = snprintf(text, sizeof(text), "%s:%d %s", address,
                     ntohs(peer->sin_port), grove_name(grove_self()));
    grove_connection_write_until(c, text, (size_t)n, grove_now() + HANG);
    /* A deadline of one's own. */
    assert_int_equal(grove_connection_read_until(c, text, 1, grove_now() + MS),
                     -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static void the_function_knows_its_peer(void **state)
{
    grove_server *server =
        start((grove_server_attr){.name = "a name that is longer than names"},
              tell_peer);
    int fd = connect_to(server);
    struct sockaddr_in own;
    socklen_t size = sizeof(own);
    getsockname(fd, (struct sockaddr *)&own, &size);
    char expected[64], got[64] = "";
    sprintf(expected, "127.0.0.1:%d a name that is longer t",
            ntohs(own.sin_port));
    assert_true(grove_recv(fd, got, sizeof(got) - 1, 0) > 0);
    assert_string_equal(got, expected);
    expect_closed(fd);
    grove_close(fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void the_limit_holds(void **state)
{
    grove_server *server = start((grove_server_attr){.limit = 2}, echo);
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = connect_to(server); /* by the kernel */
    expect_echo(fds[0]);
    expect_echo(fds[1]);
    char c;
    assert_int_equal(grove_send(fds[2], "x", 1, 0), 1);
    assert_int_equal(grove_recv_until(fds[2], &c, 1, 0, grove_now() + 5 * MS),
                     -1);
    assert_int_equal(counts.begun, 2);
    assert_int_equal(stats_of(server).accepted, 2);
    grove_close(fds[1]);
    assert_int_equal(grove_recv_until(fds[2], &c, 1, 0, grove_now() + HANG), 1);
    assert_int_equal(counts.begun, 3);
    /* Stopped while it is full. */
    assert_int_equal(grove_server_stop_until(server, 0), 2);
    expect_closed(fds[3]);
    assert_int_equal(counts.begun, 3);
    grove_close(fds[0]);
    grove_close(fds[2]);
    grove_close(fds[3]);
    grove_server_release(server);
}

/* A busy acceptor leaves the others their turn. */
static void *count_turns(void *arg)
{
    for (int *turns = arg; *turns >= 0; ++*turns)
        grove_yield();
    return NULL;
}

static void a_full_queue_starves_nobody(void **state)
{
    enum { CLIENTS = 300 };
    grove_server *server =
        start((grove_server_attr){.backlog = 2 * CLIENTS}, echo);
    struct sockaddr_in addr = loopback();
    addr.sin_port = htons((uint16_t)grove_server_port(server));
    int fds[CLIENTS], turns = 0;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(
            connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
    }
    assert_int_equal(grove_spawn(NULL, count_turns, &turns), 0);
    wait_active(server, CLIENTS);
    assert_true(turns >= CLIENTS / 64);
    turns = -2;
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

/* ---- addresses ------------------------------------------------------------------ */

static void addresses(void **state)
{
    static const struct {
        const char *address;
        int family; /* 0: refused */
    } table[] = {
        {"127.0.0.1:0", AF_INET},
        {"0.0.0.0:0", AF_INET},
        {"[::1]:0", AF_INET6},
        {":0", AF_INET6},
        {"[::]:0", AF_INET6},
        {"", 0},
        {"127.0.0.1", 0},
        {"127.0.0.1:", 0},
        {"unix:", 0},
        {"127.0.0.1:65536", 0},
        {"127.0.0.1:-1", 0},
        {"127.0.0.1:+1", 0},
        {"127.0.0.1:80x", 0},
        {"127.0.0.1: 80", 0},
        {"127.0.0.1:655350", 0},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        grove_server *server;
        grove_server_attr attr = {.address = table[i].address};
        int r = grove_server_start(&server, &attr, echo, NULL);
        if (!table[i].family) {
            check(r == -EINVAL, "%s: %d", table[i].address, r);
            continue;
        }
        if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) /* no IPv6 here */
            continue;
        check(r == 0, "%s: %s", table[i].address, strerror(-r));
        struct sockaddr_storage addr;
        socklen_t size = sizeof(addr);
        assert_int_equal(
            grove_server_address(server, (struct sockaddr *)&addr, &size), 0);
        assert_int_equal(addr.ss_family, table[i].family);
        assert_true(grove_server_port(server) > 0);
        grove_server_release(server);
    }
}

static void all_addresses_are_of_both_families(void **state)
{
    grove_server *server = start((grove_server_attr){.address = ":0"}, echo);
    int fd = connect_to(server);
    expect_echo(fd);
    grove_close(fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void unix_sockets(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char address[sizeof(addr.sun_path) + 8];
    sprintf(addr.sun_path, "/tmp/grove-server-%d", (int)getpid());
    sprintf(address, "unix:%s", addr.sun_path);
    grove_server *server = start((grove_server_attr){.address = address}, echo);
    assert_int_equal(grove_server_port(server), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(grove_connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    expect_echo(fd);
    /* Another cannot have it. */
    grove_server *other;
    grove_server_attr attr = {.address = address};
    assert_int_equal(grove_server_start(&other, &attr, echo, NULL),
                     -EADDRINUSE);
    grove_close(fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
    unlink(addr.sun_path);
    char longest[300] = "unix:";
    memset(longest + 5, 'x', 200);
    attr.address = longest;
    assert_int_equal(grove_server_start_until(&other, &attr, echo, NULL, 0),
                     -ENAMETOOLONG);
}

static void a_socket_of_the_callers(void **state)
{
    struct sockaddr_in addr;
    int fd = listener(&addr);
    grove_server *server = start((grove_server_attr){.fd = fd}, echo);
    int client = connect_to(server);
    expect_echo(client);
    grove_close(client);
    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(grove_server_port(server), 0);
    grove_server_release(server);
    /* It still listens. */
    server = start((grove_server_attr){.fd = fd}, echo);
    client = connect_to(server);
    expect_echo(client);
    grove_close(client);
    /* And when it is closed the server says so. */
    grove_close(fd);
    assert_int_equal(grove_server_wait(server), -EBADF);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);

    grove_server_attr attr = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), -EINVAL);
    close(attr.fd);
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), -EBADF);
    attr.fd = -1;
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), -EBADF);
    attr.fd = open("/dev/null", O_RDONLY);
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), -ENOTSOCK);
    close(attr.fd);
    attr = (grove_server_attr){.address = "127.0.0.1:0", .stack_size = 1};
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), -EINVAL);
    attr = (grove_server_attr){.address = "127.0.0.1:0"};
    assert_int_equal(grove_server_start(&server, &attr, NULL, NULL), -EINVAL);
}

/* ---- stopping -------------------------------------------------------------------- */

struct stop {
    grove_server *server;
    int64_t deadline;
};

static ssize_t make_stop(struct call *c)
{
    const struct stop *stop = c->more;
    return grove_server_stop_until(stop->server, stop->deadline);
}

static void stop_waits_for_those_there(void **state)
{
    grove_server *server = start((grove_server_attr){0}, echo);
    int port = grove_server_port(server);
    int fd = connect_to(server);
    expect_echo(fd);
    struct stop stop = {server, GROVE_NEVER};
    struct call c = {.make = make_stop, .name = "stop", .more = &stop};
    call_start(&c);
    assert_int_equal(grove_server_wait(server), 0);
    expect_parked(&c);
    /* No more are accepted; the one that is there is served. */
    struct sockaddr_in addr = loopback();
    addr.sin_port = htons((uint16_t)port);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&addr, sizeof(addr)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
    expect_echo(fd);
    expect_parked(&c);
    grove_close(fd);
    expect_result(&c, 0);
    assert_int_equal(grove_server_stop(server), 0); /* it is */
    grove_server_release(server);
}

static void at_the_deadline_they_are_killed(void **state)
{
    grove_server *server = start((grove_server_attr){0}, echo);
    int fds[3];
    for (int i = 0; i < 3; i++)
        expect_echo(fds[i] = connect_to(server));
    assert_int_equal(grove_server_stop_until(server, grove_now() + MS), 3);
    assert_int_equal(counts.cancelled, 3);
    for (int i = 0; i < 3; i++) {
        expect_closed(fds[i]);
        grove_close(fds[i]);
    }
    grove_server_release(server);
}

/* Killed three times is not enough. */
static void stubborn(grove_connection *c)
{
    struct counts *mine = c->arg;
    mine->begun++;
    while (mine->cancelled < 4)
        mine->cancelled += grove_sleep(HANG) == -ECANCELED;
}

static void they_are_killed_again(void **state)
{
    grove_server *server = start((grove_server_attr){0}, stubborn);
    int fd = connect_to(server);
    wait_active(server, 1);
    int64_t began = grove_now();
    assert_int_equal(grove_server_stop_until(server, 0), 1);
    assert_int_equal(counts.cancelled, 4);
    /* After 10, 20 and 40 ms, not once a second. */
    assert_true(grove_now() - began < 2 * GROVE_SECOND);
    grove_close(fd);
    grove_server_release(server);
}

/* The stop that killed them was ended early: the next one kills on. */
static void a_stop_after_a_kill_kills_on(void **state)
{
    grove_server *server = start((grove_server_attr){0}, stubborn);
    int fd = connect_to(server);
    grove_timeout scope;
    wait_active(server, 1);
    grove_timeout_begin(&scope, grove_now() + MS);
    assert_int_equal(grove_server_stop_until(server, 0), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&scope), -ETIMEDOUT);
    assert_int_equal(grove_server_stop(server), 1);
    assert_int_equal(counts.cancelled, 4);
    grove_close(fd);
    grove_server_release(server);
}

static void find_new(const grove_fiber_info *info, void *arg)
{
    grove_fiber **found = arg;
    if (!*found && strcmp(info->state, "new") == 0)
        *found = grove_retain(info->fiber);
}

/* Keeps the run queue from being empty, so that every yield is a turn. */
static void *keep_turning(void *found)
{
    while (!*(grove_fiber **)found)
        grove_yield();
    return NULL;
}

/* By anybody, before its first turn: it is closed all the same. */
static void a_connection_that_is_killed_unrun_is_closed(void **state)
{
    grove_server *server = start((grove_server_attr){0}, echo);
    struct sockaddr_in addr = loopback();
    addr.sin_port = htons((uint16_t)grove_server_port(server));
    /* By the system's call: nobody runs meanwhile. */
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    grove_fiber *unrun = NULL;
    grove_spawn(NULL, keep_turning, &unrun);
    grove_yield(); /* the acceptor and the other have begun */
    while (!unrun) {
        grove_each_fiber(find_new, &unrun);
        if (!unrun)
            grove_yield();
    }
    assert_int_equal(stats_of(server).active, 1);
    assert_int_equal(grove_kill(unrun), 0);
    assert_int_equal(stats_of(server).active, 0);
    char byte;
    assert_int_equal(grove_recv(fd, &byte, 1, 0), 0);
    grove_release(unrun);
    assert_int_equal(grove_server_stop(server), 0);
    grove_close(fd);
    grove_server_release(server);
}

/* Answers byte by byte, and rests in between; 'w' waits for the gate first. */
static grove_event gate;

static void answer_and_rest(grove_connection *c)
{
    char byte;
    while (grove_connection_rest(c, true) == 0 &&
           grove_connection_read(c, &byte, 1) == 1) {
        grove_connection_rest(c, false);
        if (byte == 'w')
            grove_event_wait(&gate);
        if (grove_server_is_stopping(c->server))
            byte = '!';
        if (grove_connection_write(c, &byte, 1) != 1)
            break;
    }
}

static void expect_byte(int fd, char expected)
{
    char byte = 0;
    ssize_t n = grove_recv_until(fd, &byte, 1, 0, grove_now() + HANG);
    assert_int_equal(n, expected ? 1 : 0);
    assert_int_equal(byte, expected);
}

/* One rests, one works, one has asked and was not read yet, one has connected
 * and asked and was not accepted yet: only the first has nothing to come. */
static void a_stop_answers_what_was_asked(void **state)
{
    grove_server *server = start((grove_server_attr){0}, answer_and_rest);
    struct stop stop = {server, GROVE_NEVER};
    struct call c = {.make = make_stop, .name = "stop", .more = &stop};
    int fds[4];
    grove_event_init(&gate);
    for (int i = 0; i < 3; i++)
        fds[i] = connect_to(server);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send(fds[i], "a", 1, 0), 1);
        expect_byte(fds[i], 'a');
    }
    assert_int_equal(send(fds[1], "w", 1, 0), 1);
    while (grove_sleep(MS) == 0 && gate.waiters.first == NULL)
        ;
    struct sockaddr_in addr = loopback();
    addr.sin_port = htons((uint16_t)grove_server_port(server));
    /* By the system's calls: nobody runs meanwhile. */
    fds[3] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[3], (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    assert_int_equal(send(fds[2], "b", 1, 0), 1);
    assert_int_equal(send(fds[3], "c", 1, 0), 1);
    start_parked(&c);
    expect_byte(fds[0], 0);
    expect_byte(fds[2], '!');
    expect_byte(fds[2], 0);
    expect_byte(fds[3], '!');
    expect_byte(fds[3], 0);
    expect_parked(&c);
    grove_event_set(&gate);
    expect_byte(fds[1], '!');
    expect_byte(fds[1], 0);
    expect_result(&c, 0);
    for (int i = 0; i < 4; i++)
        grove_close(fds[i]);
    grove_server_release(server);
}

static grove_stream *first_rests;

static void rest_by_lines(grove_connection *c)
{
    grove_stream *stream;
    char *line;
    assert_int_equal(grove_stream_new_connection(&stream, c, NULL), 0);
    if (!first_rests)
        first_rests = stream;
    while (grove_connection_rest(c, true) == 0 &&
           grove_stream_read_line(stream, &line, NULL, 0) == 1) {
        grove_connection_rest(c, false);
        assert_int_equal(grove_stream_printf(stream, "<%s>\n", line), 0);
        assert_int_equal(grove_stream_flush(stream), 0);
    }
    grove_stream_close(stream);
}

/* Of one half a request is in its stream's buffer, of the other nothing came.
 */
static void half_a_request_is_served(void **state)
{
    (void)state;
    grove_server *server = start((grove_server_attr){0}, rest_by_lines);
    int half = connect_to(server);
    wait_active(server, 1);
    int none = connect_to(server);
    char buf[8] = "";
    struct stop stop = {server, GROVE_NEVER};
    struct call c = {.make = make_stop, .name = "stop", .more = &stop};
    wait_active(server, 2);
    assert_int_equal(write(half, "he", 2), 2);
    while (grove_stream_buffered(first_rests) < 2)
        grove_sleep(MS / 10);
    start_parked(&c);
    expect_closed(none);
    assert_int_equal(write(half, "y\n", 2), 2);
    assert_int_equal(
        grove_recv_until(half, buf, 6, MSG_WAITALL, grove_now() + HANG), 6);
    assert_string_equal(buf, "<hey>\n");
    expect_closed(half);
    expect_result(&c, 0);
    grove_close(half);
    grove_close(none);
    grove_server_release(server);
}

static void stop_itself(grove_connection *c)
{
    struct counts *mine = c->arg;
    mine->begun = grove_server_stop(c->server);
}

static void a_connection_cannot_wait_for_itself(void **state)
{
    grove_server *server = start((grove_server_attr){0}, stop_itself);
    int fd = connect_to(server);
    expect_closed(fd);
    assert_int_equal(counts.begun, -EDEADLK);
    grove_close(fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void a_stop_that_ends_early_is_made_again(void **state)
{
    grove_server *server = start((grove_server_attr){0}, echo);
    int fd = connect_to(server);
    expect_echo(fd);
    struct stop stop = {server, GROVE_NEVER};
    struct call c = {.make = make_stop, .name = "stop", .more = &stop};
    call_start(&c);
    grove_kill(c.fiber);
    call_finish(&c);
    assert_int_equal(c.result, -ECANCELED);

    grove_timeout scope;
    grove_timeout_begin(&scope, grove_now() + MS);
    assert_int_equal(grove_server_stop(server), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&scope), -ETIMEDOUT);
    expect_echo(fd);
    grove_close(fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void wait_has_a_deadline(void **state)
{
    grove_server *server = start((grove_server_attr){0}, echo);
    assert_int_equal(grove_server_wait_until(server, grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(grove_server_wait_until(server, 0), 0);
    grove_server_release(server);
}

/* Stopped before its acceptor has run. */
static void stopped_at_once(void **state)
{
    int before = open_descriptors();
    grove_server *server = start((grove_server_attr){0}, echo);
    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(grove_server_wait(server), 0);
    grove_server_release(server);
    server = start((grove_server_attr){0}, echo);
    grove_server_release(server);
    grove_yield();
    assert_int_equal(open_descriptors(), before);
}

/* Without its handle the connections that are there go on. */
static void released_while_it_serves(void **state)
{
    grove_server *server = start((grove_server_attr){0}, echo);
    int fd = connect_to(server);
    expect_echo(fd);
    grove_server_release(server);
    expect_echo(fd);
    grove_close(fd);
    while (counts.ended == 0)
        grove_yield();
}

/* ---- several threads ---------------------------------------------------------------- */

enum { THREADS = 2 };

struct thread {
    char address[32];
    pthread_barrier_t *barrier;
    int served;
};

static void count_served(grove_connection *c)
{
    char buf;
    int *served = c->arg;
    grove_connection_read(c, &buf, 1);
    ++*served;
    grove_connection_write(c, "x", 1);
    grove_connection_read(c, &buf, 1);
}

/* Serves until there were as many as its share at least. */
static void *serve_thread(void *arg)
{
    struct thread *t = arg;
    grove_server *server;
    grove_server_attr attr = {.address = t->address, .reuse_port = true};
    int r = grove_server_start(&server, &attr, count_served, &t->served);
    pthread_barrier_wait(t->barrier);
    if (r < 0)
        return NULL;
    int64_t hang = grove_now() + HANG;
    while (!t->served && grove_now() < hang)
        grove_sleep(MS / 10);
    r = grove_server_stop(server);
    grove_server_release(server);
    return (void *)(intptr_t)(r == 0);
}

/* The kernel shares connections out by their ports: of so many, each thread
 * has some. */
static void one_address_for_several_threads(void **state)
{
    enum { CLIENTS = 200 };
    struct sockaddr_in addr;
    int one = 1, reserved = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof(addr);
    addr = loopback();
    setsockopt(reserved, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    assert_int_equal(bind(reserved, (struct sockaddr *)&addr, size), 0);
    assert_int_equal(getsockname(reserved, (struct sockaddr *)&addr, &size), 0);

    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    struct thread threads[THREADS];
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.barrier = &barrier};
        sprintf(threads[i].address, "127.0.0.1:%d", ntohs(addr.sin_port));
        assert_int_equal(
            pthread_create(&ids[i], NULL, serve_thread, &threads[i]), 0);
    }
    pthread_barrier_wait(&barrier);
    int answered = 0;
    for (int i = 0; i < CLIENTS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        char c;
        /* Both have had one when connections are refused. */
        if (grove_connect(fd, (struct sockaddr *)&addr, size) == 0 &&
            grove_send(fd, "x", 1, MSG_NOSIGNAL) == 1 &&
            grove_recv(fd, &c, 1, 0) == 1)
            answered++;
        grove_close(fd);
    }
    int served = 0;
    for (int i = 0; i < THREADS; i++) {
        void *stopped;
        pthread_join(ids[i], &stopped);
        assert_non_null(stopped);
        assert_true(threads[i].served > 0);
        served += threads[i].served;
    }
    assert_int_equal(served, answered);
    pthread_barrier_destroy(&barrier);
    close(reserved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_connection_has_a_fiber),
        cmocka_unit_test(the_function_knows_its_peer),
        cmocka_unit_test(the_limit_holds),
        cmocka_unit_test(a_full_queue_starves_nobody),
        cmocka_unit_test(addresses),
        cmocka_unit_test(all_addresses_are_of_both_families),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(a_socket_of_the_callers),
        cmocka_unit_test(stop_waits_for_those_there),
        cmocka_unit_test(at_the_deadline_they_are_killed),
        cmocka_unit_test(they_are_killed_again),
        cmocka_unit_test(a_stop_after_a_kill_kills_on),
        cmocka_unit_test(a_stop_answers_what_was_asked),
        cmocka_unit_test(half_a_request_is_served),
        cmocka_unit_test(a_connection_that_is_killed_unrun_is_closed),
        cmocka_unit_test(a_connection_cannot_wait_for_itself),
        cmocka_unit_test(a_stop_that_ends_early_is_made_again),
        cmocka_unit_test(wait_has_a_deadline),
        cmocka_unit_test(stopped_at_once),
        cmocka_unit_test(released_while_it_serves),
        cmocka_unit_test(one_address_for_several_threads),
    };
    grove_yield(); /* the hub is made */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

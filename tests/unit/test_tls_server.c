/*
 * Servers with TLS: the handshake in the connection's fiber, with its deadline,
 * and a clean end; several threads with one context.
 */
#include "servers.h"
#include "tls_links.h"

#include <pthread.h>

static void echo(grove_connection *c)
{
    char buf[256];
    ssize_t n;
    assert_non_null(c->tls);
    assert_string_equal(grove_tls_host(c->tls), "a.test");
    while ((n = grove_connection_read(c, buf, sizeof(buf))) > 0)
        grove_connection_write_all(c, buf, (size_t)n, NULL);
    ++*(_Atomic int *)c->arg;
}

static grove_server *start(grove_server_attr attr, _Atomic int *served)
{
    grove_server *server;
    attr.address = "127.0.0.1:0";
    assert_int_equal(grove_server_start(&server, &attr, echo, served), 0);
    return server;
}

/* Talks to the server. Whether all was well. */
static bool talk(grove_tls_context *context, const grove_server *server)
{
    int fd = connect_to(server);
    int64_t hang = grove_now() + HANG;
    char buf[8];
    grove_tls *tls;
    bool ok = grove_tls_new(&tls, context, fd, "a.test") == 0;
    ok = ok && grove_tls_write_until(tls, "hello", 5, hang) == 5 &&
         grove_tls_read_until(tls, buf, sizeof(buf), hang) == 5 &&
         memcmp(buf, "hello", 5) == 0 &&
         /* Its end comes from both sides. */
         grove_tls_shutdown_until(tls, SHUT_RDWR, hang) == 0;
    grove_tls_free(tls);
    grove_close(fd);
    return ok;
}

static void connections_are_encrypted(void **state)
{
    _Atomic int served = 0;
    int before = open_descriptors();
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server *server = start((grove_server_attr){.tls = s}, &served);
    grove_tls_context_release(s); /* the server has its own */
    for (int i = 0; i < 3; i++)
        assert_true(talk(c, server));
    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(served, 3);
    grove_server_release(server);
    grove_tls_context_release(c);
    assert_int_equal(open_descriptors(), before);
}

static void failed_handshakes_are_counted(void **state)
{
    _Atomic int served = 0;
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server *server = start(
        (grove_server_attr){.tls = s, .handshake_timeout = 20 * MS}, &served);
    char buf[64];

    /* One that does not speak TLS, one that says nothing at all. */
    int http = connect_to(server), silent = connect_to(server);
    assert_int_equal(write(http, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    while (grove_recv_until(http, buf, sizeof(buf), 0, grove_now() + HANG) > 0)
        ;
    assert_int_equal(grove_recv_until(silent, buf, 1, 0, grove_now() + HANG),
                     0);
    assert_int_equal(stats_of(server).failed, 2);
    assert_int_equal(stats_of(server).accepted, 2);
    grove_close(http);
    grove_close(silent);

    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(served, 0);
    grove_server_release(server);
    grove_tls_context_release(s);
    grove_tls_context_release(c);
}

static void contexts_that_cannot_serve(void **state)
{
    grove_server *server;
    grove_tls_context *c = client_context(&ca), *s = server_context(NULL);
    grove_tls_context *const bad[] = {c, s};
    int before = open_descriptors();
    for (int i = 0; i < 2; i++) {
        grove_server_attr attr = {.address = "127.0.0.1:0", .tls = bad[i]};
        assert_int_equal(grove_server_start(&server, &attr, echo, NULL),
                         -EINVAL);
    }
    assert_int_equal(open_descriptors(), before);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
}

/* A handshake under way when the server is stopped. */
static void a_handshake_is_killed_too(void **state)
{
    _Atomic int served = 0;
    grove_tls_context *s = server_context(&good);
    grove_server *server = start((grove_server_attr){.tls = s}, &served);
    int fd = connect_to(server);
    int64_t hang = grove_now() + HANG;
    while (stats_of(server).active == 0 && grove_now() < hang)
        grove_yield();
    grove_yield();
    assert_int_equal(grove_server_stop_until(server, 0), 1);
    assert_int_equal(stats_of(server).failed, 1);
    char c;
    assert_int_equal(grove_recv_until(fd, &c, 1, 0, hang), 0);
    grove_close(fd);
    grove_server_release(server);
    grove_tls_context_release(s);
}

/* ---- several threads -------------------------------------------------------- */

struct thread {
    grove_tls_context *server, *client;
    bool ok;
};

/* Serves, and talks to itself. */
static void *run(void *arg)
{
    struct thread *t = arg;
    _Atomic int served = 0;
    grove_server *server =
        start((grove_server_attr){.tls = t->server}, &served);
    t->ok = true;
    for (int i = 0; i < 5; i++)
        t->ok = talk(t->client, server) && t->ok;
    t->ok = grove_server_stop(server) == 0 && served == 5 && t->ok;
    grove_server_release(server);
    return NULL;
}

static void threads_share_contexts(void **state)
{
    struct thread threads[3];
    pthread_t ids[3];
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    for (int i = 0; i < 3; i++) {
        threads[i] = (struct thread){s, c, false};
        assert_int_equal(pthread_create(&ids[i], NULL, run, &threads[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(ids[i], NULL);
        assert_true(threads[i].ok);
    }
    grove_tls_context_release(s);
    grove_tls_context_release(c);
}

/* ---- several hubs ------------------------------------------------------------ */

#define HUBS 3
#define CLIENTS 12

struct client {
    grove_tls_context *context;
    const grove_server *server;
};

static void *talk_in_fiber(void *arg)
{
    const struct client *client = arg;
    return talk(client->context, client->server) ? arg : NULL;
}

/* Each hub shakes hands with its own, by one context; who does not speak TLS is
 * counted where it was dealt to. */
static void hubs_share_a_context(void **state)
{
    _Atomic int served = 0;
    int before = open_descriptors();
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server *server =
        start((grove_server_attr){.tls = s, .hubs = HUBS}, &served);
    grove_tls_context_release(s);
    struct client client = {c, server};
    grove_fiber *fibers[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(grove_spawn(&fibers[i], talk_in_fiber, &client), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *value;
        assert_int_equal(grove_join(fibers[i], &value), 0);
        assert_non_null(value);
        grove_release(fibers[i]);
    }
    wait_active(server, 0);
    for (unsigned i = 0; i < HUBS; i++) {
        assert_true(stats_of_hub(server, i).accepted > 0);
        assert_int_equal(stats_of_hub(server, i).failed, 0);
    }
    for (int i = 0; i < HUBS; i++) {
        char buf[64];
        int fd = connect_to(server);
        assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
        while (grove_recv_until(fd, buf, sizeof(buf), 0, grove_now() + HANG) >
               0)
            ;
        grove_close(fd);
    }
    wait_active(server, 0);
    assert_int_equal(stats_of(server).failed, HUBS);
    assert_int_equal(served, CLIENTS);
    assert_int_equal(grove_server_stop_until(server, grove_now() + HANG), 0);
    grove_server_release(server);
    grove_tls_context_release(c);
    assert_int_equal(open_descriptors(), before);
}

/* On each hub one shakes hands that never ends, and one is connected. */
static void a_stop_ends_them_on_all_hubs(void **state)
{
    _Atomic int served = 0;
    int before = open_descriptors();
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server *server = start(
        (grove_server_attr){
            .tls = s, .hubs = HUBS, .handshake_timeout = 10 * HANG},
        &served);
    int silent[HUBS], fds[HUBS];
    grove_tls *tls[HUBS];
    char buf[8];
    int64_t hang = grove_now() + HANG;
    for (int i = 0; i < HUBS; i++)
        silent[i] = connect_to(server);
    wait_active(server, HUBS);
    for (int i = 0; i < HUBS; i++) {
        fds[i] = connect_to(server);
        assert_int_equal(grove_tls_new(&tls[i], c, fds[i], "a.test"), 0);
        assert_int_equal(grove_tls_handshake_until(tls[i], hang), 0);
        assert_int_equal(grove_tls_write_until(tls[i], "x", 1, hang), 1);
        assert_int_equal(grove_tls_read_until(tls[i], buf, 8, hang), 1);
    }
    for (unsigned i = 0; i < HUBS; i++)
        assert_int_equal(stats_of_hub(server, i).active, 2);
    assert_int_equal(grove_server_stop_until(server, grove_now()), 2 * HUBS);
    assert_int_equal(stats_of(server).failed, HUBS);
    assert_int_equal(served, HUBS);
    for (int i = 0; i < HUBS; i++) {
        assert_int_equal(grove_tls_read_until(tls[i], buf, 8, hang), 0);
        assert_int_equal(grove_recv_until(silent[i], buf, 8, 0, hang), 0);
        grove_tls_free(tls[i]);
        grove_close(fds[i]);
        grove_close(silent[i]);
    }
    grove_server_release(server);
    grove_tls_context_release(s);
    grove_tls_context_release(c);
    assert_int_equal(open_descriptors(), before);
}

static int setup(void **state)
{
    grove_yield(); /* the hub is made */
    return make_certs(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_encrypted),
        cmocka_unit_test(failed_handshakes_are_counted),
        cmocka_unit_test(contexts_that_cannot_serve),
        cmocka_unit_test(a_handshake_is_killed_too),
        cmocka_unit_test(threads_share_contexts),
        cmocka_unit_test(hubs_share_a_context),
        cmocka_unit_test(a_stop_ends_them_on_all_hubs),
    };
    return cmocka_run_group_tests(tests, setup, free_certs);
}

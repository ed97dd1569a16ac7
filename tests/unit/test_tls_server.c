/*
 * Servers with TLS: the handshake in the connection's fiber, with its deadline,
 * and a clean end; several threads with one context.
 */
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
    ++*(int *)c->arg;
}

static int connect_to(int port)
{
    struct sockaddr_in addr = loopback();
    addr.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(grove_connect_until(fd, (struct sockaddr *)&addr, sizeof(addr),
                              grove_now() + HANG) == 0,
          "connect: %s", strerror(errno));
    return fd;
}

static grove_server *start(grove_server_attr attr, int *served)
{
    grove_server *server;
    attr.address = "127.0.0.1:0";
    assert_int_equal(grove_server_start(&server, &attr, echo, served), 0);
    return server;
}

/* Talks to the server on port. Whether all was well. */
static bool talk(grove_tls_context *context, int port)
{
    int fd = connect_to(port);
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
    int served = 0, before = open_descriptors();
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server *server = start((grove_server_attr){.tls = s}, &served);
    grove_tls_context_release(s); /* the server has its own */
    for (int i = 0; i < 3; i++)
        assert_true(talk(c, grove_server_port(server)));
    assert_int_equal(grove_server_stop(server), 0);
    assert_int_equal(served, 3);
    grove_server_release(server);
    grove_tls_context_release(c);
    assert_int_equal(open_descriptors(), before);
}

static grove_server_stats stats_of(const grove_server *server)
{
    grove_server_stats stats = {0};
    grove_server_get_stats(server, &stats);
    return stats;
}

static void failed_handshakes_are_counted(void **state)
{
    int served = 0;
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server *server = start(
        (grove_server_attr){.tls = s, .handshake_timeout = 20 * MS}, &served);
    int port = grove_server_port(server);
    char buf[64];

    /* One that does not speak TLS, one that says nothing at all. */
    int http = connect_to(port), silent = connect_to(port);
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
    int served = 0;
    grove_tls_context *s = server_context(&good);
    grove_server *server = start((grove_server_attr){.tls = s}, &served);
    int fd = connect_to(grove_server_port(server));
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
    int served = 0;
    grove_server *server =
        start((grove_server_attr){.tls = t->server}, &served);
    t->ok = true;
    for (int i = 0; i < 5; i++)
        t->ok = talk(t->client, grove_server_port(server)) && t->ok;
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
    };
    return cmocka_run_group_tests(tests, setup, free_certs);
}

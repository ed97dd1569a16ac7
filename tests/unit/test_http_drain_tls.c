/* A server of HTTP over TLS stops: what has come is answered, wherever it is.
 */
#include "http_gate.h"
#include "tls_links.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

static void serve(grove_connection *c)
{
    grove_http_serve(c, NULL, answer, NULL);
}

/* In a record of its own. */
static void ask_by(grove_tls *tls, const char *text)
{
    ssize_t n =
        grove_tls_write_until(tls, text, strlen(text), grove_now() + HANG);
    check(n == (ssize_t)strlen(text), "write: %zd, errno %d", n, errno);
}

/* The next bytes are these; a star is any. */
static void hear_by(grove_tls *tls, const char *expected)
{
    size_t size = strlen(expected);
    char *buf = calloc(1, size + 1);
    for (size_t n = 0; n < size;) {
        ssize_t r =
            grove_tls_read_until(tls, buf + n, size - n, grove_now() + HANG);
        check(r > 0, "read: %zd, errno %d, after \"%s\"", r, errno, buf);
        n += (size_t)r;
    }
    for (size_t i = 0; i < size; i++)
        check(expected[i] == '*' || expected[i] == buf[i],
              "\"%s\" differs at %zu from \"%s\"", buf, i, expected);
    free(buf);
}

/* OpenSSL has the second one, in a record that it has not looked into, and the
 * socket has nothing. */
static void a_request_in_another_record_is_answered(void **state)
{
    grove_tls_context *s = server_context(&good), *client = client_context(&ca);
    grove_server_attr attr = {.address = "127.0.0.1:0", .tls = s};
    grove_server *server;
    grove_tls *tls;
    grove_event_init(&gate);
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    int fd = connect_to(server), one = 1;
    assert_int_equal(
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    assert_int_equal(grove_tls_new(&tls, client, fd, "a.test"), 0);
    ask_by(tls, "GET / HTTP/1.1\r\n" FOR_A);
    hear_by(tls, KEPT);
    ask_by(tls, "POST / HTTP/1.1\r\n" FOR_A); /* nobody runs in between */
    ask_by(tls, "GET / HTTP/1.1\r\n" FOR_A);
    while (waiting < 1)
        grove_yield();
    struct call c = {.make = make_stop, .name = "stop", .more = server};
    start_parked(&c);
    grove_event_set(&gate);
    hear_by(tls, KEPT LAST);
    expect_result(&c, 0);
    grove_tls_free(tls);
    grove_close(fd);
    grove_server_release(server);
    grove_tls_context_release(s);
    grove_tls_context_release(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_in_another_record_is_answered),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}

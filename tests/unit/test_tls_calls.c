/*
 * System calls of TLS: a request and its reply cost a receive and a send at
 * each end, as without TLS, and nothing that is tried in vain.
 */
#include "tls_links.h"

#include <sys/epoll.h>

static int receives, sends, others;

ssize_t __real_recvfrom(int fd, void *buf, size_t len, int flags,
                        struct sockaddr *addr, socklen_t *size);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags,
                        struct sockaddr *addr, socklen_t *size);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags,
                        struct sockaddr *addr, socklen_t *size)
{
    receives++;
    return __real_recvfrom(fd, buf, len, flags, addr, size);
}

ssize_t __real_sendto(int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t size);
ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t size);
ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags,
                      const struct sockaddr *addr, socklen_t size)
{
    sends++;
    return __real_sendto(fd, buf, len, flags, addr, size);
}

int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    others++;
    return __real_epoll_ctl(epoll, op, fd, event);
}

static void echo(grove_connection *c)
{
    char buf[256];
    ssize_t n;
    while ((n = grove_connection_read(c, buf, sizeof(buf))) > 0)
        grove_connection_write(c, buf, (size_t)n);
}

static void a_request_costs_two_calls_at_each_end(void **state)
{
    enum { REQUESTS = 100 };
    grove_tls_context *s = server_context(&good), *c = client_context(&ca);
    grove_server_attr attr = {.address = "127.0.0.1:0", .tls = s};
    grove_server *server;
    grove_tls *tls;
    struct sockaddr_in addr = loopback();
    assert_int_equal(grove_server_start(&server, &attr, echo, NULL), 0);
    addr.sin_port = htons((uint16_t)grove_server_port(server));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(grove_connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
                     0);
    assert_int_equal(grove_tls_new(&tls, c, fd, "a.test"), 0);
    for (int i = 0; i <= REQUESTS; i++) {
        char buf[16];
        /* The first one waits for all that comes with the handshake. */
        if (i == 1)
            receives = sends = others = 0;
        assert_int_equal(grove_tls_write(tls, "0123456789", 10), 10);
        assert_int_equal(grove_tls_read(tls, buf, sizeof(buf)), 10);
    }
    assert_int_equal(sends, 2 * REQUESTS);
    assert_int_equal(receives, 2 * REQUESTS);
    assert_int_equal(others, 0);
    grove_tls_free(tls);
    grove_close(fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
    grove_tls_context_release(s);
    grove_tls_context_release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_costs_two_calls_at_each_end),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}

/*
 * TCP connections that servers accept, or that are dialed, send small packets
 * at once. Told by the option, which is what the kernel goes by.
 */
#include "socket_pairs.h"

static int has_no_delay(int fd)
{
    int on = -1;
    socklen_t size = sizeof(on);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    return on;
}

static int seen; /* by the last connection that was served */

static void look(grove_connection *c)
{
    seen = has_no_delay(c->fd);
    size_t done = 0;
    assert_int_equal(
        grove_connection_write_all_until(c, "x", 1, &done, grove_now()), 0);
    assert_int_equal(done, 1);
}

static void serve_one(const grove_server_attr *attr, int expected)
{
    grove_server *server;
    char port[8], c;
    seen = -1;
    assert_int_equal(grove_server_start(&server, attr, look, NULL), 0);
    snprintf(port, sizeof(port), "%d", grove_server_port(server));
    int fd = grove_dial_until("127.0.0.1", port, grove_now() + HANG);
    assert_true(fd >= 0);
    assert_int_equal(has_no_delay(fd), 1);
    assert_int_equal(grove_recv_until(fd, &c, 1, 0, grove_now() + HANG), 1);
    assert_int_equal(seen, expected);
    assert_int_equal(grove_close(fd), 0);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

static void what_is_accepted_or_dialed_does_not_delay(void **state)
{
    serve_one(&(grove_server_attr){.address = "127.0.0.1:0"}, 1);
}

static void a_server_can_have_it_otherwise(void **state)
{
    serve_one(&(grove_server_attr){.address = "127.0.0.1:0", .delay = true}, 0);
}

static void a_socket_of_the_callers_does_not_delay(void **state)
{
    struct sockaddr_in addr;
    int fd = listener(&addr);
    serve_one(&(grove_server_attr){.fd = fd, .delay = true}, 0);
    assert_int_equal(has_no_delay(fd), 0);
    serve_one(&(grove_server_attr){.fd = fd}, 1);
    assert_int_equal(grove_close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_or_dialed_does_not_delay),
        cmocka_unit_test(a_server_can_have_it_otherwise),
        cmocka_unit_test(a_socket_of_the_callers_does_not_delay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

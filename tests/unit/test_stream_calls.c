/*
 * What streams ask of the system: a receive and a send for a request and its
 * answer, or for many that came together, and nothing that is tried in vain.
 * And what they do when it refuses: memory, the n-th receive or send.
 */
#include "faults.h"
#include "servers.h"
#include "stream_ends.h"

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign)

/* As many calls of mask as are made until the n-th fails: they are counted. */
static int calls_since;
enum { FAR = 1 << 20 };

static void count_calls(unsigned mask)
{
    fault_arm(mask, FAR, EIO);
    calls_since = fault.left;
}

static int counted(void)
{
    int n = calls_since - fault.left;
    fault_disarm();
    return n;
}

static void ask(grove_stream *s, int lines)
{
    for (int i = 0; i < lines; i++)
        assert_int_equal(grove_stream_printf(s, "line %d\n", i), 0);
    for (int i = 0; i < lines; i++) {
        char *line;
        assert_int_equal(
            grove_stream_read_line_until(s, &line, NULL, 0, grove_now() + HANG),
            1);
        assert_int_equal(line[5], '0' + i / (i > 9 ? 10 : 1));
    }
}

static void a_request_costs_two_calls_at_each_end(void **state)
{
    enum { REQUESTS = 100 };
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    grove_stream *s;
    char port[8];
    assert_int_equal(grove_server_start(&server, &attr, echo_lines, NULL), 0);
    snprintf(port, sizeof(port), "%d", grove_server_port(server));
    int fd = grove_dial("127.0.0.1", port);
    assert_int_equal(grove_stream_new(&s, fd, NULL), 0);
    ask(s, 1); /* both ends are registered by then */
    for (int lines = 1; lines <= 16; lines += 15) {
        count_calls(FAULT_recvfrom);
        for (int i = 0; i < REQUESTS; i++)
            ask(s, lines);
        assert_int_equal(counted(), 2 * REQUESTS);
        count_calls(MEMORY | FAULT_epoll_ctl);
        for (int i = 0; i < REQUESTS; i++)
            ask(s, lines);
        assert_int_equal(counted(), 0);
    }
    assert_int_equal(grove_stream_close(s), 0);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

/* ---- refusals ----------------------------------------------------------------- */

/* 0, or the first negative errno. */
static int converse(void)
{
    struct pair p = pair_of(TCP);
    grove_stream *s;
    char buf[8], *line;
    int r = grove_stream_new(&s, p.in, NULL);
    if (r < 0) {
        pair_close(p);
        return r;
    }
    /* What was refused can be asked again. */
    int first = 0;
    while ((r = grove_stream_printf(s, "hello\n")) < 0)
        first = first ? first : r;
    while ((r = grove_stream_flush(s)) < 0)
        first = first ? first : r;
    assert_int_equal(empty(p.out), 6);
    assert_int_equal(write(p.out, "world\n", 6), 6);
    while ((r = grove_stream_read_line(s, &line, NULL, 0)) < 0)
        first = first ? first : r;
    assert_string_equal(line, "world");
    assert_int_equal(write(p.out, "more", 4), 4);
    while ((r = grove_stream_read_exactly(s, buf, 4, NULL)) < 0)
        first = first ? first : r;
    assert_int_equal(grove_stream_close(s), 0);
    assert_int_equal(grove_close(p.out), 0);
    return first;
}

/* Buffers come from malloc only while the pool is empty, as it is at first. */
static void without_memory_nothing_is_lost(void **state)
{
    int refused = 0;
    bool hit = true;
    grove_yield();
    for (int nth = 1; hit; nth++) {
        fault_arm(MEMORY, nth, ENOMEM);
        int r = converse();
        hit = fault_disarm();
        check(r == 0 || r == -ENOMEM, "failure %d: %d", nth, r);
        refused += r < 0;
    }
    assert_true(refused > 0);
}

static void what_the_kernel_says_is_told(void **state)
{
    assert_int_equal(converse(), 0);
    fault_arm(FAULT_recvfrom, 1, ECONNRESET);
    assert_int_equal(converse(), -ECONNRESET);
    assert_true(fault_disarm());
    fault_arm(FAULT_recvfrom, 1, EINTR);
    int r = converse();
    check(r == -EINTR || r == 0, "EINTR: %d", r);
    assert_true(fault_disarm());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_nothing_is_lost), /* the pool's first */
        cmocka_unit_test(a_request_costs_two_calls_at_each_end),
        cmocka_unit_test(what_the_kernel_says_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * HTTP without memory: each allocation of an exchange fails once. What is told
 * is an error that can be understood, nothing leaks (ASan), and the next
 * exchange works.
 */
#include "faults.h"
#include "http_served.h"

#define MEMORY (FAULT_malloc | FAULT_calloc | FAULT_realloc)

static int server_result; /* of the last connection */

/* Long enough that its head must be kept apart. */
static void echo(grove_http *h)
{
    static char body[60000];
    size_t size = 0;
    ssize_t n;
    while ((n = grove_http_read(h, body + size, sizeof(body) - size)) > 0)
        size += (size_t)n;
    if (n < 0)
        return;
    grove_http_field fields[30];
    for (size_t i = 0; i < UNIT_COUNT(fields); i++)
        fields[i] = grove_http_field_of("A", "0123456789012345678901234567890");
    grove_http_respond(h, 200, fields, UNIT_COUNT(fields), body, size);
}

static void serve(grove_connection *c)
{
    server_result = grove_http_serve(c, NULL, echo, NULL);
}

/* More fields than a parser has room for. */
static int exchange(const char *port)
{
    static char body[60000];
    grove_http_field fields[31];
    grove_http *h;
    for (size_t i = 0; i < UNIT_COUNT(fields); i++)
        fields[i] = grove_http_field_of("B", "c");
    int r = grove_http_dial(&h, "127.0.0.1", port, NULL, NULL);
    if (r < 0)
        return r;
    r = grove_http_request(h, "POST", grove_http_text_of("/"), fields,
                           UNIT_COUNT(fields), body, sizeof(body));
    if (r == 0)
        r = grove_http_response(h);
    if (r == 0 && grove_http_received(h)->status != 200)
        r = -EAGAIN; /* the server has told of it */
    if (r == 0)
        r = grove_http_skip(h, sizeof(body));
    grove_http_close(h);
    return r;
}

static bool is_understood(int r)
{
    return r == 0 || r == -ENOMEM || r == -ECONNRESET || r == -EPIPE ||
           r == -EAGAIN || r == -ENODATA;
}

static void test_memory(void **state)
{
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    char port[8];
    int failed = 0;
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    snprintf(port, sizeof(port), "%d", grove_server_port(server));
    assert_int_equal(exchange(port), 0);
    for (int nth = 1;; nth++) {
        fault_arm(MEMORY, nth, ENOMEM);
        int r = exchange(port);
        for (int i = 0; i < 10; i++)
            grove_yield();
        bool hit = fault_disarm();
        check(is_understood(r), "the %dth: %d", nth, r);
        failed += r != 0;
        assert_int_equal(exchange(port), 0);
        if (!hit)
            break;
    }
    assert_true(failed > 5);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

/* A page, which is gathered in memory. */
static void test_get(void **state)
{
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    grove_http_result result;
    char url[64];
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/",
             grove_server_port(server));
    for (int nth = 1;; nth++) {
        fault_arm(MEMORY, nth, ENOMEM);
        int r = grove_http_get(&result, url, NULL, NULL);
        bool hit = fault_disarm();
        check(is_understood(r), "the %dth: %d", nth, r);
        if (r == 0)
            grove_http_result_free(&result);
        if (!hit)
            break;
    }
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
}

/* A parser that has no room for one more field begins anew by a reset. */
static void test_fields(void **state)
{
    char text[2048] = "GET / HTTP/1.1\r\nHost: a\r\n";
    const grove_http_head *head;
    grove_http_parser *p;
    for (int i = 0; i < 99; i++)
        strcat(text, "A: b\r\n");
    strcat(text, "\r\n");
    fault_arm(MEMORY, 1, ENOMEM);
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL),
                     -ENOMEM);
    assert_true(fault_disarm());
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    for (int nth = 1; nth <= 2; nth++) {
        fault_arm(MEMORY, nth, ENOMEM);
        assert_int_equal(grove_http_parse_head(p, text, strlen(text), &head),
                         -ENOMEM);
        assert_true(fault_disarm());
        assert_int_equal(grove_http_parser_status(p), 500);
        grove_http_parser_reset(p);
    }
    assert_int_equal(grove_http_parse_head(p, text, strlen(text), &head),
                     strlen(text));
    assert_int_equal(head->field_count, 100);
    grove_http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

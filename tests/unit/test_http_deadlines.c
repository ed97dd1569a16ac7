/*
 * The twins with a deadline: an exchange by them alone, which is far from it,
 * and each of them when it has passed: what need not wait is done, what must
 * wait is not, and can be made again.
 */
#include "http_served.h"

static int64_t far_away(void)
{
    return grove_now() + HANG;
}

/* ---- an exchange -------------------------------------------------------------- */

static FILE *file;
static int answered; /* what the server's calls have come to */

/* The body twice: as it comes, and from the file. */
static void answer(grove_http *h)
{
    char body[16];
    size_t size = 0;
    ssize_t n;
    while ((n = grove_http_read_until(h, body + size, 3, far_away())) > 0)
        size += (size_t)n;
    if (grove_http_equal(grove_http_received(h)->target, "/short")) {
        answered =
            grove_http_respond_until(h, 200, NULL, 0, body, size, far_away());
        return;
    }
    answered = grove_http_respond_begin_until(h, 200, NULL, 0,
                                              GROVE_HTTP_CHUNKED, far_away());
    answered |= grove_http_write_until(h, body, size, far_away());
    answered |= grove_http_send_file_until(h, fileno(file), 0, 4, far_away());
    answered |= grove_http_flush_until(h, far_away());
    answered |= grove_http_end_until(h, far_away());
}

static void serve(grove_connection *c)
{
    grove_stream *stream;
    assert_int_equal(grove_stream_new_connection(&stream, c, NULL), 0);
    grove_http_serve_stream(stream, NULL, answer, NULL);
}

static void expect_view(grove_http *h, const char *expected)
{
    const char *at;
    char text[32] = "";
    ssize_t n;
    while ((n = grove_http_view_until(h, &at, far_away())) > 0)
        strncat(text, at, (size_t)n);
    assert_int_equal(n, 0);
    assert_string_equal(text, expected);
}

static void test_exchange(void **state)
{
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    grove_http *h;
    grove_http_text path = grove_http_text_of("/"),
                    brief = grove_http_text_of("/short");
    char port[8];
    file = tmpfile();
    fputs("file", file);
    fflush(file);
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    snprintf(port, sizeof(port), "%d", grove_server_port(server));
    assert_int_equal(
        grove_http_dial_until(&h, "127.0.0.1", port, NULL, NULL, far_away()),
        0);
    assert_int_equal(grove_http_request_begin_until(h, "PUT", path, NULL, 0,
                                                    GROVE_HTTP_CHUNKED,
                                                    far_away()),
                     0);
    assert_int_equal(grove_http_write_until(h, "hello", 5, far_away()), 0);
    assert_int_equal(grove_http_end_until(h, far_away()), 0);
    assert_int_equal(grove_http_response_until(h, far_away()), 0);
    expect_view(h, "hellofile");
    assert_int_equal(answered, 0);
    assert_int_equal(grove_http_request_until(h, "PUT", brief, NULL, 0, "hello",
                                              5, far_away()),
                     0);
    assert_int_equal(grove_http_response_until(h, far_away()), 0);
    assert_int_equal(grove_http_skip_until(h, 5, far_away()), 0);
    assert_int_equal(grove_http_request_until(h, "PUT", brief, NULL, 0, "hello",
                                              5, far_away()),
                     0);
    assert_int_equal(grove_http_response_until(h, far_away()), 0);
    const char *at;
    assert_int_equal(grove_http_view(h, &at), 5);
    assert_memory_equal(at, "hello", 5);
    grove_http_close(h);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
    fclose(file);
}

/* ---- when it has passed --------------------------------------------------------- */

static int results[16];

/* Nobody reads what this sends. */
static void send_too_much(grove_http *h)
{
    static char body[4 << 20];
    int64_t soon = grove_now() + MS;
    results[0] =
        grove_http_respond_until(h, 200, NULL, 0, body, sizeof(body), soon);
    results[1] = grove_http_respond_until(h, 200, NULL, 0, body, 1, soon);
}

/* Nothing more comes. */
static void read_too_much(grove_http *h)
{
    char buf[4];
    const char *at;
    grove_stream *stream;
    results[0] = (int)grove_http_read_until(h, buf, sizeof(buf), 0);
    results[1] = (int)grove_http_read_until(h, buf, sizeof(buf), 0);
    results[2] = (int)grove_http_view_until(h, &at, 0);
    results[3] = grove_http_skip_until(h, 1, 0);
    results[4] = grove_http_upgrade_until(h, NULL, 0, &stream, 0);
    results[5] = grove_http_respond_until(h, 200, NULL, 0, NULL, 0, 0);
}

static void expect_results(void (*handle)(grove_http *h), const char *request,
                           const int *expected, size_t count)
{
    struct served s = {.handle = handle};
    serve_begin(&s);
    ask_for(&s, request);
    for (int64_t hang = far_away(); grove_now() < hang;) {
        if (grove_join_until(s.fiber, NULL, grove_now() + 20 * MS) == 0)
            break;
        if (results[count - 1] != 1)
            shutdown(s.fd, SHUT_RDWR);
    }
    for (size_t i = 0; i < count; i++)
        check(results[i] == expected[i], "%zu: %d, expected %d", i, results[i],
              expected[i]);
    serve_end(&s);
}

static void test_passed(void **state)
{
    static const int sent[] = {-ETIMEDOUT, -EPIPE};
    static const int read[] = {2,          -ETIMEDOUT, -ETIMEDOUT,
                               -ETIMEDOUT, -EINVAL,    0};
    for (size_t i = 0; i < UNIT_COUNT(results); i++)
        results[i] = 1;
    expect_results(send_too_much, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", sent,
                   UNIT_COUNT(sent));
    for (size_t i = 0; i < UNIT_COUNT(results); i++)
        results[i] = 1;
    expect_results(read_too_much,
                   "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab",
                   read, UNIT_COUNT(read));
}

/* A way into another protocol, in time. */
static grove_stream *taken;

static void upgrade(grove_http *h)
{
    results[0] = grove_http_upgrade_until(h, NULL, 0, &taken, far_away());
}

static void test_upgrade(void **state)
{
    struct served s = {.handle = upgrade};
    serve_begin(&s);
    ask_for(&s, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    hear(&s, "HTTP/1.1 200 OK\r\n" DATE "\r\n");
    assert_int_equal(serve_end(&s), 0);
    assert_int_equal(results[0], 0);
    grove_stream_free(taken);
}

/* ---- views that move ------------------------------------------------------------- */

static void test_move(void **state)
{
    static const char text[] =
        "PUT /a HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\nx\r\n0\r\nT: u\r\n\r\n";
    const grove_http_head *head;
    grove_http_piece piece;
    grove_http_parser *p;
    size_t count, at, end = sizeof(text) - 1;
    char first[sizeof(text)], second[sizeof(text)];
    memcpy(first, text, sizeof(text));
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    at = (size_t)grove_http_parse_head(p, first, end, &head);
    memcpy(second, first, at);
    grove_http_parser_move(p, second);
    memset(first, 'z', at);
    assert_true(grove_http_equal(head->method, "PUT"));
    assert_true(grove_http_equal(head->target, "/a"));
    assert_true(grove_http_equal(head->fields[0].value, "b"));
    assert_true(grove_http_equal(head->fields[1].name, "Transfer-Encoding"));
    for (piece.end = false; !piece.end; at += piece.used) {
        assert_int_equal(grove_http_parse_body(p, first + at, end - at, &piece),
                         0);
        grove_http_parser_trailers(p, &count);
        assert_int_equal(count, piece.end);
        assert_true(piece.used > 0);
    }
    const grove_http_field *f = grove_http_parser_trailers(p, &count);
    assert_true(grove_http_equal(f->name, "T"));
    assert_true(grove_http_equal(f->value, "u"));
    assert_int_equal(at, end);
    grove_http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_passed),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * HTTP with a deadline of the caller's: exchanges made by the twins in _until,
 * and what they say when it passes; and what the parser keeps of a head that
 * was moved, and of what came behind a body.
 */
#include "http_served.h"

#define FAR (grove_now() + HANG)
#define SOON (grove_now() + MS)

/* ---- a server and a client, both with deadlines -------------------------------- */

static void echo(grove_http *h)
{
    char text[16];
    const char *at;
    ssize_t n = grove_http_view_until(h, &at, FAR);
    check(n > 0 && n < 8, "view: %zd", n);
    memcpy(text, at, (size_t)n);
    ssize_t rest = grove_http_read_until(h, text + n, 8, FAR);
    check(rest >= 0, "read: %zd", rest);
    assert_int_equal(grove_http_respond_until(h, 200, NULL, 0, text,
                                              (size_t)(n + rest), FAR),
                     0);
}

static void stream_a_body(grove_http *h)
{
    assert_int_equal(grove_http_skip_until(h, 100, FAR), 0);
    assert_int_equal(grove_http_respond_begin_until(h, 200, NULL, 0,
                                                    GROVE_HTTP_CHUNKED, FAR),
                     0);
    assert_int_equal(grove_http_write_until(h, "str", 3, FAR), 0);
    assert_int_equal(grove_http_flush_until(h, FAR), 0);
    assert_int_equal(grove_http_write_until(h, "eam", 3, FAR), 0);
    assert_int_equal(grove_http_end_until(h, FAR), 0);
}

static void send_a_file(grove_http *h)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite("0123456789", 1, 10, file), 10);
    fflush(file);
    assert_int_equal(grove_http_respond_begin_until(h, 200, NULL, 0, 4, FAR),
                     0);
    assert_int_equal(grove_http_send_file_until(h, fileno(file), 3, 4, FAR), 0);
    assert_int_equal(grove_http_end_until(h, FAR), 0);
    fclose(file);
}

static void change_protocol(grove_http *h)
{
    grove_http_field field = grove_http_field_of("Upgrade", "other");
    grove_stream *stream;
    assert_int_equal(grove_http_upgrade_until(h, &field, 1, &stream, FAR), 0);
    assert_int_equal(grove_stream_write(stream, "other", 5), 0);
    assert_int_equal(grove_stream_close(stream), 0);
}

static void answer(grove_http *h)
{
    const grove_http_head *head = grove_http_received(h);
    if (grove_http_equal(head->target, "/echo"))
        echo(h);
    else if (grove_http_equal(head->target, "/stream"))
        stream_a_body(h);
    else if (grove_http_equal(head->target, "/file"))
        send_a_file(h);
    else
        change_protocol(h);
}

static void *serve(void *stream)
{
    grove_http_serve_stream(stream, NULL, answer, NULL);
    return NULL;
}

/* A client's connection, and the other end as a stream. */
static grove_http *connect_to(grove_stream **other)
{
    int fds[2];
    grove_stream *stream;
    grove_http *h;
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(grove_stream_new(&stream, fds[0], NULL), 0);
    assert_int_equal(grove_stream_new(other, fds[1], NULL), 0);
    assert_int_equal(grove_http_client(&h, stream, "a.test", NULL), 0);
    return h;
}

static grove_http *connect_to_server(void)
{
    grove_stream *other;
    grove_http *h = connect_to(&other);
    assert_int_equal(grove_spawn(NULL, serve, other), 0);
    return h;
}

static void expect_page(grove_http *h, const char *expected)
{
    char body[64];
    size_t size = 0;
    ssize_t n;
    assert_int_equal(grove_http_response_until(h, FAR), 0);
    assert_int_equal(grove_http_received(h)->status, 200);
    while ((n = grove_http_read_until(h, body + size, sizeof(body) - size,
                                      FAR)) > 0)
        size += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(body, expected, size);
}

static void exchanges_within_a_deadline(void **state)
{
    (void)state;
    grove_http *h = connect_to_server();
    assert_int_equal(grove_http_request_begin_until(h, "POST",
                                                    grove_http_text_of("/echo"),
                                                    NULL, 0, 7, FAR),
                     0);
    assert_int_equal(grove_http_write_until(h, "ech", 3, FAR), 0);
    assert_int_equal(grove_http_flush_until(h, FAR), 0);
    grove_yield();
    assert_int_equal(grove_http_write_until(h, "oing", 4, FAR), 0);
    assert_int_equal(grove_http_end_until(h, FAR), 0);
    expect_page(h, "echoing");
    static const char *const pages[][2] = {{"/stream", "stream"},
                                           {"/file", "3456"}};
    for (size_t i = 0; i < UNIT_COUNT(pages); i++) {
        assert_int_equal(
            grove_http_request_until(h, "GET", grove_http_text_of(pages[i][0]),
                                     NULL, 0, NULL, 0, FAR),
            0);
        expect_page(h, pages[i][1]);
    }
    grove_http_close(h);
}

static void a_change_of_protocol_within_a_deadline(void **state)
{
    (void)state;
    grove_http *h = connect_to_server();
    grove_http_field fields[] = {grove_http_field_of("Upgrade", "other")};
    char text[8] = "";
    assert_int_equal(grove_http_request_until(h, "GET",
                                              grove_http_text_of("/other"),
                                              fields, 1, NULL, 0, FAR),
                     0);
    int r = grove_http_response_until(h, FAR);
    check(r == 0, "%d: %s", r, grove_http_error(h));
    assert_int_equal(grove_http_received(h)->status, 101);
    grove_stream *stream = grove_http_detach(h);
    assert_int_equal(
        grove_stream_read_exactly_until(stream, text, 5, NULL, FAR), 0);
    assert_string_equal(text, "other");
    grove_stream_free(stream);
}

/* ---- deadlines that pass ---------------------------------------------------------- */

static void who_waits_in_vain_is_told(void **state)
{
    (void)state;
    grove_stream *other;
    grove_http *h = connect_to(&other);
    const char *at;
    char buf[8];
    assert_int_equal(grove_http_request_until(h, "GET", grove_http_text_of("/"),
                                              NULL, 0, NULL, 0, FAR),
                     0);
    assert_int_equal(grove_http_response_until(h, SOON), -ETIMEDOUT);
    assert_int_equal(grove_stream_printf(other, "HTTP/1.1 200 OK\r\n"
                                                "Content-Length: 4\r\n\r\nab"),
                     0);
    assert_int_equal(grove_stream_flush(other), 0);
    /* What a deadline has broken off goes on. */
    assert_int_equal(grove_http_response_until(h, FAR), 0);
    assert_int_equal(grove_http_view(h, &at), 2);
    assert_memory_equal(at, "ab", 2);
    assert_int_equal(grove_http_view_until(h, &at, SOON), -ETIMEDOUT);
    assert_int_equal(grove_http_read_until(h, buf, 8, SOON), -ETIMEDOUT);
    assert_int_equal(grove_http_skip_until(h, 100, SOON), -ETIMEDOUT);
    assert_int_equal(grove_stream_write(other, "cd", 2), 0);
    assert_int_equal(grove_stream_flush(other), 0);
    assert_int_equal(grove_http_read_until(h, buf, 8, FAR), 2);
    assert_int_equal(grove_http_read_until(h, buf, 8, FAR), 0);
    grove_http_close(h);
    grove_stream_free(other);
}

static void who_sends_to_one_that_does_not_read_is_told(void **state)
{
    (void)state;
    grove_stream *other;
    grove_http *h = connect_to(&other);
    static char much[1 << 16];
    int r;
    assert_int_equal(
        grove_http_request_begin_until(h, "POST", grove_http_text_of("/"), NULL,
                                       0, GROVE_HTTP_CHUNKED, FAR),
        0);
    do {
        r = grove_http_write_until(h, much, sizeof(much),
                                   grove_now() + 20 * MS);
    } while (r == 0);
    assert_int_equal(r, -ETIMEDOUT);
    grove_http_close(h);
    grove_stream_free(other);
}

static void dialing_has_a_deadline(void **state)
{
    (void)state;
    struct sockaddr_in addr;
    int server = listener(&addr);
    char port[8];
    grove_http *h;
    snprintf(port, sizeof(port), "%d", ntohs(addr.sin_port));
    assert_int_equal(
        grove_http_dial_until(&h, "127.0.0.1", port, NULL, NULL, FAR), 0);
    grove_http_close(h);
    int fds[3];
    fill_queue(server, &addr, fds);
    assert_int_equal(
        grove_http_dial_until(&h, "127.0.0.1", port, NULL, NULL, SOON),
        -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(server);
}

/* ---- the parser -------------------------------------------------------------------- */

static const char chunked[] = "POST /there HTTP/1.1\r\nHost: a\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n0\r\nSum: 6\r\nEnd: yes\r\n\r\n";

static bool lies_in(grove_http_text text, const char *at, size_t size)
{
    return text.at >= at && text.at + text.size <= at + size;
}

static void a_head_that_was_moved(void **state)
{
    (void)state;
    grove_http_parser *p;
    const grove_http_head *head;
    char copy[sizeof(chunked)];
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    ssize_t size =
        grove_http_parse_head(p, chunked, sizeof(chunked) - 1, &head);
    check(size > 0, "%zd: %s", size, grove_http_parser_error(p));
    memcpy(copy, chunked, (size_t)size);
    grove_http_parser_move(p, copy);
    assert_true(lies_in(head->method, copy, (size_t)size));
    assert_true(lies_in(head->target, copy, (size_t)size));
    assert_true(grove_http_equal(head->target, "/there"));
    for (size_t i = 0; i < head->field_count; i++) {
        assert_true(lies_in(head->fields[i].name, copy, (size_t)size));
        assert_true(lies_in(head->fields[i].value, copy, (size_t)size));
    }
    grove_http_parser_free(p);
}

static void what_came_behind_a_body(void **state)
{
    (void)state;
    grove_http_parser *p;
    const grove_http_head *head;
    grove_http_piece piece = {0};
    size_t at, count;
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    at = (size_t)grove_http_parse_head(p, chunked, sizeof(chunked) - 1, &head);
    while (!piece.end) {
        int r = grove_http_parse_body(p, chunked + at, sizeof(chunked) - 1 - at,
                                      &piece);
        check(r == 0 && (piece.used > 0 || piece.end), "%d at %zu", r, at);
        at += piece.used;
    }
    assert_int_equal(at, sizeof(chunked) - 1);
    const grove_http_field *trailers = grove_http_parser_trailers(p, &count);
    assert_int_equal(count, 2);
    assert_true(grove_http_equal(trailers[0].name, "Sum"));
    assert_true(grove_http_equal(trailers[1].value, "yes"));
    grove_http_parser_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges_within_a_deadline),
        cmocka_unit_test(a_change_of_protocol_within_a_deadline),
        cmocka_unit_test(who_waits_in_vain_is_told),
        cmocka_unit_test(who_sends_to_one_that_does_not_read_is_told),
        cmocka_unit_test(dialing_has_a_deadline),
        cmocka_unit_test(a_head_that_was_moved),
        cmocka_unit_test(what_came_behind_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

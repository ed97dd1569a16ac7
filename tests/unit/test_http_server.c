/*
 * Serving HTTP: what comes of requests, cut anywhere, one behind the other,
 * with bodies of each kind; answers of each kind; limits, time-outs, ends.
 */
#include "http_served.h"

#include <assert.h>

#define OK(length) "HTTP/1.1 200 OK\r\n" DATE "Content-Length: " length "\r\n"
#define A "Host: a\r\n\r\n"

/* ---- handlers -------------------------------------------------------------------- */

static int handled;    /* requests that came to a handler */
static int last_error; /* what a call in it has returned */

static void hello(grove_http *h)
{
    handled++;
    last_error = grove_http_respond(h, 200, NULL, 0, "hello", 5);
}

/* The body, and the names of the trailers. */
static void echo(grove_http *h)
{
    static char body[1 << 20];
    size_t size = 0, count;
    ssize_t n;
    handled++;
    while ((n = grove_http_read(h, body + size,
                                size < 7 ? 3 : sizeof(body) - size)) > 0)
        size += (size_t)n;
    last_error = (int)n;
    if (n < 0)
        return;
    const grove_http_field *f = grove_http_trailers(h, &count);
    for (size_t i = 0; i < count; i++) {
        memcpy(body + size, f[i].name.at, f[i].name.size);
        size += f[i].name.size;
    }
    grove_http_respond(h, 200, NULL, 0, body, size);
}

static void chunked(grove_http *h)
{
    handled++;
    last_error = grove_http_respond_begin(h, 200, NULL, 0, GROVE_HTTP_CHUNKED);
    if (last_error == 0)
        last_error = grove_http_write(h, "abc", 3);
    if (last_error == 0)
        last_error = grove_http_write(h, "", 0);
    if (last_error == 0)
        last_error = grove_http_write(h, "0123456789abcdefghij", 20);
    if (last_error == 0)
        last_error = grove_http_end(h);
}

static void nothing(grove_http *h)
{
    handled++;
}

/* By the request's target. */
static void any(grove_http *h)
{
    static const struct {
        const char *path;
        void (*handle)(grove_http *h);
    } handlers[] = {{"/hello", hello}, {"/echo", echo}, {"/chunked", chunked}};
    for (size_t i = 0; i < UNIT_COUNT(handlers); i++) {
        if (grove_http_equal(grove_http_received(h)->target, handlers[i].path))
            handlers[i].handle(h);
    }
}

/* ---- requests --------------------------------------------------------------------- */

static void test_cut_anywhere(void **state)
{
    static const char text[] =
        "GET /hello HTTP/1.1\r\n" A
        "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n" A "0123456789"
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A
        "5\r\nabcde\r\n3;a=b\r\nfgh\r\n0\r\nT: u\r\n\r\n"
        "GET /chunked HTTP/1.1\r\n" A "HEAD /hello HTTP/1.1\r\n" A
        "GET /hello HTTP/1.1\r\nConnection: close\r\n" A;
    static const char expected[] =
        OK("5") "\r\nhello" OK("10") "\r\n0123456789" OK(
            "9") "\r\nabcdefghT"
                 "HTTP/1.1 200 OK\r\n" DATE "Transfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n14\r\n0123456789abcdefghij\r\n0\r\n\r\n" OK(
                     "5") "\r\n" OK("5") "Connection: close\r\n\r\nhello";
    for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
        struct served s = {.handle = any};
        serve_begin(&s);
        if (cut > 0)
            ask(&s, text, cut);
        for (int i = 0; i < 3; i++)
            grove_yield();
        ask(&s, text + cut, sizeof(text) - 1 - cut);
        hear(&s, expected);
        hear_end(&s);
        assert_int_equal(serve_end(&s), 0);
    }
}

static void test_byte_by_byte(void **state)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A
        "5\r\nabcde\r\n0\r\nT: u\r\n\r\n"
        "GET /hello HTTP/1.1\r\n" A;
    struct served s = {.handle = any};
    serve_begin(&s);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        ask(&s, text + i, 1);
        grove_yield();
        grove_yield();
    }
    hear(&s, OK("6") "\r\nabcdeT" OK("5") "\r\nhello");
    grove_close(s.fd);
    s.fd = -1;
    assert_int_equal(serve_end(&s), 0);
}

/* Answers to what came together go together. */
static void test_pipelined(void **state)
{
    struct served s = {.handle = hello};
    char text[64 * 40] = "";
    char buf[64 * 128];
    for (int i = 0; i < 64; i++)
        strcat(text, "GET /hello HTTP/1.1\r\n" A);
    serve_begin(&s);
    ask_for(&s, text);
    size_t size = 64 * strlen(OK("5") "\r\nhello");
    ssize_t n = grove_recv_until(s.fd, buf, sizeof(buf), 0, grove_now() + HANG);
    assert_int_equal(n, size);
    shutdown(s.fd, SHUT_WR);
    assert_int_equal(serve_end(&s), 0);
}

/* A body that is longer than the stream's buffer, of either kind. */
static void test_long_bodies(void **state)
{
    static char body[300001];
    static char heard[sizeof(body)];
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (char)('a' + i % 23);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        struct served s = {.handle = echo};
        char head[128];
        size_t size = sizeof(body), n = 0;
        serve_begin(&s);
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\n%s%zu\r\n%s",
                 is_chunked ? "Transfer-Encoding: chunked\r\nX: "
                            : "Content-Length: ",
                 size, A);
        ask_for(&s, head);
        for (size_t at = 0; at < size && is_chunked; at += 30000) {
            size_t piece = size - at < 30000 ? size - at : 30000;
            snprintf(head, sizeof(head), "%zx\r\n", piece);
            ask_for(&s, head);
            ask(&s, body + at, piece);
            ask_for(&s, "\r\n");
        }
        if (is_chunked)
            ask_for(&s, "0\r\n\r\n");
        else
            ask(&s, body, size);
        hear(&s, OK("300001") "\r\n");
        while (n < size) {
            ssize_t r = grove_recv_until(s.fd, heard + n, size - n, 0,
                                         grove_now() + HANG);
            assert_true(r > 0);
            n += (size_t)r;
        }
        assert_memory_equal(heard, body, size);
        ask_for(&s, "GET / HTTP/1.1\r\n" A);
        hear(&s, OK("0") "\r\n");
        shutdown(s.fd, SHUT_WR);
        assert_int_equal(serve_end(&s), 0);
    }
}

static void test_keep_alive(void **state)
{
    static const struct {
        const char *request, *answer;
    } rows[] = {
        {"GET / HTTP/1.0\r\n\r\n", OK("5") "Connection: close\r\n\r\nhello"},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
         OK("5") "Connection: keep-alive\r\n\r\nhello"},
        {"GET / HTTP/1.1\r\nConnection: a, Close\r\n" A,
         OK("5") "Connection: close\r\n\r\nhello"},
        {"GET / HTTP/1.1\r\nConnection: closed\r\n" A, OK("5") "\r\nhello"},
        {"GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n" A,
         OK("5") "Connection: close\r\n\r\nhello"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct served s = {.handle = hello};
        expect_answer(&s, rows[i].request, strlen(rows[i].request),
                      rows[i].answer);
        assert_int_equal(s.result, 0);
    }
}

/* Chunks are not for HTTP/1.0. */
static void test_old_client(void **state)
{
    struct served s = {.handle = chunked};
    static const char text[] =
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 200 OK\r\n" DATE
                  "Connection: close\r\n\r\nabc0123456789abcdefghij");
}

/* What is refused is answered and the connection closed, whatever comes
 * behind. */
static void test_refused(void **state)
{
    static const struct {
        const char *status, *request;
    } rows[] = {
        {"400 Bad Request", "GET / HTTP/1.1\nHost: a\r\n\r\n"},
        {"400 Bad Request", "POST / HTTP/1.1\r\nContent-Length: 1\r\n"
                            "Transfer-Encoding: chunked\r\n" A "0\r\n\r\n"},
        {"501 Not Implemented", "BREW / HTTP/1.1\r\n" A},
        {"505 HTTP Version Not Supported", "GET / HTTP/2.0\r\n" A},
        {"417 Expectation Failed", "GET / HTTP/1.1\r\nExpect: x\r\n" A},
        {"413 Content Too Large",
         "POST / HTTP/1.1\r\nContent-Length: 1048577\r\n" A "abc"},
    };
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct served s = {.handle = hello};
        char text[4096], expected[512];
        const char *reason = strchr(rows[i].status, ' ') + 1;
        snprintf(text, sizeof(text), "%sGET / HTTP/1.1\r\n" A, rows[i].request);
        snprintf(expected, sizeof(expected),
                 "HTTP/1.1 %s\r\n" DATE "Content-Length: %zu\r\n"
                 "Connection: close\r\nContent-Type: text/plain\r\n\r\n%s",
                 rows[i].status, strlen(reason), reason);
        handled = 0;
        expect_answer(&s, text, strlen(text), expected);
        assert_int_equal(handled, 0);
        assert_int_equal(s.result, -EPROTO);
    }
}

/* Chunks that are none are found out while the body is read. */
static void test_bad_chunks(void **state)
{
    static const char text[] =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A
        "3\r\nabc\r\nx\r\nGET / HTTP/1.1\r\n" A;
    struct served s = {.handle = echo};
    handled = 0;
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 400 Bad Request\r\n" DATE
                  "Content-Length: 11\r\nConnection: close\r\n"
                  "Content-Type: text/plain\r\n\r\nBad Request");
    assert_int_equal(handled, 1);
    assert_int_equal(last_error, -EPROTO);
}

/* ---- limits ------------------------------------------------------------------------- */

static void expect_limit(const grove_http_attr *attr, const char *head,
                         const char *filler, size_t count, const char *tail,
                         const char *expected)
{
    struct served s = {.handle = echo, .attr = attr};
    size_t size = strlen(head) + strlen(filler) * count + strlen(tail) + 1;
    char *text = calloc(1, size), *at = stpcpy(text, head);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, filler);
    strcpy(at, tail);
    serve_begin(&s);
    ask_for(&s, text);
    hear(&s, expected);
    shutdown(s.fd, SHUT_WR);
    serve_end(&s);
    free(text);
}

static void test_limits(void **state)
{
    static const grove_http_attr fields = {.limits.fields = 60};
    static const grove_http_attr line = {.limits.line_size = 100};
    static const grove_http_attr head = {.limits.head_size = 300};
    static const grove_http_attr body = {.limits.body_size = 50};
    static const grove_http_attr any_body = {.limits.body_size = -1};
    const char *ok = "HTTP/1.1 200 ";
    expect_limit(&fields, "GET / HTTP/1.1\r\nHost: a\r\n", "B: c\r\n", 59,
                 "\r\n", ok);
    expect_limit(&fields, "GET / HTTP/1.1\r\nHost: a\r\n", "B: c\r\n", 60,
                 "\r\n", "HTTP/1.1 431 ");
    expect_limit(NULL, "GET / HTTP/1.1\r\nHost: a\r\n", "B: c\r\n", 99, "\r\n",
                 ok);
    expect_limit(NULL, "GET / HTTP/1.1\r\nHost: a\r\n", "B: c\r\n", 100, "\r\n",
                 "HTTP/1.1 431 ");
    expect_limit(&line, "GET /", "a", 99, " HTTP/1.1\r\n" A, ok);
    expect_limit(&line, "GET /", "a", 100, " HTTP/1.1\r\n" A, "HTTP/1.1 414 ");
    expect_limit(&head, "GET / HTTP/1.1\r\nB: ", "a", 268, "\r\n" A, ok);
    expect_limit(&head, "GET / HTTP/1.1\r\nB: ", "a", 269, "\r\n" A,
                 "HTTP/1.1 431 ");
    expect_limit(&head, "GET /", "a", 1000, " HTTP/1.1\r\n" A, "HTTP/1.1 414 ");
    expect_limit(NULL, "GET / HTTP/1.1\r\nB: ", "a", 17000, "\r\n" A,
                 "HTTP/1.1 431 ");
    expect_limit(&body, "POST / HTTP/1.1\r\nContent-Length: 50\r\n" A, "a", 50,
                 "", ok);
    expect_limit(&body, "POST / HTTP/1.1\r\nContent-Length: 51\r\n" A, "a", 51,
                 "", "HTTP/1.1 413 ");
    expect_limit(&body, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A,
                 "1\r\na\r\n", 50, "0\r\n\r\n", ok);
    expect_limit(&body, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A,
                 "1\r\na\r\n", 51, "0\r\n\r\n", "HTTP/1.1 413 ");
    expect_limit(&any_body,
                 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A,
                 "1\r\na\r\n", 10000, "0\r\n\r\n", ok);
    expect_limit(NULL, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A,
                 "1;a=0123456789012345678901234567890123456789\r\na\r\n", 1000,
                 "0\r\n\r\n", "HTTP/1.1 400 ");
    expect_limit(NULL,
                 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A "0\r\n",
                 "T: u\r\n", 98, "\r\n", ok);
    expect_limit(NULL,
                 "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" A "0\r\n",
                 "T: u\r\n", 99, "\r\n", "HTTP/1.1 431 ");
}

/* ---- answers ------------------------------------------------------------------------- */

static void test_no_answer(void **state)
{
    struct served s = {.handle = nothing};
    static const char text[] = "GET / HTTP/1.1\r\n" A "GET / HTTP/1.1\r\n" A;
    handled = 0;
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 500 Internal Server Error\r\n" DATE
                  "Content-Length: 21\r\nConnection: close\r\n"
                  "Content-Type: text/plain\r\n\r\nInternal Server Error");
    assert_int_equal(handled, 1);
}

static void half(grove_http *h)
{
    handled++;
    grove_http_respond_begin(h, 200, NULL, 0, 10);
    grove_http_write(h, "abc", 3);
    last_error = grove_http_end(h);
}

static void half_of_chunks(grove_http *h)
{
    grove_http_respond_begin(h, 200, NULL, 0, GROVE_HTTP_CHUNKED);
    grove_http_write(h, "abc", 3);
}

/* An answer that is not complete is cut, so that the peer knows. */
static void test_half_an_answer(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\n" A "GET / HTTP/1.1\r\n" A;
    struct served s = {.handle = half};
    expect_answer(&s, text, sizeof(text) - 1, OK("10") "\r\nabc");
    assert_int_equal(last_error, -ENODATA);
    s.handle = half_of_chunks;
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 200 OK\r\n" DATE
                  "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
}

static int results[16];

/* What may not be done. */
static void wrong(grove_http *h)
{
    grove_http_field break_out = grove_http_field_of("A", "b\r\nC: d");
    grove_http_field length = grove_http_field_of("content-length", "3");
    grove_http_field blank = grove_http_field_of("A ", "b");
    int *r = results;
    *r++ = grove_http_write(h, "a", 1);
    *r++ = grove_http_end(h);
    *r++ = grove_http_respond(h, 200, &break_out, 1, NULL, 0);
    *r++ = grove_http_respond(h, 200, &length, 1, NULL, 0);
    *r++ = grove_http_respond(h, 200, &blank, 1, NULL, 0);
    *r++ = grove_http_respond(h, 99, NULL, 0, NULL, 0);
    *r++ = grove_http_respond(h, 204, NULL, 0, "a", 1);
    *r++ = grove_http_respond_begin(h, 200, NULL, 0, GROVE_HTTP_TO_CLOSE);
    *r++ = grove_http_respond_begin(h, 200, NULL, 0, 3);
    *r++ = grove_http_respond(h, 200, NULL, 0, NULL, 0);
    *r++ = grove_http_write(h, "abcd", 4);
    *r++ = grove_http_write(h, "abc", 3);
    *r++ = grove_http_write(h, "d", 1);
    *r++ = grove_http_end(h);
}

static void test_wrong_answers(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\n" A;
    static const int expected[] = {
        -EPIPE,  -EPIPE, -EINVAL,   -EINVAL,   -EINVAL, -EINVAL,   -EINVAL,
        -EINVAL, 0,      -EALREADY, -EMSGSIZE, 0,       -EMSGSIZE, 0};
    struct served s = {.handle = wrong};
    expect_answer(&s, text, sizeof(text) - 1, OK("3") "\r\nabc");
    for (size_t i = 0; i < UNIT_COUNT(expected); i++)
        check(results[i] == expected[i], "%zu: %d, expected %d", i, results[i],
              expected[i]);
}

static int bodiless_status;

static void bodiless(grove_http *h)
{
    last_error = grove_http_respond(h, bodiless_status, NULL, 0, NULL, 0);
}

static void test_statuses(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\n" A;
    struct served s = {.handle = bodiless};
    bodiless_status = 204;
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 204 No Content\r\n" DATE "\r\n");
    bodiless_status = 304;
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 304 Not Modified\r\n" DATE "\r\n");
    bodiless_status = 299;
    expect_answer(&s, text, sizeof(text) - 1,
                  "HTTP/1.1 299 \r\n" DATE "Content-Length: 0\r\n\r\n");
    assert_string_equal(grove_http_reason(404), "Not Found");
    assert_string_equal(grove_http_reason(299), "");
}

/* As many fields as the head has room for on the stack, and more. */
static void many_fields(grove_http *h)
{
    grove_http_field fields[50];
    for (size_t i = 0; i < UNIT_COUNT(fields); i++)
        fields[i] = grove_http_field_of("Name", "0123456789012345678901234");
    last_error = grove_http_respond(h, 200, fields, UNIT_COUNT(fields), "x", 1);
}

static void test_many_fields(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\n" A;
    char expected[4096] = OK("1");
    struct served s = {.handle = many_fields};
    for (int i = 0; i < 50; i++)
        strcat(expected, "Name: 0123456789012345678901234\r\n");
    strcat(expected, "\r\nx");
    expect_answer(&s, text, sizeof(text) - 1, expected);
}

/* ---- files ----------------------------------------------------------------------------- */

static FILE *file;
static int64_t told_length, sent_length;

static void send_file(grove_http *h)
{
    last_error = grove_http_respond_begin(h, 200, NULL, 0, told_length);
    if (last_error == 0)
        last_error = grove_http_send_file(h, fileno(file), 1, sent_length);
    if (last_error == 0)
        last_error = grove_http_end(h);
}

static void expect_file(const char *method, int64_t told, int64_t sent,
                        int error, size_t comes)
{
    struct served s = {.handle = send_file};
    char text[128], head[512];
    told_length = told;
    sent_length = sent;
    serve_begin(&s);
    snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" A, method);
    ask_for(&s, text);
    shutdown(s.fd, SHUT_WR);
    if (told == GROVE_HTTP_CHUNKED)
        snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\n" DATE
                 "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof(head), OK("%lld") "\r\n", (long long)told);
    hear(&s, head);
    size_t n = 0;
    char buf[4096];
    ssize_t r;
    while ((r = grove_recv_until(s.fd, buf, sizeof(buf), 0,
                                 grove_now() + HANG)) > 0)
        n += (size_t)r;
    assert_int_equal(r, 0);
    assert_int_equal(n, comes);
    assert_int_equal(last_error, error);
    serve_end(&s);
}

static void test_files(void **state)
{
    file = tmpfile();
    for (int i = 0; i < 100001; i++)
        putc('a' + i % 26, file);
    fflush(file);
    expect_file("GET", 10, 10, 0, 10);
    expect_file("GET", 0, 0, 0, 0);
    expect_file("GET", 100000, 100000, 0, 100000);
    expect_file("HEAD", 100000, 100000, 0, 0);
    expect_file("GET", 100001, 100001, -ENODATA, 100000);
    expect_file("GET", 10, 11, -EMSGSIZE, 0);
    expect_file("GET", 100000, 90000, -ENODATA, 90000);
    /* Six chunks of 16 KiB, one of 1,696, and the last. */
    expect_file("GET", GROVE_HTTP_CHUNKED, 100000, 0, 100000 + 6 * 8 + 7 + 5);
    fclose(file);
}

/* ---- what the handler has not read ------------------------------------------------------- */

static void test_unread_body(void **state)
{
    struct served s = {.handle = hello};
    char *long_body = calloc(1, 400001);
    memset(long_body, 'x', 400000);
    serve_begin(&s);
    ask_for(&s, "POST / HTTP/1.1\r\nContent-Length: 100000\r\n" A);
    ask(&s, long_body, 100000);
    hear(&s, OK("5") "\r\nhello");
    ask_for(&s, "GET / HTTP/1.1\r\n" A);
    hear(&s, OK("5") "\r\nhello");
    /* More than is read past: it is answered and closed, and what still comes
     * is taken, so that the answer is not lost. */
    ask_for(&s, "POST / HTTP/1.1\r\nContent-Length: 400000\r\n" A);
    ask(&s, long_body, 400000);
    hear(&s, OK("5") "\r\nhello");
    hear_end(&s);
    shutdown(s.fd, SHUT_WR);
    assert_int_equal(serve_end(&s), 0);
    free(long_body);
}

static void test_expect(void **state)
{
    struct served s = {.handle = echo};
    serve_begin(&s);
    ask_for(&s, "POST / HTTP/1.1\r\nExpect: 100-Continue\r\n"
                "Content-Length: 3\r\n" A);
    hear(&s, "HTTP/1.1 100 Continue\r\n\r\n");
    ask_for(&s, "abc");
    hear(&s, OK("3") "\r\nabc");
    /* It has come already. */
    ask_for(&s, "POST / HTTP/1.1\r\nExpect: 100-continue\r\n"
                "Content-Length: 3\r\n" A "abc");
    hear(&s, OK("3") "\r\nabc");
    shutdown(s.fd, SHUT_WR);
    serve_end(&s);
    /* It is not asked for: nobody knows whether it comes. */
    s.handle = hello;
    serve_begin(&s);
    ask_for(&s, "POST / HTTP/1.1\r\nExpect: 100-continue\r\n"
                "Content-Length: 3\r\n" A);
    hear(&s, OK("5") "Connection: close\r\n\r\nhello");
    hear_end(&s);
    shutdown(s.fd, SHUT_WR);
    serve_end(&s);
}

/* ---- another protocol ---------------------------------------------------------------------- */

static grove_stream *taken;

static void upgrade(grove_http *h)
{
    grove_http_field f = grove_http_field_of("Upgrade", "echo");
    assert(grove_http_arg(h) == &taken && !grove_http_connection(h));
    assert(grove_http_stream(h));
    last_error = grove_http_upgrade(h, &f, 1, &taken);
    if (last_error < 0)
        grove_http_respond(h, 400, NULL, 0, NULL, 0);
}

static void expect_upgrade(const char *request, const char *answer)
{
    struct served s = {.handle = upgrade, .arg = &taken};
    char *line;
    serve_begin(&s);
    ask_for(&s, request);
    ask_for(&s, "one\ntwo\n");
    hear(&s, answer);
    assert_int_equal(grove_join_until(s.fiber, NULL, grove_now() + HANG), 0);
    assert_int_equal(s.result, 0);
    assert_int_equal(grove_stream_read_line(taken, &line, NULL, 0), 1);
    assert_string_equal(line, "one");
    assert_int_equal(grove_stream_read_line(taken, &line, NULL, 0), 1);
    assert_string_equal(line, "two");
    assert_int_equal(grove_stream_write(taken, "three", 5), 0);
    assert_int_equal(grove_stream_close(taken), 0);
    hear(&s, "three");
    hear_end(&s);
    serve_end(&s);
}

static void test_upgrade(void **state)
{
    expect_upgrade("GET / HTTP/1.1\r\nConnection: x, upgrade\r\n"
                   "Upgrade: echo\r\n" A,
                   "HTTP/1.1 101 Switching Protocols\r\n" DATE
                   "Connection: upgrade\r\nUpgrade: echo\r\n\r\n");
    expect_upgrade("CONNECT a:1 HTTP/1.1\r\n" A,
                   "HTTP/1.1 200 OK\r\n" DATE "Upgrade: echo\r\n\r\n");
    struct served s = {.handle = upgrade, .arg = &taken};
    static const char not_asked[] = "GET / HTTP/1.1\r\nUpgrade: echo\r\n" A;
    expect_answer(&s, not_asked, sizeof(not_asked) - 1,
                  "HTTP/1.1 400 Bad Request\r\n" DATE
                  "Content-Length: 0\r\n\r\n");
    assert_int_equal(last_error, -EINVAL);
}

static void say_yes(grove_http *h)
{
    last_error = grove_http_respond(h, (int)(intptr_t)grove_http_arg(h), NULL,
                                    0, "ok", 2);
    assert(last_error == 0 ||
           grove_http_respond_begin(h, 299, NULL, 0, GROVE_HTTP_CHUNKED) ==
               -EINVAL);
}

/* What follows 2xx to CONNECT is the tunnel's, and no request. */
static void test_connect_is_no_answer(void **state)
{
    static const char two[] =
        "CONNECT a:1 HTTP/1.1\r\n" A "CONNECT b:1 HTTP/1.1\r\n" A;
    struct served s = {.handle = say_yes, .arg = (void *)200};
    expect_answer(&s, two, sizeof(two) - 1,
                  "HTTP/1.1 500 Internal Server Error\r\n" DATE
                  "Content-Length: 21\r\nConnection: close\r\n"
                  "Content-Type: text/plain\r\n\r\nInternal Server Error");
    assert_int_equal(last_error, -EINVAL);
    s.arg = (void *)403;
    expect_answer(
        &s, two, sizeof(two) - 1,
        "HTTP/1.1 403 Forbidden\r\n" DATE "Content-Length: 2\r\n\r\nok"
        "HTTP/1.1 403 Forbidden\r\n" DATE "Content-Length: 2\r\n\r\nok");
    assert_int_equal(last_error, 0);
}

/* ---- time and ends --------------------------------------------------------------------------- */

static void test_timeouts(void **state)
{
    static const grove_http_attr idle = {.idle_timeout = 5 * MS};
    static const grove_http_attr head = {.head_timeout = 5 * MS};
    static const grove_http_attr read = {.read_timeout = 5 * MS};
    struct served s = {.handle = hello, .attr = &idle};
    /* Nothing comes. */
    serve_begin(&s);
    hear_end(&s);
    assert_int_equal(serve_end(&s), 0);
    /* A head does not end. */
    s.attr = &head;
    serve_begin(&s);
    ask_for(&s, "GET / HTTP/1.1\r\n");
    hear(&s, "HTTP/1.1 408 Request Timeout\r\n");
    shutdown(s.fd, SHUT_WR);
    assert_int_equal(serve_end(&s), -ETIMEDOUT);
    /* A body does not. */
    s.attr = &read;
    s.handle = echo;
    serve_begin(&s);
    ask_for(&s, "POST / HTTP/1.1\r\nContent-Length: 3\r\n" A "a");
    hear(&s, "HTTP/1.1 500 ");
    shutdown(s.fd, SHUT_WR);
    serve_end(&s);
    assert_int_equal(last_error, -ETIMEDOUT);
}

static void test_ends_within(void **state)
{
    static const char text[] =
        "POST / HTTP/1.1\r\nContent-Length: 10\r\n" A "abc";
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        struct served s = {.handle = echo};
        bool has_head = cut + 4 >= sizeof(text);
        handled = last_error = 0;
        serve_begin(&s);
        ask(&s, text, cut);
        shutdown(s.fd, SHUT_WR);
        int r = serve_end(&s);
        check(r == (cut == 0 || has_head ? 0 : -ENODATA), "%zu: %d", cut, r);
        assert_int_equal(handled, has_head);
        assert_int_equal(last_error, has_head ? -ENODATA : 0);
    }
}

static void wait_long(grove_http *h)
{
    handled++;
    last_error = grove_sleep(HANG);
    grove_http_respond(h, 200, NULL, 0, NULL, 0);
}

/* A killed one ends, wherever it waits. */
static void test_killed(void **state)
{
    static const char *const texts[] = {
        "", "GET / HT", "GET / HTTP/1.1\r\n" A,
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n" A "a"};
    for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
        struct served s = {.handle = i == 2 ? wait_long : echo};
        serve_begin(&s);
        ask_for(&s, texts[i]);
        shutdown(s.fd, SHUT_WR);
        if (i == 0 || i == 1) { /* it waits no more: that the peer has ended */
            serve_end(&s);
            continue;
        }
        for (int j = 0; j < 5; j++)
            grove_yield();
        grove_kill(s.fiber);
        serve_end(&s);
    }
}

/* A peer that reads nothing. */
static void test_peer_gone(void **state)
{
    struct served s = {.handle = hello};
    serve_begin(&s);
    ask_for(&s, "GET / HTTP/1.1\r\n" A "GET / HTTP/1.1\r\n" A);
    grove_close(s.fd);
    s.fd = -1;
    serve_end(&s);
}

/* ---- a server --------------------------------------------------------------------------------- */

static void look(grove_http *h)
{
    grove_connection *c = grove_http_connection(h);
    bool good = c && c->peer->sa_family == AF_INET && c->fd == -1 &&
                grove_http_arg(h) == c->arg;
    grove_http_respond(h, good ? 200 : 500, NULL, 0, NULL, 0);
}

static void serve(grove_connection *c)
{
    static const grove_http_attr attr = {.limits.head_size = 32768};
    c->arg = c->server;
    last_error = grove_http_serve(c, &attr, look, c->arg);
}

static void test_server(void **state)
{
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    struct sockaddr_in to = loopback();
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    to.sin_port = htons((uint16_t)grove_server_port(server));
    struct served s = {.fd = grove_socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(grove_connect(s.fd, (struct sockaddr *)&to, sizeof(to)),
                     0);
    ask_for(&s, "GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < 2000; i++)
        ask_for(&s, "0123456789");
    ask_for(&s, "\r\nConnection: close\r\n" A);
    hear(&s, OK("0") "Connection: close\r\n\r\n");
    hear_end(&s);
    grove_close(s.fd);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
    assert_int_equal(last_error, 0);
}

/* ---- what a handler does wrong, or by itself -------------------------------------- */

static void handle_as_client(grove_http *h)
{
    assert_int_equal(
        grove_http_request(h, "GET", grove_http_text_of("/"), NULL, 0, NULL, 0),
        -EINVAL);
    assert_int_equal(
        grove_http_request_begin(h, "GET", grove_http_text_of("/"), NULL, 0, 1),
        -EINVAL);
    assert_int_equal(grove_http_response(h), -EINVAL);
    const grove_http_field date = grove_http_field_of("Date", "then");
    grove_http_respond(h, 200, &date, 1, "x", 1);
}

/* A date of the handler's is the only one. */
static void calls_of_clients_are_refused(void **state)
{
    struct served s = {.handle = handle_as_client};
    (void)state;
    serve_begin(&s);
    ask_for(&s, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    hear(&s, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n"
             "Date: then\r\n\r\nx");
    hear_end(&s);
    assert_int_equal(serve_end(&s), 0);
}

static void handle_closed(grove_http *h)
{
    grove_close(grove_stream_fd(grove_http_stream(h)));
    if (grove_http_arg(h))
        assert_int_equal(grove_http_respond(h, 200, NULL, 0, "x", 1), -EBADF);
}

static void a_closed_descriptor_is_told(void **state)
{
    (void)state;
    for (int responds = 0; responds < 2; responds++) {
        struct served s = {.handle = handle_closed,
                           .arg = responds ? &s : NULL};
        serve_begin(&s);
        ask_for(&s, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_int_equal(serve_end(&s), -EBADF);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_clients_are_refused),
        cmocka_unit_test(a_closed_descriptor_is_told),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_long_bodies),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_old_client),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bad_chunks),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_half_an_answer),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_many_fields),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_unread_body),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_connect_is_no_answer),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_ends_within),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_peer_gone),
        cmocka_unit_test(test_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

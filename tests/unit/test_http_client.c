/*
 * HTTP as a client: what goes out, what comes of each kind of response, cut
 * anywhere; what remains of the connection; URLs.
 */
#include "http_served.h"

#include <fcntl.h>

#define R "HTTP/1.1 "

struct client {
    struct served peer; /* its fd is the server's end */
    grove_http *http;
};

static void client_begin(struct client *c, const grove_http_attr *attr)
{
    int fds[2];
    grove_stream *stream;
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(grove_stream_new(&stream, fds[1], NULL), 0);
    assert_int_equal(grove_http_client(&c->http, stream, "a.test", attr), 0);
    c->peer.fd = fds[0];
}

static void client_end(struct client *c)
{
    grove_http_close(c->http);
    grove_close(c->peer.fd);
}

static int get(struct client *c, const char *method)
{
    return grove_http_request(c->http, method, grove_http_text_of("/"), NULL, 0,
                              NULL, 0);
}

/* ---- responses ---------------------------------------------------------------- */

struct response {
    const char *method;
    const char *bytes;
    int error; /* of grove_http_response */
    int status;
    const char *body;
    int body_error;
    bool reusable;
};

static const struct response responses[] = {
    {"GET", R "200 OK\r\nContent-Length: 3\r\n\r\nabc", 0, 200, "abc", 0, true},
    {"GET", R "200 OK\r\nContent-Length: 0\r\n\r\n", 0, 200, "", 0, true},
    {"GET",
     R "404 Not Found\r\nContent-Length: 1\r\nConnection: close\r\n\r\na", 0,
     404, "a", 0, false},
    {"GET",
     R "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde"
       "\r\n0\r\nT: u\r\n\r\n",
     0, 200, "abcde", 0, true},
    {"GET", R "200 OK\r\n\r\nto the end", 0, 200, "to the end", 0, false},
    {"GET", R "200 OK\r\n\r\n", 0, 200, "", 0, false},
    {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 0, 200, "a", 0,
     false},
    {"GET",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"
     "Content-Length: 1\r\n\r\na",
     0, 200, "a", 0, true},
    {"HEAD", R "200 OK\r\nContent-Length: 3\r\n\r\n", 0, 200, "", 0, true},
    {"HEAD", R "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 200, "", 0,
     true},
    {"HEAD", R "200 OK\r\n\r\n", 0, 200, "", 0, true},
    {"GET", R "204 No Content\r\n\r\n", 0, 204, "", 0, true},
    {"GET", R "304 Not Modified\r\nContent-Length: 7\r\n\r\n", 0, 304, "", 0,
     true},
    {"GET",
     R "100 Continue\r\n\r\n" R "103 Early Hints\r\nLink: x\r\n\r\n" R
       "200 OK\r\nContent-Length: 1\r\n\r\na",
     0, 200, "a", 0, true},
    {"GET", R "101 Switching Protocols\r\n\r\n", 0, 101, "", 0, false},
    {"CONNECT", R "200 OK\r\nContent-Length: 3\r\n\r\n", 0, 200, "", 0, false},
    {"GET", "", -ECONNRESET, 0, "", 0, false},
    {"GET", R "200", -ECONNRESET, 0, "", 0, false},
    {"GET", R "100 Continue\r\n\r\n", -ECONNRESET, 0, "", 0, false},
    {"GET", R "200 OK\nContent-Length: 0\r\n\r\n", -EPROTO, 0, "", 0, false},
    {"GET", "220 smtp.test ESMTP\r\n", -EPROTO, 0, "", 0, false},
    {"GET", R "200 OK\r\nContent-Length: 3\r\n\r\nab", 0, 200, "ab", -ENODATA,
     false},
    {"GET", R "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0,
     200, "abc", -ENODATA, false},
    {"GET", R "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nz", 0,
     200, "abc", -EPROTO, false},
};

struct later {
    const struct client *client;
    const char *text;
};

static void *send_later(void *arg)
{
    struct later *l = arg;
    for (int i = 0; i < 3; i++)
        grove_yield();
    grove_send_all(l->client->peer.fd, l->text, strlen(l->text), MSG_NOSIGNAL,
                   NULL);
    shutdown(l->client->peer.fd, SHUT_WR);
    return NULL;
}

static void expect_response(const struct response *r, size_t cut)
{
    struct client c;
    struct later later = {&c, r->bytes + cut};
    grove_fiber *fiber;
    char body[64];
    size_t size = 0;
    ssize_t n = 0;
    client_begin(&c, NULL);
    assert_int_equal(get(&c, r->method), 0);
    ask(&c.peer, r->bytes, cut);
    assert_int_equal(grove_spawn(&fiber, send_later, &later), 0);
    int error = grove_http_response(c.http);
    check(error == r->error, "cut at %zu: %d of %s: %s", cut, error, r->bytes,
          grove_http_error(c.http));
    if (error == 0) {
        assert_int_equal(grove_http_received(c.http)->status, r->status);
        while ((n = grove_http_read(c.http, body + size, 2)) > 0)
            size += (size_t)n;
        check(n == r->body_error && size == strlen(r->body) &&
                  memcmp(body, r->body, size) == 0,
              "cut at %zu: %zd after %.*s, expected %d, %s", cut, n, (int)size,
              body, r->body_error, r->body);
        /* A second look tells the same. */
        assert_int_equal(grove_http_read(c.http, body, 2), r->body_error);
    }
    assert_int_equal(grove_http_reusable(c.http), r->reusable);
    bool refused = error == -EPROTO || n == -EPROTO;
    assert_int_equal(*grove_http_error(c.http) != 0, refused);
    grove_join(fiber, NULL);
    grove_release(fiber);
    client_end(&c);
}

static void test_responses(void **state)
{
    for (size_t i = 0; i < UNIT_COUNT(responses); i++) {
        for (size_t cut = 0; cut <= strlen(responses[i].bytes); cut++)
            expect_response(&responses[i], cut);
    }
}

/* ---- requests -------------------------------------------------------------------- */

static void test_requests(void **state)
{
    struct client c;
    grove_http_field f = grove_http_field_of("X", "y");
    grove_http_text path = grove_http_text_of("/p?q");
    static const char ok[] = R "200 OK\r\nContent-Length: 2\r\n\r\nok";
    client_begin(&c, NULL);
    assert_int_equal(grove_http_request(c.http, "GET", path, &f, 1, NULL, 0),
                     0);
    hear(&c.peer, "GET /p?q HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n");
    assert_int_equal(get(&c, "GET"), -EBUSY);
    ask_for(&c.peer, ok);
    assert_int_equal(grove_http_response(c.http), 0);
    assert_int_equal(grove_http_response(c.http), -EINVAL);
    /* What was not read of it is read past. */
    assert_int_equal(
        grove_http_request(c.http, "POST", path, NULL, 0, "abc", 3), 0);
    hear(&c.peer, "POST /p?q HTTP/1.1\r\nContent-Length: 3\r\n"
                  "Host: a.test\r\n\r\nabc");
    ask_for(&c.peer, ok);
    assert_int_equal(grove_http_response(c.http), 0);
    assert_int_equal(grove_http_skip(c.http, 1), -EMSGSIZE);
    assert_int_equal(get(&c, "POST"), 0);
    hear(&c.peer,
         "POST / HTTP/1.1\r\nContent-Length: 0\r\nHost: a.test\r\n\r\n");
    ask_for(&c.peer, ok);
    assert_int_equal(grove_http_response(c.http), 0);
    assert_int_equal(grove_http_skip(c.http, 2), 0);
    client_end(&c);
}

/* A server that has closed a kept connection, or speaks unasked. */
static void test_closed_meanwhile(void **state)
{
    static const char ok[] = R "200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (int speaks = 0; speaks < 2; speaks++) {
        struct client c;
        client_begin(&c, NULL);
        assert_int_equal(get(&c, "GET"), 0);
        hear(&c.peer, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        ask_for(&c.peer, ok);
        assert_int_equal(grove_http_response(c.http), 0);
        assert_int_equal(grove_http_skip(c.http, 2), 0);
        assert_true(grove_http_reusable(c.http));
        if (speaks)
            ask_for(&c.peer, ok);
        else
            shutdown(c.peer.fd, SHUT_WR);
        for (int i = 0; i < 3; i++)
            grove_yield(); /* the hub looks for news */
        assert_int_equal(get(&c, "GET"), -EPIPE);
        assert_false(grove_http_reusable(c.http));
        client_end(&c);
    }
}

static void test_request_bodies(void **state)
{
    struct client c;
    grove_http_text path = grove_http_text_of("/");
    static const char ok[] = R "200 OK\r\nContent-Length: 0\r\n\r\n";
    client_begin(&c, NULL);
    assert_int_equal(grove_http_write(c.http, "a", 1), -EPIPE);
    assert_int_equal(grove_http_request_begin(c.http, "PUT", path, NULL, 0,
                                              GROVE_HTTP_CHUNKED),
                     0);
    assert_int_equal(grove_http_write(c.http, "abc", 3), 0);
    assert_int_equal(grove_http_flush(c.http), 0);
    hear(&c.peer, "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                  "Host: a.test\r\n\r\n3\r\nabc\r\n");
    assert_int_equal(get(&c, "GET"), -EBUSY);
    assert_int_equal(grove_http_end(c.http), 0);
    hear(&c.peer, "0\r\n\r\n");
    ask_for(&c.peer, ok);
    assert_int_equal(grove_http_response(c.http), 0);
    assert_int_equal(grove_http_request_begin(c.http, "PUT", path, NULL, 0, 3),
                     0);
    assert_int_equal(grove_http_end(c.http), -ENODATA);
    assert_int_equal(grove_http_write(c.http, "abcd", 4), -EMSGSIZE);
    assert_int_equal(grove_http_write(c.http, "abc", 3), 0);
    assert_int_equal(grove_http_end(c.http), 0);
    hear(&c.peer, "PUT / HTTP/1.1\r\nContent-Length: 3\r\n"
                  "Host: a.test\r\n\r\nabc");
    client_end(&c);
}

static void test_wrong_requests(void **state)
{
    struct client c;
    grove_http_field host = grove_http_field_of("Content-Length", "b");
    grove_http_field many[32];
    for (size_t i = 0; i < UNIT_COUNT(many); i++)
        many[i] = grove_http_field_of("A", "b");
    grove_http_text path = grove_http_text_of("/");
    client_begin(&c, NULL);
    assert_int_equal(grove_http_response(c.http), -EINVAL);
    assert_int_equal(grove_http_request(c.http, "G T", path, NULL, 0, NULL, 0),
                     -EINVAL);
    assert_int_equal(grove_http_request(c.http, "GET",
                                        grove_http_text_of("/ HTTP/1.1\r\nA:"),
                                        NULL, 0, NULL, 0),
                     -EINVAL);
    assert_int_equal(grove_http_request(c.http, "GET", path, &host, 1, NULL, 0),
                     -EINVAL);
    assert_int_equal(grove_http_request(c.http, "GET", path, many,
                                        UNIT_COUNT(many), NULL, 0),
                     -EINVAL);
    assert_int_equal(grove_http_request_begin(c.http, "GET", path, NULL, 0, -2),
                     -EINVAL);
    assert_int_equal(grove_http_request(c.http, "GET", path, many,
                                        UNIT_COUNT(many) - 1, NULL, 0),
                     0);
    client_end(&c);
    int fds[2];
    grove_stream *stream;
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(grove_stream_new(&stream, fds[1], NULL), 0);
    assert_int_equal(grove_http_client(&c.http, stream, "", NULL), -EINVAL);
    grove_stream_free(stream);
    grove_close(fds[0]);
    grove_http_close(NULL);
}

static void test_timeouts(void **state)
{
    static const grove_http_attr attr = {.read_timeout = 5 * MS};
    struct client c;
    client_begin(&c, &attr);
    assert_int_equal(get(&c, "GET"), 0);
    assert_int_equal(grove_http_response(c.http), -ETIMEDOUT);
    ask_for(&c.peer, R "200 OK\r\nContent-");
    assert_int_equal(grove_http_response_until(c.http, grove_now() + 5 * MS),
                     -ETIMEDOUT);
    assert_false(grove_http_reusable(c.http));
    ask_for(&c.peer, "Length: 2\r\n\r\na");
    assert_int_equal(grove_http_response(c.http), 0);
    char buf[2];
    assert_int_equal(grove_http_read(c.http, buf, 2), 1);
    assert_int_equal(grove_http_read(c.http, buf, 2), -ETIMEDOUT);
    /* Nothing waits for the rest once more. */
    assert_int_equal(get(&c, "GET"), -EPIPE);
    ask_for(&c.peer, "b");
    assert_int_equal(grove_http_read(c.http, buf, 2), 1);
    assert_int_equal(grove_http_read(c.http, buf, 2), 0);
    assert_true(grove_http_reusable(c.http));
    client_end(&c);
}

/* The connection is the other protocol's then. */
static void test_upgrades(void **state)
{
    static const struct {
        const char *method, *response;
    } cases[] = {
        {"GET", R "101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
        {"CONNECT", R "200 OK\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct client c;
        client_begin(&c, NULL);
        assert_int_equal(get(&c, cases[i].method), 0);
        ask_for(&c.peer, cases[i].response);
        assert_int_equal(grove_http_response(c.http), 0);
        assert_false(grove_http_reusable(c.http));
        assert_int_equal(get(&c, "GET"), -EPIPE);
        client_end(&c);
    }
}

/* What is a server's, or has no response to be about. */
static void test_calls_of_others(void **state)
{
    struct client c;
    char byte;
    const char *at;
    grove_stream *stream;
    (void)state;
    client_begin(&c, NULL);
    assert_int_equal(grove_http_respond(c.http, 200, NULL, 0, "x", 1), -EINVAL);
    assert_int_equal(grove_http_respond_begin(c.http, 200, NULL, 0, 1),
                     -EINVAL);
    assert_int_equal(grove_http_upgrade(c.http, NULL, 0, &stream), -EINVAL);
    assert_int_equal(grove_http_read(c.http, &byte, 1), -EINVAL);
    assert_int_equal(grove_http_view(c.http, &at), -EINVAL);
    assert_int_equal(grove_http_skip(c.http, 1), -EINVAL);
    assert_true(grove_http_reusable(c.http));
    client_end(&c);
}

static void test_detach(void **state)
{
    struct client c;
    char *line;
    client_begin(&c, NULL);
    assert_int_equal(get(&c, "GET"), 0);
    ask_for(&c.peer, R "101 Switching Protocols\r\nUpgrade: x\r\n\r\nfirst\n");
    assert_int_equal(grove_http_response(c.http), 0);
    grove_stream *stream = grove_http_detach(c.http);
    assert_int_equal(grove_stream_read_line(stream, &line, NULL, 0), 1);
    assert_string_equal(line, "first");
    grove_stream_free(stream);
    grove_close(c.peer.fd);
}

/* ---- heads, URLs -------------------------------------------------------------------- */

static void test_fields(void **state)
{
    static const char text[] =
        "GET / HTTP/1.1\r\nHost: a\r\nAccept: x, y\r\naCCEPT: Z ,\t w\r\n"
        "Connection: close, X-Hop\r\nx-hop: 1\r\nX-End: 2\r\n\r\n";
    const grove_http_head *head;
    grove_http_parser *p;
    assert_int_equal(grove_http_parser_new(&p, 3, NULL), -EINVAL);
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_REQUESTS, NULL), 0);
    assert_int_equal(grove_http_parse_head(p, text, sizeof(text) - 1, &head),
                     sizeof(text) - 1);
    const grove_http_field *f = grove_http_find(head, "ACCEPT");
    assert_true(grove_http_equal(f->value, "x, y"));
    f = grove_http_find_next(head, f, "accept");
    assert_true(grove_http_equal(f->value, "Z ,\t w"));
    assert_false(grove_http_equal(f->value, "z ,\t w"));
    assert_true(grove_http_equal_nocase(f->value, "z ,\t w"));
    assert_null(grove_http_find_next(head, f, "accept"));
    assert_null(grove_http_find(head, "Accep"));
    for (const char *const *at =
             (const char *const[]){"x", "y", "z", "W", NULL};
         *at; at++)
        assert_true(grove_http_has_token(head, "accept", *at));
    assert_false(grove_http_has_token(head, "accept", "Z ,\t w"));
    assert_false(grove_http_has_token(head, "accept", "v"));
    assert_false(head->keep_alive);
    static const bool hop[] = {false, false, false, true, true, false};
    assert_int_equal(head->field_count, UNIT_COUNT(hop));
    for (size_t i = 0; i < UNIT_COUNT(hop); i++)
        assert_int_equal(grove_http_is_hop(head, &head->fields[i]), hop[i]);
    grove_http_parser_free(p);
}

/* The response to a HEAD has no body, whatever it says. */
static void test_answers(void **state)
{
    static const char text[] = R "200 OK\r\nContent-Length: 3\r\n\r\n" R;
    const grove_http_head *head;
    grove_http_piece piece;
    grove_http_parser *p;
    assert_int_equal(grove_http_parser_new(&p, GROVE_HTTP_RESPONSES, NULL), 0);
    for (int i = 0; i < 2; i++) {
        if (i)
            grove_http_parser_answers(p, grove_http_text_of("HEAD"));
        ssize_t n = grove_http_parse_head(p, text, sizeof(text) - 1, &head);
        assert_int_equal(n, sizeof(text) - 1 - strlen(R));
        assert_int_equal(grove_http_parse_body(p, text + n, 9, &piece), 0);
        assert_int_equal(piece.used, i ? 0 : 3);
        assert_true(piece.end);
        grove_http_parser_reset(p);
    }
    grove_http_parser_free(p);
}

static void test_build(void **state)
{
    grove_http_field f = grove_http_field_of("A", "b");
    char buf[256];
    grove_http_start start = {.status = 200,
                              .length = 12345678901,
                              .keep_alive = true,
                              .date = true,
                              .fields = &f,
                              .field_count = 1};
    char expected[256], before[30] = "";
    ssize_t n;
    grove_http_text date = grove_http_date();
    do { /* within a second */
        memcpy(before, date.at, 29);
        n = grove_http_build(buf, sizeof(buf), &start);
        date = grove_http_date();
        assert_int_equal(date.size, 29);
    } while (memcmp(before, date.at, 29) != 0);
    assert_true(n > 0);
    assert_memory_equal(date.at + 25, " GMT", 4);
    snprintf(expected, sizeof(expected),
             R "200 OK\r\nDate: %.29s\r\nContent-Length: 12345678901\r\n"
               "Connection: keep-alive\r\nA: b\r\n\r\n",
             date.at);
    buf[n] = 0;
    assert_string_equal(buf, expected);
    for (size_t size = 0; size < (size_t)n; size++) {
        char *exact = malloc(size ? size : 1);
        assert_int_equal(grove_http_build(exact, size, &start), -EMSGSIZE);
        free(exact);
    }
    start = (grove_http_start){.method = grove_http_text_of("GET"),
                               .target = grove_http_text_of("/"),
                               .length = GROVE_HTTP_UNTOLD,
                               .close = true};
    n = grove_http_build(buf, sizeof(buf), &start);
    buf[n] = 0;
    assert_string_equal(buf, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    start.length = GROVE_HTTP_UNTOLD - 1;
    assert_int_equal(grove_http_build(buf, sizeof(buf), &start), -EINVAL);
}

static void test_urls(void **state)
{
    static const struct {
        const char *url, *host, *port, *target;
        bool tls;
    } good[] = {
        {"http://a.test", "a.test", "80", "/", false},
        {"http://a.test#x", "a.test", "80", "/", false},
        {"HTTPS://a.test/b?c#d", "a.test", "443", "/b?c", true},
        {"http://a.test:/", "a.test", "80", "/", false},
        {"http://127.0.0.1:8080/", "127.0.0.1", "8080", "/", false},
        {"http://[::1]:65535/a", "::1", "65535", "/a", false},
    };
    static const char *const bad[] = {
        "",
        "a.test",
        "ftp://a.test/",
        "http://",
        "http:///a",
        "http://u@a.test",
        "http://a b/",
        "http://a/b c",
        "http://a:0/",
        "http://a:65536/",
        "http://a:x/",
        "http://[::1",
        "http://a?b",
        "http://a/\xc3\xa4",
        "http://a/\r\nB: c",
        "https:/a",
    };
    grove_http_url url;
    for (size_t i = 0; i < UNIT_COUNT(good); i++) {
        check(grove_http_url_parse(&url, good[i].url) == 0, "%s", good[i].url);
        assert_string_equal(url.host, good[i].host);
        assert_string_equal(url.port, good[i].port);
        assert_true(grove_http_equal(url.target, good[i].target));
        assert_int_equal(url.tls, good[i].tls);
    }
    for (size_t i = 0; i < UNIT_COUNT(bad); i++)
        check(grove_http_url_parse(&url, bad[i]) == -EINVAL, "%s", bad[i]);
}

/* ---- a page --------------------------------------------------------------------------- */

static char heard_host[64];

static void page(grove_http *h)
{
    const grove_http_head *head = grove_http_received(h);
    const grove_http_field *host = grove_http_find(head, "Host");
    snprintf(heard_host, sizeof(heard_host), "%.*s", (int)host->value.size,
             host->value.at);
    if (grove_http_equal(head->target, "/long")) {
        grove_http_respond_begin(h, 200, NULL, 0, GROVE_HTTP_CHUNKED);
        for (int i = 0; i < 10000; i++)
            grove_http_write(h, "0123456789", 10);
        grove_http_end(h);
    } else {
        grove_http_respond(h, 302, NULL, 0, "moved", 5);
    }
}

static void serve(grove_connection *c)
{
    grove_http_serve(c, NULL, page, NULL);
}

static void test_get(void **state)
{
    static const grove_http_attr small = {.limits.body_size = 99999};
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    grove_http_result result;
    char url[64], host[64];
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    int n = snprintf(url, sizeof(url), "http://127.0.0.1:%d",
                     grove_server_port(server));
    assert_int_equal(grove_http_get(&result, url, NULL, NULL), 0);
    assert_int_equal(result.status, 302);
    assert_string_equal(result.body, "moved");
    assert_non_null(grove_http_find(grove_http_received(result.http), "Date"));
    grove_http_result_free(&result);
    snprintf(host, sizeof(host), "127.0.0.1:%d", grove_server_port(server));
    assert_string_equal(heard_host, host);
    strcpy(url + n, "/long");
    assert_int_equal(
        grove_http_get_until(&result, url, NULL, NULL, grove_now() + HANG), 0);
    assert_int_equal(result.size, 100000);
    assert_int_equal(strlen(result.body), 100000);
    grove_http_result_free(&result);
    assert_int_equal(grove_http_get(&result, url, NULL, &small), -EPROTO);
    assert_int_equal(grove_http_get(&result, "https://a/", NULL, NULL),
                     -EINVAL);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
    assert_int_equal(grove_http_get(&result, url, NULL, NULL), -ECONNREFUSED);
    grove_http *h;
    assert_int_equal(
        grove_http_dial(&h, "127.0.0.1", strrchr(host, ':') + 1, NULL, NULL),
        -ECONNREFUSED);
}

/* ---- turns ---------------------------------------------------------------------- */

enum { WRITES = 20000 };

static bool written;

static void *write_chunks(void *http)
{
    for (int i = 0; i < WRITES; i++)
        assert_int_equal(grove_http_write(http, "x", 1), 0);
    written = true;
    return NULL;
}

/* Who writes what is taken at once lets the others run now and then. */
static void a_body_that_is_taken_at_once_lets_others_run(void **state)
{
    (void)state;
    grove_stream *null;
    grove_http *http;
    grove_fiber *writer;
    int turns = 0;
    assert_int_equal(grove_stream_new(&null, open("/dev/null", O_RDWR), NULL),
                     0);
    assert_int_equal(grove_http_client(&http, null, "a.test", NULL), 0);
    assert_int_equal(grove_http_request_begin(http, "POST",
                                              grove_http_text_of("/"), NULL, 0,
                                              GROVE_HTTP_CHUNKED),
                     0);
    assert_int_equal(grove_spawn(&writer, write_chunks, http), 0);
    for (; !written; turns++)
        grove_yield();
    assert_true(turns >= WRITES / 256);
    grove_join(writer, NULL);
    grove_release(writer);
    grove_http_close(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_is_taken_at_once_lets_others_run),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_closed_meanwhile),
        cmocka_unit_test(test_request_bodies),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_calls_of_others),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

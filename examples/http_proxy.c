/*
 * A reverse proxy: requests go on to one server behind it, over connections
 * that are kept, and bodies go through piece by piece, both ways at once.
 *
 *     $ http_proxy 127.0.0.1:0 localhost 8000
 *     listening on 127.0.0.1:4567
 *
 * What is between two neighbours only (Connection, Transfer-Encoding ...) is
 * not passed on, and each side is told anew where a body ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

#define KEPT 64  /* connections, at most, that wait for a request */
#define ASKED 31 /* fields of a request, at most, that are passed on */
#define TOLD 128 /* of a response */
#define PATIENCE (10 * GROVE_SECOND)

static const char *host, *port;
static grove_http *kept[KEPT]; /* the last used last */
static size_t kept_count;

static const grove_http_attr attr = {.limits.body_size = -1};

/* ---- connections to the server behind ------------------------------------------ */

static void give_back(grove_http *h)
{
    if (kept_count < KEPT && grove_http_reusable(h))
        kept[kept_count++] = h;
    else
        grove_http_close(h);
}

/* ---- messages -------------------------------------------------------------------- */

/* The fields to be passed on, of which there is room for so many: how many, or
 * -EMSGSIZE. */
static ssize_t pick(const grove_http_head *head, grove_http_field *out,
                    ssize_t room)
{
    /* A client's own; each side has its own Host and Date. */
    const char *other = head->status ? "Date" : "Host";
    ssize_t n = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const grove_http_field *f = &head->fields[i];
        if (grove_http_is_hop(head, f) ||
            grove_http_equal_nocase(f->name, "Expect") ||
            grove_http_equal_nocase(f->name, other))
            continue;
        if (n == room)
            return -EMSGSIZE;
        out[n++] = *f;
    }
    return n;
}

/* Each piece as it comes. */
static int pass_body(grove_http *from, grove_http *to)
{
    const char *at;
    ssize_t n;
    while ((n = grove_http_view(from, &at)) > 0) {
        int r = grove_http_write(to, at, (size_t)n);
        if (r == 0)
            r = grove_http_flush(to);
        if (r < 0)
            return r;
    }
    return n == 0 ? grove_http_end(to) : (int)n;
}

static int pass_request(grove_http *from, grove_http *to)
{
    const grove_http_head *head = grove_http_received(from);
    grove_http_field fields[ASKED];
    char method[32];
    ssize_t n = pick(head, fields, ASKED);
    if (n < 0)
        return (int)n;
    snprintf(method, sizeof(method), "%.*s", (int)head->method.size,
             head->method.at);
    if (head->length == 0)
        return grove_http_request(to, method, head->target, fields, (size_t)n,
                                  NULL, 0);
    return grove_http_request_begin(to, method, head->target, fields, (size_t)n,
                                    head->length);
}

/* What the response to a HEAD says of the body that it has not. */
static int64_t told_length(const grove_http_head *head)
{
    const grove_http_field *f = grove_http_find(head, "Content-Length");
    return f ? strtoll(f->value.at, NULL, 10) : GROVE_HTTP_CHUNKED;
}

static int pass_response(grove_http *from, grove_http *to)
{
    const grove_http_head *head = grove_http_received(from);
    grove_http_field fields[TOLD];
    int64_t length = head->length;
    ssize_t n = pick(head, fields, TOLD);
    if (n < 0)
        return -EPROTO;
    if (grove_http_equal(grove_http_received(to)->method, "HEAD"))
        length = told_length(head);
    else if (length == GROVE_HTTP_TO_CLOSE)
        length = GROVE_HTTP_CHUNKED;
    int r =
        grove_http_respond_begin(to, head->status, fields, (size_t)n, length);
    return r == 0 ? pass_body(from, to) : r;
}

/* Send a request, but not its body, over a kept connection, unless the server
 * has closed that, or over a new one. 0, or a negative errno: *out is NULL or
 * to be closed. */
static int ask(grove_http *h, grove_http **out)
{
    *out = NULL;
    while (kept_count > 0) {
        *out = kept[--kept_count];
        int r = pass_request(h, *out);
        if (r != -EPIPE)
            return r;
        grove_http_close(*out);
        *out = NULL;
    }
    int r = grove_http_dial_until(out, host, port, NULL, &attr,
                                  grove_now() + PATIENCE);
    return r == 0 ? pass_request(h, *out) : r;
}

/* ---- an exchange -------------------------------------------------------------------- */

struct way {
    grove_http *from, *to;
    int result;
};

static void *pass_way(void *arg)
{
    struct way *way = arg;
    way->result = pass_body(way->from, way->to);
    return NULL;
}

/* With a body, which a fiber of its own passes on: the server may answer before
 * it has all of it. */
static int exchange_with_body(grove_http *h, grove_http *to)
{
    struct way up = {.from = h, .to = to};
    grove_fiber *fiber;
    int r = grove_spawn(&fiber, pass_way, &up);
    if (r < 0)
        return r;
    r = grove_http_response(to);
    if (r == 0)
        r = pass_response(to, h);
    if (r < 0 || grove_http_received(to)->status >= 400)
        grove_kill(fiber);
    grove_join(fiber, NULL);
    grove_release(fiber);
    return r;
}

static int exchange(grove_http *h, grove_http *to)
{
    if (grove_http_received(h)->length != 0)
        return exchange_with_body(h, to);
    int r = grove_http_response(to);
    return r == 0 ? pass_response(to, h) : r;
}

/* A failure that comes before an answer is told; one within it cuts it. */
static void tell(grove_http *h, int error)
{
    int status = error == -ENOTSUP     ? 501
                 : error == -EMSGSIZE  ? 431
                 : error == -ETIMEDOUT ? 504
                                       : 502;
    grove_http_respond(h, status, NULL, 0, NULL, 0);
}

static void handle(grove_http *h)
{
    grove_http *to = NULL;
    /* Without its Upgrade, which is between neighbours, a request is one as
     * any; a tunnel we make for nobody. */
    bool tunnel = grove_http_equal(grove_http_received(h)->method, "CONNECT");
    int r = tunnel ? -ENOTSUP : ask(h, &to);
    if (r == 0)
        r = exchange(h, to);
    if (r < 0) {
        tell(h, r);
        grove_http_close(to);
    } else {
        give_back(to);
    }
}

static void serve(grove_connection *c)
{
    grove_http_serve(c, &attr, handle, NULL);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 3, 3,
                "usage: http_proxy ADDRESS:PORT HOST PORT\n\nPass HTTP "
                "requests on to a server behind.");
    grove_server_attr where = {.address = argv[1]};
    grove_server *server;
    host = argv[2];
    port = argv[3];
    int r = grove_server_start(&server, &where, serve, NULL);
    if (r < 0) {
        fprintf(stderr, "http_proxy: %s: %s\n", argv[1], strerror(-r));
        if (r == -EINVAL)
            usage_refuse();
        return EXIT_FAILURE;
    }
    printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
    fflush(stdout);
    return grove_server_wait(server) < 0;
}

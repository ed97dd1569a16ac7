/*
 * One page: a connection, a request, its response in memory. On the calling
 * thread, which may park.
 */
#include <stdlib.h>

#include "http/http.h"

/* Where the body is gathered. */
struct body {
    char *bytes; /* NULL: nothing was allocated */
    size_t size; /* of what is there */
    size_t room; /* a 0 byte fits behind what is there */
};

static bool have_room(struct body *b, size_t more)
{
    if (b->bytes && b->room - b->size > more)
        return true;
    size_t room = b->room * 2 > b->size + more ? b->room * 2 : b->size + more;
    char *bytes = realloc(b->bytes, room + 1);
    if (!bytes)
        return false;
    b->bytes = bytes;
    b->room = room + 1;
    return true;
}

static int gather(grove_http *h, struct body *b, int64_t deadline)
{
    int64_t length = grove_http_received(h)->length;
    if (!have_room(b, length > 0 ? (size_t)length : 256))
        return -ENOMEM;
    for (;;) {
        const char *at;
        ssize_t n = grove_http_view_until(h, &at, deadline);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        if (!have_room(b, (size_t)n))
            return -ENOMEM;
        memcpy(b->bytes + b->size, at, (size_t)n);
        b->size += (size_t)n;
    }
    b->bytes[b->size] = 0;
    return 0;
}

static int ask(grove_http *h, grove_http_text target, struct body *b,
               int64_t deadline)
{
    int r =
        grove_http_request_until(h, "GET", target, NULL, 0, NULL, 0, deadline);
    if (r == 0)
        r = grove_http_response_until(h, deadline);
    return r == 0 ? gather(h, b, deadline) : r;
}

int grove_http_get_until(grove_http_result *out, const char *url,
                         grove_tls_context *tls, const grove_http_attr *attr,
                         int64_t deadline)
{
    grove_http_url to;
    grove_http *h;
    struct body body = {NULL, 0, 0};
    int r = grove_http_url_parse(&to, url);
    if (r < 0 || (to.tls && !tls))
        return -EINVAL;
    r = grove_http_dial_until(&h, to.host, to.port, to.tls ? tls : NULL, attr,
                              deadline);
    if (r < 0)
        return r;
    r = ask(h, to.target, &body, deadline);
    if (r < 0) {
        free(body.bytes);
        grove_http_close(h);
        return r;
    }
    *out = (grove_http_result){
        .status = grove_http_received(h)->status,
        .body = body.bytes,
        .size = body.size,
        .http = h,
    };
    return 0;
}

int grove_http_get(grove_http_result *out, const char *url,
                   grove_tls_context *tls, const grove_http_attr *attr)
{
    return grove_http_get_until(out, url, tls, attr, GROVE_NEVER);
}

void grove_http_result_free(grove_http_result *result)
{
    free(result->body);
    grove_http_close(result->http);
}

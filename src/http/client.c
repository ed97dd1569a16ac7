/*
 * A client's connection: dialing, requests, responses.
 *
 *     ready -- request --> sent -- response --> body -- its end --> ready
 *                 |          |          |
 *                 +----------+----------+--- failure, or close ---> over
 *
 * The next request may be sent when the last response was read; what little is
 * left of it is read past. On the stream's thread; all may park.
 */
#include <stdlib.h>

#include "http/http.h"
#include "net/tls_ops.h"

/* What is read past of a response that was not read to its end. */
#define SKIPPED ((size_t)64 << 10)

/* ---- birth and end --------------------------------------------------------------- */

/* What Host says; NULL: no memory. */
static char *host_text(const char *host, const char *service)
{
    bool brackets = strchr(host, ':') && host[0] != '[';
    bool usual = !service || strcmp(service, "80") == 0 ||
                 strcmp(service, "443") == 0 || strcmp(service, "http") == 0 ||
                 strcmp(service, "https") == 0;
    size_t size = strlen(host) + (service ? strlen(service) : 0) + 4;
    char *text = malloc(size);
    if (!text)
        return NULL;
    char *at = text;
    if (brackets)
        *at++ = '[';
    at = stpcpy(at, host);
    if (brackets)
        *at++ = ']';
    *at = 0;
    if (!usual) {
        *at++ = ':';
        strcpy(at, service);
    }
    return text;
}

/* service NULL: host is as Host says it. */
static int new_client(grove_http **out, grove_stream *stream, const char *host,
                      const char *service, const grove_http_attr *attr)
{
    grove_http *h = malloc(sizeof(*h));
    char *text = host_text(host, service);
    if (!h || !text) {
        free(h);
        free(text);
        return -ENOMEM;
    }
    http_init(h, stream, GROVE_HTTP_RESPONSES, attr);
    h->host = text;
    *out = h;
    return 0;
}

int grove_http_client(grove_http **out, grove_stream *stream, const char *host,
                      const grove_http_attr *attr)
{
    if (*host == 0)
        return -EINVAL;
    return new_client(out, stream, host, NULL, attr);
}

void grove_http_close(grove_http *h)
{
    if (!h)
        return;
    assert(h->parser.kind == GROVE_HTTP_RESPONSES);
    grove_stream_free(h->stream);
    http_end(h);
    free(h);
}

grove_stream *grove_http_detach(grove_http *h)
{
    assert(h->parser.kind == GROVE_HTTP_RESPONSES);
    grove_stream *stream = h->stream;
    grove_stream_consume(stream, h->held);
    http_end(h);
    free(h);
    return stream;
}

/* ---- dialing ---------------------------------------------------------------------- */

/* A TLS connection over fd. 0 or a negative errno; then fd is the caller's. */
static int begin_tls(grove_tls **out, grove_tls_context *context, int fd,
                     const char *host, int64_t deadline)
{
    const struct tls_ops *ops = tls_ops(context);
    grove_tls *tls;
    int r = ops->open(&tls, context, fd, host);
    if (r < 0)
        return r;
    if (ops->handshake(tls, deadline) < 0) {
        r = -errno;
        ops->free(tls);
        return r;
    }
    *out = tls;
    return 0;
}

static int dial_stream(grove_stream **out, const char *host,
                       const char *service, grove_tls_context *context,
                       const grove_http_attr *attr, int64_t deadline)
{
    grove_stream_attr sizes = {.write_size = attr ? attr->write_size : 0};
    grove_tls *tls = NULL;
    if (attr && attr->limits.head_size > 16384)
        sizes.read_size = attr->limits.head_size;
    int fd = grove_dial_until(host, service, deadline);
    if (fd < 0)
        return -errno;
    int r = context ? begin_tls(&tls, context, fd, host, deadline) : 0;
    if (r == 0)
        r = grove_stream_new_tls(out, tls, fd, &sizes);
    if (r < 0) {
        if (tls)
            tls_ops_of(tls)->free(tls);
        grove_close(fd);
    }
    return r;
}

int grove_http_dial_until(grove_http **out, const char *host,
                          const char *service, grove_tls_context *tls,
                          const grove_http_attr *attr, int64_t deadline)
{
    grove_stream *stream;
    int r = dial_stream(&stream, host, service, tls, attr, deadline);
    if (r < 0)
        return r;
    r = new_client(out, stream, host, service, attr);
    if (r < 0)
        grove_stream_free(stream);
    return r;
}

int grove_http_dial(grove_http **out, const char *host, const char *service,
                    grove_tls_context *tls, const grove_http_attr *attr)
{
    return grove_http_dial_until(out, host, service, tls, attr, GROVE_NEVER);
}

/* ---- requests ---------------------------------------------------------------------- */

/* A server closes what has waited for long enough, and says nothing before it
 * is asked: 0, if it is so, or -EPIPE; then nothing was sent. */
static int check_silence(grove_http *h)
{
    const char *at;
    ssize_t n = grove_stream_peek_until(h->stream, 1, &at, 0);
    if (n == -ETIMEDOUT)
        return 0;
    h->close |= n >= 0;
    return n >= 0 ? -EPIPE : (int)n;
}

/* Have nothing of an earlier exchange in the way. */
static int make_ready(grove_http *h, int64_t deadline)
{
    if (h->taken || h->close)
        return -EPIPE;
    if (h->sending == SEND_NOTHING)
        return 0;
    if (h->sending != SEND_DONE || !h->receiving)
        return -EBUSY;
    if (!h->ended && h->late)
        return -EPIPE;
    if (!h->ended && grove_http_skip_until(h, SKIPPED, deadline) < 0)
        return h->close ? -EPIPE : -EBUSY;
    if (h->close)
        return -EPIPE;
    http_receive_end(h);
    h->sending = SEND_NOTHING;
    return check_silence(h);
}

/* RFC 9110, 8.6: of these methods a request without a body says nothing of
 * it. */
static bool needs_length(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

/* Whether there is an Upgrade among them, which Connection has to name. */
static bool asks_for_upgrade(const grove_http_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (grove_http_equal_nocase(fields[i].name, "Upgrade"))
            return true;
    }
    return false;
}

static int send_request(grove_http *h, const char *method,
                        grove_http_text target, const grove_http_field *fields,
                        size_t count, int64_t length, const void *body,
                        size_t size, int64_t deadline)
{
    if (h->parser.kind != GROVE_HTTP_RESPONSES || length < GROVE_HTTP_CHUNKED)
        return -EINVAL;
    int r = make_ready(h, deadline);
    if (r < 0)
        return r;
    grove_http_field all[32];
    if (count >= sizeof(all) / sizeof(*all))
        return -EINVAL;
    all[0] = grove_http_field_of("Host", h->host);
    if (count)
        memcpy(all + 1, fields, count * sizeof(*fields));
    grove_http_start start = {
        .method = grove_http_text_of(method),
        .target = target,
        .length =
            length == 0 && !needs_length(method) ? GROVE_HTTP_UNTOLD : length,
        .upgrade = asks_for_upgrade(fields, count),
        .fields = all,
        .field_count = count + 1,
    };
    h->head_request = strcmp(method, "HEAD") == 0;
    h->connect = strcmp(method, "CONNECT") == 0;
    return http_send_head(h, &start, body, size, deadline);
}

int grove_http_request_begin_until(grove_http *h, const char *method,
                                   grove_http_text target,
                                   const grove_http_field *fields, size_t count,
                                   int64_t length, int64_t deadline)
{
    int r = send_request(h, method, target, fields, count, length, NULL, 0,
                         deadline);
    if (r == 0)
        http_send_begin(h, length);
    return r;
}

int grove_http_request_begin(grove_http *h, const char *method,
                             grove_http_text target,
                             const grove_http_field *fields, size_t count,
                             int64_t length)
{
    return grove_http_request_begin_until(h, method, target, fields, count,
                                          length,
                                          http_deadline(h->attr.write_timeout));
}

int grove_http_request_until(grove_http *h, const char *method,
                             grove_http_text target,
                             const grove_http_field *fields, size_t count,
                             const void *body, size_t size, int64_t deadline)
{
    int r = send_request(h, method, target, fields, count, (int64_t)size, body,
                         size, deadline);
    if (r < 0)
        return r;
    h->sending = SEND_DONE;
    h->to_send = 0;
    return grove_http_flush_until(h, deadline);
}

int grove_http_request(grove_http *h, const char *method,
                       grove_http_text target, const grove_http_field *fields,
                       size_t count, const void *body, size_t size)
{
    return grove_http_request_until(h, method, target, fields, count, body,
                                    size, http_deadline(h->attr.write_timeout));
}

/* ---- responses ---------------------------------------------------------------------- */

/* One that is not the last: 100, 103 and the like. */
static bool is_early(const grove_http *h)
{
    int status = h->parser.head.status;
    return status / 100 == 1 && status != 101;
}

int grove_http_response_until(grove_http *h, int64_t deadline)
{
    if (h->parser.kind != GROVE_HTTP_RESPONSES || h->sending == SEND_NOTHING ||
        h->receiving)
        return -EINVAL;
    do {
        const char *at;
        ssize_t n = grove_stream_peek_until(h->stream, 1, &at, deadline);
        if (n > 0)
            n = http_receive_head(h, at, (size_t)n, deadline);
        if (n <= 0) {
            h->close |= n != -ETIMEDOUT && n != -ECANCELED && n != -EDEADLK;
            return n == 0 || n == -ENODATA ? -ECONNRESET : (int)n;
        }
        if (is_early(h))
            http_receive_end(h);
    } while (!h->receiving);
    /* What follows an upgrade is none of ours. */
    h->close |= !h->parser.head.keep_alive || h->parser.head.upgrade;
    return 0;
}

int grove_http_response(grove_http *h)
{
    return grove_http_response_until(h, http_deadline(h->attr.read_timeout));
}

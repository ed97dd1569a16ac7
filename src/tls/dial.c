/*
 * A client's TLS connection to a host by name, as a stream. On the calling
 * thread, which may park.
 */
#include "tls/tls.h"

/* 0 or a negative errno; then fd is the caller's. */
static int begin(grove_tls **out, grove_tls_context *context, int fd,
                 const char *host, int64_t deadline)
{
    grove_tls *tls;
    int r = grove_tls_new(&tls, context, fd, host);
    if (r < 0)
        return r;
    if (grove_tls_handshake_until(tls, deadline) < 0) {
        r = -errno;
        grove_tls_free(tls);
        return r;
    }
    *out = tls;
    return 0;
}

int grove_dial_tls_until(grove_stream **out, grove_tls_context *context,
                         const char *host, const char *service,
                         const grove_stream_attr *attr, int64_t deadline)
{
    grove_tls *tls = NULL;
    int fd = grove_dial_until(host, service, deadline);
    if (fd < 0)
        return -errno;
    int r = begin(&tls, context, fd, host, deadline);
    if (r == 0)
        r = grove_stream_new_tls(out, tls, fd, attr);
    if (r < 0) {
        grove_tls_free(tls);
        grove_close(fd);
    }
    return r;
}

int grove_dial_tls(grove_stream **out, grove_tls_context *context,
                   const char *host, const char *service,
                   const grove_stream_attr *attr)
{
    return grove_dial_tls_until(out, context, host, service, attr, GROVE_NEVER);
}

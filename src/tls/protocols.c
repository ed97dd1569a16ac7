/*
 * Application protocols (ALPN): what a context offers, or chooses from what a
 * client offers. A context's list is replaced as a whole, by one thread and
 * before its connections are made; handshakes on any thread only read it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

/* "h2,http/1.1" as names behind their lengths. The size, or -EINVAL. */
static ssize_t encode_protocols(unsigned char *out, const char *protocols)
{
    unsigned char *length = out;
    for (unsigned char *at = out + 1;; at++, protocols++) {
        if (*protocols != ',' && *protocols != 0) {
            *at = (unsigned char)*protocols;
            continue;
        }
        ptrdiff_t n = at - length - 1;
        if (n < 1 || n > 255)
            return -EINVAL;
        *length = (unsigned char)n;
        length = at;
        if (*protocols == 0)
            return at - out;
    }
}

int grove_tls_context_alpn(grove_tls_context *context, const char *protocols)
{
    unsigned char *alpn = malloc(strlen(protocols) + 2);
    if (!alpn)
        return tls_refuse(context, -ENOMEM, "no memory");
    ssize_t n = encode_protocols(alpn, protocols);
    if (n < 0) {
        free(alpn);
        return tls_refuse(
            context, -EINVAL,
            "\"%s\": expected names of 1 to 255 bytes, separated by "
            "commas",
            protocols);
    }
    /* Unlike the rest of OpenSSL, 0 is success here. */
    if (context->role == GROVE_TLS_CLIENT &&
        SSL_CTX_set_alpn_protos(context->ssl, alpn, (unsigned)n) != 0) {
        free(alpn);
        return tls_refuse(context, -ENOMEM, "no memory");
    }
    free(context->alpn);
    context->alpn = alpn;
    context->alpn_size = (size_t)n;
    return 0;
}

int tls_choose_protocol(SSL *ssl, const unsigned char **out,
                        unsigned char *size, const unsigned char *offered,
                        unsigned offered_size, void *arg)
{
    const grove_tls_context *context = arg;
    assert(context->role == GROVE_TLS_SERVER);
    assert(!context->alpn == !context->alpn_size);
    if (!context->alpn)
        return SSL_TLSEXT_ERR_NOACK;
    int r = SSL_select_next_proto((unsigned char **)out, size, context->alpn,
                                  (unsigned)context->alpn_size, offered,
                                  offered_size);
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

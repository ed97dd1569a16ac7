/*
 * Resumption by a session that the client keeps, as bytes. Servers keep
 * nothing: they send tickets.
 *
 * A saved session is the name of the host that it is of, with its 0 byte, and
 * OpenSSL's encoding. A resumed handshake does not show a certificate again, so
 * it must be for the same host:
 *
 *     w w w . a . t e s t 0 | SSL_SESSION in ASN.1 ...
 *
 * All run on the connection's thread.
 */
#include <assert.h>
#include <openssl/err.h>
#include <string.h>

#include "tls/tls.h"

ssize_t grove_tls_session_save(grove_tls *tls, void *buf, size_t size)
{
    if (tls->context->role != GROVE_TLS_CLIENT)
        return -EINVAL;
    SSL_SESSION *session = SSL_get_session(tls->ssl);
    if (!tls->established || !session || !SSL_SESSION_is_resumable(session))
        return -ENOENT;
    ERR_clear_error();
    size_t host = strlen(tls->host) + 1;
    int encoded = i2d_SSL_SESSION(session, NULL);
    if (encoded <= 0)
        return -ENOMEM;
    size_t len = host + (size_t)encoded;
    if (len > GROVE_TLS_SESSION_MAX)
        return -EMSGSIZE;
    if (len <= size) {
        unsigned char *at = (unsigned char *)buf + host;
        memcpy(buf, tls->host, host);
        if (i2d_SSL_SESSION(session, &at) != encoded)
            return -ENOMEM;
    }
    return (ssize_t)len;
}

int grove_tls_session_resume(grove_tls *tls, const void *session, size_t len)
{
    size_t host = strlen(tls->host) + 1;
    if (tls->context->role != GROVE_TLS_CLIENT || !SSL_in_before(tls->ssl)) {
        tls_say(tls, "a session is resumed by a client, before the handshake");
        return -EINVAL;
    }
    if (len > GROVE_TLS_SESSION_MAX || !memchr(session, 0, len)) {
        tls_say(tls, "not a saved session");
        return -EINVAL;
    }
    if (strcmp(session, tls->host) != 0) {
        tls_say(tls, "the saved session is of %.*s, not of %s", TLS_HOST_MAX,
                *(const char *)session ? (const char *)session : "no host",
                *tls->host ? tls->host : "no host");
        return -EINVAL;
    }
    assert(host <= len); /* the names are the same, with their ends */
    ERR_clear_error();
    const unsigned char *at = (const unsigned char *)session + host;
    SSL_SESSION *s = d2i_SSL_SESSION(NULL, &at, (long)(len - host));
    int r = s && SSL_set_session(tls->ssl, s) ? 0 : -EINVAL;
    if (r < 0 && tls_out_of_memory())
        r = -ENOMEM;
    if (r < 0)
        tls_say(tls, r == -ENOMEM ? "no memory" : "not a saved session");
    SSL_SESSION_free(s);
    return r;
}

bool grove_tls_resumed(const grove_tls *tls)
{
    return tls->established && SSL_session_reused(tls->ssl);
}

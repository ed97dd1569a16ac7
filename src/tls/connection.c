/*
 * TLS connections: birth, end, and what is known of them. What goes through
 * them is stream.c's.
 *
 * A connection belongs to one hub's thread, on which all of these are called;
 * its context may be shared. It owns its SSL object, which owns the BIO, which
 * refers to the connection: so the SSL goes first.
 */
#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

/* ---- birth and end ------------------------------------------------------ */

static int set_host(grove_tls *tls, const char *host)
{
    const grove_tls_context *context = tls->context;
    if (!host) {
        return context->role == GROVE_TLS_CLIENT &&
                       context->verify == GROVE_TLS_VERIFY_FULL
                   ? -EINVAL
                   : 0;
    }
    assert(!tls->host[0]);
    size_t len = strlen(host);
    if (len > 0 && host[len - 1] == '.') /* the root's dot is not in names */
        len--;
    if (context->role != GROVE_TLS_CLIENT || len == 0 || len > TLS_HOST_MAX)
        return -EINVAL;
    memcpy(tls->host, host, len);
    if (!tls_is_address(tls->host) &&
        !SSL_set_tlsext_host_name(tls->ssl, tls->host))
        return -ENOMEM;
    return context->verify == GROVE_TLS_VERIFY_FULL ? tls_verify_host(tls) : 0;
}

static int set_up(grove_tls *tls, const char *host)
{
    grove_tls_context *context = tls->context;
    ERR_clear_error();
    tls->ssl = SSL_new(context->ssl);
    if (!tls->ssl || !SSL_set_app_data(tls->ssl, tls))
        return -ENOMEM;
    int r = set_host(tls, host);
    if (r < 0)
        return r;
    if (context->role == GROVE_TLS_CLIENT)
        SSL_set_connect_state(tls->ssl);
    else if (!context->hosts && !context->host_fn &&
             !SSL_CTX_get0_certificate(context->ssl))
        return -EINVAL;
    else
        SSL_set_accept_state(tls->ssl);
    /* From 3.2 on these allocate, and say nothing when they cannot. */
    return ERR_peek_error() ? -ENOMEM : tls_bio_attach(tls);
}

static int new_tls(grove_tls **out, grove_tls_context *context, int fd,
                   const grove_tls_transport *transport, const char *host)
{
    assert((fd < 0) == (transport != NULL));
    grove_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->context = grove_tls_context_retain(context);
    tls->fd = fd;
    tls->closes = loop_closes(fd);
    tls->said = "";
    if (transport)
        tls->transport = *transport;
    int r = set_up(tls, host);
    if (r < 0)
        grove_tls_free(tls);
    else
        *out = tls;
    return r;
}

int grove_tls_new(grove_tls **out, grove_tls_context *context, int fd,
                  const char *host)
{
    return fd < 0 ? -EBADF : new_tls(out, context, fd, NULL, host);
}

int grove_tls_new_over(grove_tls **out, grove_tls_context *context,
                       const grove_tls_transport *transport, const char *host)
{
    return new_tls(out, context, -1, transport, host);
}

/* What a connection says that was never established outlives it: whoever dials
 * is given no connection to ask. */
static __thread char last_words[256];

const char *tls_last_words(void)
{
    return last_words;
}

static void keep_words(const grove_tls *tls)
{
    if (!tls->established)
        snprintf(last_words, sizeof(last_words), "%s", tls->said);
}

void grove_tls_free(grove_tls *tls)
{
    if (!tls)
        return;
    keep_words(tls);
    SSL_free(tls->ssl);
    grove_tls_context_release(tls->served_by);
    grove_tls_context_release(tls->context);
    free(tls->input);
    free(tls->error);
    free(tls);
}

/* ---- what is known of it ------------------------------------------------ */

const char *grove_tls_version(const grove_tls *tls)
{
    return tls->established ? SSL_get_version(tls->ssl) : "";
}

const char *grove_tls_cipher(const grove_tls *tls)
{
    return tls->established ? SSL_get_cipher_name(tls->ssl) : "";
}

const char *grove_tls_alpn(const grove_tls *tls)
{
    return tls->alpn;
}

const char *grove_tls_host(const grove_tls *tls)
{
    if (tls->context->role == GROVE_TLS_CLIENT)
        return tls->host;
    const char *host = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    return host ? host : "";
}

ssize_t grove_tls_peer(const grove_tls *tls, char *buf, size_t size)
{
    X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    if (size)
        buf[0] = 0;
    if (!cert)
        return 0;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len = -1;
    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
                                  XN_FLAG_RFC2253) >= 0)
        len = BIO_get_mem_data(bio, &text);
    if (len > 0 && size)
        snprintf(buf, size, "%.*s", (int)len, text);
    BIO_free(bio);
    return len < 0 ? -ENOMEM : len;
}

void *grove_tls_native(grove_tls *tls)
{
    return tls->ssl;
}

/* ---- for libgrove ------------------------------------------------------- */

const struct tls_ops tls_ops_table = {
    .retain = grove_tls_context_retain,
    .release = grove_tls_context_release,
    .open = grove_tls_new,
    .free = grove_tls_free,
    .handshake = grove_tls_handshake_until,
    .read = grove_tls_read_until,
    .write = grove_tls_write_until,
    .write_all = grove_tls_write_all_until,
    .shutdown = grove_tls_shutdown_until,
    .try_read = tls_try_read,
    .try_write = tls_try_write,
    .has_more = tls_has_more,
    .await = tls_await,
};

/*
 * TLS contexts: what connections have in common. An OpenSSL context and what it
 * has no place for. Set up by one thread; its connections, of any thread, only
 * read it, and share its references.
 *
 * A call that fails leaves the context as it was, but for the text that tells
 * what was wrong.
 */
#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls/tls.h"

/* ---- what was wrong -------------------------------------------------------- */

int tls_refuse(grove_tls_context *context, int error, const char *format, ...)
{
    va_list args;
    assert(error < 0);
    free(context->error);
    va_start(args, format);
    if (vasprintf(&context->error, format, args) < 0)
        context->error = NULL;
    va_end(args);
    return error;
}

int tls_refuse_by_openssl(grove_tls_context *context, const char *what)
{
    char buf[256];
    if (tls_out_of_memory())
        return tls_refuse(context, -ENOMEM, "no memory");
    return tls_refuse(context, -EINVAL, "%s: %s", what,
                      tls_reason(buf, sizeof(buf)));
}

/* ---- birth and end -------------------------------------------------------- */

static int set_up(grove_tls_context *context)
{
    SSL_CTX *ssl = context->ssl;
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* A write that is made again may come from another buffer, and connections
     * that have nothing to do keep no buffers. */
    SSL_CTX_set_mode(ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    /* One receive for a record, and not one for its header first. */
    SSL_CTX_set_read_ahead(ssl, 1);
    /* Sessions are with the clients (tickets), not in memory. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ssl, tls_verify_mode(context), tls_verify_callback);
    if (!SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION))
        return -ENOMEM;
    if (context->role == GROVE_TLS_CLIENT)
        return SSL_CTX_set_default_verify_paths(ssl) ? 0 : -ENOMEM;
    SSL_CTX_set_alpn_select_cb(ssl, tls_choose_protocol, context);
    SSL_CTX_set_tlsext_servername_callback(ssl, tls_choose_host);
    SSL_CTX_set_tlsext_servername_arg(ssl, context);
    static const unsigned char id[] = "grove";
    return SSL_CTX_set_session_id_context(ssl, id, sizeof(id)) ? 0 : -ENOMEM;
}

int grove_tls_context_new(grove_tls_context **out, int role)
{
    if (role != GROVE_TLS_CLIENT && role != GROVE_TLS_SERVER)
        return -EINVAL;
    grove_tls_context *context = calloc(1, sizeof(*context));
    if (!context)
        return -ENOMEM;
    ERR_clear_error();
    context->ops = &tls_ops_table;
    context->references = 1;
    context->role = role;
    context->verify = role == GROVE_TLS_CLIENT ? GROVE_TLS_VERIFY_FULL
                                               : GROVE_TLS_VERIFY_NONE;
    context->bio = tls_bio_method();
    context->ssl = SSL_CTX_new(role == GROVE_TLS_CLIENT ? TLS_client_method()
                                                        : TLS_server_method());
    if (!context->bio || !context->ssl || set_up(context) < 0) {
        grove_tls_context_release(context);
        return -ENOMEM;
    }
    *out = context;
    return 0;
}

grove_tls_context *grove_tls_context_retain(grove_tls_context *context)
{
    assert(atomic_load(&context->references) > 0);
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void grove_tls_context_release(grove_tls_context *context)
{
    if (!context)
        return;
    assert(atomic_load(&context->references) > 0);
    if (atomic_fetch_sub(&context->references, 1) > 1)
        return;
    tls_hosts_free(context->hosts);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->bio);
    free(context->alpn);
    free(context->error);
    free(context);
}

const char *grove_tls_context_error(const grove_tls_context *context)
{
    return context->error ? context->error : "";
}

void *grove_tls_context_native(grove_tls_context *context)
{
    return context->ssl;
}

/* ---- what is asked of peers ---------------------------------------------- */

int grove_tls_context_verify(grove_tls_context *context, int mode)
{
    if (mode < GROVE_TLS_VERIFY_NONE || mode > GROVE_TLS_VERIFY_FULL)
        return tls_refuse(context, -EINVAL,
                          "%d is no mode of verification: 0 to 3 are", mode);
    if (mode == GROVE_TLS_VERIFY_OPTIONAL && context->role == GROVE_TLS_CLIENT)
        return tls_refuse(context, -EINVAL,
                          "GROVE_TLS_VERIFY_OPTIONAL is for servers");
    context->verify = mode;
    SSL_CTX_set_verify(context->ssl, tls_verify_mode(context),
                       tls_verify_callback);
    return 0;
}

int grove_tls_context_min_version(grove_tls_context *context, int version)
{
    if (version != GROVE_TLS_1_2 && version != GROVE_TLS_1_3)
        return tls_refuse(context, -EINVAL,
                          "0x%04x is neither GROVE_TLS_1_2 nor GROVE_TLS_1_3",
                          (unsigned)version);
    SSL_CTX_set_min_proto_version(context->ssl, version);
    return 0;
}

/*
 * TLS contexts: what connections have in common. An OpenSSL context and what it
 * has no place for. Set up by one thread; its connections, of any thread, only
 * read it, and share its references.
 *
 * A call that fails leaves the context as it was, but for the text that tells
 * what was wrong.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "net/tls.h"

const char *tls_reason(char *buf, size_t size)
{
    unsigned long error = ERR_peek_error();
    const char *text = ERR_reason_error_string(error);
    if (text)
        return text;
    if (!error)
        return "no reason is known";
    ERR_error_string_n(error, buf, size);
    return buf;
}

bool tls_out_of_memory(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
           ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

/* Keep what was wrong; error is returned. */
__attribute__((format(printf, 3, 4))) static int
refuse(grove_tls_context *context, int error, const char *format, ...)
{
    va_list args;
    free(context->error);
    va_start(args, format);
    if (vasprintf(&context->error, format, args) < 0)
        context->error = NULL;
    va_end(args);
    return error;
}

/* What OpenSSL found wrong with the thing called what. */
static int refuse_by_openssl(grove_tls_context *context, const char *what)
{
    char buf[256];
    if (tls_out_of_memory())
        return refuse(context, -ENOMEM, "no memory");
    return refuse(context, -EINVAL, "%s: %s", what,
                  tls_reason(buf, sizeof(buf)));
}

/* ---- birth and end -------------------------------------------------------- */

static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *size, const unsigned char *offered,
                           unsigned offered_size, void *arg);
static int choose_host(SSL *ssl, int *alert, void *arg);

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
    SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, context);
    SSL_CTX_set_tlsext_servername_callback(ssl, choose_host);
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
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void grove_tls_context_release(grove_tls_context *context)
{
    if (!context || atomic_fetch_sub(&context->references, 1) > 1)
        return;
    while (context->hosts) {
        struct tls_host *host = context->hosts;
        context->hosts = host->next;
        grove_tls_context_release(host->context);
        free(host);
    }
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

/* ---- certificates --------------------------------------------------------- */

/* OpenSSL would ask on the terminal. */
static int give_password(char *buf, int size, int writing, void *password)
{
    size_t len = password ? strlen(password) : 0;
    if (len > (size_t)size)
        return -1;
    memcpy(buf, password ? password : "", len);
    return password ? (int)len : -1;
}

/* Certificates to the end of in; at least one. NULL: see OpenSSL's errors. */
static STACK_OF(X509) * read_certs(BIO *in)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    X509 *cert = NULL;
    while (certs &&
           (cert = PEM_read_bio_X509_AUX(in, NULL, give_password, NULL))) {
        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            ERR_raise(ERR_LIB_X509, ERR_R_MALLOC_FAILURE);
            goto fail;
        }
    }
    if (certs && sk_X509_num(certs) > 0 &&
        ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return certs;
    }
fail:
    sk_X509_pop_free(certs, X509_free);
    return NULL;
}

static int set_cert(grove_tls_context *context, BIO *cert, const char *cert_is,
                    BIO *key, const char *key_is, const char *password)
{
    ERR_clear_error();
    STACK_OF(X509) *chain = read_certs(cert);
    if (!chain)
        return refuse_by_openssl(context, cert_is);
    X509 *own = sk_X509_shift(chain);
    EVP_PKEY *private =
        PEM_read_bio_PrivateKey(key, NULL, give_password, (void *)password);
    int r = 0;
    if (!private || !X509_check_private_key(own, private) ||
        !SSL_CTX_use_cert_and_key(context->ssl, own, private, chain, 1))
        r = refuse_by_openssl(context, key_is);
    EVP_PKEY_free(private);
    X509_free(own);
    sk_X509_pop_free(chain, X509_free);
    return r;
}

static BIO *text_bio(const char *text)
{
    return BIO_new_mem_buf(text, -1);
}

int grove_tls_context_cert_text(grove_tls_context *context, const char *cert,
                                const char *key, const char *password)
{
    ERR_clear_error();
    BIO *c = text_bio(cert), *k = text_bio(key);
    int r = c && k ? set_cert(context, c, "the certificate's text", k,
                              "the key's text", password)
                   : refuse_by_openssl(context, "the texts");
    BIO_free(c);
    BIO_free(k);
    return r;
}

/* NULL: *r says why. */
static BIO *file_bio(grove_tls_context *context, const char *path, int *r)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        int error = errno;
        *r = refuse(context, -error, "%s: %s", path, strerror(error));
        return NULL;
    }
    BIO *bio = BIO_new_fp(file, BIO_CLOSE);
    if (!bio) {
        fclose(file);
        *r = refuse(context, -ENOMEM, "no memory");
    }
    return bio;
}

int grove_tls_context_cert_file(grove_tls_context *context, const char *cert,
                                const char *key, const char *password)
{
    int r = 0;
    BIO *c = file_bio(context, cert, &r);
    BIO *k = c ? file_bio(context, key, &r) : NULL;
    if (k)
        r = set_cert(context, c, cert, k, key, password);
    BIO_free(c);
    BIO_free(k);
    return r;
}

/* ---- trust ------------------------------------------------------------------ */

/* What is added first takes the place of the system's store. */
static int own_store(grove_tls_context *context)
{
    if (context->trusts)
        return 0;
    X509_STORE *store = X509_STORE_new();
    if (!store)
        return refuse(context, -ENOMEM, "no memory");
    SSL_CTX_set_cert_store(context->ssl, store);
    context->trusts = true;
    return 0;
}

/* Servers tell their clients whom they trust, too. */
static int trust_certs(grove_tls_context *context, BIO *in, const char *what)
{
    ERR_clear_error();
    STACK_OF(X509) *certs = read_certs(in);
    if (!certs)
        return refuse_by_openssl(context, what);
    int r = own_store(context);
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
    for (int i = 0; r == 0 && i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        if (!X509_STORE_add_cert(store, cert) ||
            (context->role == GROVE_TLS_SERVER &&
             !SSL_CTX_add_client_CA(context->ssl, cert)))
            r = refuse_by_openssl(context, what);
    }
    sk_X509_pop_free(certs, X509_free);
    return r;
}

static int trust_directory(grove_tls_context *context, const char *path)
{
    int r = own_store(context);
    if (r == 0 &&
        !X509_STORE_load_path(SSL_CTX_get_cert_store(context->ssl), path))
        r = refuse_by_openssl(context, path);
    return r;
}

int grove_tls_context_trust(grove_tls_context *context, const char *path)
{
    struct stat st;
    int r = 0;
    ERR_clear_error();
    if (!path) {
        context->trusts = true;
        return SSL_CTX_set_default_verify_paths(context->ssl)
                   ? 0
                   : refuse_by_openssl(context, "the system's trust store");
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return trust_directory(context, path);
    BIO *in = file_bio(context, path, &r);
    if (in)
        r = trust_certs(context, in, path);
    BIO_free(in);
    return r;
}

int grove_tls_context_trust_text(grove_tls_context *context, const char *pem)
{
    BIO *in = text_bio(pem);
    int r = in ? trust_certs(context, in, "the certificates' text")
               : refuse(context, -ENOMEM, "no memory");
    BIO_free(in);
    return r;
}

int grove_tls_context_verify(grove_tls_context *context, int mode)
{
    if (mode < GROVE_TLS_VERIFY_NONE || mode > GROVE_TLS_VERIFY_FULL)
        return refuse(context, -EINVAL,
                      "%d is no mode of verification: 0 to 3 are", mode);
    if (mode == GROVE_TLS_VERIFY_OPTIONAL && context->role == GROVE_TLS_CLIENT)
        return refuse(context, -EINVAL,
                      "GROVE_TLS_VERIFY_OPTIONAL is for servers");
    context->verify = mode;
    SSL_CTX_set_verify(context->ssl, tls_verify_mode(context),
                       tls_verify_callback);
    return 0;
}

int grove_tls_context_min_version(grove_tls_context *context, int version)
{
    if (version != GROVE_TLS_1_2 && version != GROVE_TLS_1_3)
        return refuse(context, -EINVAL,
                      "0x%04x is neither GROVE_TLS_1_2 nor GROVE_TLS_1_3",
                      (unsigned)version);
    SSL_CTX_set_min_proto_version(context->ssl, version);
    return 0;
}

/* ---- application protocols ---------------------------------------------------- */

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
        return refuse(context, -ENOMEM, "no memory");
    ssize_t n = encode_protocols(alpn, protocols);
    if (n < 0) {
        free(alpn);
        return refuse(context, -EINVAL,
                      "\"%s\": expected names of 1 to 255 bytes, separated by "
                      "commas",
                      protocols);
    }
    /* Unlike the rest of OpenSSL, 0 is success here. */
    if (context->role == GROVE_TLS_CLIENT &&
        SSL_CTX_set_alpn_protos(context->ssl, alpn, (unsigned)n) != 0) {
        free(alpn);
        return refuse(context, -ENOMEM, "no memory");
    }
    free(context->alpn);
    context->alpn = alpn;
    context->alpn_size = (size_t)n;
    return 0;
}

/* Called in the handshake of a client that offers some. */
static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *size, const unsigned char *offered,
                           unsigned offered_size, void *arg)
{
    const grove_tls_context *context = arg;
    if (!context->alpn)
        return SSL_TLSEXT_ERR_NOACK;
    int r = SSL_select_next_proto((unsigned char **)out, size, context->alpn,
                                  (unsigned)context->alpn_size, offered,
                                  offered_size);
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- hosts ---------------------------------------------------------------------- */

int grove_tls_context_host(grove_tls_context *context, const char *host,
                           grove_tls_context *other)
{
    size_t len = strlen(host);
    if (context->role != GROVE_TLS_SERVER || other->role != GROVE_TLS_SERVER)
        return refuse(context, -EINVAL, "hosts are for servers");
    if (len == 0 || len > TLS_HOST_MAX || other == context)
        return refuse(context, -EINVAL,
                      "\"%s\": expected a host's name and another context",
                      host);
    struct tls_host *entry = malloc(sizeof(*entry) + len + 1);
    if (!entry)
        return refuse(context, -ENOMEM, "no memory");
    strcpy(entry->pattern, host);
    entry->context = grove_tls_context_retain(other);
    entry->next = context->hosts;
    context->hosts = entry;
    return 0;
}

int grove_tls_context_host_function(grove_tls_context *context,
                                    grove_tls_context *(*fn)(const char *host,
                                                             void *arg),
                                    void *arg)
{
    if (context->role != GROVE_TLS_SERVER)
        return refuse(context, -EINVAL, "hosts are for servers");
    context->host_fn = fn;
    context->host_arg = arg;
    return 0;
}

static bool matches(const char *pattern, const char *host)
{
    if (strncmp(pattern, "*.", 2) == 0) {
        const char *dot = strchr(host, '.');
        return dot && dot != host && strcasecmp(pattern + 1, dot) == 0;
    }
    return strcasecmp(pattern, host) == 0;
}

/* Whose connection it is, of a client that asks for host; NULL: nobody's. */
static grove_tls_context *find_host(grove_tls_context *context,
                                    const char *host)
{
    struct tls_host *wild = NULL;
    for (struct tls_host *h = context->hosts; h; h = h->next) {
        if (!matches(h->pattern, host))
            continue;
        if (h->pattern[0] != '*')
            return h->context;
        wild = h;
    }
    if (wild)
        return wild->context;
    return context->host_fn ? context->host_fn(host, context->host_arg)
                            : context;
}

/* A ticket shows that its client has satisfied the context of the ticket's
 * host, which need not be what this one asks. */
static bool is_of_other_host(SSL *ssl, const char *host)
{
    if (!SSL_session_reused(ssl))
        return false;
    const char *ticket = SSL_SESSION_get0_hostname(SSL_get_session(ssl));
    return strcasecmp(ticket ? ticket : "", host) != 0;
}

/* Called in each handshake, whether or not the client has named a host. */
static int choose_host(SSL *ssl, int *alert, void *arg)
{
    grove_tls_context *context = arg;
    const char *named = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!context->hosts && !context->host_fn)
        return named ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
    if (is_of_other_host(ssl, named ? named : ""))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    if (!named)
        return SSL_TLSEXT_ERR_NOACK;
    grove_tls_context *chosen = find_host(context, named);
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (!chosen || chosen->role != GROVE_TLS_SERVER)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    if (chosen == context)
        return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_INTERNAL_ERROR;
    if (!SSL_set_SSL_CTX(ssl, chosen->ssl))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    SSL_set_verify(ssl, tls_verify_mode(chosen), tls_verify_callback);
    grove_tls *tls = SSL_get_app_data(ssl);
    grove_tls_context_release(tls->served_by);
    tls->served_by = grove_tls_context_retain(chosen);
    return SSL_TLSEXT_ERR_OK;
}

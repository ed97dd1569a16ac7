/*
 * A context's certificates: its own with their key, and those it trusts, from
 * files or text in PEM. Set up by one thread, before its connections are made.
 *
 *     path, text --> BIO --> read_certs --> set_cert: the context's own
 *                                      \--> trust_certs: its store
 *
 * Whatever fails leaves the context with what it had, and tells in its error
 * which file or text it was.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/tls.h"

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
        return tls_refuse_by_openssl(context, cert_is);
    X509 *own = sk_X509_shift(chain);
    EVP_PKEY *private =
        PEM_read_bio_PrivateKey(key, NULL, give_password, (void *)password);
    int r = 0;
    if (!private || !X509_check_private_key(own, private) ||
        !SSL_CTX_use_cert_and_key(context->ssl, own, private, chain, 1))
        r = tls_refuse_by_openssl(context, key_is);
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
                   : tls_refuse_by_openssl(context, "the texts");
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
        *r = tls_refuse(context, -error, "%s: %s", path, strerror(error));
        return NULL;
    }
    BIO *bio = BIO_new_fp(file, BIO_CLOSE);
    if (!bio) {
        fclose(file);
        *r = tls_refuse(context, -ENOMEM, "no memory");
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
        return tls_refuse(context, -ENOMEM, "no memory");
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
        return tls_refuse_by_openssl(context, what);
    int r = own_store(context);
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
    for (int i = 0; r == 0 && i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        if (!X509_STORE_add_cert(store, cert) ||
            (context->role == GROVE_TLS_SERVER &&
             !SSL_CTX_add_client_CA(context->ssl, cert)))
            r = tls_refuse_by_openssl(context, what);
    }
    sk_X509_pop_free(certs, X509_free);
    return r;
}

static int trust_directory(grove_tls_context *context, const char *path)
{
    int r = own_store(context);
    if (r == 0 &&
        !X509_STORE_load_path(SSL_CTX_get_cert_store(context->ssl), path))
        r = tls_refuse_by_openssl(context, path);
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
                   : tls_refuse_by_openssl(context, "the system's trust store");
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
               : tls_refuse(context, -ENOMEM, "no memory");
    BIO_free(in);
    return r;
}

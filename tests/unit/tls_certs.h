/*
 * A certificate authority made on the spot, certificates of its, and contexts
 * that have and trust them.
 */
#ifndef TESTS_UNIT_TLS_CERTS_H
#define TESTS_UNIT_TLS_CERTS_H

#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "grove.h"

/* ---- certificates -------------------------------------------------------- */

/* A certificate and its key, as PEM text too. */
struct cert {
    X509 *x509;
    EVP_PKEY *key;
    char *cert_text, *key_text;
};

/* What it is to be; times in seconds from now. */
struct cert_wish {
    const char *name;  /* common name */
    const char *hosts; /* "DNS:a.test,IP:127.0.0.1"; NULL: none */
    bool is_ca;
    long begins, ends;         /* both 0: a day ago, in a day */
    const struct cert *signer; /* NULL: itself */
};

HELPER char *pem_text(BIO *bio)
{
    char *data, *text;
    long n = BIO_get_mem_data(bio, &data);
    text = strndup(data, (size_t)n);
    BIO_free(bio);
    return text;
}

HELPER void extend(X509 *x509, const struct cert *signer, int nid,
                   const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, signer ? signer->x509 : x509, x509, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(e);
    assert_true(X509_add_ext(x509, e, -1));
    X509_EXTENSION_free(e);
}

HELPER struct cert cert_make(struct cert_wish wish)
{
    static long serial;
    struct cert c = {.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    X509_NAME *name = X509_get_subject_name(c.x509);
    bool usual = !wish.begins && !wish.ends;
    X509_set_version(c.x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), usual ? -86400 : wish.begins);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), usual ? 86400 : wish.ends);
    X509_set_pubkey(c.x509, c.key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (const unsigned char *)wish.name, -1, -1, 0);
    X509_set_issuer_name(
        c.x509, wish.signer ? X509_get_subject_name(wish.signer->x509) : name);
    extend(c.x509, wish.signer, NID_basic_constraints,
           wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish.hosts)
        extend(c.x509, wish.signer, NID_subject_alt_name, wish.hosts);
    assert_true(X509_sign(c.x509, wish.signer ? wish.signer->key : c.key,
                          EVP_sha256()));
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, c.x509);
    c.cert_text = pem_text(bio);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, c.key, NULL, NULL, 0, NULL, NULL);
    c.key_text = pem_text(bio);
    return c;
}

HELPER void cert_free(struct cert *c)
{
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    free(c->cert_text);
    free(c->key_text);
}

/* The authority, and a certificate of its for a.test and 127.0.0.1. */
static struct cert ca, good;

HELPER int make_certs(void **state)
{
    ca = cert_make((struct cert_wish){.name = "Test CA", .is_ca = true});
    good = cert_make((struct cert_wish){
        .name = "a", .hosts = "DNS:a.test,IP:127.0.0.1", .signer = &ca});
    return 0;
}

HELPER int free_certs(void **state)
{
    cert_free(&good);
    cert_free(&ca);
    return 0;
}

/* ---- contexts -------------------------------------------------------------- */

HELPER grove_tls_context *server_context(const struct cert *cert)
{
    grove_tls_context *context;
    assert_int_equal(grove_tls_context_new(&context, GROVE_TLS_SERVER), 0);
    if (cert)
        assert_int_equal(grove_tls_context_cert_text(context, cert->cert_text,
                                                     cert->key_text, NULL),
                         0);
    return context;
}

/* Trusts the authority; NULL: the system's store. */
HELPER grove_tls_context *client_context(const struct cert *trusted)
{
    grove_tls_context *context;
    assert_int_equal(grove_tls_context_new(&context, GROVE_TLS_CLIENT), 0);
    if (trusted)
        assert_int_equal(
            grove_tls_context_trust_text(context, trusted->cert_text), 0);
    return context;
}

/* Contexts for both ends of a connection to a.test, for a whole file. */
HELPER grove_tls_context *usual_client, *usual_server;

HELPER int make_contexts(void **state)
{
    make_certs(state);
    usual_client = client_context(&ca);
    usual_server = server_context(&good);
    return 0;
}

HELPER int release_contexts(void **state)
{
    grove_tls_context_release(usual_client);
    grove_tls_context_release(usual_server);
    return free_certs(state);
}

#endif

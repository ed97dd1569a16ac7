/*
 * Peers' certificates: what is asked of them, and, in words and as an errno,
 * what was wrong with one.
 *
 * OpenSSL checks; its callback, made once for each thing that it objects to,
 * keeps the first in the connection and lets it stand. All run on the
 * connection's thread, within OpenSSL; none may park.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls/tls.h"

int tls_verify_mode(const grove_tls_context *context)
{
    switch (context->verify) {
    case GROVE_TLS_VERIFY_NONE:
        return SSL_VERIFY_NONE;
    case GROVE_TLS_VERIFY_OPTIONAL:
        return SSL_VERIFY_PEER;
    default:
        return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
}

bool tls_is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1;
}

int tls_verify_host(grove_tls *tls)
{
    assert(tls->host[0] && tls->context->role == GROVE_TLS_CLIENT);
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int ok = tls_is_address(tls->host)
                 ? X509_VERIFY_PARAM_set1_ip_asc(param, tls->host)
                 : X509_VERIFY_PARAM_set1_host(param, tls->host, 0);
    return ok ? 0 : -ENOMEM;
}

/* ---- what was wrong ------------------------------------------------------- */

/* Append text to buf, "..." once where it gets too long. */
static void append(char *buf, size_t size, const char *text)
{
    size_t used = strlen(buf);
    if (used + strlen(text) + sizeof("...") <= size)
        strcpy(buf + used, text);
    else if (used < 3 || strcmp(buf + used - 3, "...") != 0)
        snprintf(buf + used, size - used, "...");
}

/* The hosts that a certificate is for, separated by commas. */
static void list_hosts(X509 *cert, char *buf, size_t size)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    buf[0] = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        char text[INET6_ADDRSTRLEN] = "";
        const char *host = text;
        if (name->type == GEN_DNS)
            host = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
        else if (name->type == GEN_IPADD)
            inet_ntop(name->d.iPAddress->length == 4 ? AF_INET : AF_INET6,
                      name->d.iPAddress->data, text, sizeof(text));
        else
            continue;
        if (buf[0])
            append(buf, size, ", ");
        append(buf, size, host);
    }
    GENERAL_NAMES_free(names);
    if (!buf[0])
        append(buf, size, "no host");
}

/* "Nov 21 04:53:00 2026 GMT" */
static void write_time(const ASN1_TIME *time, char *buf, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = -1;
    if (bio && ASN1_TIME_print(bio, time))
        n = BIO_read(bio, buf, (int)size - 1);
    buf[n > 0 ? n : 0] = 0;
    BIO_free(bio);
}

static void say_what(grove_tls *tls, X509_STORE_CTX *store, int error)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    char subject[256] = "", more[256] = "";
    if (cert)
        X509_NAME_oneline(X509_get_subject_name(cert), subject,
                          sizeof(subject));
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        list_hosts(cert, more, sizeof(more));
        tls_say(tls, "the certificate is for %s, not for %s", more, tls->host);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        write_time(X509_get0_notAfter(cert), more, sizeof(more));
        tls_say(tls, "the certificate of %s has expired on %s", subject, more);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        write_time(X509_get0_notBefore(cert), more, sizeof(more));
        tls_say(tls, "the certificate of %s is not valid before %s", subject,
                more);
        break;
    default:
        tls_say(tls, "the certificate of %s was refused: %s", subject,
                X509_verify_cert_error_string(error));
    }
}

static int errno_of(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return EKEYEXPIRED;
    case X509_V_ERR_CERT_REVOKED:
        return EKEYREVOKED;
    case X509_V_ERR_OUT_OF_MEM:
        return ENOMEM;
    default:
        return EKEYREJECTED;
    }
}

int tls_verify_callback(int ok, X509_STORE_CTX *store)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    grove_tls *tls = SSL_get_app_data(ssl);
    assert(tls && tls->ssl == ssl);
    if (!ok && !tls->verify_error) {
        int error = X509_STORE_CTX_get_error(store);
        tls->verify_error = errno_of(error);
        say_what(tls, store, error);
    }
    return ok;
}

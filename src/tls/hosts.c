/*
 * Which context serves a client that names its host: a server's context may
 * have others by name, and a function for the rest.
 *
 *     name --> listed as it is --> listed as "*.rest" --> the function
 *
 * The list grows by one thread, before connections are made, and holds a
 * reference of each context in it; handshakes on any thread only read it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tls/tls.h"

int grove_tls_context_host(grove_tls_context *context, const char *host,
                           grove_tls_context *other)
{
    size_t len = strlen(host);
    if (context->role != GROVE_TLS_SERVER || other->role != GROVE_TLS_SERVER)
        return tls_refuse(context, -EINVAL, "hosts are for servers");
    if (len == 0 || len > TLS_HOST_MAX || other == context)
        return tls_refuse(context, -EINVAL,
                          "\"%s\": expected a host's name and another context",
                          host);
    struct tls_host *entry = malloc(sizeof(*entry) + len + 1);
    if (!entry)
        return tls_refuse(context, -ENOMEM, "no memory");
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
        return tls_refuse(context, -EINVAL, "hosts are for servers");
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

int tls_choose_host(SSL *ssl, int *alert, void *arg)
{
    grove_tls_context *context = arg;
    assert(context->role == GROVE_TLS_SERVER);
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

void tls_hosts_free(struct tls_host *hosts)
{
    while (hosts) {
        struct tls_host *next = hosts->next;
        grove_tls_context_release(hosts->context);
        free(hosts);
        hosts = next;
    }
}

/*
 * TLS connections: handshake, read, write, shutdown.
 *
 *     new --handshake--> established --shutdown(SHUT_WR)--> finished: reads on
 *      |                   |      ^                             |
 *      +----- fails -------+      +--- read, write              | peer's, too
 *             v            v                                    v
 *           broken: the errno of what broke it, again         read says 0
 *
 * Invariants:
 *   1. OpenSSL is only called by the fiber whose turn it is to read, to write
 *      or to shake hands, and never left by a switch (see tls.h), so that a
 *      reader and a writer do not meet in it.
 *   2. What ends a wait early (a kill, a deadline) breaks nothing. A record of
 *      which OpenSSL has sent a part must be sent to its end: it is kept, and
 *      who writes next must come with the same bytes.
 *   3. Nobody reads or writes before the handshake is done.
 */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"

/* The most that OpenSSL is given at once: a record's worth. */
#define RECORD 16384

/* A call under way. */
struct op {
    grove_tls *tls;
    int64_t deadline;
    const char *what; /* for grove_dump */
    bool last;        /* the deadline has passed: this try is the last */
    bool cut;         /* a wait has ended it, OpenSSL has not */
};

/* ---- what went wrong ----------------------------------------------------- */

void tls_say(grove_tls *tls, const char *format, ...)
{
    va_list args;
    free(tls->error);
    va_start(args, format);
    if (vasprintf(&tls->error, format, args) < 0)
        tls->error = NULL;
    va_end(args);
    tls->said = tls->error ? tls->error : "no memory to tell it";
}

const char *grove_tls_error(const grove_tls *tls)
{
    return tls->said;
}

/* A call fails: with errno error, told by tls_say if it is not a system's. */
static int fail(grove_tls *tls, int error)
{
    errno = error;
    return -1;
}

static int fail_by_system(grove_tls *tls, int error)
{
    tls_say(tls, "%s", strerror(error));
    return fail(tls, error);
}

static int end_of_stream(grove_tls *tls)
{
    tls_say(tls, tls->established
                     ? "the stream ended without the peer's close_notify: it "
                       "may have been cut"
                     : "the peer closed the stream during the handshake");
    return ECONNABORTED;
}

/* Which errno OpenSSL's own error is; said. */
static int protocol_error(grove_tls *tls)
{
    char buf[256];
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (tls_out_of_memory()) {
        tls_say(tls, "no memory");
        return ENOMEM;
    }
    if (tls->verify_error)
        return tls->verify_error;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return end_of_stream(tls);
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        tls_say(tls, "the client has shown no certificate");
        return EKEYREJECTED;
    }
    if (reason > SSL_AD_REASON_OFFSET)
        tls_say(tls, "the peer refused the connection: %s",
                SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else
        tls_say(tls, "%s", tls_reason(buf, sizeof(buf)));
    return EPROTO;
}

/* OpenSSL has failed for good, as SSL_get_error says; the errno, said. The
 * other direction may still work if it was the descriptor's fault. */
static int break_down(grove_tls *tls, int ssl_error, int *broken)
{
    int error;
    if (ssl_error == SSL_ERROR_SYSCALL && tls->io_error) {
        error = tls->io_error;
        tls_say(tls, "%s", strerror(error));
    } else if (ssl_error == SSL_ERROR_SYSCALL) {
        error = end_of_stream(tls);
    } else {
        error = protocol_error(tls);
        tls->read_broken = tls->write_broken = error;
        /* Why, the peer is told. */
        if (tls->fd < 0 && tls->output)
            tls_wait(tls, LOOP_WRITE, grove_now(), "tls");
    }
    *broken = error;
    return error;
}

/* ---- what each call does around OpenSSL's --------------------------------- */

/* OpenSSL has returned r, which is not success, at the end of the call: wait,
 * if that is what it wants. Whether to call it again; else errno is set. */
static bool again(struct op *op, int r, int *broken)
{
    grove_tls *tls = op->tls;
    int ssl_error = SSL_get_error(tls->ssl, r);
    if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) {
        fail(tls, break_down(tls, ssl_error, broken));
        return false;
    }
    op->cut = true;
    if (op->last) {
        fail_by_system(tls, ETIMEDOUT);
        return false;
    }
    unsigned direction =
        ssl_error == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE;
    int waited = tls_wait(tls, direction, op->deadline, op->what);
    if (waited == -ETIMEDOUT)
        op->last = true;
    else if (waited < 0 && waited != -EINTR) {
        fail_by_system(tls, -waited);
        return false;
    }
    op->cut = false;
    return true;
}

/* Have the turn; -1 with errno if not. */
static int take(grove_tls *tls, grove_mutex *turn, int64_t deadline)
{
    int r = grove_mutex_lock_until(turn, deadline);
    return r < 0 ? fail_by_system(tls, -r) : 0;
}

/* errno outlives what ends a call. */
static void give(grove_mutex *turn)
{
    int error = errno;
    grove_mutex_unlock(turn);
    errno = error;
}

/* ---- birth and end ---------------------------------------------------------- */

static int set_host(grove_tls *tls, const char *host)
{
    const grove_tls_context *context = tls->context;
    if (!host) {
        return context->role == GROVE_TLS_CLIENT &&
                       context->verify == GROVE_TLS_VERIFY_FULL
                   ? -EINVAL
                   : 0;
    }
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
    return tls_bio_attach(tls);
}

static int new_tls(grove_tls **out, grove_tls_context *context, int fd,
                   const grove_tls_transport *transport, const char *host)
{
    grove_tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return -ENOMEM;
    tls->context = grove_tls_context_retain(context);
    tls->fd = fd;
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

void grove_tls_free(grove_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    grove_tls_context_release(tls->served_by);
    grove_tls_context_release(tls->context);
    free(tls->input);
    free(tls->error);
    free(tls);
}

/* ---- handshake ---------------------------------------------------------------- */

static void keep_protocol(grove_tls *tls)
{
    const unsigned char *name;
    unsigned size;
    SSL_get0_alpn_selected(tls->ssl, &name, &size);
    if (size && size < sizeof(tls->alpn))
        memcpy(tls->alpn, name, size);
}

/* A resumed session shows no certificate: the one it was made with counts. */
static int check_resumed(grove_tls *tls)
{
    long error = SSL_get_verify_result(tls->ssl);
    if (!(SSL_get_verify_mode(tls->ssl) & SSL_VERIFY_PEER) ||
        error == X509_V_OK)
        return 0;
    tls_say(tls, "the session's certificate was refused: %s",
            X509_verify_cert_error_string(error));
    tls->read_broken = tls->write_broken = EKEYREJECTED;
    return fail(tls, EKEYREJECTED);
}

static int shake_hands(grove_tls *tls, int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls handshake"};
    int r;
    do {
        if (tls->read_broken)
            return fail(tls, tls->read_broken);
        ERR_clear_error();
        r = SSL_do_handshake(tls->ssl);
    } while (r <= 0 && again(&op, r, &tls->read_broken));
    if (r <= 0)
        return -1;
    if (check_resumed(tls) < 0)
        return -1;
    keep_protocol(tls);
    tls->established = true;
    return 0;
}

static int handshake(grove_tls *tls, int64_t deadline)
{
    if (likely(tls->established))
        return 0;
    if (take(tls, &tls->shaking, deadline) < 0)
        return -1;
    int r = tls->established ? 0 : shake_hands(tls, deadline);
    give(&tls->shaking);
    return r;
}

/* ---- reading -------------------------------------------------------------------- */

static ssize_t read_some(grove_tls *tls, void *buf, size_t len,
                         int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls read"};
    for (;;) {
        if (tls->read_broken)
            return fail(tls, tls->read_broken);
        ERR_clear_error();
        size_t n;
        int r = SSL_read_ex(tls->ssl, buf, len, &n);
        if (r > 0)
            return (ssize_t)n;
        if (SSL_get_error(tls->ssl, r) == SSL_ERROR_ZERO_RETURN)
            return 0;
        if (!again(&op, r, &tls->read_broken))
            return -1;
    }
}

ssize_t grove_tls_read_until(grove_tls *tls, void *buf, size_t len,
                             int64_t deadline)
{
    if (handshake(tls, deadline) < 0)
        return -1;
    if (len == 0)
        return 0;
    net_count_call();
    if (take(tls, &tls->reading, deadline) < 0)
        return -1;
    ssize_t n = read_some(tls, buf, len, deadline);
    give(&tls->reading);
    return n;
}

/* ---- writing -------------------------------------------------------------------- */

/* FNV-1a: tells an honest repetition from other bytes; no more is asked. */
static uint64_t hash_of(const char *buf, size_t len)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)buf[i]) * UINT64_C(1099511628211);
    return hash;
}

/* How much of buf is the next record; 0: it must not be written. */
static size_t next_record(grove_tls *tls, const char *buf, size_t len)
{
    if (tls->cut_size == 0)
        return len < RECORD ? len : RECORD;
    if (tls->cut_size <= len && hash_of(buf, tls->cut_size) == tls->cut_hash)
        return tls->cut_size;
    return 0;
}

/* len bytes, a record. Whether that was done. */
static bool write_record(struct op *op, const char *buf, size_t len)
{
    grove_tls *tls = op->tls;
    size_t n;
    int r;
    do {
        if (tls->write_broken) {
            fail(tls, tls->write_broken);
            return false;
        }
        ERR_clear_error();
        r = SSL_write_ex(tls->ssl, buf, len, &n);
    } while (r <= 0 && again(op, r, &tls->write_broken));
    tls->cut_size = r <= 0 && op->cut ? len : 0;
    if (tls->cut_size)
        tls->cut_hash = hash_of(buf, len);
    return r > 0;
}

static ssize_t write_all(grove_tls *tls, const char *buf, size_t len,
                         int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls write"};
    size_t done = 0;
    if (tls->finished) {
        tls_say(tls, "written to after grove_tls_shutdown");
        return fail(tls, EPIPE);
    }
    while (done < len) {
        size_t n = next_record(tls, buf + done, len - done);
        if (n == 0) {
            tls_say(tls,
                    "a write was cut short within a record, and this one "
                    "does not begin with the same %zu bytes",
                    tls->cut_size);
            return done ? (ssize_t)done : fail(tls, EPIPE);
        }
        if (!write_record(&op, buf + done, n)) {
            if (done == 0)
                return -1;
            /* A part's length is the result; a kill must not be lost by it. */
            if (errno == ECANCELED)
                grove_kill(grove_self());
            return (ssize_t)done;
        }
        done += n;
    }
    return (ssize_t)done;
}

ssize_t grove_tls_write_until(grove_tls *tls, const void *buf, size_t len,
                              int64_t deadline)
{
    if (handshake(tls, deadline) < 0)
        return -1;
    net_count_call();
    if (take(tls, &tls->writing, deadline) < 0)
        return -1;
    ssize_t n = write_all(tls, buf, len, deadline);
    give(&tls->writing);
    return n;
}

/* ---- shutdown --------------------------------------------------------------------- */

static int finish(grove_tls *tls, int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls shutdown"};
    if (tls->finished)
        return 0;
    if (tls->cut_size) {
        tls_say(tls, "a write was cut short within a record of %zu bytes",
                tls->cut_size);
        return fail(tls, EPIPE);
    }
    int r;
    do {
        if (tls->write_broken)
            return fail(tls, tls->write_broken);
        ERR_clear_error();
        /* -1 while it is not sent; it is told apart from what comes after. */
        r = SSL_shutdown(tls->ssl);
    } while (r < 0 && again(&op, r, &tls->write_broken));
    tls->finished = r >= 0;
    return r < 0 ? -1 : 0;
}

static int drain(grove_tls *tls, int64_t deadline)
{
    char buf[1024];
    ssize_t n;
    do {
        n = read_some(tls, buf, sizeof(buf), deadline);
    } while (n > 0);
    return (int)n;
}

int grove_tls_shutdown_until(grove_tls *tls, int how, int64_t deadline)
{
    if (how != SHUT_WR && how != SHUT_RDWR) {
        tls_say(tls, "%d is neither SHUT_WR nor SHUT_RDWR", how);
        return fail(tls, EINVAL);
    }
    if (!tls->established) {
        tls_say(tls, "there was no handshake");
        return fail(tls, ENOTCONN);
    }
    if (take(tls, &tls->writing, deadline) < 0)
        return -1;
    int r = finish(tls, deadline);
    give(&tls->writing);
    if (r < 0 || how == SHUT_WR)
        return r;
    if (take(tls, &tls->reading, deadline) < 0)
        return -1;
    r = drain(tls, deadline);
    give(&tls->reading);
    return r;
}

/* ---- what is known of it ----------------------------------------------------------- */

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

/* ---- without a deadline --------------------------------------------------------------- */

int grove_tls_handshake_until(grove_tls *tls, int64_t deadline)
{
    return handshake(tls, deadline);
}

int grove_tls_handshake(grove_tls *tls)
{
    return handshake(tls, GROVE_NEVER);
}

ssize_t grove_tls_read(grove_tls *tls, void *buf, size_t len)
{
    return grove_tls_read_until(tls, buf, len, GROVE_NEVER);
}

ssize_t grove_tls_write(grove_tls *tls, const void *buf, size_t len)
{
    return grove_tls_write_until(tls, buf, len, GROVE_NEVER);
}

int grove_tls_shutdown(grove_tls *tls, int how)
{
    return grove_tls_shutdown_until(tls, how, GROVE_NEVER);
}

const struct tls_ops tls_ops_table = {
    .retain = grove_tls_context_retain,
    .release = grove_tls_context_release,
    .open = grove_tls_new,
    .free = grove_tls_free,
    .handshake = grove_tls_handshake_until,
    .read = grove_tls_read_until,
    .write = grove_tls_write_until,
    .shutdown = grove_tls_shutdown_until,
};

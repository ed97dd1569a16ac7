/*
 * What went wrong, as an errno and in words: OpenSSL's errors, the stream's,
 * the system's.
 *
 *     OpenSSL's queue --+
 *     tls->io_error ----+--> tls_break_down --> errno, tls->said, and what of
 *     tls->verify_error +                       the connection is broken
 *
 * What is said stays until the next thing is. OpenSSL's queue of errors is its
 * thread's: it is looked at before anything else may run on that. All run on
 * the connection's thread.
 */
#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

/* ---- OpenSSL's words ---------------------------------------------------- */

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

/* ---- what a connection says ---------------------------------------------- */

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
    return tls ? tls->said : tls_last_words();
}

int tls_fail(grove_tls *tls, int error)
{
    assert(error > 0 && tls->said[0]);
    errno = error;
    return -1;
}

int tls_fail_by_system(grove_tls *tls, int error)
{
    tls_say(tls, "%s", strerror(error));
    return tls_fail(tls, error);
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

/* Whether the peer, which has gone before all was written to it, has said why
 * in an alert that nobody has read; it is OpenSSL's error then. */
static bool was_refused(grove_tls *tls)
{
    char byte;
    size_t n;
    if (tls->fd < 0 || (tls->io_error != ECONNRESET && tls->io_error != EPIPE))
        return false;
    ERR_clear_error();
    return SSL_peek_ex(tls->ssl, &byte, 1, &n) <= 0 &&
           ERR_GET_REASON(ERR_peek_error()) > SSL_AD_REASON_OFFSET;
}

int tls_break_down(grove_tls *tls, int ssl_error, int *broken)
{
    int error = tls->io_error;
    assert(broken == &tls->read_broken || broken == &tls->write_broken);
    if (ssl_error == SSL_ERROR_SYSCALL && broken == &tls->write_broken &&
        was_refused(tls)) {
        error = protocol_error(tls);
        tls->read_broken = tls->write_broken = error;
    } else if (ssl_error == SSL_ERROR_SYSCALL && error) {
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

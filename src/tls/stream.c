/*
 * What goes through a TLS connection: handshake, read, write, shutdown.
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
 *   3. Nobody reads or writes before the handshake is done, and nobody writes
 *      once the connection is finished.
 *
 * All run on the connection's thread, and may park.
 */
#include <assert.h>
#include <openssl/err.h>
#include <string.h>

#include "tls/tls.h"

/* The most that OpenSSL is given at once: a record's worth. */
#define RECORD 16384

/* A call under way, by who has the turn for it; on its stack. */
struct op {
    grove_tls *tls;
    int64_t deadline; /* of the call, all its waits included */
    const char *what; /* for grove_dump */
    bool tries;       /* it must not wait: EAGAIN instead */
    unsigned wants;   /* then what is to be waited for */
    bool last;        /* the deadline has passed: this try is the last */
    bool cut;         /* a wait has ended it, OpenSSL has not */
};

/* ---- what each call does around OpenSSL's --------------------------------- */

/* OpenSSL has returned r, which is not success, at the end of the call: wait,
 * if that is what it wants. Whether to call it again; else errno is set. */
static bool again(struct op *op, int r, int *broken)
{
    grove_tls *tls = op->tls;
    int ssl_error = SSL_get_error(tls->ssl, r);
    assert(r <= 0 && !op->cut);
    if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) {
        tls_fail(tls, tls_break_down(tls, ssl_error, broken));
        return false;
    }
    op->cut = true;
    op->wants = ssl_error == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE;
    if (op->tries) {
        errno = EAGAIN;
        return false;
    }
    if (op->last) {
        tls_fail_by_system(tls, ETIMEDOUT);
        return false;
    }
    int waited = tls_wait(tls, op->wants, op->deadline, op->what);
    if (waited == -ETIMEDOUT)
        op->last = true;
    else if (waited < 0 && waited != -EINTR) {
        tls_fail_by_system(tls, -waited);
        return false;
    }
    op->cut = false;
    return true;
}

/* Have the turn; -1 with errno if not. */
static int take(grove_tls *tls, grove_mutex *turn, int64_t deadline)
{
    int r = grove_mutex_lock_until(turn, deadline);
    if (r == -EOWNERDEAD) /* in the middle of a record: no use going on */
        grove_mutex_unlock(turn);
    return r < 0 ? tls_fail_by_system(tls, -r) : 0;
}

/* The same if that takes no wait, and no turn of others; a negative errno if
 * not. */
static int try_to_take(grove_mutex *turn)
{
    int r = grove_mutex_trylock(turn);
    if (r == -EOWNERDEAD) /* as in take */
        grove_mutex_unlock(turn);
    return r;
}

/* errno outlives what ends a call. */
static void give(grove_mutex *turn)
{
    int error = errno;
    grove_mutex_unlock(turn);
    errno = error;
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
    return tls_fail(tls, EKEYREJECTED);
}

static int shake_hands(grove_tls *tls, int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls handshake"};
    int r;
    assert(grove_mutex_is_locked(&tls->shaking) && !tls->established);
    do {
        if (tls->read_broken)
            return tls_fail(tls, tls->read_broken);
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
    /* Who had the turn before may have done it. */
    int r = tls->established ? 0 : shake_hands(tls, deadline);
    assert(r < 0 || tls->established);
    give(&tls->shaking);
    return r;
}

/* ---- reading -------------------------------------------------------------------- */

/* As SSL_read_ex, but the end of the stream is a success, of 0 bytes. */
static int read_once(grove_tls *tls, void *buf, size_t len, size_t *n)
{
    assert(tls->established && len > 0);
    ERR_clear_error();
    int r = SSL_read_ex(tls->ssl, buf, len, n);
    if (r > 0 || SSL_get_error(tls->ssl, r) != SSL_ERROR_ZERO_RETURN)
        return r;
    *n = 0;
    return 1;
}

static ssize_t read_some(grove_tls *tls, void *buf, size_t len,
                         int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls read"};
    assert(grove_mutex_is_locked(&tls->reading));
    for (;;) {
        size_t n;
        if (tls->read_broken)
            return tls_fail(tls, tls->read_broken);
        int r = read_once(tls, buf, len, &n);
        if (r > 0)
            return (ssize_t)n;
        if (!again(&op, r, &tls->read_broken))
            return -1;
    }
}

ssize_t tls_try_read(grove_tls *tls, void *buf, size_t len, unsigned *direction)
{
    size_t n;
    if (tls->read_broken)
        return tls_fail(tls, tls->read_broken);
    int r = read_once(tls, buf, len, &n);
    if (r > 0)
        return (ssize_t)n;
    int ssl_error = SSL_get_error(tls->ssl, r);
    if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE)
        return tls_fail(tls, tls_break_down(tls, ssl_error, &tls->read_broken));
    *direction = ssl_error == SSL_ERROR_WANT_READ ? LOOP_READ : LOOP_WRITE;
    errno = EAGAIN;
    return -1;
}

bool tls_has_more(const grove_tls *tls)
{
    return SSL_has_pending(tls->ssl);
}

/* Nobody else runs between the caller's try and the wait, or what comes in
 * between would wake nobody: who must wait for the turn tries again. */
int tls_await(grove_tls *tls, unsigned direction, int64_t deadline)
{
    int r = 0;
    if (try_to_take(&tls->reading) == 0)
        r = tls_wait(tls, direction, deadline, "tls read");
    else if (take(tls, &tls->reading, deadline) < 0)
        return -errno;
    give(&tls->reading);
    return r;
}

ssize_t grove_tls_read_until(grove_tls *tls, void *buf, size_t len,
                             int64_t deadline)
{
    if (handshake(tls, deadline) < 0)
        return -1;
    net_count_call();
    if (len == 0)
        return 0;
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
    assert(len > 0 && tls->cut_size <= RECORD);
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
    assert(grove_mutex_is_locked(&tls->writing) && tls->established);
    assert(len > 0 && len <= RECORD && !tls->finished);
    assert(tls->cut_size == 0 || tls->cut_size == len);
    do {
        if (tls->write_broken) {
            tls_fail(tls, tls->write_broken);
            return false;
        }
        ERR_clear_error();
        r = SSL_write_ex(tls->ssl, buf, len, &n);
    } while (r <= 0 && again(op, r, &tls->write_broken));
    assert(r <= 0 || n == len); /* no part of a record is a success */
    tls->cut_size = r <= 0 && op->cut ? len : 0;
    if (tls->cut_size)
        tls->cut_hash = hash_of(buf, len);
    return r > 0;
}

static ssize_t write_all(struct op *op, const char *buf, size_t len)
{
    grove_tls *tls = op->tls;
    size_t done = 0;
    if (tls->finished) {
        tls_say(tls, "written to after grove_tls_shutdown");
        return tls_fail(tls, EPIPE);
    }
    while (done < len) {
        size_t n = next_record(tls, buf + done, len - done);
        if (n == 0) {
            tls_say(tls,
                    "a write was cut short within a record, and this one "
                    "does not begin with the same %zu bytes",
                    tls->cut_size);
            return done ? (ssize_t)done : tls_fail(tls, EPIPE);
        }
        if (!write_record(op, buf + done, n)) {
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
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls write"};
    ssize_t n = write_all(&op, buf, len);
    give(&tls->writing);
    return n;
}

ssize_t tls_try_write(grove_tls *tls, const void *buf, size_t len,
                      unsigned *direction)
{
    struct op op = {.tls = tls, .tries = true};
    assert(tls->established);
    int r = try_to_take(&tls->writing);
    if (r < 0) {
        errno = -r; /* nothing to be said of the connection */
        return -1;
    }
    ssize_t n = write_all(&op, buf, len);
    *direction = op.wants;
    give(&tls->writing);
    return n;
}

int grove_tls_write_all_until(grove_tls *tls, const void *buf, size_t len,
                              size_t *done, int64_t deadline)
{
    size_t written = 0;
    int r = 0;
    while (r == 0 && written < len) {
        ssize_t n = grove_tls_write_until(tls, (const char *)buf + written,
                                          len - written, deadline);
        if (n < 0)
            r = -errno;
        else
            written += (size_t)n;
    }
    if (done)
        *done = written;
    return r;
}

/* ---- shutdown --------------------------------------------------------------------- */

static int finish(grove_tls *tls, int64_t deadline)
{
    struct op op = {.tls = tls, .deadline = deadline, .what = "tls shutdown"};
    assert(grove_mutex_is_locked(&tls->writing) && tls->established);
    if (tls->finished)
        return 0;
    if (tls->cut_size) {
        tls_say(tls, "a write was cut short within a record of %zu bytes",
                tls->cut_size);
        return tls_fail(tls, EPIPE);
    }
    int r;
    do {
        if (tls->write_broken)
            return tls_fail(tls, tls->write_broken);
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
        return tls_fail(tls, EINVAL);
    }
    if (!tls->established) {
        tls_say(tls, "there was no handshake");
        return tls_fail(tls, ENOTCONN);
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

int grove_tls_write_all(grove_tls *tls, const void *buf, size_t len,
                        size_t *done)
{
    return grove_tls_write_all_until(tls, buf, len, done, GROVE_NEVER);
}

int grove_tls_shutdown(grove_tls *tls, int how)
{
    return grove_tls_shutdown_until(tls, how, GROVE_NEVER);
}

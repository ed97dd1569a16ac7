/*
 * How OpenSSL gets at the bytes of a connection, and the waits for them.
 *
 * Over a descriptor that is a socket its BIO receives into and sends from
 * OpenSSL's own buffers, without waiting; nothing is copied on the way. Over
 * functions, which may wait and so must not be called by OpenSSL:
 *
 *   - reading, the BIO takes from tls->input, which a wait has filled;
 *   - writing, the BIO notes where the bytes are and says "retry"; the wait
 *     writes them from there; the BIO, asked again, says how many were taken.
 *     OpenSSL keeps them where they are until then, and so a write that is cut
 *     short looks the same as over a socket.
 *
 * Other descriptors (pipes, terminals) are such a transport of grove_read and
 * grove_write. All run on the connection's thread.
 *
 * What is offered and what is taken of it:
 *
 *     output NULL --BIO asked--> offered --flush_output--> output_done > 0
 *         ^                      (output, output_size)          |
 *         +------------------- BIO asked again: that many ------+
 */
#include <assert.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/tls.h"

/* ---- the BIO ------------------------------------------------------------ */

static ssize_t take_input(grove_tls *tls, char *buf, size_t len)
{
    struct tls_input *in = tls->input;
    if (!in) {
        if (tls->ended)
            return 0;
        errno = EAGAIN;
        return -1;
    }
    assert(in->from < in->to && in->to <= sizeof(in->bytes));
    size_t n = in->to - in->from < len ? in->to - in->from : len;
    memcpy(buf, in->bytes + in->from, n);
    in->from += n;
    if (in->from == in->to) {
        free(in);
        tls->input = NULL;
    }
    return (ssize_t)n;
}

/* Whether the descriptor is still there: fibers wait in more places than for
 * it, and when their turn has come its number may be another connection's. */
static bool is_open(const grove_tls *tls)
{
    if (likely(tls->closes == loop_closes(tls->fd)))
        return true;
    errno = EBADF;
    return false;
}

static ssize_t receive(grove_tls *tls, char *buf, size_t len)
{
    return is_open(tls) ? net_try_recv(tls->fd, buf, len) : -1;
}

static ssize_t transmit(grove_tls *tls, const char *buf, size_t len)
{
    return is_open(tls) ? net_try_send(tls->fd, buf, len) : -1;
}

static int bio_read(BIO *bio, char *buf, int len)
{
    grove_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = tls->fd >= 0 ? receive(tls, buf, (size_t)len)
                             : take_input(tls, buf, (size_t)len);
    if (n == 0)
        tls->ended = true;
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    else if (n < 0)
        tls->io_error = errno;
    return (int)n;
}

static ssize_t offer_output(grove_tls *tls, const char *buf, size_t len)
{
    assert(tls->output || tls->output_done == 0);
    if (tls->output == buf && tls->output_done) {
        size_t n = tls->output_done;
        tls->output = NULL;
        tls->output_done = 0;
        return (ssize_t)n;
    }
    if (!tls->output) {
        tls->output = buf;
        tls->output_size = len;
    }
    errno = EAGAIN;
    return -1;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
    grove_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = tls->fd >= 0 ? transmit(tls, buf, (size_t)len)
                             : offer_output(tls, buf, (size_t)len);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    else if (n < 0)
        tls->io_error = errno;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    const grove_tls *tls = BIO_get_data(bio);
    if (command == BIO_CTRL_FLUSH)
        return 1;
    return command == BIO_CTRL_EOF && tls->ended;
}

BIO_METHOD *tls_bio_method(void)
{
    /* Without a number of its own, of which there are few: nobody asks. */
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "grove");
    if (method && BIO_meth_set_read(method, bio_read) &&
        BIO_meth_set_write(method, bio_write) &&
        BIO_meth_set_ctrl(method, bio_ctrl))
        return method;
    BIO_meth_free(method);
    return NULL;
}

static ssize_t read_descriptor(void *arg, void *buf, size_t len,
                               int64_t deadline)
{
    return grove_read_until((int)(intptr_t)arg, buf, len, deadline);
}

static ssize_t write_descriptor(void *arg, const void *buf, size_t len,
                                int64_t deadline)
{
    return grove_write_until((int)(intptr_t)arg, buf, len, deadline);
}

/* 0, or -EBADF. */
static int choose_transport(grove_tls *tls)
{
    int type;
    socklen_t size = sizeof(type);
    if (tls->fd < 0 ||
        getsockopt(tls->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        return 0;
    if (errno == EBADF)
        return -EBADF;
    tls->transport = (grove_tls_transport){read_descriptor, write_descriptor,
                                           (void *)(intptr_t)tls->fd};
    tls->fd = -1;
    return 0;
}

int tls_bio_attach(grove_tls *tls)
{
    assert(tls->ssl && !SSL_get_rbio(tls->ssl));
    int r = choose_transport(tls);
    if (r < 0)
        return r;
    assert(tls->fd >= 0 || (tls->transport.read && tls->transport.write));
    BIO *bio = BIO_new(tls->context->bio);
    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return 0;
}

/* ---- waits -------------------------------------------------------------- */

/* Have the transport read something, or find its end. Its reader is alone:
 * whoever waits for it has the turn of readers, or shakes hands. */
static int fill_input(grove_tls *tls, int64_t deadline)
{
    if (tls->input || tls->ended)
        return 0;
    struct tls_input *in = malloc(sizeof(*in));
    if (!in)
        return -ENOMEM;
    ssize_t n = tls->transport.read(tls->transport.arg, in->bytes,
                                    sizeof(in->bytes), deadline);
    if (n <= 0) {
        int error = errno;
        free(in);
        tls->ended = n == 0;
        return n == 0 ? 0 : -error;
    }
    assert(!tls->input); /* nobody else has read meanwhile */
    in->from = 0;
    in->to = (size_t)n;
    tls->input = in;
    return 0;
}

/* Write what OpenSSL has offered. Its reader may have something to write, too,
 * so that two may be here. */
static int flush_output(grove_tls *tls, int64_t deadline)
{
    int r = grove_mutex_lock_until(&tls->flushing, deadline);
    if (r == -EOWNERDEAD) /* how much was written is not known */
        grove_mutex_unlock(&tls->flushing);
    if (r < 0)
        return r;
    if (tls->output && !tls->output_done) {
        ssize_t n = tls->transport.write(tls->transport.arg, tls->output,
                                         tls->output_size, deadline);
        if (n < 0)
            r = -errno;
        else
            tls->output_done = (size_t)n;
    }
    grove_mutex_unlock(&tls->flushing);
    return r;
}

int tls_wait(grove_tls *tls, unsigned direction, int64_t deadline,
             const char *what)
{
    assert(direction && !(direction & ~(LOOP_READ | LOOP_WRITE)));
    if (tls->fd >= 0)
        return net_await(tls->fd, direction, deadline, what);
    return direction == LOOP_READ ? fill_input(tls, deadline)
                                  : flush_output(tls, deadline);
}

/*
 * TLS by OpenSSL 3: libgrove-tls, a library beside libgrove, so that only
 * programs that use it load OpenSSL.
 *
 *   tls_context.c     what connections have in common
 *   tls_verify.c      peers' certificates: what is asked, what was wrong
 *   tls.c             connections: handshake, read, write, shutdown
 *   tls_transport.c   how OpenSSL gets at the bytes, and the waits for them
 *   tls_session.c     resumption
 *
 * An SSL object must not be used by two at a time, yet one fiber may read while
 * another writes. So no call of OpenSSL is ever left by a switch: its BIO only
 * tries, and says "retry" where it would have to wait; the fiber then waits
 * outside and makes the call again.
 *
 *      SSL_read ----- done, failed --------------------> result
 *       |    ^
 *       |    +---------------- edge ------+
 *       v                                 |
 *      BIO: try recv -- EAGAIN --> WANT_READ: park
 *
 * What a thread's OpenSSL keeps for it (its queue of errors) is emptied before
 * each call, since other fibers have been there.
 */
#ifndef GROVE_NET_TLS_H
#define GROVE_NET_TLS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/net.h"
#include "net/tls_ops.h"

/* The longest name of a host. */
#define TLS_HOST_MAX 253

struct tls_host {
    struct tls_host *next;
    grove_tls_context *context;
    char pattern[];
};

struct grove_tls_context {
    const struct tls_ops *ops; /* first: see tls_ops.h */
    _Atomic unsigned references;
    int role;
    int verify;
    bool trusts; /* something was added to what it trusts */
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    unsigned char *alpn; /* names, each behind its length */
    size_t alpn_size;
    struct tls_host *hosts;
    grove_tls_context *(*host_fn)(const char *host, void *arg);
    void *host_arg;
    char *error; /* NULL: none, or no memory to tell it */
};

/* Bytes that a transport of functions has read. */
struct tls_input {
    size_t from, to; /* what OpenSSL has not taken yet */
    char bytes[16384];
};

struct grove_tls {
    grove_tls_context *context;
    grove_tls_context
        *served_by; /* chosen by the client's host; NULL: context */
    SSL *ssl;
    int fd; /* -1: over functions */
    grove_tls_transport transport;
    struct tls_input *input; /* NULL: nothing is there */
    /* Of a transport: what OpenSSL wants written, in its own buffer; of that,
     * how much has been, which the BIO reports when it is asked again. */
    const char *output;
    size_t output_size, output_done;
    /* Each for what one fiber at a time can do; the others wait in the order
     * they came. */
    grove_mutex flushing, shaking, reading, writing;
    bool established; /* the handshake is done */
    bool ended;       /* the stream below has */
    bool finished;    /* we have said that no more comes */
    int io_error;     /* what the BIO has failed with last */
    int verify_error; /* errno for the certificate that was refused */
    int read_broken;  /* errno of each further read; 0: none */
    int write_broken;
    /* A record that was cut short: its length, 0 for none, and a hash of it, by
     * which its bytes are known when they come again. */
    size_t cut_size;
    uint64_t cut_hash;
    char *error;      /* allocated */
    const char *said; /* what grove_tls_error returns */
    char alpn[256];
    char host[TLS_HOST_MAX + 1]; /* a client's; "" if none */
};

/* ---- tls_context.c ------------------------------------------------------- */

/* OpenSSL's oldest error, in words; in buf where it has no text of its own. */
const char *tls_reason(char *buf, size_t size);
/* Whether one of its errors is that there was no memory. */
bool tls_out_of_memory(void);

/* ---- tls_verify.c -------------------------------------------------------- */

/* OpenSSL's mode for one of GROVE_TLS_VERIFY_..., and its callback, which keeps
 * in the connection what was wrong. */
int tls_verify_mode(const grove_tls_context *context);
int tls_verify_callback(int ok, X509_STORE_CTX *store);
/* Have the certificate checked for tls->host. 0 or -ENOMEM. */
int tls_verify_host(grove_tls *tls);
bool tls_is_address(const char *host);

/* ---- tls_transport.c ------------------------------------------------------ */

/* NULL: out of memory. */
BIO_METHOD *tls_bio_method(void);
/* Connect tls->ssl with what it runs over. 0 or -ENOMEM. */
int tls_bio_attach(grove_tls *tls);
/* Park until OpenSSL may go on in direction. 0 or a negative errno. */
int tls_wait(grove_tls *tls, unsigned direction, int64_t deadline,
             const char *what);

/* ---- tls.c ---------------------------------------------------------------- */

/* Keep what went wrong, for grove_tls_error. */
__attribute__((format(printf, 2, 3))) void tls_say(grove_tls *tls,
                                                   const char *format, ...);

extern const struct tls_ops tls_ops_table;

#endif

/*
 * TLS by OpenSSL 3: libgrove-tls, a library on top of libgrove, so that only
 * programs that use it load OpenSSL. libgrove knows of it the table in
 * net/tls_ops.h.
 *
 * What connections have in common, set up by one thread before they are made:
 *
 *   context.c       the context: birth, end, what is asked of peers
 *   certificates.c  its own certificate and key, and those it trusts
 *   protocols.c     application protocols
 *   hosts.c         which context serves a client that names its host
 *   verify.c        peers' certificates: what is asked, what was wrong
 *
 * Connections, each of one thread:
 *
 *   connection.c    birth, end, what is known of it
 *   stream.c        handshake, read, write, shutdown
 *   transport.c     how OpenSSL gets at the bytes, and the waits for them
 *   session.c       resumption
 *   dial.c          a connection to a host by name, as a stream
 *   error.c         what went wrong
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
#ifndef GROVE_TLS_TLS_H
#define GROVE_TLS_TLS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/net.h"
#include "net/tls_ops.h"

/* The longest name of a host. */
#define TLS_HOST_MAX 253

/* A host that another context serves. */
struct tls_host {
    struct tls_host *next;      /* added before it */
    grove_tls_context *context; /* a reference */
    char pattern[];             /* "www.a.test", or "*.a.test" */
};

struct grove_tls_context {
    const struct tls_ops *ops;   /* first: see net/tls_ops.h */
    _Atomic unsigned references; /* the user's, connections', lists' of hosts */
    int role;                    /* GROVE_TLS_CLIENT or GROVE_TLS_SERVER */
    int verify;                  /* GROVE_TLS_VERIFY_...: what is asked */
    bool trusts;                 /* something was added to what it trusts */
    SSL_CTX *ssl;                /* what OpenSSL has a place for */
    BIO_METHOD *bio;             /* how its connections get at their bytes */
    unsigned char *alpn;         /* names, each behind its length; NULL: none */
    size_t alpn_size;
    struct tls_host *hosts; /* added last first; NULL: it serves all */
    /* For hosts that are not listed; NULL: then it serves them itself. */
    grove_tls_context *(*host_fn)(const char *host, void *arg);
    void *host_arg; /* host_fn's */
    char *error;    /* NULL: none, or no memory to tell it */
};

/* Bytes that a transport of functions has read. */
struct tls_input {
    size_t from, to; /* what OpenSSL has not taken yet: never nothing */
    char bytes[16384];
};

struct grove_tls {
    grove_tls_context *context; /* first: see net/tls_ops.h; a reference to
                                   the one it was made with */
    grove_tls_context
        *served_by;  /* chosen by the client's host; NULL: context */
    SSL *ssl;        /* entered by whose turn it is only */
    int fd;          /* not owned; -1: over functions */
    uint32_t closes; /* of fd's number when the connection was made */
    grove_tls_transport transport; /* those functions */
    struct tls_input *input;       /* NULL: nothing is there */
    /* Of a transport: what OpenSSL wants written, in its own buffer, or NULL;
     * of that, how much has been, which the BIO reports when it is asked again.
     */
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
    int write_broken; /* likewise of each write */
    /* A record that was cut short: its length, 0 for none, and a hash of it, by
     * which its bytes are known when they come again. */
    size_t cut_size;
    uint64_t cut_hash;
    char *error;      /* allocated: what is said, if that is not a constant */
    const char *said; /* what grove_tls_error returns; never NULL */
    char alpn[256];   /* the protocol agreed on; "" if none */
    char host[TLS_HOST_MAX + 1]; /* a client's; "" if none */
};

/* ---- context.c ----------------------------------------------------------- */

/* Keep what was wrong; error is returned. */
__attribute__((format(printf, 3, 4))) int
tls_refuse(grove_tls_context *context, int error, const char *format, ...);
/* What OpenSSL found wrong with the thing called what: -ENOMEM or -EINVAL. */
int tls_refuse_by_openssl(grove_tls_context *context, const char *what);

/* ---- protocols.c --------------------------------------------------------- */

/* OpenSSL calls it in the handshake of a client that offers some. */
int tls_choose_protocol(SSL *ssl, const unsigned char **out,
                        unsigned char *size, const unsigned char *offered,
                        unsigned offered_size, void *arg);

/* ---- hosts.c ------------------------------------------------------------- */

/* OpenSSL calls it in each handshake, whether or not the client has named a
 * host. */
int tls_choose_host(SSL *ssl, int *alert, void *arg);
/* The end of a context's list. */
void tls_hosts_free(struct tls_host *hosts);

/* ---- verify.c ------------------------------------------------------------ */

/* OpenSSL's mode for one of GROVE_TLS_VERIFY_..., and its callback, which keeps
 * in the connection what was wrong. */
int tls_verify_mode(const grove_tls_context *context);
int tls_verify_callback(int ok, X509_STORE_CTX *store);
/* Have the certificate checked for tls->host. 0 or -ENOMEM. */
int tls_verify_host(grove_tls *tls);
/* Whether host is an address and not a name. */
bool tls_is_address(const char *host);

/* ---- transport.c --------------------------------------------------------- */

/* NULL: out of memory. */
BIO_METHOD *tls_bio_method(void);
/* Connect tls->ssl with what it runs over. 0, -EBADF or -ENOMEM. */
int tls_bio_attach(grove_tls *tls);
/* Park until OpenSSL may go on in direction, or in one of both; over functions,
 * which may wait for one only, until it can write. 0 or a negative errno. */
int tls_wait(grove_tls *tls, unsigned direction, int64_t deadline,
             const char *what);

/* ---- error.c ------------------------------------------------------------- */

/* OpenSSL's oldest error, in words; in buf where it has no text of its own. */
const char *tls_reason(char *buf, size_t size);
/* Whether one of its errors is that there was no memory. */
bool tls_out_of_memory(void);

/* What the connection said that this thread has freed last without a handshake;
 * "". */
const char *tls_last_words(void);

/* Keep what went wrong, for grove_tls_error. */
__attribute__((format(printf, 2, 3))) void tls_say(grove_tls *tls,
                                                   const char *format, ...);
/* A call fails: -1 with errno error, which tls_say has told if it is not a
 * system's; the second tells it as one of those. */
int tls_fail(grove_tls *tls, int error);
int tls_fail_by_system(grove_tls *tls, int error);
/* OpenSSL has failed for good, as SSL_get_error says; the errno, said, and kept
 * in *broken: tls->read_broken or tls->write_broken. The other direction may
 * still work if it was the descriptor's fault. */
int tls_break_down(grove_tls *tls, int ssl_error, int *broken);

/* ---- stream.c ------------------------------------------------------------ */

/* For tls_ops, which see. */
ssize_t tls_try_read(grove_tls *tls, void *buf, size_t len,
                     unsigned *direction);
ssize_t tls_try_write(grove_tls *tls, const void *buf, size_t len,
                      unsigned *direction);
bool tls_has_more(const grove_tls *tls);
int tls_await(grove_tls *tls, unsigned direction, int64_t deadline);

/* ---- connection.c -------------------------------------------------------- */

/* The functions that libgrove's servers call. */
extern const struct tls_ops tls_ops_table;

#endif

/*
 * TLS over descriptors, or over a pair of functions. Part of grove.h; its
 * functions are in a library of their own, libgrove-tls (pkg-config grove-tls),
 * so that only programs that use them load OpenSSL.
 */
#ifndef GROVE_TLS_H
#define GROVE_TLS_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Contexts ---------------------------------------------------------- */

/* What connections have in common: certificates, whom to trust, protocols. Set
 * up by one thread, then used by connections of any; counted references. */
typedef struct grove_tls_context grove_tls_context;

/* What a context's connections are. */
#define GROVE_TLS_CLIENT 0
#define GROVE_TLS_SERVER 1

/* A context with one reference. A client's connections verify the server's
 * certificate against the system's trust store, and its name; a server's ask
 * for no certificate. TLS 1.2 and later. 0, -EINVAL (role), -ENOMEM. */
GROVE_API int grove_tls_context_new(grove_tls_context **out, int role);
GROVE_API grove_tls_context *
grove_tls_context_retain(grove_tls_context *context);
GROVE_API void grove_tls_context_release(grove_tls_context *context);

/* What was wrong with the last call on context that failed, for people; ""
 * when none has. Valid until the next call on it. */
GROVE_API const char *grove_tls_context_error(const grove_tls_context *context);

/* The certificate to show and its private key, each a file in PEM or PEM text
 * in memory: the certificate first, then those it was signed by. password is
 * the key's, NULL if it has none. 0, -ENOENT, -EACCES (or what else opening a
 * file says), -EINVAL (no such thing in there, a wrong password, or a key that
 * is not the certificate's), -ENOMEM. */
GROVE_API int grove_tls_context_cert_file(grove_tls_context *context,
                                          const char *cert, const char *key,
                                          const char *password);
GROVE_API int grove_tls_context_cert_text(grove_tls_context *context,
                                          const char *cert, const char *key,
                                          const char *password);

/* Trust the certificates in a PEM file, in a directory (with the names of
 * openssl-rehash), or in PEM text. The system's trust store counts only as long
 * as nothing was added; NULL as a path adds it, too. As ..._cert_file. */
GROVE_API int grove_tls_context_trust(grove_tls_context *context,
                                      const char *path);
GROVE_API int grove_tls_context_trust_text(grove_tls_context *context,
                                           const char *pem);

/* What is asked of the peer's certificate. */
#define GROVE_TLS_VERIFY_NONE 0     /* nothing; a server asks for none */
#define GROVE_TLS_VERIFY_OPTIONAL 1 /* servers: that it is good, if there */
#define GROVE_TLS_VERIFY_CHAIN 2    /* that it is there and trusted */
#define GROVE_TLS_VERIFY_FULL 3     /* and, by clients: that it is the host's */

/* 0, or -EINVAL for another mode, or one for servers on a client. */
GROVE_API int grove_tls_context_verify(grove_tls_context *context, int mode);

/* Application protocols, the one liked best first: "h2,http/1.1". A server
 * refuses clients that offer only others. 0, -EINVAL (an empty name, or one
 * longer than 255 bytes), -ENOMEM. */
GROVE_API int grove_tls_context_alpn(grove_tls_context *context,
                                     const char *protocols);

/* The least version spoken: GROVE_TLS_1_2 (the default) or GROVE_TLS_1_3. 0 or
 * -EINVAL. */
#define GROVE_TLS_1_2 0x0303
#define GROVE_TLS_1_3 0x0304
GROVE_API int grove_tls_context_min_version(grove_tls_context *context,
                                            int version);

/* A server's other certificates: clients that ask for host ("example.org", or
 * "*.example.org" for one more label) are served by other's certificates,
 * verification and protocols. Retains other. 0, -EINVAL (a client's context, an
 * empty name, or other is context), -ENOMEM. */
GROVE_API int grove_tls_context_host(grove_tls_context *context,
                                     const char *host,
                                     grove_tls_context *other);

/* The same by a function: fn(host, arg) is called for each client that names a
 * host not known by grove_tls_context_host. It returns the context to serve it
 * with; that of the server itself; or NULL to refuse the client. It must not
 * wait. 0 or -EINVAL (a client's context). */
GROVE_API int grove_tls_context_host_function(
    grove_tls_context *context,
    grove_tls_context *(*fn)(const char *host, void *arg), void *arg);

/* OpenSSL's SSL_CTX, for what is not here. */
GROVE_API void *grove_tls_context_native(grove_tls_context *context);

/* ---- Connections -------------------------------------------------------- */

/* One end of a connection; its fibers are of one thread. One may read while
 * another writes; of several that read, or write, each has its turn. */
typedef struct grove_tls grove_tls;

/* What a connection runs over, if not a descriptor. read and write are as
 * grove_read_until and grove_write_until; read returns 0 at the end. They may
 * wait. */
typedef struct grove_tls_transport {
    ssize_t (*read)(void *arg, void *buf, size_t len, int64_t deadline);
    ssize_t (*write)(void *arg, const void *buf, size_t len, int64_t deadline);
    void *arg;
} grove_tls_transport;

/* Make a connection over fd, or over transport, as context's role. Nothing is
 * sent yet. host, of a client, is the server's name or address: sent to it, and
 * its certificate is checked for it; servers pass NULL. fd remains the
 * caller's, and must stay open as long as the connection. 0, -EBADF, -ENOMEM,
 * or -EINVAL: a client that verifies in full and has no host, a host that is
 * too long, a server with no certificate. */
GROVE_API int grove_tls_new(grove_tls **out, grove_tls_context *context, int fd,
                            const char *host);
GROVE_API int grove_tls_new_over(grove_tls **out, grove_tls_context *context,
                                 const grove_tls_transport *transport,
                                 const char *host);

/* Free it. Nothing is sent (see grove_tls_shutdown), nor is fd closed. No fiber
 * may be in a call on it. */
GROVE_API void grove_tls_free(grove_tls *tls);

/* Get to know each other; the first read or write does so by itself. 0; or -1
 * with errno EKEYREJECTED, EKEYEXPIRED or EKEYREVOKED (the peer's certificate),
 * EPROTO (the peer refused us, or does not speak as it should), ECONNABORTED
 * (the stream ended), or what the descriptor or the wait says. grove_tls_error
 * says more. */
GROVE_API int grove_tls_handshake(grove_tls *tls);
GROVE_API int grove_tls_handshake_until(grove_tls *tls, int64_t deadline);

/* As grove_read: at least one byte; 0 once the peer has said that no more
 * comes. A stream that ends without that is an error, ECONNABORTED: it may have
 * been cut. Otherwise as grove_tls_handshake. */
GROVE_API ssize_t grove_tls_read(grove_tls *tls, void *buf, size_t len);
GROVE_API ssize_t grove_tls_read_until(grove_tls *tls, void *buf, size_t len,
                                       int64_t deadline);

/* As grove_write: all of it, unless it fails after a part. A write that was cut
 * short (ECANCELED, ETIMEDOUT) may be made again with the bytes that it did not
 * take; other bytes then are refused with EPIPE, as they are after
 * grove_tls_shutdown. */
GROVE_API ssize_t grove_tls_write(grove_tls *tls, const void *buf, size_t len);
GROVE_API ssize_t grove_tls_write_until(grove_tls *tls, const void *buf,
                                        size_t len, int64_t deadline);

/* All of it or fail: 0, or a negative errno. How much was written is stored in
 * *done (NULL: not told), whatever is returned; the next write is to begin with
 * the rest. */
GROVE_API int grove_tls_write_all(grove_tls *tls, const void *buf, size_t len,
                                  size_t *done);
GROVE_API int grove_tls_write_all_until(grove_tls *tls, const void *buf,
                                        size_t len, size_t *done,
                                        int64_t deadline);

/* With SHUT_WR, tell the peer that no more comes; what it sends can still be
 * read. With SHUT_RDWR also drop what it still sends, until it has said the
 * same. 0; -1 with errno EINVAL (other how), or as grove_tls_read. */
GROVE_API int grove_tls_shutdown(grove_tls *tls, int how);
GROVE_API int grove_tls_shutdown_until(grove_tls *tls, int how,
                                       int64_t deadline);

/* What was wrong when a call on tls last failed, for people: "the certificate
 * is for a.test, not for b.test"; "" when none has. Valid until the next call
 * on tls. NULL: in the handshake of the connection that the calling thread has
 * given up last, as grove_dial_tls does; valid until the caller waits. */
GROVE_API const char *grove_tls_error(const grove_tls *tls);

/* Of a connection whose handshake is done, else "": "TLSv1.3"; the cipher's
 * name; the application protocol agreed on, "" if none. Of a server at any
 * time: the host that the client has asked for. */
GROVE_API const char *grove_tls_version(const grove_tls *tls);
GROVE_API const char *grove_tls_cipher(const grove_tls *tls);
GROVE_API const char *grove_tls_alpn(const grove_tls *tls);
GROVE_API const char *grove_tls_host(const grove_tls *tls);

/* Store whom the peer's certificate is for ("CN=alice,O=Test", as in RFC 2253)
 * in buf, cut to size with its 0 byte. Its whole length, 0 when the peer showed
 * none; or -ENOMEM. */
GROVE_API ssize_t grove_tls_peer(const grove_tls *tls, char *buf, size_t size);

/* OpenSSL's SSL, for what is not here. */
GROVE_API void *grove_tls_native(grove_tls *tls);

/* ---- Resumption --------------------------------------------------------- */

/* Store the session of a client in buf, if size is enough, to be resumed by a
 * later connection to the same host. It is secret. Its length, at most
 * GROVE_TLS_SESSION_MAX; -ENOENT while there is none (with TLS 1.3 it comes
 * with the first reads), -EINVAL for a server, -EMSGSIZE for one that is
 * longer, -ENOMEM. */
#define GROVE_TLS_SESSION_MAX 65536
GROVE_API ssize_t grove_tls_session_save(grove_tls *tls, void *buf,
                                         size_t size);

/* Before the handshake: try to resume a saved session. The server may prefer a
 * whole handshake. 0, -EINVAL (not a session, one of another host, a server, or
 * too late), -ENOMEM. */
GROVE_API int grove_tls_session_resume(grove_tls *tls, const void *session,
                                       size_t len);

/* Whether the handshake has resumed a session. */
GROVE_API bool grove_tls_resumed(const grove_tls *tls);

/* ---- Dialing ---------------------------------------------------------------- */

struct grove_stream; /* of grove/stream.h, as its attributes */
struct grove_stream_attr;

/* A stream by TLS to service of host, as a client of context's: grove_dial, and
 * the handshake, by which the certificate is known to be host's. attr may be
 * NULL. 0, or a negative errno of grove_dial (-ENXIO: no such host, ...),
 * grove_tls_new, grove_tls_handshake (-EKEYREJECTED ...) or grove_stream_new.
 */
GROVE_API int grove_dial_tls(struct grove_stream **out,
                             grove_tls_context *context, const char *host,
                             const char *service,
                             const struct grove_stream_attr *attr);
GROVE_API int grove_dial_tls_until(struct grove_stream **out,
                                   grove_tls_context *context, const char *host,
                                   const char *service,
                                   const struct grove_stream_attr *attr,
                                   int64_t deadline);

#ifdef __cplusplus
}
#endif
#endif

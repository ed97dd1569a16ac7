/*
 * What libgrove knows of libgrove-tls, which it does not link with: the first
 * member of every context is this table, that of every connection its context,
 * and servers and streams go through it.
 */
#ifndef GROVE_NET_TLS_OPS_H
#define GROVE_NET_TLS_OPS_H

#include "grove.h"

/* Each as the function of grove/tls.h of that name. */
struct tls_ops {
    grove_tls_context *(*retain)(grove_tls_context *context);
    void (*release)(grove_tls_context *context);
    int (*open)(grove_tls **out, grove_tls_context *context, int fd,
                const char *host);
    void (*free)(grove_tls *tls);
    int (*handshake)(grove_tls *tls, int64_t deadline);
    ssize_t (*read)(grove_tls *tls, void *buf, size_t len, int64_t deadline);
    ssize_t (*write)(grove_tls *tls, const void *buf, size_t len,
                     int64_t deadline);
    int (*write_all)(grove_tls *tls, const void *buf, size_t len, size_t *done,
                     int64_t deadline);
    int (*shutdown)(grove_tls *tls, int how, int64_t deadline);
    /* A read or a write after the handshake, in two halves. The first never
     * waits: -1 and EAGAIN, and *direction (LOOP_READ, LOOP_WRITE) is to be
     * waited for; or EBUSY, another fiber writes. The second does that, for one
     * of both if told so, as a reader: 0 or a negative errno. */
    ssize_t (*try_read)(grove_tls *tls, void *buf, size_t len,
                        unsigned *direction);
    ssize_t (*try_write)(grove_tls *tls, const void *buf, size_t len,
                         unsigned *direction);
    /* Whether something came that was not read yet, a part of a record maybe.
     */
    bool (*has_more)(const grove_tls *tls);
    int (*await)(grove_tls *tls, unsigned direction, int64_t deadline);
};

static inline const struct tls_ops *tls_ops(grove_tls_context *context)
{
    return *(const struct tls_ops *const *)context;
}

static inline const struct tls_ops *tls_ops_of(grove_tls *tls)
{
    return tls_ops(*(grove_tls_context *const *)tls);
}

#endif

/*
 * What is left of an iovec array after a part of it was done. A record belongs
 * to the call whose stack it is on; any thread may have one.
 *
 *     at --> [ done | left ][ left ]...[ left ]     count entries, `left` bytes
 */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

bool net_iov_begin(struct net_iov *v, const struct iovec *iov, size_t count)
{
    v->at = iov;
    v->count = count;
    v->left = 0;
    v->copy = NULL;
    for (size_t i = 0; i < count; i++) {
        if (iov[i].iov_len > SSIZE_MAX - v->left) {
            errno = EINVAL;
            return false;
        }
        v->left += iov[i].iov_len;
    }
    return true;
}

/* From here on v has its own array. */
static bool copy(struct net_iov *v)
{
    v->copy = v->small;
    if (v->count > NET_IOV_SMALL) {
        v->copy = malloc(v->count * sizeof(*v->copy));
        if (!v->copy)
            return false;
    }
    memcpy(v->copy, v->at, v->count * sizeof(*v->copy));
    v->at = v->copy;
    return true;
}

bool net_iov_advance(struct net_iov *v, size_t n)
{
    assert(n < v->left && v->count > 0);
    if (!v->copy && !copy(v))
        return false;
    struct iovec *at = v->copy + (v->at - v->copy);
    v->left -= n;
    while (v->count && n >= at->iov_len) {
        n -= at->iov_len;
        at++;
        v->count--;
    }
    assert(v->count > 0 && n < at->iov_len); /* fewer than are left */
    if (v->count) {
        at->iov_base = (char *)at->iov_base + n;
        at->iov_len -= n;
    }
    v->at = at;
    return true;
}

void net_iov_end(struct net_iov *v)
{
    if (v->copy != v->small)
        free(v->copy);
}

/*
 * Masks of signals of those who share a thread. The kernel has one of them, the
 * running one's, and sends what is for the process to a thread that does not
 * block it: it must not block, while it sleeps, what any of them lets through.
 * So of each signal is counted how many block it, when a block comes, goes or
 * has another mask; one that blocks nothing costs a count. What is common to
 * all is worked out when somebody asks, and kept.
 *
 * On the thread that the masks are of.
 */
#include "fiber/tls_masks.h"

#include <assert.h>

static void count(struct tls_masks *m, uint64_t mask, uint32_t by)
{
    m->known = false;
    for (; mask; mask &= mask - 1)
        m->blocking[__builtin_ctzll(mask)] += by;
}

void tls_masks_add(struct tls_masks *m, uint64_t mask)
{
    m->blocks++;
    count(m, mask, 1);
}

void tls_masks_remove(struct tls_masks *m, uint64_t mask)
{
    assert(m->blocks > 0);
    m->blocks--;
    count(m, mask, UINT32_MAX); /* one less */
}

uint64_t tls_masks_common(struct tls_masks *m)
{
    if (m->known)
        return m->common;
    m->common = 0;
    for (int i = 0; i < TLS_SIGNALS; i++) {
        assert(m->blocking[i] <= m->blocks);
        if (m->blocking[i] == m->blocks)
            m->common |= UINT64_C(1) << i;
    }
    m->known = true;
    return m->common;
}

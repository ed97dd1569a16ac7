/*
 * What the fibers of a thread that have blocks of their own block of signals;
 * see tls_masks.c.
 */
#ifndef GROVE_FIBER_TLS_MASKS_H
#define GROVE_FIBER_TLS_MASKS_H

#include <stdint.h>

#include "fiber/fiber.h"

/* A block with this mask is one of the thread's from now on; no more. On the
 * thread, and not in a handler of signals. */
void tls_masks_add(struct tls_masks *m, uint64_t mask);
void tls_masks_remove(struct tls_masks *m, uint64_t mask);

/* Those that all blocks of the thread block, as bits. */
GROVE_HOST_API uint64_t tls_masks_common(struct tls_masks *m);

/* Whether a block does not block signal n. Any thread; as it was a moment ago.
 */
static inline bool tls_masks_let(const struct tls_masks *m, int n)
{
    return __atomic_load_n(&m->blocking[n - 1], __ATOMIC_RELAXED) <
           __atomic_load_n(&m->blocks, __ATOMIC_RELAXED);
}

/* Those that nobody on the thread would take: what the kernel is to block while
 * it sleeps. */
static inline uint64_t tls_masks_asleep(struct tls_thread *home)
{
    return home->mask ? home->mask & tls_masks_common(&home->masks) : 0;
}

#endif

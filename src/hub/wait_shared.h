/*
 * Waits that other hubs and plain threads may end; wait_shared.c says how they
 * are safe on the stack of who waits.
 */
#ifndef GROVE_HUB_WAIT_SHARED_H
#define GROVE_HUB_WAIT_SHARED_H

#include <assert.h>
#include <sys/single_threaded.h>

#include "hub/hub.h"

/* One such wait: they claim it, once, whoever comes first, and who has claimed
 * it wakes it. It stands on the waiting fiber's stack. */
struct shared_wait {
    struct grove_fiber *fiber; /* who waits */
    void *claimed_by; /* NULL: nobody yet. Atomic once there are threads. */
    bool delivered;   /* the wake has arrived; the fiber's hub's own */
    /* The thread of the fiber ends: take what waits out of where it waits. */
    void (*abandon)(struct shared_wait *w);
    grove_post post; /* the wake, from another thread */
};

/* While the process has one thread, nobody but the fibers of one hub can be in
 * a primitive's critical section, and none of these parks. */
static inline bool hub_single_threaded(void)
{
    return __libc_single_threaded;
}

/* ---- who waits -------------------------------------------------------------- */

/* The calling fiber, of hub, is going to wait in w. */
static inline void shared_wait_init(struct shared_wait *w, struct hub *hub,
                                    void (*abandon)(struct shared_wait *w))
{
    assert(hub == hub_of_thread);
    w->fiber = hub->current;
    w->claimed_by = NULL;
    w->delivered = false;
    w->abandon = abandon;
    w->post.posted = 0;
}

/* For the waiting fiber: park it in w, which is initialised, until
 * it is woken by who claimed it. 0 when it was; otherwise as hub_wait (-EINTR
 * after a host's transfer), and then nobody will wake it any more, but it may
 * still be linked where it waited. */
GROVE_HOST_API int hub_wait_shared(struct hub *hub, enum grove_wait_kind kind,
                                   struct shared_wait *w, int64_t deadline,
                                   const char *what);

/* For the fiber that was about to wait in w and will not: whether it is not
 * claimed. If it is, its wake has been waited for. */
GROVE_HOST_API bool hub_withdraw_shared(struct hub *hub, struct shared_wait *w);

/* ---- who wakes ---------------------------------------------------------------- */

/* The slow halves of the two below: another thread may be concerned. */
GROVE_HOST_API bool hub_claim_slow(struct shared_wait *w, void *by);
GROVE_HOST_API void hub_wake_shared_slow(struct shared_wait *w);

/* For who would wake it, any thread, while it cannot go away (under the lock of
 * what it waits in): whether it is ours to wake, by. Then hub_wake_shared must
 * follow; the lock need not be held for that. */
static inline bool hub_claim(struct shared_wait *w, void *by)
{
    assert(by);
    if (unlikely(!hub_single_threaded() || w->fiber->hub != hub_of_thread))
        return hub_claim_slow(w, by);
    if (unlikely(w->fiber->state != FIBER_PARKED || w->claimed_by))
        return false;
    w->claimed_by = by;
    return true;
}

/* Wake what was claimed. It may be gone when this returns. */
static inline void hub_wake_shared(struct shared_wait *w)
{
    assert(__atomic_load_n(&w->claimed_by, __ATOMIC_RELAXED));
    if (unlikely(w->fiber->hub != hub_of_thread)) {
        hub_wake_shared_slow(w);
        return;
    }
    w->delivered = true;
    hub_wake(w->fiber, 0);
}

#endif

/*
 * The mutex. One word tells who holds it, and in its lowest bit whether the
 * queue has to be looked at on unlocking:
 *
 *     0        free
 *     fiber    held, nobody waits
 *     fiber|1  held; change it, and the queue, under the queue's lock only
 *     ORPHAN   free, but who held it has ended without unlocking it (held.c)
 *     LOST     who got it after that did not put it in order
 *
 * A fiber is meant by its identity, not by its address, which another fiber has
 * after it. While the bit is clear, locking and unlocking are one exchange each
 * (plain stores while the process has one thread). Unlocking with waiters makes
 * the first of them the owner before it runs, so that nobody overtakes it.
 *
 * Who gets an ORPHAN holds it with the bit set until it says that all is
 * in order, so that the usual paths need not look for that.
 */
#include "sync/mutex.h"

#include <assert.h>

#include "sync/held.h"

/* Changes m's word from `from`; whether it was that. */
static inline bool change_owner(grove_mutex *m, uint64_t from, uint64_t to)
{
    if (likely(hub_single_threaded())) {
        if (m->hold.owner != from)
            return false;
        m->hold.owner = to;
        return true;
    }
    return __atomic_compare_exchange_n(&m->hold.owner, &from, to, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline uint64_t owner_of(const grove_mutex *m)
{
    return held_owner(&m->hold);
}

static inline bool holds(const grove_mutex *m, uint64_t self)
{
    return (owner_of(m) & ~HELD_CONTENDED) == self;
}

bool mutex_is_held(const grove_mutex *m)
{
    struct hub *hub = hub_of_thread;
    return hub && holds(m, hub->current->identity);
}

/* The usual way of taking m: it is free, and self, which holds nothing else and
 * is alone in the process with its thread, takes it. Whether that was so. What
 * is stored here is not what was loaded: a lock that follows an unlock would
 * wait for that word to come through memory twice. */
static inline bool lock_quickly(grove_mutex *m, struct grove_fiber *self)
{
    if (unlikely(!hub_single_threaded() || m->hold.owner || self->held))
        return false;
    m->hold.owner = self->identity;
    m->hold.below = NULL;
    self->held = &m->hold;
    return true;
}

void grove_mutex_init(grove_mutex *m)
{
    *m = (grove_mutex)GROVE_MUTEX_INIT;
}

void grove_mutex_init_recursive(grove_mutex *m)
{
    *m = (grove_mutex)GROVE_MUTEX_RECURSIVE_INIT;
}

bool grove_mutex_is_locked(const grove_mutex *m)
{
    return owner_of(m) >= FIBER_IDENTITIES;
}

static int lock_again(grove_mutex *m)
{
    assert(mutex_is_held(m));
    if (!m->recursive)
        return -EDEADLK;
    m->depth++;
    return 0;
}

static void set_owner(grove_mutex *m, uint64_t owner)
{
    assert(waiters_locked(&m->waiters));
    __atomic_store_n(&m->hold.owner, owner, __ATOMIC_RELEASE);
}

/* Under the queue's lock: if a fiber holds it, sees to it that it looks at the
 * queue. Whether one does. */
static inline bool mark(grove_mutex *m)
{
    uint64_t owner = owner_of(m);
    assert(waiters_locked(&m->waiters));
    return owner >= FIBER_IDENTITIES &&
           ((owner & HELD_CONTENDED) ||
            change_owner(m, owner, owner | HELD_CONTENDED));
}

/* The same, or takes it. 0, -EOWNERDEAD with it; -EBUSY, -ENOTRECOVERABLE. */
__attribute__((noinline)) static int take_or_mark(grove_mutex *m, uint64_t self)
{
    assert(waiters_locked(&m->waiters) && !(self & HELD_CONTENDED));
    for (;;) {
        uint64_t owner = owner_of(m);
        if (owner == HELD_LOST)
            return -ENOTRECOVERABLE;
        if (owner == HELD_ORPHAN) {
            set_owner(m, self | HELD_CONTENDED);
            m->inconsistent = true;
            return -EOWNERDEAD;
        }
        if (owner == 0 && change_owner(m, 0, self))
            return 0;
        if (mark(m))
            return -EBUSY;
    }
}

/* Not inlined, as unlock_slow: the usual path would save registers for it. */
__attribute__((noinline)) static int lock_slow(grove_mutex *m, struct hub *hub,
                                               uint64_t self, int64_t deadline)
{
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &m->waiters, NULL);
    waiters_lock(&m->waiters);
    int r = likely(mark(m)) ? -EBUSY : take_or_mark(m, self);
    if (likely(r == -EBUSY))
        waiters_push(&m->waiters, &w.waiter);
    waiters_unlock(&m->waiters);
    if (likely(r == -EBUSY)) {
        r = waiter_wait(hub, &w, deadline, "mutex");
        if (likely(r == 0))
            r = held_given(&w.waiter);
    }
    if (likely(r == 0) || r == -EOWNERDEAD)
        held_add(hub->current, &m->hold);
    return r;
}

/* It was not free. */
__attribute__((noinline)) static int trylock_slow(grove_mutex *m,
                                                  struct grove_fiber *self)
{
    int r = -EBUSY;
    waiters_lock(&m->waiters);
    if (owner_of(m) == HELD_ORPHAN || owner_of(m) == HELD_LOST)
        r = take_or_mark(m, self->identity);
    waiters_unlock(&m->waiters);
    if (r == -EOWNERDEAD)
        held_add(self, &m->hold);
    return r;
}

/* For all but the usual. */
__attribute__((noinline)) static int lock_any(grove_mutex *m, struct hub *hub,
                                              int64_t deadline)
{
    struct grove_fiber *self = hub->current;
    if (likely(change_owner(m, 0, self->identity))) {
        held_add(self, &m->hold);
        return 0;
    }
    if (holds(m, self->identity))
        return lock_again(m);
    return lock_slow(m, hub, self->identity, deadline);
}

/* Whether locking it does not wait: nobody else holds it. */
static bool is_had_at_once(const grove_mutex *m, uint64_t self)
{
    uint64_t owner = owner_of(m);
    return owner == 0 || owner == HELD_ORPHAN || owner == HELD_LOST ||
           holds(m, self);
}

/* The thread's first call, or others get their turn: before the mutex is taken,
 * which they may want, too. */
__attribute__((noinline)) static int
lock_after_turn(grove_mutex *m, struct hub *hub, int64_t deadline)
{
    if (hub)
        hub_turn_slow(hub, is_had_at_once(m, hub->current->identity));
    else if (!(hub = hub_create()))
        return -errno;
    return lock_any(m, hub, deadline);
}

static inline int lock(grove_mutex *m, int64_t deadline)
{
    struct hub *hub = hub_of_thread;
    if (unlikely(!hub || hub_turn_due(hub)))
        return lock_after_turn(m, hub, deadline);
    return likely(lock_quickly(m, hub->current)) ? 0
                                                 : lock_any(m, hub, deadline);
}

int grove_mutex_lock(grove_mutex *m)
{
    return lock(m, GROVE_NEVER);
}

int grove_mutex_lock_until(grove_mutex *m, int64_t deadline)
{
    return lock(m, deadline);
}

int grove_mutex_trylock(grove_mutex *m)
{
    struct hub *hub = hub_self();
    if (unlikely(!hub))
        return -errno;
    struct grove_fiber *self = hub->current;
    if (change_owner(m, 0, self->identity)) {
        held_add(self, &m->hold);
        return 0;
    }
    return holds(m, self->identity) ? lock_again(m) : trylock_slow(m, self);
}

/* Under the queue's lock: makes the first who waits the owner and returns it;
 * NULL when there is nobody, and then m is marked as such. */
static struct waiter *hand_over(grove_mutex *m, uint64_t self)
{
    assert(holds(m, self) && !m->inconsistent);
    struct waiter *w = waiters_take(&m->waiters);
    uint64_t heir = w ? w->wait->fiber->identity : self;
    if (!waiters_empty(&m->waiters))
        heir |= HELD_CONTENDED;
    set_owner(m, heir);
    return w;
}

/* Under the queue's lock: nobody will have m any more. Those who wait. */
static struct waiter *lose(grove_mutex *m)
{
    set_owner(m, HELD_LOST);
    return held_lost(&m->waiters);
}

/* Unlocking what nobody has put in order. */
__attribute__((noinline)) static void unlock_lost(grove_mutex *m)
{
    waiters_lock(&m->waiters);
    struct waiter *all = lose(m);
    waiters_unlock(&m->waiters);
    waiters_wake(all);
}

/* The next to hold m may free it: so it is given away last, when the queue has
 * been let go of. 0. */
__attribute__((noinline)) static int unlock_slow(grove_mutex *m, uint64_t self)
{
    struct waiter *w;
    if (unlikely(m->inconsistent)) {
        unlock_lost(m);
        return 0;
    }
    do {
        waiters_lock(&m->waiters);
        w = hand_over(m, self);
        waiters_unlock(&m->waiters);
    } while (unlikely(!w) && !change_owner(m, self, 0));
    if (likely(w != NULL))
        waiter_wake(w);
    return 0;
}

/* For all but the usual. */
__attribute__((noinline)) static int unlock_any(grove_mutex *m,
                                                struct grove_fiber *self)
{
    if (unlikely(!holds(m, self->identity)))
        return -EPERM;
    if (m->depth) {
        m->depth--;
        return 0;
    }
    held_remove(self, &m->hold);
    return change_owner(m, self->identity, 0) ? 0
                                              : unlock_slow(m, self->identity);
}

/* The usual way is that of lock_quickly, backwards. */
int grove_mutex_unlock(grove_mutex *m)
{
    struct hub *hub = hub_of_thread;
    if (unlikely(!hub))
        return -EPERM;
    struct grove_fiber *self = hub->current;
    if (unlikely(!hub_single_threaded() || m->hold.owner != self->identity ||
                 self->held != &m->hold ||
                 ((uintptr_t)m->hold.below | m->depth)))
        return unlock_any(m, self);
    self->held = NULL;
    m->hold.owner = 0;
    return 0;
}

/* ---- the end of a holder --------------------------------------------------- */

int grove_mutex_consistent(grove_mutex *m)
{
    if (!mutex_is_held(m) || !m->inconsistent)
        return -EINVAL;
    m->inconsistent = false;
    return 0;
}

void mutex_orphan(grove_mutex *m)
{
    waiters_lock(&m->waiters);
    struct waiter *w = waiters_take(&m->waiters);
    m->depth = 0;
    m->inconsistent = w != NULL;
    if (w)
        w->value = HELD_OWNER_DIED;
    set_owner(m, w ? w->wait->fiber->identity | HELD_CONTENDED : HELD_ORPHAN);
    waiters_unlock(&m->waiters);
    if (w)
        waiter_wake(w);
}

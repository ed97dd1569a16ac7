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

/* Under the queue's lock: takes it, or sees to it that its holder looks at the
 * queue. 0, -EOWNERDEAD with it; -EBUSY, -ENOTRECOVERABLE. */
static int take_or_mark(grove_mutex *m, uint64_t self)
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
        if (owner == 0) {
            if (change_owner(m, 0, self))
                return 0;
        } else if ((owner & HELD_CONTENDED) ||
                   change_owner(m, owner, owner | HELD_CONTENDED)) {
            return -EBUSY;
        }
    }
}

/* Not inlined, as unlock_slow: the usual path would save registers for it. */
__attribute__((noinline)) static int lock_slow(grove_mutex *m, struct hub *hub,
                                               uint64_t self, int64_t deadline)
{
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &m->waiters, NULL);
    waiters_lock(&m->waiters);
    int r = take_or_mark(m, self);
    if (r == -EBUSY)
        waiters_push(&m->waiters, &w.waiter);
    waiters_unlock(&m->waiters);
    if (r == -EBUSY) {
        r = waiter_wait(hub, &w, deadline, "mutex");
        if (r == 0)
            r = held_given(&w.waiter);
    }
    if (r == 0 || r == -EOWNERDEAD)
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

static inline int lock(grove_mutex *m, struct hub *hub, int64_t deadline)
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

/* The thread's first call, or others get their turn: before the mutex is taken,
 * which they may want, too. */
__attribute__((noinline)) static int
lock_after_turn(grove_mutex *m, struct hub *hub, int64_t deadline)
{
    if (hub)
        hub_turn_slow(hub, owner_of(m) == 0);
    else if (!(hub = hub_create()))
        return -errno;
    return lock(m, hub, deadline);
}

int grove_mutex_lock_until(grove_mutex *m, int64_t deadline)
{
    struct hub *hub = hub_of_thread;
    if (unlikely(!hub || hub_turn_due(hub)))
        return lock_after_turn(m, hub, deadline);
    return lock(m, hub, deadline);
}

int grove_mutex_lock(grove_mutex *m)
{
    return grove_mutex_lock_until(m, GROVE_NEVER);
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

/* The next to hold m may free it: so it is given away last, when the queue has
 * been let go of. */
__attribute__((noinline)) static void unlock_slow(grove_mutex *m, uint64_t self)
{
    struct waiter *w;
    bool lost;
    do {
        waiters_lock(&m->waiters);
        lost = m->inconsistent;
        w = lost ? lose(m) : hand_over(m, self);
        if (w && !lost)
            w->next = NULL;
        waiters_unlock(&m->waiters);
    } while (!w && !lost && !change_owner(m, self, 0));
    waiters_wake(w);
}

/* For all but the usual: self holds m, once, locked it last, and nobody waits.
 */
__attribute__((noinline)) static int unlock_any(grove_mutex *m,
                                                struct grove_fiber *self)
{
    if (!self || !holds(m, self->identity))
        return -EPERM;
    if (m->depth) {
        m->depth--;
        return 0;
    }
    held_remove(self, &m->hold);
    if (!change_owner(m, self->identity, 0))
        unlock_slow(m, self->identity);
    return 0;
}

int grove_mutex_unlock(grove_mutex *m)
{
    struct hub *hub = hub_of_thread;
    struct grove_fiber *self = likely(hub) ? hub->current : NULL;
    if (unlikely(!self || owner_of(m) != self->identity || m->depth ||
                 self->held != &m->hold || !hub_single_threaded()))
        return unlock_any(m, self);
    self->held = m->hold.below;
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

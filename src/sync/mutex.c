/*
 * The mutex. One word tells who holds it, and in its lowest bit whether the
 * queue has to be looked at on unlocking:
 *
 *     0        free
 *     fiber    held, nobody waits
 *     fiber|1  held; change it, and the queue, under the queue's lock only
 *
 * While the bit is clear, locking and unlocking are one exchange each (plain
 * stores while the process has one thread). Unlocking with waiters makes the
 * first of them the owner before it runs, so that nobody overtakes it.
 */
#include "sync/mutex.h"

#include <assert.h>

#include "sync/waiter.h"

#define CONTENDED ((uintptr_t)1)

/* Changes m->owner from `from`; whether it was that. */
static inline bool change_owner(grove_mutex *m, uintptr_t from, uintptr_t to)
{
    if (likely(hub_single_threaded())) {
        if (m->owner != from)
            return false;
        m->owner = to;
        return true;
    }
    return __atomic_compare_exchange_n(&m->owner, &from, to, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline uintptr_t owner_of(const grove_mutex *m)
{
    return __atomic_load_n(&m->owner, __ATOMIC_RELAXED);
}

static inline bool holds(const grove_mutex *m, uintptr_t self)
{
    return (owner_of(m) & ~CONTENDED) == self;
}

bool mutex_is_held(const grove_mutex *m)
{
    struct hub *hub = hub_of_thread;
    return hub && holds(m, (uintptr_t)hub->current);
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
    return owner_of(m) != 0;
}

static int lock_again(grove_mutex *m)
{
    assert(mutex_is_held(m));
    if (!m->recursive)
        return -EDEADLK;
    m->depth++;
    return 0;
}

/* Under the queue's lock: takes it, or sees to it that its holder looks at the
 * queue. Whether it was taken. */
static bool take_or_mark(grove_mutex *m, uintptr_t self)
{
    assert(waiters_locked(&m->waiters) && !(self & CONTENDED));
    for (;;) {
        uintptr_t owner = owner_of(m);
        if (owner == 0) {
            if (change_owner(m, 0, self))
                return true;
        } else if ((owner & CONTENDED) ||
                   change_owner(m, owner, owner | CONTENDED)) {
            return false;
        }
    }
}

/* Not inlined, as unlock_slow: the usual path would save registers for it. */
__attribute__((noinline)) static int lock_slow(grove_mutex *m, struct hub *hub,
                                               uintptr_t self, int64_t deadline)
{
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &m->waiters, NULL);
    waiters_lock(&m->waiters);
    if (take_or_mark(m, self)) {
        waiters_unlock(&m->waiters);
        return 0;
    }
    waiters_push(&m->waiters, &w.waiter);
    waiters_unlock(&m->waiters);
    return waiter_wait(hub, &w, deadline, "mutex");
}

static inline int lock(grove_mutex *m, struct hub *hub, int64_t deadline)
{
    uintptr_t self = (uintptr_t)hub->current;
    if (likely(change_owner(m, 0, self)))
        return 0;
    if (holds(m, self))
        return lock_again(m);
    return lock_slow(m, hub, self, deadline);
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
    uintptr_t self = (uintptr_t)hub->current;
    if (change_owner(m, 0, self))
        return 0;
    return holds(m, self) ? lock_again(m) : -EBUSY;
}

/* Under the queue's lock: makes the first who waits the owner and returns it;
 * NULL when there is nobody, and then m is marked as such. */
static struct waiter *hand_over(grove_mutex *m, uintptr_t self)
{
    assert(waiters_locked(&m->waiters) && holds(m, self));
    struct waiter *w = waiters_take(&m->waiters);
    uintptr_t heir = w ? (uintptr_t)w->wait->fiber : self;
    if (!waiters_empty(&m->waiters))
        heir |= CONTENDED;
    __atomic_store_n(&m->owner, heir, __ATOMIC_RELEASE);
    return w;
}

/* The next to hold m may free it: so it is given away last, when the queue has
 * been let go of. */
__attribute__((noinline)) static void unlock_slow(grove_mutex *m,
                                                  uintptr_t self)
{
    struct waiter *w;
    do {
        waiters_lock(&m->waiters);
        w = hand_over(m, self);
        waiters_unlock(&m->waiters);
    } while (!w && !change_owner(m, self, 0));
    if (w)
        waiter_wake(w);
}

int grove_mutex_unlock(grove_mutex *m)
{
    struct hub *hub = hub_of_thread;
    uintptr_t self = hub ? (uintptr_t)hub->current : 0;
    if (unlikely(!hub || !holds(m, self)))
        return -EPERM;
    if (m->depth)
        m->depth--;
    else if (unlikely(!change_owner(m, self, 0)))
        unlock_slow(m, self);
    return 0;
}

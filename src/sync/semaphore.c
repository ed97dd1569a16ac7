/*
 * The semaphore. Units go to those who wait in the order they came: who needs
 * many is not overtaken by who needs few, so that nobody starves. Hence one
 * that gives up may let those behind it through.
 */
#include <assert.h>

#include "sync/select.h"

void grove_semaphore_init(grove_semaphore *s, size_t units)
{
    *s = (grove_semaphore)GROVE_SEMAPHORE_INIT(units);
}

size_t grove_semaphore_units(const grove_semaphore *s)
{
    return __atomic_load_n(&s->units, __ATOMIC_RELAXED);
}

static void set_units(grove_semaphore *s, size_t units)
{
    __atomic_store_n(&s->units, units, __ATOMIC_RELAXED);
}

struct waiter *semaphore_serve(grove_waiters *q)
{
    grove_semaphore *s = container_of(q, grove_semaphore, waiters);
    struct waiter *w, *first = NULL, **last = &first;
    assert(waiters_locked(q));
    while ((w = q->first) && (uintptr_t)w->value <= s->units) {
        if (waiters_claim(q, w)) {
            set_units(s, s->units - (uintptr_t)w->value);
            *last = w;
            last = &w->next;
        }
    }
    *last = NULL;
    /* The first of those who still wait needs more than there is. */
    assert(!q->first ||
           (uintptr_t)((struct waiter *)q->first)->value > s->units);
    return first;
}

/* Under the lock: whether n units can be had now. */
static bool has(const grove_semaphore *s, size_t n)
{
    return waiters_empty(&s->waiters) && n <= s->units;
}

bool semaphore_take(grove_semaphore *s, size_t n)
{
    assert(waiters_locked(&s->waiters));
    if (!has(s, n))
        return false;
    set_units(s, s->units - n);
    return true;
}

int grove_semaphore_tryacquire(grove_semaphore *s, size_t n)
{
    waiters_lock(&s->waiters);
    bool taken = semaphore_take(s, n);
    waiters_unlock(&s->waiters);
    return taken ? 0 : -EAGAIN;
}

/* Before they are taken: others may want them, too. */
__attribute__((noinline)) static void give_turn(grove_semaphore *s, size_t n)
{
    waiters_lock(&s->waiters);
    bool yields = has(s, n);
    waiters_unlock(&s->waiters);
    hub_turn_slow(hub_of_thread, yields);
}

int grove_semaphore_acquire_until(grove_semaphore *s, size_t n,
                                  int64_t deadline)
{
    if (hub_of_thread && unlikely(hub_turn_due(hub_of_thread)))
        give_turn(s, n);
    if (grove_semaphore_tryacquire(s, n) == 0)
        return 0;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct wait_in_queue w;
    wait_in_queue_init(&w, hub, &s->waiters, (void *)(uintptr_t)n);
    w.left = semaphore_serve;
    waiters_lock(&s->waiters);
    if (semaphore_take(s, n)) {
        waiters_unlock(&s->waiters);
        return 0;
    }
    waiters_push(&s->waiters, &w.waiter);
    waiters_unlock(&s->waiters);
    return waiter_wait(hub, &w, deadline, "semaphore");
}

int grove_semaphore_acquire(grove_semaphore *s, size_t n)
{
    return grove_semaphore_acquire_until(s, n, GROVE_NEVER);
}

int grove_semaphore_release(grove_semaphore *s, size_t n)
{
    struct waiter *served = NULL;
    waiters_lock(&s->waiters);
    bool fits = n <= SIZE_MAX - s->units;
    if (fits) {
        set_units(s, s->units + n);
        served = semaphore_serve(&s->waiters);
    }
    waiters_unlock(&s->waiters);
    waiters_wake(served);
    return fits ? 0 : -EOVERFLOW;
}

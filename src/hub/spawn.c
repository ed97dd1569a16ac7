/*
 * Spawning fibers of C on the calling thread's hub.
 */
#include <assert.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/own_tls.h"
#include "hub/sized.h"

static void entry(void *arg)
{
    struct grove_fiber *f = arg;
    struct hub *hub = f->hub;
    keep_frame();
    fiber_started(&hub->thread, &f->fiber);
    f->value = f->fn(f->value);
    if (unlikely(f->at_end != NULL))
        hub_run_at_end(f);
    hub_fiber_complete(hub, f, 0);
    hub_fiber_end(hub, f, NULL);
}

static void on_delay(struct timer *timer)
{
    struct grove_fiber *f = container_of(timer, struct grove_fiber, timer);
    run_queue_push(&f->hub->queue, &f->run);
}

/* What is passed on to f is. Otherwise f is gone, and errno set. Apart, so that
 * spawning has fewer registers to save. */
__attribute__((noinline)) static bool inherit(struct grove_fiber *f)
{
    if (hub_inherits(f->hub, f) == 0)
        return true;
    hub_fiber_drop(f->hub, f);
    errno = ENOMEM;
    return false;
}

/* What both spawns share; fn and shift are valid. NULL with errno. */
static inline struct grove_fiber *make(grove_fiber **out, unsigned shift,
                                       void *(*fn)(void *), void *arg)
{
    struct hub *hub = hub_self();
    if (unlikely(!hub))
        return NULL;
    struct grove_fiber *f = hub_fiber_new(hub, STACK_PLAIN, shift, entry);
    if (unlikely(!f)) {
        errno = ENOMEM;
        return NULL;
    }
    if (unlikely(__atomic_load_n(&hub_inherits, __ATOMIC_RELAXED) != NULL) &&
        !inherit(f))
        return NULL;
    f->fn = fn;
    f->value = arg;
    if (out) {
        f->references = 2;
        *out = f;
    }
    return f;
}

int grove_spawn(grove_fiber **out, void *(*fn)(void *), void *arg)
{
    if (unlikely(!fn))
        return -EINVAL;
    struct grove_fiber *f = make(out, hub_stack_shift(), fn, arg);
    if (unlikely(!f))
        return -errno;
    if (unlikely(f->hub->watched))
        hub_tell_spawn(f);
    run_queue_push(&f->hub->queue, &f->run);
    return 0;
}

int hub_take_attr(grove_attr *attr, const grove_attr *given)
{
    if (sized_take(attr, sizeof(*attr), SIZED_TO(grove_attr, drop), given) < 0)
        return -EINVAL;
    bool good = (!attr->stack_size || stack_shift(attr->stack_size)) &&
                attr->delay >= 0;
    return good ? 0 : -EINVAL;
}

/* The same for a block of its own: 0, or -errno and f is gone. */
static int give_block(struct grove_fiber *f)
{
    int r = hub_own_tls(f);
    if (r == 0)
        return 0;
    hub_drop_argument(f);
    hub_fiber_drop(f->hub, f);
    return r;
}

int grove_spawn_with(grove_fiber **out, const grove_attr *given,
                     void *(*fn)(void *), void *arg)
{
    if (!given)
        return grove_spawn(out, fn, arg);
    grove_attr attr;
    if (!fn || hub_take_attr(&attr, given) < 0)
        return -EINVAL;
    if (attr.own_tls && grove_own_tls_refused())
        return -ENOTSUP;
    unsigned shift =
        attr.stack_size ? stack_shift(attr.stack_size) : hub_stack_shift();
    struct grove_fiber *f = make(out, shift, fn, arg);
    if (!f)
        return -errno;
    int r = attr.own_tls ? give_block(f) : 0;
    if (r < 0) {
        if (out)
            grove_release(f);
        return r;
    }
    f->drop = attr.drop;
    if (attr.name)
        fiber_set_name(&f->fiber, attr.name);
    if (unlikely(f->hub->watched))
        hub_tell_spawn(f);
    if (attr.delay) {
        f->timer.fn = on_delay;
        timer_add(&f->hub->timers, &f->timer, hub_deadline(attr.delay));
    } else {
        run_queue_push(&f->hub->queue, &f->run);
    }
    return 0;
}

grove_fiber *grove_self(void)
{
    struct hub *hub = hub_self();
    return hub ? hub->current : NULL;
}

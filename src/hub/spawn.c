/*
 * Birth and end of fibers, their handles, names and default stack size.
 *
 * A fiber's record lives in its stack slot (fiber/stack.h) and is given back
 * with it when the last reference goes: one for the running fiber, one for each
 * handle. A fiber that nobody holds gives its own stack back as its last act:
 * who comes next is chosen before (that may take a stack), and nothing runs
 * between the giving back and the switch.
 */
#include <assert.h>
#include <string.h>

#include "hub/hub.h"

/* ---- the default stack size ---------------------------------------------- */

#define DEFAULT_STACK_SIZE ((size_t)256 << 10)

static _Atomic unsigned default_shift; /* 0: the environment was not read */

static unsigned stack_shift_default(void)
{
    unsigned shift = atomic_load_explicit(&default_shift, memory_order_relaxed);
    if (unlikely(!shift)) {
        unsigned unset = 0;
        shift = stack_shift_from_environment(GROVE_STACK_MIN);
        if (!shift)
            shift = stack_shift(DEFAULT_STACK_SIZE);
        if (!atomic_compare_exchange_strong(&default_shift, &unset, shift))
            shift = unset;
    }
    return shift;
}

size_t grove_stack_size_default(void)
{
    return (size_t)1 << stack_shift_default();
}

int grove_stack_size_set_default(size_t size)
{
    unsigned shift = stack_shift(size);
    if (!shift)
        return -EINVAL;
    atomic_store(&default_shift, shift);
    return 0;
}

/* ---- birth ---------------------------------------------------------------- */

struct grove_fiber *hub_fiber_new(struct hub *hub, enum stack_kind kind,
                                  unsigned shift, void (*entry)(void *))
{
    struct stack_class *class = stack_class_of(&hub->stacks, kind, shift);
    /* A program that loads C++ code and then spawns fibers for it comes by here
     * before they run; a look is cheap against a stack from a slab. */
    if (unlikely(!class->fresh))
        fiber_thread_refresh(&hub->thread);
    struct stack *stack = stack_get(&hub->stacks, class);
    if (unlikely(!stack))
        return NULL;
    struct grove_fiber *f = (struct grove_fiber *)stack;
    fiber_make(&f->fiber, hub->next_id++, entry, f);
    f->run = (struct run){0};
    f->hub = hub;
    f->state = FIBER_NEW;
    f->cancelled = false;
    f->waiting = false;
    f->references = 1;
    f->host = NULL;
    f->scope = NULL;
    f->timer.prev = NULL;
    f->shared = NULL;
    f->shields = 0;
    f->defers = NULL;
    links_init(&f->links);
    f->locals = NULL;
    f->group = NULL;
    hub->fibers++;
    return f;
}

static void entry(void *arg)
{
    struct grove_fiber *f = arg;
    struct hub *hub = f->hub;
    fiber_started(&hub->thread, &f->fiber);
    f->value = f->fn(f->value);
    if (unlikely(f->defers != NULL))
        hub_run_defers(f);
    hub_fiber_complete(hub, f, 0);
    hub_fiber_end(hub, f, NULL);
}

static void on_delay(struct timer *timer)
{
    struct grove_fiber *f = container_of(timer, struct grove_fiber, timer);
    run_queue_push(&f->hub->queue, &f->run);
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
    struct grove_fiber *f = make(out, stack_shift_default(), fn, arg);
    if (unlikely(!f))
        return -errno;
    run_queue_push(&f->hub->queue, &f->run);
    return 0;
}

int grove_spawn_with(grove_fiber **out, const grove_attr *attr,
                     void *(*fn)(void *), void *arg)
{
    if (!attr)
        return grove_spawn(out, fn, arg);
    unsigned shift = attr->stack_size ? stack_shift(attr->stack_size)
                                      : stack_shift_default();
    if (!fn || !shift || attr->delay < 0)
        return -EINVAL;
    struct grove_fiber *f = make(out, shift, fn, arg);
    if (!f)
        return -errno;
    if (attr->name)
        fiber_set_name(&f->fiber, attr->name);
    if (attr->delay) {
        f->timer.fn = on_delay;
        timer_add(&f->hub->timers, &f->timer, hub_deadline(attr->delay));
    } else {
        run_queue_push(&f->hub->queue, &f->run);
    }
    return 0;
}

/* ---- end ------------------------------------------------------------------ */

static void call_links(struct hub *hub, struct grove_fiber *f)
{
    grove_link *link;
    while ((link = f->links.next) != &f->links) {
        links_remove(link);
        if (!link->fiber) /* the runtime's own: a joiner */
            link->fn(f, link->arg);
        else
            hub_link_due(hub, link);
    }
}

void hub_fiber_complete(struct hub *hub, struct grove_fiber *f, int result)
{
    if (unlikely(f->locals != NULL)) {
        struct fiber_locals *locals = f->locals;
        f->locals = NULL;
        locals->destroy(locals);
    }
    f->state = FIBER_ENDED;
    f->result = result;
    if (f->links.next != &f->links)
        call_links(hub, f);
}

void hub_fiber_drop(struct hub *hub, struct grove_fiber *f)
{
    assert(f != hub->current);
    if (run_queued(&f->run))
        run_queue_remove(&f->run);
    timer_remove(&hub->timers, &f->timer);
    hub->fibers--;
    f->state = FIBER_ENDED;
    hub_fiber_unref(f);
}

/* ---- handles --------------------------------------------------------------- */

grove_fiber *grove_self(void)
{
    struct hub *hub = hub_self();
    return hub ? hub->current : NULL;
}

grove_fiber *grove_retain(grove_fiber *f)
{
    f->references++;
    return f;
}

void grove_release(grove_fiber *f)
{
    if (f)
        hub_fiber_unref(f);
}

int grove_result(const grove_fiber *f, void **value)
{
    if (f->state != FIBER_ENDED)
        return -EAGAIN;
    if (value)
        *value = f->result == 0 ? f->value : NULL;
    return f->result;
}

const char *grove_name(const grove_fiber *f)
{
    return f->fiber.name;
}

uint64_t grove_id(const grove_fiber *f)
{
    return f->fiber.id;
}

void grove_set_name(grove_fiber *f, const char *name)
{
    fiber_set_name(&f->fiber, name ? name : "");
}

/*
 * Telling of events: to the functions of grove_hooks_set, to the trace of the
 * process (trace.c), and to tracers by probes (USDT: a note in the library
 * tells perf, bpftrace or gdb where a nop stands and where its arguments are,
 * and a semaphore tells us that one of them is there).
 *
 * It costs next to nothing while nobody is told. Spawns, wakes and what hosts
 * do test hub->watched; switches, parks and ends do not even that: a hub that
 * is watched is granted one switch at a time (pace.c), so that each is made by
 * hub_next_slow, which tests it.
 *
 *     grove_hooks_set --> common, hub_watch_sets
 *     hub_watch_look  --> of each hub: its own copy, hub->watched
 *
 * So a hub calls nobody without having looked, and what it calls cannot change
 * under it. `common` is guarded by the lock of the ring of hubs, which is never
 * held in the child of a fork.
 */
#include "hub/hooks.h"

#include <assert.h>

#include "hub/list.h"
#include "hub/part.h"
#include "hub/sized.h"
#include "hub/trace.h"

/* ---- probes -------------------------------------------------------------------- */

#ifdef GROVE_PROBES
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* The semaphore: how many tracers there are of a probe. The kernel or the
 * tracer adds itself, and finds it by its address in the note. One does for
 * all. */
volatile unsigned short hub_watch_tracers __attribute__((section(".probes")));

#define SEMAPHORE(name) \
    extern volatile unsigned short grove_##name##_semaphore \
        __attribute__((alias("hub_watch_tracers"), visibility("hidden")))

SEMAPHORE(spawn);
SEMAPHORE(end);
SEMAPHORE(switch);
SEMAPHORE(park);
SEMAPHORE(wake);

#define PROBE2(name, a, b) STAP_PROBE2(grove, name, a, b)
#define PROBE3(name, a, b, c) STAP_PROBE3(grove, name, a, b, c)
#else
volatile unsigned short hub_watch_tracers; /* there can be none */

#define PROBE2(name, a, b) ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

/* ---- who is told ---------------------------------------------------------------- */

static size_t offset;      /* of a grove_hooks: the hub's copy */
static grove_hooks common; /* as it was last set; under the ring's lock */
_Atomic unsigned hub_watch_sets;

static bool any(const grove_hooks *h)
{
    return h->spawn || h->end || h->switch_to || h->park || h->wake;
}

void hub_watch_changed(struct hub *hub)
{
    grove_hooks *own = hub_keeps(hub, offset);
    hub_list_lock();
    *own = common;
    hub->watch_seen = hub_watch_now();
    hub_list_unlock();
    hub->watched = any(own) || hub->trace || hub->watch_seen % WATCH_STEP;
    if (hub->watched && !hub->in_callback)
        hub_pass_narrow(hub);
}

static int begin(struct hub *hub)
{
    hub_watch_look(hub);
    return 0;
}

const struct hub_fixture hub_hooks_fixture = {
    .size = sizeof(grove_hooks),
    .offset = &offset,
    .begin = begin,
};

int grove_hooks_set(const grove_hooks *hooks)
{
    grove_hooks taken = {.size = 0};
    if (hooks &&
        sized_take(&taken, sizeof(taken), SIZED_TO(grove_hooks, wake), hooks))
        return -EINVAL;
    hub_list_lock();
    common = taken;
    atomic_fetch_add(&hub_watch_sets, WATCH_STEP);
    hub_list_unlock();
    if (hub_of_thread)
        hub_watch_look(hub_of_thread);
    return 0;
}

/* ---- telling --------------------------------------------------------------------- */

/* As others are told of f: the hub's own fiber is none of theirs. */
static struct grove_fiber *told(const struct grove_fiber *f)
{
    return f == f->hub->loop_fiber ? NULL : (struct grove_fiber *)(uintptr_t)f;
}

static uint64_t number(const struct grove_fiber *f)
{
    return f == f->hub->loop_fiber ? 0 : f->fiber.id;
}

void hub_tell_name(struct grove_fiber *f)
{
    if (f->hub->trace && told(f))
        hub_trace_name(f);
}

void hub_tell_sleep(struct hub *hub)
{
    if (hub->trace)
        trace_add(hub->trace, TRACE_SLEEP, 0, 0, 0);
}

void hub_tell_awake(struct hub *hub)
{
    if (hub->trace)
        trace_add(hub->trace, TRACE_AWAKE, 0, 0, 0);
}

static const grove_hooks *hooks_of(const struct hub *hub)
{
    assert(hub == hub_of_thread && hub->watched);
    return hub_keeps(hub, offset);
}

void hub_tell_spawn(struct grove_fiber *f)
{
    const grove_hooks *h = hooks_of(f->hub);
    const struct grove_fiber *by = f->hub->current;
    int saved = errno;
    assert(f->state == FIBER_NEW);
    if (f->hub->trace)
        trace_add(f->hub->trace, TRACE_SPAWN, number(f), number(by), 0);
    PROBE3(spawn, f->fiber.id, f->fiber.name, number(by));
    if (h->spawn)
        h->spawn(f, told(by), h->arg);
    errno = saved;
}

void hub_tell_wake(struct grove_fiber *f, int result)
{
    const grove_hooks *h = hooks_of(f->hub);
    const struct grove_fiber *by = f->hub->current;
    int saved = errno;
    if (f->hub->trace && told(f))
        trace_add(f->hub->trace, TRACE_WAKE, number(f), number(by), result);
    PROBE3(wake, number(f), number(by), result);
    if (h->wake && told(f))
        h->wake(f, told(by), result, h->arg);
    errno = saved;
}

static void tell_end(const grove_hooks *h, struct grove_fiber *f)
{
    assert(f->state == FIBER_ENDED && told(f));
    PROBE2(end, f->fiber.id, f->fiber.name);
    if (h->end)
        h->end(f, h->arg);
}

void hub_tell_end(struct grove_fiber *f)
{
    const grove_hooks *h = hooks_of(f->hub);
    int saved = errno;
    if (f->hub->trace)
        trace_add(f->hub->trace, TRACE_END, number(f), 0, 0);
    tell_end(h, f);
    errno = saved;
}

/* f, which is current, is about to be left until it is woken. */
static void tell_park(const grove_hooks *h, struct grove_fiber *f)
{
    const char *what = f->waiting ? f->reason.what : NULL;
    int fd = f->waiting ? f->reason.fd : -1;
    PROBE3(park, f->fiber.id, what, fd);
    if (h->park)
        h->park(f, what, fd, h->arg);
}

static void trace_park(struct trace_ring *ring, uint64_t time,
                       const struct grove_fiber *f)
{
    const char *what = f->waiting ? f->reason.what : NULL;
    int fd = f->waiting ? f->reason.fd : -1;
    trace_add_at(ring, time, TRACE_PARK, number(f), (uintptr_t)what, fd);
}

/* Why the current fiber is left, and for whom. Of one that parks and goes on at
 * once nothing is kept, for its wake was told before. */
static void trace_switch(struct hub *hub, const struct grove_fiber *next)
{
    const struct grove_fiber *from = hub->current;
    uint64_t time = trace_ticks();
    if (from->state == FIBER_ENDED)
        trace_add_at(hub->trace, time, TRACE_END, number(from), 0, 0);
    else if (from->state == FIBER_PARKED && told(from))
        trace_park(hub->trace, time, from);
    trace_add_at(hub->trace, time, TRACE_SWITCH, number(from), number(next), 0);
    if (told(next) && unlikely(!trace_has_name(hub->trace, number(next))))
        hub_trace_name(next);
}

void hub_tell_switch(struct hub *hub, const struct grove_fiber *next)
{
    const grove_hooks *h = hooks_of(hub);
    struct grove_fiber *from = hub->current;
    int saved = errno;
    if (hub->trace && next != from)
        trace_switch(hub, next);
    if (from->state == FIBER_PARKED && told(from))
        tell_park(h, from);
    else if (from->state == FIBER_ENDED)
        tell_end(h, from);
    if (next != from) {
        PROBE2(switch, number(from), number(next));
        if (h->switch_to)
            h->switch_to(told(from), told(next), h->arg);
    }
    errno = saved;
}

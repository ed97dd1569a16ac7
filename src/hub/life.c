/*
 * Birth and end of a hub's fibers, and their handles.
 *
 * A fiber's record lives in its stack slot (fiber/stack.h) and is given back
 * with it when the last reference goes: one for the fiber that has not ended,
 * one for each handle. A fiber that nobody holds gives its own stack back as
 * its last act: who comes next is chosen before (that may take a stack), and
 * nothing runs between the giving back and the switch.
 *
 *     its function returns --> what is to be done at its end, on the fiber
 *         --> ENDED: joiners woken, users' links due --> hub_fiber_end
 */
#include "hub/life.h"

#include <assert.h>
#include <string.h>

#include "hub/hub.h"
#include "hub/links.h"
#include "hub/part.h"

/* ---- birth ---------------------------------------------------------------- */

/* How many identities a hub takes at once: no hub runs out of its first for a
 * long time, and no process of blocks. */
#define IDENTITY_BLOCK ((uint64_t)FIBER_IDENTITIES << 24)

static _Atomic uint64_t identity_blocks; /* that were taken */

static void take_identities(struct hub *hub)
{
    uint64_t block = atomic_fetch_add(&identity_blocks, 1);
    hub->identity = block * IDENTITY_BLOCK + FIBER_IDENTITIES;
    hub->identity_end = (block + 1) * IDENTITY_BLOCK;
}

uint64_t hub_new_identity(struct hub *hub)
{
    if (unlikely(hub->identity == hub->identity_end))
        take_identities(hub);
    uint64_t identity = hub->identity;
    hub->identity += FIBER_IDENTITIES;
    return identity;
}

/* A stack of class, of which none is pooled. */
__attribute__((noinline)) static struct stack *
get_cold(struct hub *hub, struct stack_class *class)
{
    /* A program that loads C++ code and then spawns fibers for it comes by here
     * before they run; a look is cheap against a stack from a slab. */
    fiber_thread_refresh(&hub->thread);
    return stack_get_cold(&hub->stacks, class);
}

/* Members from at_end to before fn, which follow each other, are 0 or NULL. */
static inline void clear_members(struct grove_fiber *f)
{
    size_t begin = offsetof(struct grove_fiber, at_end);
    size_t end = offsetof(struct grove_fiber, fn);
    memset((char *)f + begin, 0, end - begin);
}

struct grove_fiber *hub_fiber_new(struct hub *hub, enum stack_kind kind,
                                  unsigned shift, void (*entry)(void *))
{
    struct stack_class *class = stack_class_of(&hub->stacks, kind, shift);
    if (unlikely(timer_claim_for_fiber(&hub->timers) < 0))
        return NULL;
    struct stack *stack = stack_get_pooled(class);
    if (unlikely(!stack) && !(stack = get_cold(hub, class))) {
        timer_unclaim_for_fiber(&hub->timers);
        return NULL;
    }
    struct grove_fiber *f = (struct grove_fiber *)stack;
    assert(hub->current && hub->current->hub == hub);
    fiber_make(&f->fiber, hub->next_id++, entry, f);
    f->run.next = NULL;
    f->run.call = NULL;
    f->run.birth = NULL;
    f->hub = hub;
    f->state = FIBER_NEW;
    f->cancelled = false;
    f->waiting = false;
    f->ending = GROVE_ENDED_NONE;
    f->references = 1;
    f->identity = hub_new_identity(hub);
    f->host = NULL;
    f->scope = NULL;
    f->held = NULL;
    clear_members(f);
    f->timer.slot = 0;
    links_init(&f->links);
    return f;
}

/* ---- what is to be done at the end ------------------------------------------- */

void hub_at_end(struct grove_fiber *f, struct fiber_end *end)
{
    assert(end->kind && f->state != FIBER_ENDED);
    end->next = f->at_end;
    f->at_end = end;
}

void hub_at_end_last(struct grove_fiber *f, struct fiber_end *end)
{
    struct fiber_end **at = &f->at_end;
    assert(end->kind && f->state != FIBER_ENDED);
    while (*at)
        at = &(*at)->next;
    end->next = NULL;
    *at = end;
}

bool hub_at_end_remove(struct grove_fiber *f, struct fiber_end *end)
{
    struct fiber_end **at = &f->at_end;
    while (*at && *at != end)
        at = &(*at)->next;
    if (!*at)
        return false;
    *at = end->next;
    return true;
}

void hub_run_at_end(struct grove_fiber *f)
{
    assert(f->hub->current == f);
    while (f->at_end)
        f->at_end->kind->run(f, f->at_end);
}

void hub_forget_at_end(struct grove_fiber *f)
{
    struct fiber_end *end;
    while ((end = f->at_end)) {
        f->at_end = end->next;
        end->kind->forget(f, end);
    }
}

static void let_go_of_held(struct grove_fiber *f, void *arg)
{
    (void)arg;
    if (f->held)
        hub_holder_ends(f);
}

static void drop_if_new(struct grove_fiber *f, void *arg)
{
    (void)arg;
    if (f->state == FIBER_NEW)
        hub_drop_argument(f);
}

/* The thread ends, and with it the fiber that is its own stack. What it and the
 * fibers that are left hold they will never give up; those that have not begun
 * never will. */
static void end_root(struct hub *hub)
{
    hub_run_at_end(&hub->root);
    let_go_of_held(&hub->root, NULL);
    hub_each(hub, let_go_of_held, NULL);
    hub_each(hub, drop_if_new, NULL);
}

const struct hub_fixture hub_root_fixture = {.end = end_root};

/* ---- end ------------------------------------------------------------------ */

void (*hub_holder_ends)(struct grove_fiber *f);
int (*hub_inherits)(struct hub *hub, struct grove_fiber *f);

void hub_drop_argument(struct grove_fiber *f)
{
    void (*drop)(void *) = f->drop;
    assert(f->state == FIBER_NEW);
    f->drop = NULL;
    if (drop)
        drop(f->value);
    while (f->at_end) /* what it has inherited */
        f->at_end->kind->run(f, f->at_end);
}

void hub_call_links(struct hub *hub, struct grove_fiber *f)
{
    grove_link *link;
    while ((link = f->links.next) != &f->links) {
        assert(!link->fiber || link->fiber == f);
        links_remove(link);
        if (!link->fiber) /* the runtime's own: a joiner */
            link->fn(f, link->arg);
        else
            hub_link_due(hub, link);
    }
}

void hub_fiber_drop(struct hub *hub, struct grove_fiber *f)
{
    assert(f->hub == hub && f != hub->current && hub_fibers(hub) > 0);
    if (run_queued(&f->run))
        run_queue_remove(&f->run);
    timer_remove(&hub->timers, &f->timer);
    let_go_of_held(f, NULL);
    hub_fiber_gone(hub);
    f->state = FIBER_ENDED;
    if (unlikely(hub->watched))
        hub_tell_end(f);
    hub_fiber_unref(f);
}

/* ---- handles --------------------------------------------------------------- */

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
    if (f->state != FIBER_ENDED && unlikely(f->hub->watched))
        hub_tell_name(f);
}

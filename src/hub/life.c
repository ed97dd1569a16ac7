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

#include "hub/hub.h"
#include "hub/links.h"
#include "hub/part.h"

/* ---- birth ---------------------------------------------------------------- */

struct grove_fiber *hub_fiber_new(struct hub *hub, enum stack_kind kind,
                                  unsigned shift, void (*entry)(void *))
{
    struct stack_class *class = stack_class_of(&hub->stacks, kind, shift);
    /* A program that loads C++ code and then spawns fibers for it comes by here
     * before they run; a look is cheap against a stack from a slab. */
    if (unlikely(!class->fresh))
        fiber_thread_refresh(&hub->thread);
    if (unlikely(timer_claim(&hub->timers) < 0))
        return NULL;
    struct stack *stack = stack_get(&hub->stacks, class);
    if (unlikely(!stack)) {
        timer_unclaim(&hub->timers);
        return NULL;
    }
    struct grove_fiber *f = (struct grove_fiber *)stack;
    assert(hub->current && hub->current->hub == hub);
    fiber_make(&f->fiber, hub->next_id++, entry, f);
    f->run = (struct run){0};
    f->hub = hub;
    f->state = FIBER_NEW;
    f->cancelled = false;
    f->waiting = false;
    f->references = 1;
    f->host = NULL;
    f->scope = NULL;
    f->timer.slot = 0;
    f->shared = NULL;
    f->shields = 0;
    f->at_end = NULL;
    links_init(&f->links);
    f->locals = NULL;
    f->group = NULL;
    hub->fibers++;
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

/* The thread ends, and with it the fiber that is its own stack. */
static void end_root(struct hub *hub)
{
    hub_run_at_end(&hub->root);
}

const struct hub_fixture hub_root_fixture = {.end = end_root};

/* ---- end ------------------------------------------------------------------ */

static void call_links(struct hub *hub, struct grove_fiber *f)
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

void hub_fiber_complete(struct hub *hub, struct grove_fiber *f, int result)
{
    assert(!run_queued(&f->run) && !timer_pending(&f->timer) && !f->at_end);
    f->state = FIBER_ENDED;
    f->result = result;
    if (!links_empty(&f->links))
        call_links(hub, f);
}

void hub_fiber_drop(struct hub *hub, struct grove_fiber *f)
{
    assert(f->hub == hub && f != hub->current && hub->fibers > 0);
    if (run_queued(&f->run))
        run_queue_remove(&f->run);
    timer_remove(&hub->timers, &f->timer);
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
}

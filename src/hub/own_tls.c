/*
 * Fibers that have a block of thread-local storage of their own (grove_attr's
 * own_tls): given at their birth, given back at their end, after all else that
 * is to be done there. On the hub's own thread.
 */
#include "hub/own_tls.h"

#include <assert.h>
#include <errno.h>

#include "fiber/tls_block.h"

_Static_assert(sizeof(struct fiber_end) <= sizeof((struct tls_block){0}.room),
               "it stands there");

/* The block is left as it is: nobody else could go on with what it holds. */
static void forget(struct grove_fiber *f, struct fiber_end *end)
{
    (void)end;
    tls_block_forget(&f->fiber);
}

static void give_back(struct grove_fiber *f, struct fiber_end *end)
{
    if (f->state == FIBER_NEW) { /* it never runs */
        hub_at_end_remove(f, end);
        forget(f, end);
        tls_block_put(f->fiber.block);
        return;
    }
    /* What this calls may have more done at the end: that comes first. */
    tls_block_finish();
    hub_at_end_remove(f, end);
    if (f->at_end) {
        hub_at_end_last(f, end);
        return;
    }
    struct tls_block *block = f->fiber.block;
    tls_block_leave(&f->hub->thread, &f->fiber);
    tls_block_put(block);
}

static const struct fiber_end_kind kind = {give_back, forget};

int hub_own_tls(struct grove_fiber *f)
{
    struct hub *hub = f->hub;
    assert(f->state == FIBER_NEW && !f->host);
    struct tls_block *block = tls_block_take(&hub->own_tls);
    if (!block)
        return -errno;
    tls_block_enter(&hub->thread, &hub->own_tls, &f->fiber, block);
    struct fiber_end *end = (struct fiber_end *)block->room;
    end->kind = &kind;
    hub_at_end_last(f, end);
    return 0;
}

const char *grove_own_tls_refused(void)
{
    return tls_block_refused();
}

/*
 * What a fiber holds alone is a list from f->held, locked last first, which
 * only its thread touches. At the fiber's end each goes to the first who waits,
 * or waits for who comes; that one is told, and holds it.
 *
 * A lock that does not say that f holds it is none any more: the memory it was
 * in, as that of a function that has returned, is used for something else, and
 * so may what it points to be.
 */
#include "sync/held.h"

struct waiter *held_lost(grove_waiters *q)
{
    struct waiter *all = waiters_take_all(q);
    for (struct waiter *w = all; w; w = w->next)
        w->value = HELD_IS_LOST;
    return all;
}

static void orphan(grove_hold *h)
{
    if (held_owner(h) & HELD_RWLOCK)
        rwlock_orphan(container_of(h, grove_rwlock, hold));
    else
        mutex_orphan(container_of(h, grove_mutex, hold));
}

static void holder_ends(struct grove_fiber *f)
{
    grove_hold *h, *next;
    for (h = f->held; h && held_by(h, f->identity); h = next) {
        next = h->below;
        orphan(h);
    }
    f->held = NULL;
}

__attribute__((constructor)) static void tell_hub(void)
{
    hub_holder_ends = holder_ends;
}

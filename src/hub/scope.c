/*
 * What a fiber puts around its waits: deadlines that hold for all of them
 * (timeout scopes), and regions that hold back a kill (shields). Both nest, end
 * innermost first, and stand on the fiber's stack; waits look at them (wait.c).
 */
#include <assert.h>

#include "hub/hub.h"

/* ---- timeout scopes ------------------------------------------------------ */

void grove_timeout_begin(grove_timeout *t, int64_t deadline)
{
    struct hub *hub = hub_self();
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    t->outer = f->scope;
    t->deadline = deadline;
    t->effective = t->outer && t->outer->effective < deadline
                       ? t->outer->effective
                       : deadline;
    t->expired = false;
    f->scope = t;
}

int grove_timeout_end(grove_timeout *t)
{
    struct hub *hub = hub_self();
    if (!hub)
        return 0;
    struct grove_fiber *f = hub->current;
    if (!f->scope) /* it could not begin: no hub, for want of memory */
        return 0;
    assert(f->scope == t && "timeout scopes end innermost first");
    f->scope = t->outer;
    return t->expired ? -ETIMEDOUT : 0;
}

/* ---- shielded regions ---------------------------------------------------- */

void grove_shield_begin(grove_shield *s)
{
    struct hub *hub = hub_self();
    s->scope = NULL;
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    s->scope = f->scope;
    f->scope = NULL;
    f->shields++;
}

void grove_shield_end(grove_shield *s)
{
    struct hub *hub = hub_self();
    if (!hub || !hub->current->shields) /* no memory for a hub at its begin */
        return;
    struct grove_fiber *f = hub->current;
    assert(!f->scope && "timeout scopes begun in a shield end in it");
    f->scope = s->scope;
    f->shields--;
}

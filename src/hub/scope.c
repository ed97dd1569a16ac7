/*
 * What a fiber puts around its waits: deadlines that hold for all of them
 * (timeout scopes), and regions that hold back a kill (shields). Both nest, end
 * innermost first, and stand on the fiber's stack; waits look at them (wait.c).
 *
 * One that is ended out of its turn has usually left the stack already, and
 * those in it with it: waits would go by what is there now. So that is no error
 * to be returned, but the end, in every build.
 */
#include <stdlib.h>

#include "fiber/log.h"
#include "hub/hub.h"

/* ---- timeout scopes ------------------------------------------------------ */

__attribute__((noreturn)) static void misused(const struct grove_fiber *f,
                                              const char *what)
{
    log_tell(GROVE_LOG_FATAL, "fiber %llu \"%s\": %s",
             (unsigned long long)f->fiber.id, f->fiber.name, what);
    abort();
}

void grove_timeout_begin(grove_timeout *t, int64_t deadline)
{
    grove_timeout_begin_for(t, deadline, NULL);
}

void grove_timeout_begin_for(grove_timeout *t, int64_t deadline,
                             const void *cause)
{
    struct hub *hub = hub_self();
    t->expired = false;
    t->cause = cause;
    t->outer = t; /* which tells one that could not begin */
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    t->outer = f->scope;
    t->deadline = deadline;
    t->effective = t->outer && t->outer->effective < deadline
                       ? t->outer->effective
                       : deadline;
    f->scope = t;
}

int grove_timeout_end(grove_timeout *t)
{
    if (unlikely(t->outer == t)) /* no hub, for want of memory */
        return 0;
    struct grove_fiber *f = hub_self()->current;
    if (unlikely(f->scope != t))
        misused(f, "grove_timeout_end: not the timeout scope that this fiber "
                   "began last; they end innermost first, each once");
    f->scope = t->outer;
    return t->expired ? -ETIMEDOUT : 0;
}

/* ---- shielded regions ---------------------------------------------------- */

void grove_shield_begin(grove_shield *s)
{
    struct hub *hub = hub_self();
    s->outer = s; /* as of a timeout scope */
    s->scope = NULL;
    if (!hub)
        return;
    struct grove_fiber *f = hub->current;
    s->outer = f->shield;
    s->scope = f->scope;
    f->scope = NULL;
    f->shield = s;
}

void grove_shield_end(grove_shield *s)
{
    if (unlikely(s->outer == s))
        return;
    struct grove_fiber *f = hub_self()->current;
    if (unlikely(f->shield != s))
        misused(f, "grove_shield_end: not the region that this fiber began "
                   "last; they end innermost first, each once");
    if (unlikely(f->scope != NULL))
        misused(f, "grove_shield_end: a timeout scope begun in the region has "
                   "not ended");
    f->scope = s->scope;
    f->shield = s->outer;
}

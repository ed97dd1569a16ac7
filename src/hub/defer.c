/*
 * Cleanup handlers: what a fiber wants done at its end, whatever way its
 * function returned. They are a list of small allocations, last first, since
 * what they belong to has left the stack by then. A fiber that is ended by a
 * fork does not run them: they are the parent's business.
 */
#include <stdlib.h>

#include "hub/hub.h"

struct defer {
    struct defer *next; /* asked for before it */
    void (*fn)(void *arg);
    void *arg;
};

int grove_defer(void (*fn)(void *arg), void *arg)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct grove_fiber *f = hub->current;
    if (!fn || f == &hub->root)
        return -EINVAL;
    struct defer *d = malloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    *d = (struct defer){.next = f->defers, .fn = fn, .arg = arg};
    f->defers = d;
    return 0;
}

/* Takes *at out of the list, freeing it; its call. */
static struct defer take(struct defer **at)
{
    struct defer d = **at;
    free(*at);
    *at = d.next;
    return d;
}

int grove_undefer(void (*fn)(void *arg), void *arg, bool run)
{
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    struct defer **at = &hub->current->defers;
    while (*at && ((*at)->fn != fn || (*at)->arg != arg))
        at = &(*at)->next;
    if (!*at)
        return -ENOENT;
    struct defer d = take(at);
    if (run)
        d.fn(d.arg);
    return 0;
}

void hub_forget_defers(struct grove_fiber *f)
{
    while (f->defers)
        take(&f->defers);
}

void hub_run_defers(struct grove_fiber *f)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    while (f->defers) {
        struct defer d = take(&f->defers);
        d.fn(d.arg);
    }
    grove_shield_end(&shield);
}

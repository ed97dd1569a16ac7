/*
 * Walking all fibers of a hub, by its stacks: a live one's begins with its
 * fiber's record. On the hub's thread.
 */
#include "hub/hub.h"

/* What is called for each, and with what. */
struct walk {
    struct hub *hub;
    void (*fn)(struct grove_fiber *f, void *arg);
    void *arg;
};

static void visit(struct stack *stack, void *arg)
{
    struct walk *w = arg;
    struct grove_fiber *f = (struct grove_fiber *)stack;
    assert(f->hub == w->hub && f->references > 0);
    if (f->state != FIBER_ENDED && f != w->hub->loop_fiber)
        w->fn(f, w->arg);
}

void hub_each(struct hub *hub, void (*fn)(struct grove_fiber *f, void *arg),
              void *arg)
{
    struct walk w = {hub, fn, arg};
    stack_each(&hub->stacks, visit, &w);
}

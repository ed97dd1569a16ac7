/*
 * What a layer above has to do on every thread that has a hub, and only that
 * thread itself can: the kernel keeps some things for each thread.
 */
#ifndef GROVE_HUB_VISIT_H
#define GROVE_HUB_VISIT_H

#include "hub/hub.h"

struct hub_visitor {
    /* On a thread that has a hub; it may be called again there. */
    void (*come)(void);
    /* Its hub ends. It may have been called before, and `come` may not. */
    void (*leave)(void);
};

/* Have v->come called on each thread that has a hub: now, if that is the
 * calling one's, else when that hub turns; and on each that gets one from now
 * on. There is one visitor, which stays; called again, it comes again. Any
 * thread. */
GROVE_HOST_API void hub_visit(const struct hub_visitor *v);

/* The calling thread's hub has been made, and is in the ring of all. */
void hub_visit_begin(void);

#endif

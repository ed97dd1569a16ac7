/*
 * The trace of a hub: src/trace/, and what of it knows fibers. On the hub's
 * thread.
 */
#ifndef GROVE_HUB_TRACE_H
#define GROVE_HUB_TRACE_H

#include "hub/hub.h"
#include "trace/trace.h"

/* Keep the name that f has now; only where f->hub->trace. */
void hub_trace_name(const struct grove_fiber *f);

#endif

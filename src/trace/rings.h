/*
 * All rings of the process, for who writes them.
 */
#ifndef GROVE_TRACE_RINGS_H
#define GROVE_TRACE_RINGS_H

#include "trace/trace.h"

/* Calls fn for each, from the oldest on. No hub begins or ends meanwhile; those
 * that there are go on. Any thread. */
void trace_rings_each(void (*fn)(const struct trace_ring *ring, void *arg),
                      void *arg);

#endif

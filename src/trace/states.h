/*
 * What each fiber of a hub is doing, by its number, while a trace is written.
 */
#ifndef GROVE_TRACE_STATES_H
#define GROVE_TRACE_STATES_H

#include <stddef.h>
#include <stdint.h>

enum trace_doing {
    TRACE_UNKNOWN, /* nothing was told of it yet */
    TRACE_READY,   /* it waits for its turn */
    TRACE_RUNS,
    TRACE_WAITS,
    TRACE_SLEEPS, /* the hub, for what may come */
    TRACE_GONE    /* it has ended */
};

struct trace_state {
    uint64_t fiber;
    enum trace_doing doing;
    uint64_t row; /* in the file; 0: it has none yet */
};

struct trace_states {
    struct trace_state *table; /* open addressing; room for a power of two */
    size_t room;
    size_t count;
};

/* The fiber's, TRACE_UNKNOWN at first; good until the next call. NULL: no
 * memory. Zeroes are a good beginning. */
struct trace_state *trace_state_of(struct trace_states *s, uint64_t fiber);

/* Calls fn for each, in any order. */
void trace_states_each(const struct trace_states *s,
                       void (*fn)(struct trace_state *state, void *arg),
                       void *arg);

void trace_states_free(struct trace_states *s);

#endif

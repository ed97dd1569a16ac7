/*
 * A ring as it was at a moment.
 */
#ifndef GROVE_TRACE_COPY_H
#define GROVE_TRACE_COPY_H

#include "trace/trace.h"

struct trace_event {
    uint64_t time; /* ticks; not before that of the event before */
    uint64_t fiber;
    uint64_t other;
    enum trace_kind kind;
    int value;
};

struct trace_copy {
    struct trace_event *events; /* in their order */
    size_t count;
    uint64_t lost; /* that were there before them */
    const struct trace_ring *ring;
    uint64_t end; /* ticks: of the hub, or of the copying */
};

/* Any thread, while no ring begins or ends. 0, or -ENOMEM. To be freed. */
int trace_copy_make(struct trace_copy *copy, const struct trace_ring *ring);
void trace_copy_free(struct trace_copy *copy);

/* The fiber's name, if it is known. */
bool trace_copy_name(const struct trace_copy *copy, uint64_t fiber,
                     char name[TRACE_NAME_SIZE]);

#endif

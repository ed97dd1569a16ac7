/*
 * The trace in Perfetto's own format: messages of protocol buffers, one behind
 * the other, which https://ui.perfetto.dev and trace_processor read. A fiber is
 * a track below that of its hub, which is one below that of the process; slices
 * and moments are track events, and arrows are flows.
 */
#ifndef GROVE_TRACE_PERFETTO_H
#define GROVE_TRACE_PERFETTO_H

#include "trace/output.h"

/* Texts of a kind that events of a hub can refer to; an event has what comes
 * after them itself. */
#define TRACE_TEXTS 64

/* What there are texts of. */
enum trace_texts_kind { TRACE_CATEGORIES, TRACE_NAMES, TRACE_ARG_NAMES };

#define TRACE_TEXTS_KINDS 3

struct trace_texts {
    const char *texts[TRACE_TEXTS]; /* number n is at n - 1 */
    unsigned count;
    unsigned told; /* how many of them are in the file */
};

struct trace_perfetto {
    struct trace_output output;
    struct trace_texts texts[TRACE_TEXTS_KINDS]; /* of this hub */
    uint64_t hub;                                /* its track */
    unsigned sequence;                           /* its packets' */
    uint64_t last; /* nanoseconds, to which the next event's time is added */
};

/* Begin a file, to be written by slices.c. */
void trace_perfetto_begin(struct trace_perfetto *p, FILE *file);

#endif

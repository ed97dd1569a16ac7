/*
 * The trace in Chrome's JSON ("trace event format"), which Perfetto and Chrome
 * read: a hub is a process there, a fiber a thread; slices are events, "B" to
 * "E", and moments, too ("i").
 */
#ifndef GROVE_TRACE_CHROME_H
#define GROVE_TRACE_CHROME_H

#include "trace/output.h"

struct trace_chrome {
    struct trace_output output;
    bool more; /* something was written: a comma is due */
};

/* Begin a file, to be written by slices.c. */
void trace_chrome_begin(struct trace_chrome *c, FILE *file);

#endif

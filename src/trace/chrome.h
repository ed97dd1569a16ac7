/*
 * The trace in Chrome's JSON ("trace event format"), which Perfetto and Chrome
 * read: a hub is a process there, a fiber a thread, and what a fiber does are
 * slices, "B" to "E", one after the other:
 *
 *     category   name
 *     run        "run"
 *     ready      "ready": it waits for its turn; args: woken or spawned by whom
 *     wait       what it waits for: "recv"; args: the descriptor, if there is
 *     sleep      "sleep", of the hub: it waits for what may come
 *
 * and, as moments ("i"), "spawn", in who spawns, and "end".
 */
#ifndef GROVE_TRACE_CHROME_H
#define GROVE_TRACE_CHROME_H

#include <stdio.h>

#include "trace/copy.h"

struct trace_chrome {
    FILE *file;
    struct trace_scale scale;
    uint64_t lost; /* events that were not there any more */
    bool more;     /* something was written: a comma is due */
    int error;     /* -errno, when memory was wanting */
};

void trace_chrome_begin(struct trace_chrome *c, FILE *file);
void trace_chrome_ring(struct trace_chrome *c, const struct trace_copy *copy);
void trace_chrome_end(struct trace_chrome *c);

#endif

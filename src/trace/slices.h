/*
 * From the events of a hub to slices, in rows: what each fiber did, one thing
 * after the other.
 *
 *     category   name
 *     run        "run"
 *     ready      "ready": it waits for its turn; args: woken or spawned by whom
 *     wait       what it waits for: "recv"; args: the descriptor, if there is
 *     sleep      "sleep", of the hub: it waits for what may come
 *
 * and, as moments, "spawn", in who spawns, "end" and, where there are arrows,
 * "wake", in who wakes.
 */
#ifndef GROVE_TRACE_SLICES_H
#define GROVE_TRACE_SLICES_H

#include "trace/output.h"

/* Writes the hub and its rows. Any thread. Where memory is wanting the output
 * has the error, and what is written is of no use. */
void trace_slices_write(struct trace_output *to, const struct trace_copy *copy);

#endif

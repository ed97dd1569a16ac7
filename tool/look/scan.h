/*
 * Return addresses on a stack, guessed.
 */
#ifndef GROVE_TOOL_SCAN_H
#define GROVE_TOOL_SCAN_H

#include "look/unwind.h"

/* Calls fn for what looks like a return address on the fiber's stack, from its
 * top, the place where the fiber stands before them all. */
void scan(struct target *t, struct symbols *s, const struct look_fiber *f,
          void (*fn)(const struct native_frame *frame, void *arg), void *arg);

#endif

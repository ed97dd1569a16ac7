/*
 * What people are told a fiber is called, and where it is.
 */
#ifndef GROVE_TOOL_LABEL_H
#define GROVE_TOOL_LABEL_H

#include "look/fibers.h"
#include "look/symbols.h"

#define LABEL_SIZE 160

/* Its own name; of a greenlet, what it is called; of another fiber the function
 * that it was spawned for; of the thread's own stack "(thread)". */
void label_name(struct target *t, struct symbols *s, const struct look_fiber *f,
                char text[LABEL_SIZE]);

/* "function file.py:12": where a greenlet is in Python; "" for others. */
void label_where(struct target *t, const struct look_fiber *f,
                 char text[LABEL_SIZE]);

/* How long, as of now, in a few characters: "1.5 s", "3 min"; "" where since is
 * 0. */
void label_time(int64_t since, char text[16]);

#endif

/*
 * Greenlets: what they are called, and where they are in Python.
 */
#ifndef GROVE_TOOL_PYTHON_H
#define GROVE_TOOL_PYTHON_H

#include "look/fibers.h"

/* The name of a greenlet, as grove_dump(3) tells it; "" where it cannot be
 * read.
 */
void python_name(struct target *t, const struct look_fiber *f, char *text,
                 size_t room);

struct python_frame {
    char function[96]; /* its qualified name */
    char file[512];
    int line;     /* -1: it has none */
    bool package; /* it is of Grove's own package */
};

/* Calls fn for the frames of a greenlet, the innermost first, as long as it
 * returns true. Of one that runs they may be of different moments. How many
 * there were. */
size_t python_frames(struct target *t, const struct look_fiber *f,
                     bool (*fn)(const struct python_frame *frame, void *arg),
                     void *arg);

/* The innermost frame that is not of Grove's own package; the innermost, if
 * there is none. False: it has no frames. */
bool python_where(struct target *t, const struct look_fiber *f,
                  struct python_frame *frame);

#endif

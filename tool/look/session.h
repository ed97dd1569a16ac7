/*
 * A look at a process, from the words of the command line to what is told if it
 * could not be had whole.
 */
#ifndef GROVE_TOOL_SESSION_H
#define GROVE_TOOL_SESSION_H

#include "look/symbols.h"

/* Opens both for the process of that number. False: it was told why not, and
 * nothing is to be closed. */
bool session_begin(struct target *t, struct symbols *s, pid_t pid);

/* Closes both. r: 0, or the -errno of what was done in between. Whether all was
 * read and could be written on standard output; else it was told what was not.
 */
bool session_end(struct target *t, struct symbols *s, int r);

#endif

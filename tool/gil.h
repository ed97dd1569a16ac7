/*
 * Threads of CPython that are fibers: see gil.c.
 */
#ifndef GROVE_TOOL_GIL_H
#define GROVE_TOOL_GIL_H

#include <stdbool.h>

/* Whether the program is an interpreter, or linked with one. */
bool gil_is_there(void);

/* Has a thread see to it that one that computes does not hold up the others.
 * Without memory for it there is none. Once a process. */
void gil_watch(void);

#endif

/*
 * What is to be traced, and into which file.
 */
#ifndef GROVE_TRACE_SETTINGS_H
#define GROVE_TRACE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a ring's records where GROVE_TRACE_SIZE does not say, and what it
 * may say. */
#define TRACE_SIZE ((size_t)8 << 20)
#define TRACE_SIZE_MIN ((size_t)16 << 10)

/* Once a process: looks at GROVE_TRACE and GROVE_TRACE_SIZE. What is wrong with
 * them is told. */
void trace_settings_read(void);

/* The file of this process; NULL: nothing is traced, or the process has
 * forked and this has not been told yet. */
const char *trace_path(void);

/* Whether this is the child of the process whose file is known: it has a file
 * of its own from here on. */
bool trace_path_forked(void);

/* Bytes of a ring's records, a power of two. */
size_t trace_size(void);

#endif

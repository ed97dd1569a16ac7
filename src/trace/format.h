/*
 * Which format a trace is written in: the end of its name says so.
 */
#ifndef GROVE_TRACE_FORMAT_H
#define GROVE_TRACE_FORMAT_H

#include <stdbool.h>

/* Whether it is Perfetto's own; else it is JSON. */
bool trace_format_is_perfetto(const char *path);

#endif

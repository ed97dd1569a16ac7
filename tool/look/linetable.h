/*
 * CPython's table of the lines that the instructions of a function are of
 * (co_linetable), from 3.11 on.
 */
#ifndef GROVE_TOOL_LINETABLE_H
#define GROVE_TOOL_LINETABLE_H

#include <stddef.h>
#include <stdint.h>

/* The line of the code unit of that index (two bytes each), where the function
 * begins in line first; -1: the table says that it has none, or nothing of it.
 */
int linetable_line(const unsigned char *table, size_t size, int first,
                   uint64_t unit);

#endif

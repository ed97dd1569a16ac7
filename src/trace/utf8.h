/*
 * Characters of UTF-8.
 */
#ifndef GROVE_TRACE_UTF8_H
#define GROVE_TRACE_UTF8_H

#include <stddef.h>

/* How many bytes the character at text has, which ends with a zero; 0: it is no
 * UTF-8. */
size_t utf8_length(const char *text);

#endif

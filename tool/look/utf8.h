/*
 * Texts of other processes, before they are shown.
 */
#ifndef GROVE_TOOL_UTF8_H
#define GROVE_TOOL_UTF8_H

#include <stddef.h>

/* How many bytes the character at text has, which ends with a zero; 0: it is no
 * UTF-8. */
size_t utf8_length(const char *text);

/* Puts a question mark in the place of what a terminal may take for an order,
 * and of each byte that is no UTF-8. */
void utf8_clean(char *text);

#endif

/*
 * Texts of other processes, before they are shown.
 */
#ifndef GROVE_TOOL_UTF8_H
#define GROVE_TOOL_UTF8_H

#include "trace/utf8.h"

/* Puts a question mark in the place of what a terminal may take for an order,
 * and of each byte that is no UTF-8. */
void utf8_clean(char *text);

#endif

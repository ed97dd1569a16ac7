/*
 * Texts in JSON.
 */
#ifndef GROVE_TOOL_JSON_H
#define GROVE_TOOL_JSON_H

#include <stdio.h>

/* Writes text, which is UTF-8, in quotes; of other bytes each becomes U+FFFD.
 */
void json_text(FILE *to, const char *text);

#endif

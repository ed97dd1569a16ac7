/*
 * A terminal that is drawn on whole, with keys; or, without one, lines on
 * standard output.
 */
#ifndef GROVE_TOOL_SCREEN_H
#define GROVE_TOOL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screen {
    bool terminal; /* there is one, and it is ours */
    size_t lines, columns;
};

/* Takes the terminal, if batch is not set and standard input and output are
 * one. It is given back by screen_close, and by a signal that ends or stops the
 * process. */
void screen_open(struct screen *s, bool batch);
void screen_close(struct screen *s);

/* Shows text, of lines: as much as there is room for, or all of it where there
 * is no terminal. Whether it could be written. */
bool screen_show(struct screen *s, const char *text);

/* Waits for a key for ns nanoseconds: the key, or 0. A signal that has come is
 * dealt with: it may end the process, or stop it until it is continued. */
int screen_key(struct screen *s, int64_t ns);

#endif

/*
 * The tables by which libc's stdio reads and writes descriptors: see tables.c.
 */
#ifndef GROVE_PATCH_STDIO_TABLES_H
#define GROVE_PATCH_STDIO_TABLES_H

#include <stdbool.h>
#include <stdio.h>

#include "patch/object.h"

/* Whether the object is libc. */
bool tables_are_in(const struct object *o);

/* As object_each_slot, for words of libc's tables. */
bool tables_each_slot(const struct object *o,
                      bool (*fn)(const struct object *o, void **slot,
                                 const char *symbol, void *arg),
                      void *arg);

/* What is in them instead of libc's. */
ssize_t patch_file_read(FILE *file, void *buf, ssize_t size);
ssize_t patch_file_write(FILE *file, const void *data, ssize_t size);

#endif

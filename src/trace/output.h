/*
 * What the slices of a trace are written by: a table of functions, of which
 * there is one a format. slices.c calls them, one thread at a time.
 *
 * A row is begun before anything is in it, and a hub before its rows. In a row
 * a slice is closed before the next is opened, and times do not go back; those
 * of rows among each other do, where a row begins with what was known of it
 * later.
 */
#ifndef GROVE_TRACE_OUTPUT_H
#define GROVE_TRACE_OUTPUT_H

#include <stdio.h>

#include "trace/copy.h"

/* What a fiber does; or the hub itself, as its fiber 0. */
struct trace_row {
    unsigned hub;
    uint64_t fiber;
    uint64_t number; /* in the file, from 1 on */
};

struct trace_arg {
    const char *name; /* NULL: there is none, and none behind it */
    int64_t value;
};

#define TRACE_ARGS 2

/* What a slice or a moment is. Its texts are constants. */
struct trace_label {
    const char *category;
    const char *name;
    struct trace_arg args[TRACE_ARGS];
    uint64_t arrow; /* its number, at both of its ends; 0: there is none */
};

struct trace_output {
    const struct trace_format *format;
    FILE *file;
    struct trace_scale scale;
    uint64_t rows;   /* that were begun */
    uint64_t arrows; /* likewise */
    uint64_t lost;   /* events that were not there any more */
    int error;       /* -errno, when memory was wanting */
};

struct trace_format {
    /* A row has its name alone: the number of its fiber stands behind it. */
    bool has_numbers;
    /* It shows arrows, from the moment of a spawn or wake to the slice in which
     * who was spawned or woken is ready. Else wakes are no moments. */
    bool has_arrows;
    /* The hub of the copy, and when what is known of it begins. */
    void (*hub)(struct trace_output *to, const struct trace_copy *copy,
                uint64_t ns);
    void (*row)(struct trace_output *to, const struct trace_row *row,
                const char *name);
    void (*open)(struct trace_output *to, const struct trace_row *row,
                 uint64_t ns, const struct trace_label *label);
    void (*close)(struct trace_output *to, const struct trace_row *row,
                  uint64_t ns);
    void (*moment)(struct trace_output *to, const struct trace_row *row,
                   uint64_t ns, const struct trace_label *label);
    /* After the last hub. */
    void (*end)(struct trace_output *to);
};

#endif

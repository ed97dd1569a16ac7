/*
 * A file that takes the place of another only once it is whole.
 */
#ifndef GROVE_TRACE_FILE_H
#define GROVE_TRACE_FILE_H

#include <limits.h>
#include <stdio.h>

struct trace_file {
    FILE *stream;        /* to be written to */
    int fd;              /* of the file, below the stream */
    int error;           /* the first of writing: -errno, which stdio forgets */
    const char *path;    /* the caller's, which keeps it until the end */
    char part[PATH_MAX]; /* beside it, until it is whole; empty: path itself */
};

/* Begin a file that is to be at path. 0 or -errno. Any thread. */
int trace_file_begin(struct trace_file *file, const char *path);

/* End it: with an error, which is 0 or -errno, of what was to be in it, what
 * was at path before stays there. That error, or one of its writing, or 0. */
int trace_file_end(struct trace_file *file, int error);

#endif

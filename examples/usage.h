/*
 * What the examples share: -h and --help print the usage, and arguments that
 * are not as it says end the program with status 2, the usage on stderr.
 */
#ifndef EXAMPLES_USAGE_H
#define EXAMPLES_USAGE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "usage: NAME ARGUMENT...", an empty line, and what the program does. */
static const char *usage_text;

__attribute__((noreturn)) static inline void usage_refuse(void)
{
    fprintf(stderr, "%s\n", usage_text);
    exit(2);
}

/* To be called first: the program takes from least to most arguments, none of
 * them an option. */
static inline void usage_check(int argc, char **argv, int least, int most,
                               const char *text)
{
    usage_text = text;
    if (argc > 1 &&
        (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        printf("%s\n", text);
        exit(0);
    }
    if (argc <= least || argc - 1 > most || (argc > 1 && argv[1][0] == '-'))
        usage_refuse();
}

/* An argument that is a number from lowest to highest. */
__attribute__((unused)) static int usage_number(const char *argument,
                                                int lowest, int highest)
{
    char *end;
    errno = 0;
    long n = strtol(argument, &end, 10);
    if (errno || end == argument || *end || n < lowest || n > highest) {
        fprintf(stderr, "\"%s\": expected a number from %d to %d\n", argument,
                lowest, highest);
        usage_refuse();
    }
    return (int)n;
}

/* For a port that may be left out: 0, a free one. */
__attribute__((unused)) static int usage_port(const char *argument)
{
    return argument ? usage_number(argument, 0, 65535) : 0;
}

#endif

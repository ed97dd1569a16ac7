/*
 * The command line of what looks into a process: options, numbers in them, and
 * the exit status.
 */
#ifndef GROVE_TOOL_OPTIONS_H
#define GROVE_TOOL_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* How the command exits. */
enum { OK = 0, FAILED = 1, BAD_USE = 2 };

/* What a command takes. */
struct command {
    const char *usage;           /* written where it is asked for or needed */
    const char *letters;         /* as of getopt_long, and 'h' */
    const struct option *longer; /* the same */
    /* Whether the option and its argument, optarg, can be. */
    bool (*take)(void *arg, int option);
    /* Does it, with n arguments behind the options: the exit status, BAD_USE
     * where these cannot be. */
    int (*run)(void *arg, int n, char **rest);
};

/* Take the options and run the command. arg: its own, NULL where there was no
 * memory for that, which is told then; freed. How the command is used is
 * written on standard error where the words cannot be. The exit status. */
int options_run(const struct command *command, void *arg, int argc,
                char **argv);

/* A whole number, with nothing around it. False: it is none. */
bool options_count(const char *text, uint64_t *count);

/* A number from least to most, with nothing behind it. False: it is none. */
bool options_number(const char *text, double least, double most,
                    double *number);

#endif

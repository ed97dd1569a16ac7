/*
 * The command line of what looks into a process: options, numbers in them, what
 * is said where it makes no sense, and the exit status.
 */
#ifndef GROVE_TOOL_OPTIONS_H
#define GROVE_TOOL_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How the command exits. */
enum { OK = 0, FAILED = 1, BAD_USE = 2 };

/* What is not a letter: the argument behind PID, and options from LONG_OPTION
 * on that have no letter. */
enum { BEHIND_PID = 1, LONG_OPTION = 256 };

/* What a command takes: options, and PID. */
struct command {
    const char *name;
    const char *usage;           /* written where it is asked for */
    const char *letters;         /* as of getopt_long: ":", others, and "h" */
    const struct option *longer; /* the same */
    const char *behind;          /* the argument behind PID; NULL: none */
    /* Takes an option, or BEHIND_PID, with its argument, optarg. NULL, or what
     * was expected in the argument's place. */
    const char *(*take)(void *arg, int option);
    int (*run)(void *arg, pid_t pid); /* does it: the exit status */
};

/* Take the options and run the command. arg: its own, NULL where there was no
 * memory for that, which is told then; freed. What makes no sense is told on
 * standard error. The exit status. */
int options_run(const struct command *command, void *arg, int argc,
                char **argv);

/* Tell that a word on the command line of `grove name` makes no sense, as what,
 * and what was expected there, if it is not NULL. BAD_USE. */
int options_refuse(const char *name, const char *what, const char *word,
                   const char *expected);

/* Tell that an argument is missing. BAD_USE. */
int options_missing(const char *name, const char *argument);

/* Tell that the word is one too many. BAD_USE. */
int options_surplus(const char *name, const char *word);

/* A whole number, with nothing around it. False: it is none. */
bool options_count(const char *text, uint64_t *count);

/* A number from least to most, with nothing behind it. False: it is none. */
bool options_number(const char *text, double least, double most,
                    double *number);

#endif

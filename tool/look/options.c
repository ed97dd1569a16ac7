/*
 * The command line of what looks into a process.
 */
#include "look/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool options_count(const char *text, uint64_t *count)
{
    char *end;
    errno = 0;
    *count = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

bool options_number(const char *text, double least, double most, double *number)
{
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && *number >= least && *number <= most;
}

/* ---- what makes no sense ----------------------------------------------------------- */

int options_refuse(const char *name, const char *what, const char *word,
                   const char *expected)
{
    fprintf(stderr, "grove: %s: %s '%s'%s%s; see 'grove %s --help'\n", name,
            what, word, expected ? ": expected " : "", expected ? expected : "",
            name);
    return BAD_USE;
}

int options_missing(const char *name, const char *argument)
{
    fprintf(stderr, "grove: %s: %s is missing; see 'grove %s --help'\n", name,
            argument, name);
    return BAD_USE;
}

int options_surplus(const char *name, const char *word)
{
    return options_refuse(name, "one argument too many,", word, NULL);
}

/* How an option is written, in text. */
static const char *spelling(const struct command *c, int option, char text[64])
{
    const struct option *o = c->longer;
    while (option >= LONG_OPTION && o->val != option)
        o++;
    if (option >= LONG_OPTION)
        snprintf(text, 64, "--%s", o->name);
    else
        snprintf(text, 64, "-%c", option);
    return text;
}

/* ---- taking ----------------------------------------------------------------------- */

/* The number of a process; -1: it is none. */
static pid_t parse_pid(const char *text)
{
    uint64_t number;
    bool good =
        options_count(text, &number) && number > 0 && number <= INT32_MAX;
    return good ? (pid_t)number : -1;
}

static int take_rest(const struct command *c, void *arg, int n, char **rest)
{
    int most = c->behind ? 2 : 1;
    if (n == 0)
        return options_missing(c->name, "PID");
    if (n > most)
        return options_surplus(c->name, rest[most]);
    pid_t pid = parse_pid(rest[0]);
    if (pid < 0)
        return options_refuse(c->name, "PID", rest[0],
                              "the number of a process");
    if (n < most)
        return options_missing(c->name, c->behind);
    optarg = rest[1];
    const char *expected = c->behind ? c->take(arg, BEHIND_PID) : NULL;
    if (expected)
        return options_refuse(c->name, c->behind, rest[1], expected);
    return c->run(arg, pid);
}

/* What getopt_long does not know. */
static int refuse_unknown(const struct command *c, char **argv)
{
    char text[64];
    bool letter = optopt > 0 && optopt < LONG_OPTION;
    return options_refuse(c->name, "no option",
                          letter ? spelling(c, optopt, text) : argv[optind - 1],
                          NULL);
}

static int take_all(const struct command *c, void *arg, int argc, char **argv)
{
    int option;
    char text[64], nothing[] = "";
    opterr = 0;
    while ((option = getopt_long(argc, argv, c->letters, c->longer, NULL)) !=
           -1) {
        if (option == 'h')
            return fputs(c->usage, stdout) < 0 ? FAILED : OK;
        if (option == '?')
            return refuse_unknown(c, argv);
        if (option == ':') { /* it lacks its argument */
            option = optopt;
            optarg = nothing;
        }
        const char *expected = c->take(arg, option);
        if (expected)
            return options_refuse(c->name, spelling(c, option, text), optarg,
                                  expected);
    }
    return take_rest(c, arg, argc - optind, argv + optind);
}

int options_run(const struct command *command, void *arg, int argc, char **argv)
{
    if (!arg) {
        perror("grove");
        return FAILED;
    }
    int r = take_all(command, arg, argc, argv);
    free(arg);
    return r;
}

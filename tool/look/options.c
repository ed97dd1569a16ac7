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

static int take_all(const struct command *c, void *arg, int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, c->letters, c->longer, NULL)) !=
           -1) {
        if (option == 'h')
            return fputs(c->usage, stdout) < 0 ? FAILED : OK;
        if (!c->take || !c->take(arg, option))
            return BAD_USE;
    }
    return c->run(arg, argc - optind, argv + optind);
}

int options_run(const struct command *command, void *arg, int argc, char **argv)
{
    if (!arg) {
        perror("grove");
        return FAILED;
    }
    int r = take_all(command, arg, argc, argv);
    if (r == BAD_USE)
        fputs(command->usage, stderr);
    free(arg);
    return r;
}

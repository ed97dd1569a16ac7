/*
 * What the subcommands that look into a process begin and end with.
 */
#include "look/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void tell(int error)
{
    fprintf(stderr, "grove: %s\n", strerror(error));
}

bool session_begin(struct target *t, struct symbols *s, pid_t pid)
{
    if (target_open(t, pid) < 0)
        return false;
    int r = symbols_open(s, t);
    if (r == 0)
        return true;
    tell(-r);
    target_close(t);
    return false;
}

bool session_end(struct target *t, struct symbols *s, int r)
{
    symbols_close(s);
    if (r < 0)
        tell(-r);
    bool whole = r == 0 && target_was_read(t);
    target_close(t);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return whole;
    fprintf(stderr, "grove: cannot write: %s\n", strerror(errno));
    return false;
}

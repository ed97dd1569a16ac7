/*
 * ".pftrace" and ".perfetto-trace" are what Perfetto's own tools call its
 * files. A forked child's file has a number behind that, "x.pftrace.1234", and
 * is of the same format. Any thread.
 */
#include "trace/format.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

/* The name's without such a number. */
static size_t length_of(const char *path)
{
    size_t all = strlen(path), n = all;
    while (n > 0 && isdigit((unsigned char)path[n - 1]))
        n--;
    return n < all && n > 0 && path[n - 1] == '.' ? n - 1 : all;
}

static bool ends_in(const char *path, const char *end)
{
    size_t all = length_of(path), n = strlen(end);
    return all >= n && memcmp(path + all - n, end, n) == 0;
}

bool trace_format_is_perfetto(const char *path)
{
    return ends_in(path, ".pftrace") || ends_in(path, ".perfetto-trace");
}

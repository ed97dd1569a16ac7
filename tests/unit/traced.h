/*
 * Tests of traces: a process of their own that is traced, and what it writes.
 */
#ifndef TESTS_UNIT_TRACED_H
#define TESTS_UNIT_TRACED_H

#include "unit.h"

#include <limits.h>

/* Events that a ring has here, and how many of them are left out of a copy
 * while the hub goes on. */
#define ROOM 512
#define EARLY 64

/* Of the tests alone. */
static char folder[] = "/tmp/grove-trace-XXXXXX";

/* What is in the file, until the next call, and how much; the end is a zero. */
HELPER char *contents_of(const char *path, size_t *size)
{
    static char bytes[1 << 20];
    FILE *from = fopen(path, "r");
    check(from, "%s: %s", path, strerror(errno));
    *size = fread(bytes, 1, sizeof(bytes) - 1, from);
    assert_true(*size < sizeof(bytes) - 1);
    fclose(from);
    bytes[*size] = '\0';
    return bytes;
}

HELPER char *contents(const char *path)
{
    size_t size;
    return contents_of(path, &size);
}

HELPER size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* What main returns for tests of a traced process, which writes its trace at
 * its end. They are to leave nothing else in the folder. */
HELPER int traced_main(int (*run_all)(void))
{
    char path[sizeof(folder) + 16];
    int status = 1;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/trace.json", folder);
    setenv("GROVE_TRACE", path, 1);
    setenv("GROVE_TRACE_SIZE", "16K", 1);
    pid_t pid = fork();
    if (pid == 0)
        exit(run_all());
    waitpid(pid, &status, 0);
    bool written = unlink(path) == 0;
    bool alone = rmdir(folder) == 0;
    return status == 0 && written && alone ? 0 : 1;
}

#endif

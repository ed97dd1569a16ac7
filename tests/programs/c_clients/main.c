/*
 * Fibers that each wait at a server by a library that knows nothing of them:
 *
 *     PROGRAM patched|plain N WHERE
 *
 * Prints how many went well, how many seconds all took, and on how many threads
 * of the system.
 */
#include <dirent.h>
#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

static const char *where;
static int well;

static void *wait_once(void *arg)
{
    well += wait_at_server(where);
    return arg;
}

static int count_threads(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (const struct dirent *e; (e = readdir(tasks));)
        n += e->d_name[0] != '.';
    closedir(tasks);
    return n;
}

int main(int argc, char **argv)
{
    size_t n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    grove_fiber **fibers = calloc(n + 1, sizeof(*fibers));
    where = argv[argc - 1];
    if (n == 0 || (strcmp(argv[1], "patched") == 0 && grove_patch_all(0) < 0))
        return 2;
    grove_attr attr = {.stack_size = 256 << 10};
    int64_t began = grove_now();
    for (size_t i = 0; i < n; i++) {
        if (grove_spawn_with(&fibers[i], &attr, wait_once, NULL) < 0)
            return 2;
    }
    for (size_t i = 0; i < n; i++)
        grove_join(fibers[i], NULL);
    printf("%d %.3f %d\n", well, (double)(grove_now() - began) / 1e9,
           count_threads());
    return 0;
}

/*
 * Fibers that each wait at a server by a library that knows nothing of them:
 *
 *     PROGRAM patched|plain N WHERE
 *
 * Prints how many went well, how many seconds it took from the first question
 * to the last answer, on connections that were made before, and on how many
 * threads of the system.
 */
#include <dirent.h>
#include <grove.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"

struct client {
    grove_fiber *fiber; /* that does something with it */
    void *connection;   /* NULL: none could be made */
    bool well;          /* the server has waited, and said so */
};

static const char *where;

static void *connect_one(void *arg)
{
    struct client *c = arg;
    c->connection = client_connect(where);
    return NULL;
}

static void *wait_once(void *arg)
{
    struct client *c = arg;
    c->well = c->connection && client_wait(c->connection);
    return NULL;
}

static void *disconnect_one(void *arg)
{
    struct client *c = arg;
    client_disconnect(c->connection);
    return NULL;
}

/* Call fn in a fiber for each of n clients, and return when all have. */
static void for_each(struct client *clients, size_t n, void *(*fn)(void *))
{
    grove_attr attr = {.stack_size = 256 << 10};
    for (size_t i = 0; i < n; i++) {
        if (grove_spawn_with(&clients[i].fiber, &attr, fn, &clients[i]) < 0)
            exit(2);
    }
    for (size_t i = 0; i < n; i++) {
        grove_join(clients[i].fiber, NULL);
        grove_release(clients[i].fiber);
    }
}

static size_t count_well(const struct client *clients, size_t n)
{
    size_t well = 0;
    for (size_t i = 0; i < n; i++)
        well += clients[i].well;
    return well;
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
    struct client *clients = calloc(n + 1, sizeof(*clients));
    where = argv[argc - 1];
    if (n == 0 || (strcmp(argv[1], "patched") == 0 && grove_patch_all(0) < 0))
        return 2;
    for_each(clients, n, connect_one);
    int64_t began = grove_now();
    for_each(clients, n, wait_once);
    double seconds = (double)(grove_now() - began) / 1e9;
    printf("%zu %.3f %d\n", count_well(clients, n), seconds, count_threads());
    for_each(clients, n, disconnect_one);
    free(clients);
    return 0;
}

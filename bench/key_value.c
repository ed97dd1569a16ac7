/*
 * Keys and values by Redis's protocol: processor time of the server's process a
 * request, of the example key_value_server and of redis-server.
 *
 *   key_value get | set [DEPTH]
 *
 * 50 connections with DEPTH requests under way each (1), which are sent and
 * answered together. There are 4096 keys of 16 bytes with values of 64.
 * redis-server has one thread and writes nothing to disk.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "servers.h"

#define KEYS 4096
#define VALUE 64
#define REQUEST_MAX 160
#define TURN 2000 /* batches of one request */

static size_t print_set(char *text, size_t key)
{
    return (size_t)sprintf(
        text, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012zu\r\n$%d\r\n%0*zu\r\n", key,
        VALUE, VALUE, key);
}

static size_t print_get(char *text, size_t key)
{
    return (size_t)sprintf(text, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012zu\r\n",
                           key);
}

/* Batches of depth requests about all keys, answered by reply_size bytes
 * each. */
static struct bench_load make_load(size_t (*print)(char *text, size_t key),
                                   size_t depth, size_t reply_size)
{
    struct bench_load load = {.count = KEYS / depth,
                              .reply_size = depth * reply_size};
    load.batches = calloc(load.count, sizeof(*load.batches));
    for (size_t i = 0; i < load.count; i++) {
        char *text = load.batches[i] = malloc(depth * REQUEST_MAX);
        load.size = 0;
        /* Neighbours in a batch are none in the table. */
        for (size_t j = 0; j < depth; j++)
            load.size += print(text + load.size, j * load.count + i);
    }
    return load;
}

static void start_ours(struct bench_server *server)
{
    char address[32];
    server->port = bench_free_port();
    snprintf(address, sizeof(address), "127.0.0.1:%d", server->port);
    bench_server_start(
        server, (const char *[]){bench_built(server->name), address, NULL});
}

/* False: it is not installed. */
static bool start_redis(struct bench_server *server)
{
    char port[16];
    const char *path = bench_installed("redis-server");
    if (!path)
        return false;
    server->port = bench_free_port();
    snprintf(port, sizeof(port), "%d", server->port);
    bench_server_start(server, (const char *[]){path, "--bind", "127.0.0.1",
                                                "--port", port, "--save", "",
                                                "--appendonly", "no", NULL});
    return true;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    bool get = strcmp(what, "get") == 0;
    size_t depth = (size_t)bench_argument(argc, argv, 2, 1);
    if ((!get && strcmp(what, "set") != 0) || depth > KEYS) {
        fprintf(stderr, "usage: key_value get | set [DEPTH]\n");
        return 2;
    }
    struct bench_server ours = {.name = "examples/key_value_server"};
    struct bench_server redis = {.name = "redis-server"};
    struct bench_load sets = make_load(print_set, depth, strlen("+OK\r\n"));
    struct bench_load gets =
        make_load(print_get, depth, strlen("$64\r\n\r\n") + VALUE);
    char name[32];
    snprintf(name, sizeof(name), depth > 1 ? "redis_%s_%zu" : "redis_%s", what,
             depth);
    start_ours(&ours);
    bool peer = start_redis(&redis);
    if (!peer)
        fprintf(stderr,
                "bench: %s: no redis-server to compare with: install the "
                "package redis-server\n",
                name);
    bench_pin(1);
    bench_server_turn(&ours, &sets, sets.count);
    if (peer)
        bench_server_turn(&redis, &sets, sets.count);
    bench_servers_compare(name, &ours, peer ? &redis : NULL,
                          get ? &gets : &sets, TURN / (depth > 1 ? 4 : 1),
                          depth);
    bench_server_stop(&ours);
    if (peer)
        bench_server_stop(&redis);
    return 0;
}

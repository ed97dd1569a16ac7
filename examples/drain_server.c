/*
 * A server on several hubs that SIGTERM ends without cutting anybody off: it
 * accepts no more, answers what it has been asked, and then ends.
 *
 *     $ drain_server 2
 *     listening on 127.0.0.1:4567
 *
 * A request is a line with a number of milliseconds, the answer two lines:
 * "working" at once, "done" that much later. A client may go on asking on its
 * connection. kill the server, and those that work get their answer, those that
 * only wait for another request are closed, and new ones are refused. What
 * takes longer than PATIENCE is cut; a second signal ends the program at once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

#define PATIENCE (10 * GROVE_SECOND)

static int answer(grove_stream *stream, const char *line)
{
    int r = grove_stream_write(stream, "working\n", 8);
    if (r == 0)
        r = grove_stream_flush(stream);
    if (r == 0)
        r = grove_sleep(atoi(line) * GROVE_MILLISECOND);
    return r < 0 ? r : grove_stream_write(stream, "done\n", 5);
}

static void serve(grove_connection *c)
{
    grove_stream *stream;
    char *line;
    if (grove_stream_new_connection(&stream, c, NULL) < 0)
        return;
    for (;;) {
        /* A client that has asked already is answered, whatever comes. */
        if (!grove_stream_buffered(stream) &&
            (grove_stream_flush(stream) < 0 ||
             grove_connection_rest(c, true) < 0))
            break;
        if (grove_stream_read_line(stream, &line, NULL, 0) != 1)
            break;
        grove_connection_rest(c, false);
        if (answer(stream, line) < 0)
            break;
    }
    grove_stream_close(stream);
}

static int run(int argc, char **argv)
{
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d",
             usage_port(argc > 2 ? argv[2] : NULL));
    grove_server *server;
    grove_server_attr attr = {
        .address = address,
        .hubs = (unsigned)usage_number(argv[1], 1, 64),
    };
    int r = grove_server_start(&server, &attr, serve, NULL);
    if (r < 0) {
        fprintf(stderr, "drain_server: %s: %s\n", address, strerror(-r));
        return 1;
    }
    printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
    fflush(stdout);
    grove_server_wait(server); /* until the signal */
    int cut = grove_server_stop_until(server, grove_now() + PATIENCE);
    if (cut > 0)
        fprintf(stderr, "drain_server: %d connections were cut\n", cut);
    grove_server_release(server);
    return 0;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, 2,
                "usage: drain_server HUBS [PORT]\n\nAnswer lines with a number "
                "of milliseconds that much later, on HUBS threads;\nSIGTERM "
                "ends it when all are answered. Without PORT on a free one.");
    return grove_main(run, argc, argv);
}

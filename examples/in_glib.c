/*
 * Fibers inside a program that runs on GLib's main loop, as those with a GTK
 * window do: a GSource sleeps for the hub and calls it when something is due.
 * The hub's part is struct hub_source and its functions; in the rest a timeout
 * of GLib feeds a channel, and a fiber ends the main loop.
 *
 *     $ in_glib
 *     tick 1
 *     tick 2
 *     tick 3
 *     the fiber got "hello through GLib"
 */
#include <stdio.h>
#include <sys/socket.h>

#include <glib.h>
#include <grove.h>

#include "usage.h"

/* ---- a hub as a source of GLib -------------------------------------------- */

struct hub_source {
    GSource source; /* first */
    grove_hub *hub;
    gpointer tag; /* of its descriptor */
};

/* How long the main loop may sleep, in milliseconds; TRUE: not at all. */
static gboolean prepare(GSource *source, gint *timeout)
{
    int64_t ns = grove_hub_timeout(((struct hub_source *)source)->hub);
    int64_t ms = ns < 0 ? -1 : (ns + GROVE_MILLISECOND - 1) / GROVE_MILLISECOND;
    *timeout = (gint)MIN(ms, G_MAXINT);
    return ns == 0;
}

static gboolean check(GSource *source)
{
    struct hub_source *s = (struct hub_source *)source;
    return g_source_query_unix_fd(source, s->tag) != 0 ||
           grove_hub_timeout(s->hub) == 0;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    grove_hub_run_due(((struct hub_source *)source)->hub);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {
    .prepare = prepare, .check = check, .dispatch = dispatch};

/* The calling thread's hub as a source; NULL: no hub. */
static GSource *hub_source_new(void)
{
    grove_hub *hub = grove_hub_self();
    if (!hub)
        return NULL;
    GSource *source = g_source_new(&functions, sizeof(struct hub_source));
    struct hub_source *s = (struct hub_source *)source;
    s->hub = hub;
    s->tag = g_source_add_unix_fd(source, grove_hub_fd(hub), G_IO_IN);
    return source;
}

/* ---- the program ------------------------------------------------------------ */

#define TICKS 3

static grove_channel *ticks;
static int sockets[2];

static gboolean on_tick(gpointer data)
{
    static int number;
    number++;
    grove_channel_trysend(ticks, &number); /* a callback does not wait */
    if (number < TICKS)
        return G_SOURCE_CONTINUE;
    grove_channel_close(ticks);
    return G_SOURCE_REMOVE;
}

static void *echo(void *arg)
{
    char buf[64];
    ssize_t n = grove_recv(sockets[1], buf, sizeof(buf), 0);
    if (n > 0)
        grove_send(sockets[1], buf, (size_t)n, 0);
    return NULL;
}

static void *work(void *main_loop)
{
    static const char message[] = "hello through GLib";
    char buf[64] = "";
    int number;
    while (grove_channel_recv(ticks, &number) == 0)
        printf("tick %d\n", number);
    grove_sleep(20 * GROVE_MILLISECOND);
    grove_spawn(NULL, echo, NULL);
    grove_send(sockets[0], message, sizeof(message), 0);
    if (grove_recv(sockets[0], buf, sizeof(buf) - 1, 0) > 0)
        printf("the fiber got \"%s\"\n", buf);
    g_main_loop_quit(main_loop);
    return NULL;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: in_glib\n\nFibers inside GLib's main loop.");
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    GSource *source = hub_source_new();
    if (!source || grove_channel_create(&ticks, sizeof(int), TICKS) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0 ||
        grove_spawn(NULL, work, loop) < 0)
        return 1;
    g_source_attach(source, NULL);
    g_timeout_add(5, on_tick, NULL);
    g_main_loop_run(loop);
    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(loop);
    grove_channel_release(ticks);
    return 0;
}

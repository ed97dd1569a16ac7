/*
 * Fibers inside a program that runs on libuv: its loop sleeps for the hub, and
 * calls it when something is due. The hub's part is struct embedding and four
 * functions; the rest is a program in which callbacks and fibers work together:
 * a timer of libuv feeds a channel, a fiber echoes on a socket.
 *
 *     $ in_libuv
 *     tick 1
 *     tick 2
 *     tick 3
 *     the fiber got "hello through libuv"
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>
#include <uv.h>

#include "usage.h"

/* ---- a hub in a loop of libuv ------------------------------------------- */

struct embedding {
    grove_hub *hub;
    uv_poll_t poll;       /* the hub's descriptor */
    uv_timer_t timer;     /* its next deadline */
    uv_prepare_t prepare; /* just before the loop sleeps */
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct embedding *e = poll->data;
    grove_hub_run_due(e->hub);
}

static void on_timer(uv_timer_t *timer)
{
    struct embedding *e = timer->data;
    grove_hub_run_due(e->hub);
}

/* The loop is about to look how long it may sleep: its timer must tell it. */
static void before_sleep(uv_prepare_t *prepare)
{
    struct embedding *e = prepare->data;
    int64_t ns = grove_hub_timeout(e->hub);
    if (ns < 0) {
        uv_timer_stop(&e->timer);
        return;
    }
    uv_update_time(prepare->loop);
    uint64_t ms = (uint64_t)(ns + GROVE_MILLISECOND - 1) / GROVE_MILLISECOND;
    uv_timer_start(&e->timer, on_timer, ms, 0);
}

static int embed(struct embedding *e, uv_loop_t *loop)
{
    e->hub = grove_hub_self();
    if (!e->hub)
        return -1;
    uv_poll_init(loop, &e->poll, grove_hub_fd(e->hub));
    uv_timer_init(loop, &e->timer);
    uv_prepare_init(loop, &e->prepare);
    e->poll.data = e->timer.data = e->prepare.data = e;
    uv_prepare_start(&e->prepare, before_sleep);
    return uv_poll_start(&e->poll, UV_READABLE, on_readable);
}

static void remove_embedding(struct embedding *e)
{
    uv_close((uv_handle_t *)&e->poll, NULL);
    uv_close((uv_handle_t *)&e->timer, NULL);
    uv_close((uv_handle_t *)&e->prepare, NULL);
}

/* ---- the program ----------------------------------------------------------- */

#define TICKS 3

static struct embedding embedding;
static grove_channel *ticks;
static int sockets[2];

static void on_tick(uv_timer_t *timer)
{
    static int number;
    number++;
    grove_channel_trysend(ticks, &number); /* a callback does not wait */
    if (number == TICKS) {
        grove_channel_close(ticks);
        uv_close((uv_handle_t *)timer, NULL);
    }
}

static void *echo(void *arg)
{
    char buf[64];
    ssize_t n = grove_recv(sockets[1], buf, sizeof(buf), 0);
    if (n > 0)
        grove_send(sockets[1], buf, (size_t)n, 0);
    return NULL;
}

static void *work(void *arg)
{
    static const char message[] = "hello through libuv";
    char buf[64] = "";
    int number;
    while (grove_channel_recv(ticks, &number) == 0)
        printf("tick %d\n", number);
    grove_sleep(20 * GROVE_MILLISECOND);
    grove_spawn(NULL, echo, NULL);
    grove_send(sockets[0], message, sizeof(message), 0);
    if (grove_recv(sockets[0], buf, sizeof(buf) - 1, 0) > 0)
        printf("the fiber got \"%s\"\n", buf);
    remove_embedding(&embedding); /* nothing is left: the loop ends */
    return NULL;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: in_libuv\n\nFibers inside libuv's loop.");
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t timer;
    if (embed(&embedding, loop) < 0 ||
        grove_channel_create(&ticks, sizeof(int), TICKS) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0 ||
        grove_spawn(NULL, work, NULL) < 0)
        return 1;
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_tick, 5, 5);
    uv_run(loop, UV_RUN_DEFAULT);
    grove_channel_release(ticks);
    return uv_loop_close(loop) == 0 ? 0 : 1;
}

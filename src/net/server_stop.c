/*
 * The end of a server: no more is accepted, those who rest are disturbed, those
 * who are left killed, and all are waited for. What may be called on any thread
 * is done at home.
 */
#include <assert.h>

#include "hub/wait.h"
#include "net/server.h"

/* Ask the acceptor to end. One that has not begun never will. */
static void stop_accepting(grove_server *server)
{
    server->stopping = true;
    if (server->accepting)
        grove_kill(server->acceptor);
}

bool grove_server_is_stopping(const grove_server *server)
{
    return server->stopping;
}

static bool is_own_connection(const grove_server *server)
{
    const struct server_share *share = server_own_share(server);
    struct server_connection *c = share ? share->first : NULL;
    while (c && c->fiber != grove_self())
        c = c->next;
    return c;
}

/* Until there is no connection on any hub: 0, or as every wait. */
static int wait_idle(grove_server *server, int64_t deadline)
{
    for (;;) {
        grove_event_clear(&server->idle);
        if (server_active_after_clear(server) == 0)
            return 0;
        int r = grove_event_wait_until(&server->idle, deadline);
        if (r < 0)
            return r;
    }
}

static void kill_left(void *server)
{
    server_kill_all(server);
}

static int await_idle(void *server, int64_t deadline)
{
    return wait_idle(server, deadline);
}

/* Kill all; again and again, until they have ended. How many there were. */
static int kill_all(grove_server *server)
{
    int killed = (int)atomic_load(&server->active);
    server->killing = true;
    int r = hub_kill_rounds(hub_of_thread, GROVE_NEVER, kill_left, await_idle,
                            server);
    return r == 0 ? killed : r;
}

/* How many connections were killed, or a negative errno. */
static int end_connections(grove_server *server, int64_t deadline)
{
    server_disturb_all(server);
    /* One that has swallowed the kill of a stop that was ended early. */
    if (server->killing && atomic_load(&server->active))
        return kill_all(server);
    int r = wait_idle(server, deadline);
    if (r == -ETIMEDOUT && grove_now() >= deadline)
        return kill_all(server);
    return r;
}

/* ---- calls of other threads: made at home ------------------------------------- */

struct errand {
    int (*fn)(grove_server *server, int64_t deadline); /* what is called */
    grove_server *server;
    int64_t deadline;
};

static void *run_errand(void *arg)
{
    const struct errand *e = arg;
    return (void *)(intptr_t)e->fn(e->server, e->deadline);
}

static int call_at_home(int (*fn)(grove_server *server, int64_t deadline),
                        grove_server *server, int64_t deadline)
{
    struct errand e = {fn, server, deadline};
    void *value;
    if (server->home == hub_of_thread)
        return fn(server, deadline);
    int r = grove_hub_call((grove_hub *)server->home, run_errand, &e, &value);
    return r < 0 ? r : (int)(intptr_t)value;
}

static int stop(grove_server *server, int64_t deadline)
{
    stop_accepting(server);
    /* It ends at once; a kill of the caller is told in the wait below. */
    grove_shield shield;
    grove_shield_begin(&shield);
    grove_join(server->acceptor, NULL);
    grove_shield_end(&shield);
    int killed = end_connections(server, deadline);
    if (killed < 0)
        return killed;
    int r = server_await_hubs(server, deadline);
    return r < 0 ? r : killed;
}

int grove_server_stop_until(grove_server *server, int64_t deadline)
{
    if (is_own_connection(server))
        return -EDEADLK;
    return call_at_home(stop, server, deadline);
}

int grove_server_stop(grove_server *server)
{
    return grove_server_stop_until(server, GROVE_NEVER);
}

static int await_acceptor(grove_server *server, int64_t deadline)
{
    int r = grove_join_until(server->acceptor, NULL, deadline);
    if (grove_result(server->acceptor, NULL) == -EAGAIN)
        return r;
    return server->error;
}

int grove_server_wait_until(grove_server *server, int64_t deadline)
{
    return call_at_home(await_acceptor, server, deadline);
}

int grove_server_wait(grove_server *server)
{
    return grove_server_wait_until(server, GROVE_NEVER);
}

void grove_server_release(grove_server *server)
{
    assert(server->home == hub_of_thread && !server->released);
    server->released = true;
    stop_accepting(server);
    server_unref(server);
}

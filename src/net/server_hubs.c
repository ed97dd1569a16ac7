/*
 * The hubs of a server: their threads, and which of them a connection goes to.
 *
 * One hub accepts, the home, and sends each connection to the hub that has the
 * fewest, itself included: it alone deals, so that the counts that it compares
 * only fall behind its back, and shares of connections that last differ by one
 * at most. With a socket a hub (SO_REUSEPORT) the kernel draws lots by a hash
 * instead; hubs that take turns at one socket have to be woken to decline.
 *
 * The threads are those of a grove_hubs, which a fiber of the home, the leader,
 * waits in:
 *
 *     home       leader              each of the others
 *     start ---> grove_hubs -------> up, waits for no_more
 *       ^------------------ up ------'
 *     deal ------------------------> connections
 *     the acceptor's end, no_more -> returns; its fibers go on to their end
 *                returned <--------- and with the last its thread ends
 *
 * A connection that is dealt is a message, in the memory that it has until its
 * fiber runs. Messages arrive in the order in which they were sent, so that
 * what is told to all connections reaches those dealt before.
 *
 * The memory of the server is the home's, and outlives the others: the leader
 * has a reference.
 */
#include <assert.h>
#include <stdlib.h>

#include "net/server.h"

/* ---- counting --------------------------------------------------------------- */

void server_count_in(struct server_share *share)
{
    atomic_fetch_add(&share->active, 1);
    atomic_fetch_add(&share->server->active, 1);
}

/* Who waits clears it, and looks again before it waits. */
static void tell(grove_event *e)
{
    if (!grove_event_is_set(e))
        grove_event_set(e);
}

void server_count_out(struct server_share *share)
{
    grove_server *server = share->server;
    size_t of_share = atomic_fetch_sub(&share->active, 1);
    size_t before = atomic_fetch_sub(&server->active, 1);
    assert(of_share > 0 && before > 0);
    (void)of_share;
    /* In a forked child nobody is there to be told. */
    if (server->home->dead)
        return;
    if (before == 1)
        tell(&server->idle);
    tell(&server->changed);
}

/* ---- dealing ---------------------------------------------------------------- */

struct server_share *server_choose(grove_server *server)
{
    struct server_share *best = NULL;
    size_t fewest = SIZE_MAX;
    assert(server->home == hub_of_thread);
    for (unsigned i = 0; i < server->hubs; i++) {
        struct server_share *share =
            &server->shares[(server->next + i) % server->hubs];
        size_t n = atomic_load_explicit(&share->active, memory_order_relaxed);
        if (n < fewest) {
            fewest = n;
            best = share;
        }
    }
    server->next = (unsigned)(best - server->shares + 1) % server->hubs;
    return best;
}

static void dealt_arrives(struct hub *hub, struct hub_message *m)
{
    struct server_connection *c =
        container_of(m, struct server_connection, dealt);
    (void)hub;
    assert(c->share->hub == hub);
    hub_message_done(m);
    grove_server *server = c->share->server;
    if (server_begin(c) < 0)
        atomic_store(&server->starved, true);
}

static void dealt_lost(struct hub_message *m)
{
    server_refuse(container_of(m, struct server_connection, dealt));
}

int server_deal(struct server_connection *c)
{
    hub_message_init(&c->dealt, dealt_arrives, dealt_lost);
    return hub_message_send(c->share->hub, &c->dealt);
}

/* ---- telling all ------------------------------------------------------------ */

static void disturb_arrives(struct hub *hub, struct hub_message *m)
{
    (void)hub;
    hub_message_done(m);
    server_disturb(container_of(m, struct server_share, disturb));
}

static void kill_arrives(struct hub *hub, struct hub_message *m)
{
    (void)hub;
    hub_message_done(m);
    server_kill(container_of(m, struct server_share, kill));
}

static void nothing_lost(struct hub_message *m)
{
    (void)m;
}

/* A hub that has ended has none to be told. */
void server_disturb_all(grove_server *server)
{
    server_disturb(&server->shares[0]);
    for (unsigned i = 1; i < server->hubs; i++)
        hub_message_send(server->shares[i].hub, &server->shares[i].disturb);
}

void server_kill_all(grove_server *server)
{
    server_kill(&server->shares[0]);
    for (unsigned i = 1; i < server->hubs; i++)
        hub_message_send(server->shares[i].hub, &server->shares[i].kill);
}

const struct server_share *server_own_share(const grove_server *server)
{
    for (unsigned i = 0; i < server->hubs; i++) {
        if (server->shares[i].hub && server->shares[i].hub == hub_of_thread)
            return &server->shares[i];
    }
    return NULL;
}

/* ---- their threads ------------------------------------------------------------ */

/* On each of the other hubs. What ends its wait early ends all of the hub. */
static int run_share(const grove_crew *crew, void *arg)
{
    grove_server *server = arg;
    struct server_share *share = &server->shares[1 + crew->index];
    share->hub = (struct hub *)grove_hub_retain(grove_hub_self());
    if (atomic_fetch_add(&server->ready, 1) + 1 == crew->count)
        grove_event_set(&server->up);
    grove_event_wait(&server->no_more);
    return 0;
}

static void *lead(void *arg)
{
    grove_server *server = arg;
    int r = grove_hubs(server->hubs - 1, run_share, server);
    grove_event_set(&server->up);
    server_unref(server);
    return (void *)(intptr_t)r;
}

/* The leader is killed before its first turn. */
static void never_leads(void *arg)
{
    grove_server *server = arg;
    grove_event_set(&server->up);
    server_unref(server);
}

/* The leader, which has failed or been killed, has ended: with what. */
static int leader_result(grove_server *server)
{
    void *value = NULL;
    grove_shield shield;
    grove_shield_begin(&shield);
    int r = grove_join(server->leader, &value);
    grove_shield_end(&shield);
    return r < 0 ? r : (int)(intptr_t)value;
}

int server_open_hubs(grove_server *server, int64_t deadline)
{
    const grove_attr attr = {.name = "server hubs", .drop = never_leads};
    for (unsigned i = 0; i < server->hubs; i++) {
        struct server_share *share = &server->shares[i];
        share->server = server;
        hub_message_init(&share->disturb, disturb_arrives, nothing_lost);
        hub_message_init(&share->kill, kill_arrives, nothing_lost);
    }
    server->shares[0].hub =
        (struct hub *)grove_hub_retain((grove_hub *)server->home);
    if (server->hubs == 1)
        return 0;
    int r = grove_spawn_with(&server->leader, &attr, lead, server);
    if (r < 0)
        return r;
    server->references++;
    r = grove_event_wait_until(&server->up, deadline);
    if (r == 0 && atomic_load(&server->ready) == server->hubs - 1)
        return 0;
    if (r < 0)
        grove_kill(server->leader);
    int ended = leader_result(server);
    return r < 0 ? r : ended;
}

void server_close_hubs(grove_server *server)
{
    grove_event_set(&server->no_more);
}

int server_await_hubs(grove_server *server, int64_t deadline)
{
    if (!server->leader)
        return 0;
    int r = grove_join_until(server->leader, NULL, deadline);
    if (grove_result(server->leader, NULL) != -EAGAIN)
        return 0;
    if (r != -ETIMEDOUT || grove_now() < deadline)
        return r;
    grove_kill(server->leader);
    r = grove_join(server->leader, NULL);
    return grove_result(server->leader, NULL) != -EAGAIN ? 0 : r;
}

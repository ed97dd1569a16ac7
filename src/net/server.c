/*
 * Servers: a fiber that accepts, and their end.
 *
 * The acceptor takes connections as long as there are any, then parks. It also
 * parks while the limit is reached, and, where the system is short of
 * descriptors or memory, for PAUSE_MIN, then twice as long, up to PAUSE_MAX;
 * the end of a connection of its own wakes it earlier. What the kernel says of
 * one connection is no reason to stop; that its socket is gone is.
 *
 *     accepting --- stop, release, its socket has gone ---> no longer
 *
 * References keep the server until its handle is given back and its acceptor
 * and its connections have ended.
 */
#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/sized.h"
#include "net/server.h"
#include "net/tls_ops.h"

#define PAUSE_MIN (10 * GROVE_MILLISECOND)
#define PAUSE_MAX GROVE_SECOND

/* Connections taken in a row before others get a turn. */
#define ACCEPTS_A_TURN 64

#define HANDSHAKE_TIMEOUT (10 * GROVE_SECOND)

/* Those that were killed and have not ended are killed again so often. */
#define KILL_AGAIN GROVE_SECOND

static void close_socket(grove_server *server)
{
    if (server->owned && server->fd >= 0)
        net_close(server->fd);
    server->fd = -1;
}

void server_unref(grove_server *server)
{
    assert(server->references > 0 && server->home == hub_of_thread);
    if (--server->references > 0)
        return;
    close_socket(server);
    if (server->acceptor)
        grove_release(server->acceptor);
    if (server->leader)
        grove_release(server->leader);
    for (unsigned i = 0; i < server->hubs; i++) {
        if (server->shares[i].hub)
            hub_unref(server->shares[i].hub);
    }
    hub_part_remove(server->home, &server->part);
    hub_unref(server->home);
    if (server->tls)
        tls_ops(server->tls)->release(server->tls);
    free(server);
}

/* ---- accepting ------------------------------------------------------------ */

/* Park until a connection has ended since `changed` was cleared, or deadline.
 * Whether to go on. */
static bool wait_for_change(grove_server *server, int64_t deadline)
{
    return grove_event_wait_until(&server->changed, deadline) != -ECANCELED;
}

static bool pause_accepting(grove_server *server)
{
    int64_t pause = server->pause ? 2 * server->pause : PAUSE_MIN;
    server->pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
    server->paused++;
    grove_event_clear(&server->changed);
    return wait_for_change(server, hub_deadline(server->pause));
}

/* After an accept that has failed: whether to go on. */
static bool is_passing(grove_server *server, int error)
{
    switch (error) {
    case ECANCELED:
        return false;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
        server->error = -error;
        return false;
    /* The connection has ended before it was accepted; accept(2). */
    case ECONNABORTED:
    case EINTR:
    case EPERM:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return pause_accepting(server);
    }
}

/* Take one; whether to go on. */
static bool accept_one(grove_server *server)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    int fd = net_accept4(server->fd, (struct sockaddr *)&peer, &size,
                         SOCK_CLOEXEC, GROVE_NEVER, NET_PARK);
    if (fd < 0)
        return is_passing(server, errno);
    if (server_serve(server, fd, (struct sockaddr *)&peer, size) < 0)
        return pause_accepting(server);
    server->pause = 0;
    return true;
}

/* The connections of all hubs, once an event was cleared: who ends one later
 * than this look finds it clear. For that the clearing and the look must be in
 * one order with the end's (server_count_out), so the look is a change, too; a
 * fence would do as well, but TSan does not know of those. */
static size_t active_after_clear(grove_server *server)
{
    return atomic_fetch_add(&server->active, 0);
}

static bool is_full(const grove_server *server)
{
    return server->limit && atomic_load(&server->active) >= server->limit;
}

/* Wait until it is not, as connections end on any hub. Whether to go on. */
static bool wait_for_room(grove_server *server)
{
    grove_event_clear(&server->changed);
    return active_after_clear(server) < server->limit ||
           wait_for_change(server, GROVE_NEVER);
}

/* Another hub was short of memory: the next one would be no better off. */
static bool is_starved(grove_server *server)
{
    return atomic_load_explicit(&server->starved, memory_order_relaxed) &&
           atomic_exchange(&server->starved, false);
}

/* Whose connection was made before the socket is closed would have it reset:
 * they are served, as far as the limit allows. Who comes later than that is not
 * waited for. */
static void accept_rest(grove_server *server)
{
    struct tcp_info info = {.tcpi_unacked = 0};
    socklen_t size = sizeof(info);
    /* Of a socket that listens it is the length of its queue. */
    unsigned n = ACCEPTS_A_TURN;
    if (getsockopt(server->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        n = info.tcpi_unacked;
    grove_shield shield;
    grove_shield_begin(&shield);
    while (n-- > 0 && !is_full(server)) {
        struct sockaddr_storage peer;
        socklen_t peer_size = sizeof(peer);
        int fd = net_accept4(server->fd, (struct sockaddr *)&peer, &peer_size,
                             SOCK_CLOEXEC, 0, NET_PARK);
        if (fd < 0)
            break;
        server_serve(server, fd, (struct sockaddr *)&peer, peer_size);
    }
    grove_shield_end(&shield);
}

static void end_accepting(grove_server *server)
{
    server->accepting = false;
    close_socket(server);
    server_close_hubs(server);
    server_unref(server);
}

static void *accept_all(void *arg)
{
    grove_server *server = arg;
    bool go_on = true;
    for (unsigned n = 1; go_on && !server->stopping; n++) {
        go_on = is_full(server)      ? wait_for_room(server)
                : is_starved(server) ? pause_accepting(server)
                                     : accept_one(server);
        if (n % ACCEPTS_A_TURN == 0)
            grove_yield();
    }
    if (server->stopping && server->owned)
        accept_rest(server);
    end_accepting(server);
    return NULL;
}

/* The acceptor is killed before its first turn. */
static void never_accepts(void *arg)
{
    end_accepting(arg);
}

/* ---- starting -------------------------------------------------------------- */

static int adopt_socket(grove_server *server, int fd)
{
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0)
        return -errno;
    if (!listens)
        return -EINVAL;
    server->fd = fd;
    return net_keep_nonblocking(fd) ? 0 : -errno;
}

static int open_socket(grove_server *server, const grove_server_attr *attr,
                       int64_t deadline)
{
    const grove_listen_options options = {.backlog = attr->backlog,
                                          .reuse_port = attr->reuse_port};
    int fd = grove_listen_until(attr->address, &options, deadline);
    if (fd < 0)
        return -errno;
    server->fd = fd;
    server->owned = true;
    return net_keep_nonblocking(fd) ? 0 : -errno;
}

/* A context that cannot serve is told now, not at each connection. */
static int adopt_tls(grove_server *server, grove_tls_context *context)
{
    grove_tls *tls;
    if (!context)
        return 0;
    int r = tls_ops(context)->open(&tls, context, server->fd, NULL);
    if (r < 0)
        return r;
    tls_ops(context)->free(tls);
    server->tls = tls_ops(context)->retain(context);
    return 0;
}

/* The thread ends: the other hubs serve those that they have, and end. */
static void on_hub_end(struct hub_part *part)
{
    server_close_hubs(container_of(part, grove_server, part));
}

/* In the child no other thread is in an event's lock: it is a thing of the
 * parent's. */
static void set_after_fork(grove_event *e)
{
    if (e->waiters.lock)
        grove_event_init(e);
    grove_event_set(e);
}

/* Nothing goes on in the child but the connection that has forked, if it is one
 * of this hub's. */
static void forked(struct hub_part *part)
{
    grove_server *server = container_of(part, grove_server, part);
    struct server_share *share = &server->shares[0];
    struct server_connection *c = share->first;
    while (c && c->fiber != server->home->current)
        c = c->next;
    share->first = c;
    if (c)
        c->next = c->prev = NULL;
    atomic_store(&server->stopping, true);
    server->accepting = false;
    server->references = !server->released + (c != NULL);
    for (unsigned i = 0; i < server->hubs; i++)
        atomic_store(&server->shares[i].active, i == 0 && c);
    atomic_store(&server->active, c != NULL);
    set_after_fork(&server->changed);
    set_after_fork(&server->idle);
}

static grove_server *new_server(const grove_server_attr *attr)
{
    struct hub *home = hub_self();
    if (!home)
        return NULL;
    unsigned hubs = attr->hubs == GROVE_HUBS_ALL ? hub_processors()
                    : attr->hubs                 ? attr->hubs
                                                 : 1;
    grove_server *server =
        calloc(1, sizeof(*server) + hubs * sizeof(server->shares[0]));
    if (!server) {
        errno = ENOMEM;
        return NULL;
    }
    server->fd = -1;
    server->references = 1;
    server->limit = attr->limit;
    server->stack_size = attr->stack_size;
    snprintf(server->name, sizeof(server->name), "%s",
             attr->name ? attr->name : "connection");
    server->handshake_timeout =
        attr->handshake_timeout ? attr->handshake_timeout : HANDSHAKE_TIMEOUT;
    server->hubs = hubs;
    server->home = (struct hub *)grove_hub_retain((grove_hub *)home);
    server->part.end = on_hub_end;
    server->part.forked = forked;
    hub_part_add(home, &server->part);
    return server;
}

static bool is_valid(const grove_server_attr *attr)
{
    return attr->handshake_timeout >= 0 &&
           (!attr->stack_size || (attr->stack_size >= GROVE_STACK_MIN &&
                                  attr->stack_size <= GROVE_STACK_MAX)) &&
           (attr->hubs <= GROVE_SERVER_HUBS_MAX ||
            attr->hubs == GROVE_HUBS_ALL);
}

/* 0 or a negative errno; then the socket is closed with the server. */
static int listen_as(grove_server *server, const grove_server_attr *attr,
                     int64_t deadline)
{
    int r = attr->address ? open_socket(server, attr, deadline)
                          : adopt_socket(server, attr->fd);
    if (r < 0)
        return r;
    if (!attr->delay)
        net_send_at_once(server->fd); /* what it accepts inherits that */
    server->address_size = sizeof(server->address);
    if (getsockname(server->fd, (struct sockaddr *)&server->address,
                    &server->address_size) < 0)
        return -errno;
    return adopt_tls(server, attr->tls);
}

static int start_accepting(grove_server *server)
{
    const grove_attr attr = {.name = "server", .drop = never_accepts};
    int r = grove_spawn_with(&server->acceptor, &attr, accept_all, server);
    if (r == 0) {
        server->references++;
        server->accepting = true;
    } else {
        server_close_hubs(server);
        server_await_hubs(server, GROVE_NEVER);
    }
    return r;
}

int grove_server_start_until(grove_server **out, const grove_server_attr *given,
                             void (*serve)(grove_connection *c), void *arg,
                             int64_t deadline)
{
    grove_server_attr taken, *attr = &taken;
    if (sized_take(attr, sizeof(*attr), SIZED_TO(grove_server_attr, hubs),
                   given) < 0)
        return -EINVAL;
    if (!serve || !is_valid(attr))
        return -EINVAL;
    grove_server *server = new_server(attr);
    if (!server)
        return -errno;
    server->serve = serve;
    server->arg = arg;
    int r = listen_as(server, attr, deadline);
    if (r == 0)
        r = server_open_hubs(server, deadline);
    if (r == 0)
        r = start_accepting(server);
    if (r < 0) {
        server_unref(server);
        return r;
    }
    *out = server;
    return 0;
}

int grove_server_start(grove_server **out, const grove_server_attr *attr,
                       void (*serve)(grove_connection *c), void *arg)
{
    return grove_server_start_until(out, attr, serve, arg, GROVE_NEVER);
}

/* ---- stopping --------------------------------------------------------------- */

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
        if (active_after_clear(server) == 0)
            return 0;
        int r = grove_event_wait_until(&server->idle, deadline);
        if (r < 0)
            return r;
    }
}

/* Kill all; again and again, until they have ended. How many there were. */
static int kill_all(grove_server *server)
{
    int killed = (int)atomic_load(&server->active);
    server->killing = true;
    for (;;) {
        server_kill_all(server);
        int64_t again = hub_deadline(KILL_AGAIN);
        int r = wait_idle(server, again);
        if (r == 0)
            return killed;
        if (r != -ETIMEDOUT || grove_now() < again)
            return r;
    }
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

/* ---- what is known of it ------------------------------------------------------ */

/* As it was when the server began to listen: its socket is the home's. */
int grove_server_address(const grove_server *server, struct sockaddr *addr,
                         socklen_t *size)
{
    if (atomic_load(&server->fd) < 0) {
        errno = EBADF;
        return -1;
    }
    socklen_t whole = server->address_size;
    memcpy(addr, &server->address, *size < whole ? *size : whole);
    *size = whole;
    return 0;
}

int grove_server_port(const grove_server *server)
{
    const struct sockaddr_storage *addr = &server->address;
    if (atomic_load(&server->fd) < 0)
        return 0;
    if (addr->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)addr)->sin_port);
    if (addr->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
    return 0;
}

unsigned grove_server_hubs(const grove_server *server)
{
    return server->hubs;
}

static void add_share(grove_server_stats *sum, const struct server_share *share)
{
    sum->accepted += atomic_load(&share->accepted);
    sum->refused += atomic_load(&share->refused);
    sum->failed += atomic_load(&share->failed);
    sum->active += atomic_load(&share->active);
}

/* Those of the shares from first to before last. */
static int give_stats(const grove_server *server, unsigned first, unsigned last,
                      grove_server_stats *stats)
{
    grove_server_stats sum = {.paused =
                                  first ? 0 : atomic_load(&server->paused)};
    for (unsigned i = first; i < last; i++)
        add_share(&sum, &server->shares[i]);
    return sized_give(stats, &sum, sizeof(sum),
                      SIZED_TO(grove_server_stats, active));
}

int grove_server_get_stats(const grove_server *server,
                           grove_server_stats *stats)
{
    return give_stats(server, 0, server->hubs, stats);
}

int grove_server_get_hub_stats(const grove_server *server, unsigned hub,
                               grove_server_stats *stats)
{
    if (hub >= server->hubs)
        return -EINVAL;
    return give_stats(server, hub, hub + 1, stats);
}

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
    assert(server->references > 0);
    if (--server->references > 0)
        return;
    close_socket(server);
    if (server->acceptor)
        grove_release(server->acceptor);
    if (server->tls)
        tls_ops(server->tls)->release(server->tls);
    free(server);
}

/* ---- accepting ------------------------------------------------------------ */

/* Park until a connection has ended, or deadline. Whether to go on. */
static bool wait_for_change(grove_server *server, int64_t deadline)
{
    grove_event_clear(&server->changed);
    return grove_event_wait_until(&server->changed, deadline) != -ECANCELED;
}

static bool pause_accepting(grove_server *server)
{
    int64_t pause = server->pause ? 2 * server->pause : PAUSE_MIN;
    server->pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
    server->stats.paused++;
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
    server->stats.accepted++;
    if (server_serve(server, fd, (struct sockaddr *)&peer, size) < 0)
        return pause_accepting(server);
    server->pause = 0;
    return true;
}

static bool is_full(const grove_server *server)
{
    return server->limit && server->stats.active >= server->limit;
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
        server->stats.accepted++;
        server_serve(server, fd, (struct sockaddr *)&peer, peer_size);
    }
    grove_shield_end(&shield);
}

static void *accept_all(void *arg)
{
    grove_server *server = arg;
    bool go_on = true;
    for (unsigned n = 1; go_on && !server->stopping; n++) {
        go_on = is_full(server) ? wait_for_change(server, GROVE_NEVER)
                                : accept_one(server);
        if (n % ACCEPTS_A_TURN == 0)
            grove_yield();
    }
    if (server->stopping && server->owned)
        accept_rest(server);
    server->accepting = false;
    close_socket(server);
    server_unref(server);
    return NULL;
}

/* The acceptor is killed before its first turn. */
static void never_accepts(void *arg)
{
    grove_server *server = arg;
    server->accepting = false;
    close_socket(server);
    server_unref(server);
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

int grove_server_start_until(grove_server **out, const grove_server_attr *given,
                             void (*serve)(grove_connection *c), void *arg,
                             int64_t deadline)
{
    grove_server_attr taken, *attr = &taken;
    if (sized_take(attr, sizeof(*attr), SIZED_TO(grove_server_attr, delay),
                   given) < 0)
        return -EINVAL;
    if (!serve || attr->handshake_timeout < 0 ||
        (attr->stack_size && (attr->stack_size < GROVE_STACK_MIN ||
                              attr->stack_size > GROVE_STACK_MAX)))
        return -EINVAL;
    grove_server *server = calloc(1, sizeof(*server));
    if (!server)
        return -ENOMEM;
    server->fd = -1;
    server->references = 1;
    server->limit = attr->limit;
    server->stack_size = attr->stack_size;
    snprintf(server->name, sizeof(server->name), "%s",
             attr->name ? attr->name : "connection");
    server->handshake_timeout =
        attr->handshake_timeout ? attr->handshake_timeout : HANDSHAKE_TIMEOUT;
    server->serve = serve;
    server->arg = arg;
    grove_event_set(&server->idle);

    const grove_attr acceptor = {.name = "server", .drop = never_accepts};
    int r = attr->address ? open_socket(server, attr, deadline)
                          : adopt_socket(server, attr->fd);
    if (r == 0 && !attr->delay)
        net_send_at_once(server->fd); /* what it accepts inherits that */
    if (r == 0)
        r = adopt_tls(server, attr->tls);
    if (r == 0)
        r = grove_spawn_with(&server->acceptor, &acceptor, accept_all, server);
    if (r < 0) {
        server_unref(server);
        return r;
    }
    server->references++;
    server->accepting = true;
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
    for (struct server_connection *c = server->first; c; c = c->next) {
        if (c->fiber == grove_self())
            return true;
    }
    return false;
}

/* Kill all; again and again, until they have ended. How many there were. */
static int kill_all(grove_server *server)
{
    int killed = (int)server->stats.active;
    server->killing = true;
    for (;;) {
        struct server_connection *next;
        for (struct server_connection *c = server->first; c; c = next) {
            next = c->next;
            grove_kill(c->fiber);
        }
        int64_t again = hub_deadline(KILL_AGAIN);
        int r = grove_event_wait_until(&server->idle, again);
        if (r == 0)
            return killed;
        if (r != -ETIMEDOUT || grove_now() < again)
            return r;
    }
}

int grove_server_stop_until(grove_server *server, int64_t deadline)
{
    if (is_own_connection(server))
        return -EDEADLK;
    stop_accepting(server);
    /* It ends at once; a kill of the caller is told in the wait below. */
    grove_shield shield;
    grove_shield_begin(&shield);
    grove_join(server->acceptor, NULL);
    grove_shield_end(&shield);
    for (struct server_connection *c = server->first; c; c = c->next)
        server_disturb(c);
    /* One that has swallowed the kill of a stop that was ended early. */
    if (server->killing && server->stats.active)
        return kill_all(server);
    int r = grove_event_wait_until(&server->idle, deadline);
    if (r == -ETIMEDOUT && grove_now() >= deadline)
        return kill_all(server);
    return r;
}

int grove_server_stop(grove_server *server)
{
    return grove_server_stop_until(server, GROVE_NEVER);
}

int grove_server_wait_until(grove_server *server, int64_t deadline)
{
    int r = grove_join_until(server->acceptor, NULL, deadline);
    if (grove_result(server->acceptor, NULL) == -EAGAIN)
        return r;
    return server->error;
}

int grove_server_wait(grove_server *server)
{
    return grove_server_wait_until(server, GROVE_NEVER);
}

void grove_server_release(grove_server *server)
{
    stop_accepting(server);
    server_unref(server);
}

/* ---- what is known of it ------------------------------------------------------ */

int grove_server_address(const grove_server *server, struct sockaddr *addr,
                         socklen_t *size)
{
    return getsockname(server->fd, addr, size);
}

int grove_server_port(const grove_server *server)
{
    struct sockaddr_storage addr;
    socklen_t size = sizeof(addr);
    if (getsockname(server->fd, (struct sockaddr *)&addr, &size) < 0)
        return 0;
    if (addr.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&addr)->sin_port);
    if (addr.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
    return 0;
}

int grove_server_get_stats(const grove_server *server,
                           grove_server_stats *stats)
{
    return sized_give(stats, &server->stats, sizeof(server->stats),
                      SIZED_TO(grove_server_stats, active));
}

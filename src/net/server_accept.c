/*
 * The fiber that accepts a server's connections.
 *
 * It takes them as long as there are any, then parks. It also parks while the
 * limit is reached, and, where the system is short of descriptors or memory,
 * for PAUSE_MIN, then twice as long, up to PAUSE_MAX; the end of a connection
 * of the server's own wakes it earlier. What the kernel says of one connection
 * is no reason to stop; that its socket is gone is.
 *
 *     accepting --- stop, release, its socket has gone ---> no longer
 *
 * All on the home's thread.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net/server.h"

#define PAUSE_MIN (10 * GROVE_MILLISECOND)
#define PAUSE_MAX GROVE_SECOND

/* Connections taken in a row before others get a turn. */
#define ACCEPTS_A_TURN 64

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

static bool is_full(const grove_server *server)
{
    return server->limit && atomic_load(&server->active) >= server->limit;
}

/* Wait until it is not, as connections end on any hub. Whether to go on. */
static bool wait_for_room(grove_server *server)
{
    grove_event_clear(&server->changed);
    return server_active_after_clear(server) < server->limit ||
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
    server_close_socket(server);
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

int server_start_accepting(grove_server *server)
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

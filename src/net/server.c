/*
 * Servers: how they begin, what goes on in the child of a fork, and what is
 * told of them.
 *
 * References keep the server until its handle is given back and its acceptor
 * and its connections have ended.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/sized.h"
#include "net/server.h"
#include "net/tls_ops.h"

#define HANDSHAKE_TIMEOUT (10 * GROVE_SECOND)

void server_close_socket(grove_server *server)
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
    server_close_socket(server);
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
        r = server_start_accepting(server);
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

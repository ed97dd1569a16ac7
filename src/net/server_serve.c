/*
 * A connection of a server, from its acceptance to its end, on the hub that it
 * was dealt to.
 *
 *     accepted --> queued --> handshake --> served --> closed
 *                    |            |                      ^
 *                    | killed     +---- failed ----------+
 *                    +-----------------------------------+
 *
 * It is in its share's list until it is closed, by its fiber, or, when that is
 * killed before it has begun, by what is dropped then.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/server.h"
#include "net/tls_ops.h"

/* How long the end of TLS may take a peer that does not read. */
#define FAREWELL GROVE_SECOND

static void add(struct server_connection *c)
{
    struct server_share *share = c->share;
    assert(share->hub == hub_of_thread);
    c->prev = NULL;
    c->next = share->first;
    if (c->next)
        c->next->prev = c;
    share->first = c;
}

/* The server's memory is kept by the home's connections, and for the others by
 * who waits for their threads. */
static bool is_at_home(const struct server_connection *c)
{
    return c->share == &c->share->server->shares[0];
}

/* Close it, and take it out of the list. */
static void finish(struct server_connection *c)
{
    struct server_share *share = c->share;
    bool at_home = is_at_home(c);
    assert(c->prev ? c->prev->next == c : share->first == c);
    assert(!c->next || c->next->prev == c);
    if (c->public.fd >= 0) /* or a stream has it */
        net_close(c->public.fd);
    if (c->reader) /* which outlives it */
        server_read_no_more(c->reader);
    if (c->prev)
        c->prev->next = c->next;
    else
        share->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    grove_release(c->fiber);
    server_count_out(share);
    if (at_home)
        server_unref(share->server);
}

/* Have `to` be what `from` was. */
static void move(struct server_connection *to, struct server_connection *from)
{
    memcpy(to, from, offsetof(struct server_connection, peer));
    memcpy(&to->peer, &from->peer, from->public.peer_size);
    to->public.peer = (const struct sockaddr *)&to->peer;
    if (to->prev)
        to->prev->next = to;
    else
        to->share->first = to;
    if (to->next)
        to->next->prev = to;
}

static bool begin_tls(struct server_connection *c)
{
    grove_server *server = c->public.server;
    if (!server->tls)
        return true;
    const struct tls_ops *ops = tls_ops(server->tls);
    if (ops->open(&c->public.tls, server->tls, c->public.fd, NULL) == 0 &&
        ops->handshake(c->public.tls,
                       hub_deadline(server->handshake_timeout)) == 0)
        return true;
    atomic_fetch_add(&c->share->failed, 1);
    return false;
}

static void end_tls(struct server_connection *c)
{
    grove_server *server = c->public.server;
    if (!c->public.tls)
        return;
    const struct tls_ops *ops = tls_ops(server->tls);
    ops->shutdown(c->public.tls, SHUT_WR, hub_deadline(FAREWELL));
    ops->free(c->public.tls);
}

static void *run(void *arg)
{
    struct server_connection c;
    keep_frame();
    move(&c, arg);
    free(arg);
    if (begin_tls(&c))
        c.public.server->serve(&c.public);
    end_tls(&c);
    finish(&c);
    return NULL;
}

/* The fiber is killed before its first turn. */
static void never_runs(void *arg)
{
    finish(arg);
    free(arg);
}

void server_refuse(struct server_connection *c)
{
    struct server_share *share = c->share;
    atomic_fetch_add(&share->refused, 1); /* before the peer is told */
    net_close(c->socket);
    free(c);
    server_count_out(share);
}

int server_begin(struct server_connection *c)
{
    grove_server *server = c->share->server;
    const grove_attr attr = {.name = server->name,
                             .stack_size = server->stack_size,
                             .drop = never_runs};
    if (grove_spawn_with(&c->fiber, &attr, run, c) < 0) {
        server_refuse(c);
        return -ENOMEM;
    }
    add(c);
    if (is_at_home(c))
        server->references++;
    return 0;
}

int server_serve(grove_server *server, int fd, const struct sockaddr *peer,
                 socklen_t peer_size)
{
    assert(fd >= 0 && peer_size <= sizeof(struct sockaddr_storage));
    struct server_share *share = server_choose(server);
    atomic_fetch_add(&share->accepted, 1);
    struct server_connection *c = malloc(sizeof(*c));
    if (!c) {
        net_close(fd);
        atomic_fetch_add(&share->refused, 1);
        return -ENOMEM;
    }
    memcpy(&c->peer, peer, peer_size);
    c->share = share;
    c->socket = fd;
    c->resting = false;
    c->reader = NULL;
    c->public = (grove_connection){
        .fd = fd,
        .peer_size = peer_size,
        .server = server,
        .arg = server->arg,
    };
    server_count_in(share);
    if (share->hub == server->home)
        return server_begin(c);
    if (server_deal(c) == 0)
        return 0;
    server_refuse(c);
    return -ENOMEM;
}

/* ---- resting ------------------------------------------------------------------ */

void server_read_ahead(grove_connection *public, struct server_reader *reader)
{
    struct server_connection *c =
        container_of(public, struct server_connection, public);
    assert(!c->reader && reader->has_more);
    c->reader = reader;
    reader->connection = c;
}

void server_read_no_more(struct server_reader *reader)
{
    struct server_connection *c = reader->connection;
    assert(!c || c->reader == reader);
    if (c)
        c->reader = NULL;
    reader->connection = NULL;
}

/* Whether there is nothing to be read, nor an end or error. */
static bool is_silent(const struct server_connection *c)
{
    char byte;
    if (c->reader && c->reader->has_more(c->reader))
        return false;
    if (c->public.tls && tls_ops_of(c->public.tls)->has_more(c->public.tls))
        return false;
    int error = errno;
    ssize_t n = recv(c->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    bool silent = n < 0 && errno == EAGAIN;
    errno = error;
    return silent;
}

/* One that is READY has something to read, or goes on for another reason. */
static void disturb(struct server_connection *c)
{
    struct grove_fiber *f = c->fiber;
    if (c->resting && f->state == FIBER_PARKED && f->waiting && !f->shield &&
        is_silent(c)) {
        f->kill_cause = c->public.server;
        hub_wake(f, -ECANCELED);
    }
}

void server_disturb(struct server_share *share)
{
    for (struct server_connection *c = share->first; c; c = c->next)
        disturb(c);
}

/* Those that have not begun end at once, out of the list. */
void server_kill(struct server_share *share)
{
    struct server_connection *next;
    for (struct server_connection *c = share->first; c; c = next) {
        next = c->next;
        grove_kill(c->fiber);
    }
}

int grove_connection_rest(grove_connection *public, bool rest)
{
    struct server_connection *c =
        container_of(public, struct server_connection, public);
    c->resting = rest;
    return rest && public->server->stopping && is_silent(c) ? -ESHUTDOWN : 0;
}

/* ---- reading and writing, with TLS or without ----------------------------- */

ssize_t grove_connection_read_until(grove_connection *c, void *buf, size_t len,
                                    int64_t deadline)
{
    if (c->tls)
        return tls_ops(c->server->tls)->read(c->tls, buf, len, deadline);
    return net_recv(c->fd, buf, len, 0, deadline, NET_POSIX);
}

ssize_t grove_connection_write_until(grove_connection *c, const void *buf,
                                     size_t len, int64_t deadline)
{
    if (c->tls)
        return tls_ops(c->server->tls)->write(c->tls, buf, len, deadline);
    return net_send(c->fd, buf, len, MSG_NOSIGNAL, deadline, NET_POSIX);
}

int grove_connection_write_all_until(grove_connection *c, const void *buf,
                                     size_t len, size_t *done, int64_t deadline)
{
    if (c->tls)
        return tls_ops(c->server->tls)
            ->write_all(c->tls, buf, len, done, deadline);
    return grove_send_all_until(c->fd, buf, len, MSG_NOSIGNAL, done, deadline);
}

int grove_connection_write_all(grove_connection *c, const void *buf, size_t len,
                               size_t *done)
{
    return grove_connection_write_all_until(c, buf, len, done, GROVE_NEVER);
}

ssize_t grove_connection_read(grove_connection *c, void *buf, size_t len)
{
    return grove_connection_read_until(c, buf, len, GROVE_NEVER);
}

ssize_t grove_connection_write(grove_connection *c, const void *buf, size_t len)
{
    return grove_connection_write_until(c, buf, len, GROVE_NEVER);
}

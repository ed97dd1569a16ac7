/*
 * Connections with TLS whose two ends are fibers of this thread.
 */
#ifndef TESTS_UNIT_TLS_LINKS_H
#define TESTS_UNIT_TLS_LINKS_H

#include "fiber_calls.h"
#include "socket_pairs.h"
#include "tls_certs.h"

struct link {
    struct pair pair;
    grove_tls *client, *server;
};

HELPER struct link link_over(struct pair pair, grove_tls_context *client,
                             grove_tls_context *server, const char *host)
{
    struct link l = {.pair = pair};
    assert_int_equal(grove_tls_new(&l.client, client, pair.out, host), 0);
    assert_int_equal(grove_tls_new(&l.server, server, pair.in, NULL), 0);
    return l;
}

HELPER void link_close(struct link *l)
{
    grove_tls_free(l->client);
    grove_tls_free(l->server);
    pair_close(l->pair);
}

HELPER ssize_t make_handshake(struct call *c)
{
    return grove_tls_handshake_until(c->more, c->deadline);
}

HELPER ssize_t make_read(struct call *c)
{
    return grove_tls_read_until(c->more, c->buf, c->len, c->deadline);
}

HELPER ssize_t make_write(struct call *c)
{
    return grove_tls_write_until(c->more, c->buf, c->len, c->deadline);
}

HELPER ssize_t make_shutdown(struct call *c)
{
    return grove_tls_shutdown_until(c->more, c->flags, c->deadline);
}

HELPER struct call tls_call(ssize_t (*make)(struct call *), const char *name,
                            grove_tls *tls, char *buf, size_t len)
{
    return (struct call){
        .make = make, .name = name, .more = tls, .buf = buf, .len = len};
}

/* Both ends at once: the errno of each, 0 for success. */
struct outcome {
    int client, server;
};

HELPER struct outcome shake(struct link *l)
{
    struct call c = {.make = make_handshake,
                     .name = "client",
                     .more = l->client,
                     .deadline = grove_now() + HANG};
    struct call s = {.make = make_handshake,
                     .name = "server",
                     .more = l->server,
                     .deadline = grove_now() + HANG};
    call_start(&c);
    call_start(&s);
    call_finish(&c);
    call_finish(&s);
    return (struct outcome){c.error, s.error};
}

HELPER void shake_well(struct link *l)
{
    struct outcome o = shake(l);
    check(o.client == 0, "client: %s: %s", strerror(o.client),
          grove_tls_error(l->client));
    check(o.server == 0, "server: %s: %s", strerror(o.server),
          grove_tls_error(l->server));
}

/* From one end to the other, where nothing waits. */
HELPER void say(grove_tls *from, grove_tls *to, const char *text)
{
    char buf[256];
    ssize_t len = (ssize_t)strlen(text);
    ssize_t n =
        grove_tls_write_until(from, text, (size_t)len, grove_now() + HANG);
    check(n == len, "write: %zd, %s", n, grove_tls_error(from));
    n = grove_tls_read_until(to, buf, sizeof(buf), grove_now() + HANG);
    check(n == len, "read: %zd, %s", n, grove_tls_error(to));
    assert_memory_equal(buf, text, (size_t)n);
}

#endif

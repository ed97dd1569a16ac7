/*
 * TLS over a descriptor that is closed during a call, its number taken at once
 * by a stranger: not a byte of the stranger's is read, and none is sent to it.
 */
#include "tls_links.h"

static grove_tls_context *server, *client;

static int setup(void **state)
{
    if (make_certs(state))
        return -1;
    server = server_context(&good);
    client = client_context(&ca);
    return 0;
}

static int teardown(void **state)
{
    grove_tls_context_release(server);
    grove_tls_context_release(client);
    return free_certs(state);
}

struct robbery {
    int bell[2];     /* the thief is woken by a byte here */
    int number;      /* what it closes */
    int stranger[2]; /* who gets the number, and its peer */
    bool good;
};

static void *steal(void *arg)
{
    struct robbery *r = arg;
    char byte;
    r->good = grove_recv(r->bell[0], &byte, 1, 0) == 1 &&
              write(r->stranger[1], "mine", 4) == 4 &&
              grove_close(r->number) == 0 &&
              dup2(r->stranger[0], r->number) == r->number;
    return NULL;
}

/* The call waits, for what comes to fd or may be sent there; the thief and then
 * the call are woken in one look at the kernel's events. */
static void rob(struct call *c, int fd, void (*wake)(int end), int end)
{
    struct robbery r = {.number = fd};
    grove_fiber *thief;
    char buf[8];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, r.bell), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, r.stranger), 0);
    assert_int_equal(grove_spawn(&thief, steal, &r), 0);
    grove_yield();
    start_parked(c);
    grove_sleep(MS / 10); /* events of before are out of the way */
    expect_parked(c);
    assert_int_equal(write(r.bell[1], "!", 1), 1);
    wake(end);
    call_finish(c);
    assert_int_equal(grove_join(thief, NULL), 0);
    grove_release(thief);
    assert_true(r.good);
    if (c->make != make_write || c->result < 0) /* a part is told as such */
        check(c->result == -1 && c->error == EBADF, "%s: %zd, errno %d",
              c->name, c->result, c->error);
    check(c->result < (ssize_t)c->len || !c->len, "%s: all", c->name);
    check(recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 4,
          "%s: the stranger's bytes are gone", c->name);
    check(recv(r.stranger[1], buf, sizeof(buf), MSG_DONTWAIT) < 0,
          "%s: the stranger was sent something", c->name);
    for (int i = 0; i < 2; i++) {
        close(r.bell[i]);
        close(r.stranger[i]);
    }
}

static void feed(int end)
{
    assert_int_equal(write(end, "x", 1), 1);
}

static void take_all(int end)
{
    char block[65536];
    while (recv(end, block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
}

static void a_handshake(void **state)
{
    (void)state;
    struct link l = link_over(pair_of(TCP), client, server, "a.test");
    struct call c = tls_call(make_handshake, "handshake", l.server, NULL, 0);
    rob(&c, l.pair.in, feed, l.pair.out);
    link_close(&l);
}

static void a_read(void **state)
{
    (void)state;
    char buf[16];
    struct link l = link_over(pair_of(TCP), client, server, "a.test");
    shake_well(&l);
    say(l.client, l.server, "hello"); /* the session tickets are read, too */
    say(l.server, l.client, "hello");
    struct call c = tls_call(make_read, "read", l.server, buf, sizeof(buf));
    rob(&c, l.pair.in, feed, l.pair.out);
    link_close(&l);
}

enum { MUCH = 16 << 20 };

static void a_write(void **state)
{
    (void)state;
    char *much = calloc(1, MUCH);
    struct link l = link_over(pair_of(TCP), client, server, "a.test");
    shake_well(&l);
    struct call c = tls_call(make_write, "write", l.server, much, MUCH);
    rob(&c, l.pair.in, take_all, l.pair.out);
    link_close(&l);
    free(much);
}

static void a_shutdown(void **state)
{
    (void)state;
    struct link l = link_over(pair_of(TCP), client, server, "a.test");
    shake_well(&l);
    say(l.client, l.server, "hello");
    say(l.server, l.client, "hello");
    struct call c = tls_call(make_shutdown, "shutdown", l.server, NULL, 0);
    c.flags = SHUT_WR;
    fill(l.pair.in);
    rob(&c, l.pair.in, take_all, l.pair.out);
    link_close(&l);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake),
        cmocka_unit_test(a_read),
        cmocka_unit_test(a_write),
        cmocka_unit_test(a_shutdown),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

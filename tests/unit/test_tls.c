/*
 * TLS connections: over every kind of descriptor and over functions, reading
 * while writing, ends, and calls that are cut short.
 */
#include "tls_links.h"

static struct link usual_link(enum kind kind)
{
    grove_tls_context *c = client_context(&ca), *s = server_context(&good);
    struct link l = link_over(pair_of(kind), c, s, "a.test");
    grove_tls_context_release(c);
    grove_tls_context_release(s);
    shake_well(&l);
    return l;
}

/* ---- talking --------------------------------------------------------------- */

static void both_ends_talk(void **state)
{
    static const enum kind kinds[] = {TCP, UNIX_STREAM};
    for (int i = 0; i < 2; i++) {
        struct link l = usual_link(kinds[i]);
        say(l.client, l.server, "hello");
        say(l.server, l.client, "and hello");
        assert_string_equal(grove_tls_version(l.client), "TLSv1.3");
        assert_true(strlen(grove_tls_cipher(l.client)) > 0);
        assert_string_equal(grove_tls_cipher(l.client),
                            grove_tls_cipher(l.server));
        assert_string_equal(grove_tls_host(l.client), "a.test");
        assert_string_equal(grove_tls_host(l.server), "a.test");
        assert_string_equal(grove_tls_alpn(l.client), "");
        assert_string_equal(grove_tls_error(l.client), "");
        assert_string_equal(SSL_get_version(grove_tls_native(l.client)),
                            "TLSv1.3");
        assert_false(grove_tls_resumed(l.client));
        assert_blocking(l.pair.in);
        link_close(&l);
    }
}

static void the_first_read_and_write_shake_hands(void **state)
{
    grove_tls_context *c = client_context(&ca), *s = server_context(&good);
    struct link l = link_over(tcp_pair(), c, s, "a.test");
    char buf[16];
    struct call in = tls_call(make_read, "read", l.server, buf, sizeof(buf));
    assert_string_equal(grove_tls_version(l.client), "");
    assert_string_equal(grove_tls_cipher(l.client), "");
    call_start(&in);
    assert_int_equal(grove_tls_write(l.client, "hello", 5), 5);
    expect_result(&in, 5);
    link_close(&l);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
}

/* More than the socket holds, in both directions at once on one connection:
 * a reader and a writer at each end. */
#define LARGE (3 << 20)

static char *pattern(unsigned seed)
{
    char *data = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)((i * 31 + seed) >> 3);
    return data;
}

static ssize_t read_large(struct call *c)
{
    size_t done = 0;
    while (done < c->len) {
        ssize_t n = grove_tls_read_until(c->more, c->buf + done, c->len - done,
                                         c->deadline);
        if (n <= 0)
            return n < 0 ? n : (ssize_t)done;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void talk_both_ways(struct link *l)
{
    struct call calls[4] = {
        {.make = read_large, .name = "client reads", .more = l->client},
        {.make = make_write, .name = "client writes", .more = l->client},
        {.make = read_large, .name = "server reads", .more = l->server},
        {.make = make_write, .name = "server writes", .more = l->server},
    };
    for (int i = 0; i < 4; i++) {
        calls[i].buf = i % 2 ? pattern((unsigned)i) : malloc(LARGE);
        calls[i].len = LARGE;
        calls[i].deadline = grove_now() + 4 * HANG;
        call_start(&calls[i]);
    }
    for (int i = 0; i < 4; i++)
        expect_result(&calls[i], LARGE);
    assert_memory_equal(calls[0].buf, calls[3].buf, LARGE);
    assert_memory_equal(calls[2].buf, calls[1].buf, LARGE);
    for (int i = 0; i < 4; i++)
        free(calls[i].buf);
}

static void reading_while_writing(void **state)
{
    struct link l = usual_link(UNIX_STREAM);
    talk_both_ways(&l);
    link_close(&l);
}

/* Many records, each of one writer: the stream has them whole. */
enum { WRITERS = 5, MESSAGE = 1000, MESSAGES = 200 };

static ssize_t write_messages(struct call *c)
{
    char message[MESSAGE];
    memset(message, c->flags, sizeof(message));
    for (int i = 0; i < MESSAGES; i++) {
        if (grove_tls_write_until(c->more, message, MESSAGE, c->deadline) < 0)
            return -1;
    }
    return 0;
}

static void several_writers_take_turns(void **state)
{
    struct link l = usual_link(UNIX_STREAM);
    struct call calls[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        calls[i] = (struct call){.make = write_messages,
                                 .name = "writer",
                                 .more = l.client,
                                 .flags = 'a' + i,
                                 .deadline = grove_now() + HANG};
        call_start(&calls[i]);
    }
    int of[WRITERS] = {0};
    for (int i = 0; i < WRITERS * MESSAGES; i++) {
        char message[MESSAGE];
        struct call in = {.more = l.server,
                          .buf = message,
                          .len = MESSAGE,
                          .deadline = grove_now() + HANG};
        assert_int_equal(read_large(&in), MESSAGE);
        for (int k = 1; k < MESSAGE; k++)
            assert_int_equal(message[k], message[0]);
        of[message[0] - 'a']++;
    }
    for (int i = 0; i < WRITERS; i++) {
        expect_result(&calls[i], 0);
        assert_int_equal(of[i], MESSAGES);
    }
    link_close(&l);
}

static void several_readers_take_turns(void **state)
{
    struct link l = usual_link(TCP);
    char bufs[3][8];
    struct call calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = tls_call(make_read, "reader", l.server, bufs[i], 2);
        call_start(&calls[i]);
    }
    /* One that gives up is left out. */
    grove_kill(calls[1].fiber);
    expect_error(&calls[1], ECANCELED);
    assert_int_equal(grove_tls_write(l.client, "aabb", 4), 4);
    expect_result(&calls[0], 2);
    expect_result(&calls[2], 2);
    assert_memory_equal(bufs[0], "aa", 2);
    assert_memory_equal(bufs[2], "bb", 2);
    link_close(&l);
}

static void *note_turn(void *arg)
{
    *(bool *)arg = true;
    return NULL;
}

/* Calls that never wait leave others their turn all the same. */
static void a_busy_connection_starves_nobody(void **state)
{
    struct link l = usual_link(UNIX_STREAM);
    bool had_turn = false;
    assert_int_equal(grove_spawn(NULL, note_turn, &had_turn), 0);
    for (int i = 0; i < 1000 && !had_turn; i++)
        say(l.client, l.server, "x");
    assert_true(had_turn);
    link_close(&l);
}

/* ---- other ways below ------------------------------------------------------- */

/* Two pipes, a descriptor of one direction at each end. */
struct pipes {
    int in, out;
};

static ssize_t read_pipe(void *arg, void *buf, size_t len, int64_t deadline)
{
    const struct pipes *p = arg;
    /* Little at a time. */
    return grove_read_until(p->in, buf, len < 700 ? len : 700, deadline);
}

static ssize_t write_pipe(void *arg, const void *buf, size_t len,
                          int64_t deadline)
{
    const struct pipes *p = arg;
    return grove_write_until(p->out, buf, len < 900 ? len : 900, deadline);
}

/* A connection over two pipes. */
struct piped {
    struct link link;     /* its pair is not used */
    int up[2], down[2];   /* client to server, and back; -1: closed */
    struct pipes ends[2]; /* the client's, the server's */
};

static void piped_begin(struct piped *p)
{
    assert_int_equal(pipe(p->up), 0);
    assert_int_equal(pipe(p->down), 0);
    p->ends[0] = (struct pipes){p->down[0], p->up[1]};
    p->ends[1] = (struct pipes){p->up[0], p->down[1]};
    grove_tls_context *c = client_context(&ca), *s = server_context(&good);
    grove_tls_transport t = {read_pipe, write_pipe, &p->ends[0]};
    assert_int_equal(grove_tls_new_over(&p->link.client, c, &t, "a.test"), 0);
    t.arg = &p->ends[1];
    assert_int_equal(grove_tls_new_over(&p->link.server, s, &t, NULL), 0);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
    shake_well(&p->link);
}

static void piped_end(struct piped *p)
{
    grove_tls_free(p->link.client);
    grove_tls_free(p->link.server);
    for (int i = 0; i < 2; i++) {
        if (p->up[i] >= 0)
            grove_close(p->up[i]);
        grove_close(p->down[i]);
    }
}

static void over_functions(void **state)
{
    struct piped p;
    struct link *l = &p.link;
    piped_begin(&p);
    say(l->client, l->server, "hello");
    talk_both_ways(l);

    /* An end that is no close_notify is an error. */
    assert_int_equal(grove_tls_shutdown(l->server, SHUT_WR), 0);
    char buf[8];
    assert_int_equal(grove_tls_read(l->client, buf, sizeof(buf)), 0);
    grove_close(p.up[1]);
    p.up[1] = -1;
    assert_int_equal(grove_tls_read(l->server, buf, sizeof(buf)), -1);
    assert_int_equal(errno, ECONNABORTED);

    piped_end(&p);
}

/* A write was cut short after `done` bytes of data: made again with the rest of
 * them, wherever that is now, all arrives. */
static void make_write_again(struct link *l, const char *data, char *rest,
                             size_t done)
{
    char *got = malloc(LARGE);
    struct call out =
        tls_call(make_write, "again", l->client, rest, LARGE - done);
    call_start(&out);
    struct call in = tls_call(read_large, "read", l->server, got, LARGE);
    in.deadline = grove_now() + 4 * HANG;
    assert_int_equal(read_large(&in), LARGE);
    expect_result(&out, (ssize_t)(LARGE - done));
    assert_memory_equal(data, got, LARGE);
    free(got);
}

/* A write that is cut short over functions is made again as over a socket. */
static void a_cut_write_over_functions(void **state)
{
    struct piped p;
    piped_begin(&p);
    char *data = pattern(1);
    ssize_t n =
        grove_tls_write_until(p.link.client, data, LARGE, grove_now() + MS);
    assert_true(n < LARGE);
    size_t done = n < 0 ? 0 : (size_t)n;
    make_write_again(&p.link, data, data + done, done);
    free(data);
    piped_end(&p);
}

/* A descriptor that is no socket: the end of a pipe that nobody writes to. */
static void over_a_pipe(void **state)
{
    struct pair p = pair_of(PIPE);
    grove_tls_context *s = server_context(&good);
    grove_tls *tls;
    assert_int_equal(grove_tls_new(&tls, s, p.in, NULL), 0);
    struct call c = {.make = make_handshake, .name = "pipe", .more = tls};
    start_parked(&c);
    grove_close(p.out);
    expect_error(&c, ECONNABORTED);
    assert_string_equal(grove_tls_error(tls),
                        "the peer closed the stream during the handshake");
    grove_tls_free(tls);
    grove_close(p.in);
    grove_tls_context_release(s);
}

/* ---- ends -------------------------------------------------------------------- */

static void half_close(void **state)
{
    struct link l = usual_link(TCP);
    char buf[16];
    assert_int_equal(grove_tls_shutdown(l.client, SHUT_WR), 0);
    assert_int_equal(grove_tls_shutdown(l.client, SHUT_WR), 0); /* still so */
    assert_int_equal(grove_tls_read(l.server, buf, sizeof(buf)), 0);
    assert_int_equal(grove_tls_read(l.server, buf, sizeof(buf)), 0);
    say(l.server, l.client, "the rest");
    assert_int_equal(grove_tls_write(l.client, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    assert_string_equal(grove_tls_error(l.client),
                        "written to after grove_tls_shutdown");
    assert_int_equal(grove_tls_shutdown(l.server, SHUT_RDWR), 0);
    assert_int_equal(grove_tls_read(l.client, buf, sizeof(buf)), 0);
    link_close(&l);
}

static void full_shutdown_waits_for_the_peer(void **state)
{
    struct link l = usual_link(TCP);
    assert_int_equal(
        grove_tls_shutdown_until(l.client, SHUT_RDWR, grove_now() + MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    struct call c = {.make = make_shutdown,
                     .name = "shutdown",
                     .more = l.client,
                     .flags = SHUT_RDWR};
    call_start(&c);
    assert_int_equal(grove_tls_write(l.server, "dropped", 7), 7);
    grove_yield();
    expect_parked(&c);
    assert_int_equal(grove_tls_shutdown(l.server, SHUT_WR), 0);
    expect_result(&c, 0);

    assert_int_equal(grove_tls_shutdown(l.client, SHUT_RD), -1);
    assert_int_equal(errno, EINVAL);
    assert_string_equal(grove_tls_error(l.client),
                        "0 is neither SHUT_WR nor SHUT_RDWR");
    link_close(&l);
}

static void a_cut_stream_says_so(void **state)
{
    struct link l = usual_link(TCP);
    char buf[16];
    assert_int_equal(grove_tls_write(l.client, "part", 4), 4);
    shutdown(l.pair.out, SHUT_WR);
    assert_int_equal(grove_tls_read(l.server, buf, sizeof(buf)), 4);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(grove_tls_read(l.server, buf, sizeof(buf)), -1);
        assert_int_equal(errno, ECONNABORTED);
        assert_non_null(strstr(grove_tls_error(l.server), "close_notify"));
    }
    link_close(&l);
}

static void shutdown_before_the_handshake(void **state)
{
    grove_tls_context *s = server_context(&good);
    struct pair p = tcp_pair();
    grove_tls *tls;
    assert_int_equal(grove_tls_new(&tls, s, p.in, NULL), 0);
    assert_int_equal(grove_tls_shutdown(tls, SHUT_WR), -1);
    assert_int_equal(errno, ENOTCONN);
    grove_tls_free(tls);
    pair_close(p);
    grove_tls_context_release(s);
}

static void a_reset_is_the_systems_error(void **state)
{
    struct link l = usual_link(TCP);
    struct linger now = {1, 0};
    char buf[4];
    struct call in = tls_call(make_read, "read", l.server, buf, 4);
    call_start(&in);
    setsockopt(l.pair.out, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    grove_close(l.pair.out);
    expect_error(&in, ECONNRESET);
    assert_string_equal(grove_tls_error(l.server), strerror(ECONNRESET));
    assert_int_equal(grove_tls_write(l.server, "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    grove_tls_free(l.client);
    grove_tls_free(l.server);
    grove_close(l.pair.in);
}

static void not_tls_at_all(void **state)
{
    grove_tls_context *s = server_context(&good);
    struct pair p = tcp_pair();
    grove_tls *tls;
    assert_int_equal(grove_tls_new(&tls, s, p.in, NULL), 0);
    assert_int_equal(write(p.out, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(grove_tls_handshake(tls), -1);
        assert_int_equal(errno, EPROTO);
        assert_string_equal(grove_tls_error(tls), "http request");
    }
    char buf[8];
    assert_int_equal(grove_tls_read(tls, buf, sizeof(buf)), -1);
    assert_int_equal(errno, EPROTO);
    grove_tls_free(tls);
    pair_close(p);
    grove_tls_context_release(s);
}

/* ---- cut short ------------------------------------------------------------------ */

static void a_deadline_or_a_kill_ends_a_read(void **state)
{
    struct link l = usual_link(TCP);
    char buf[4];
    assert_int_equal(grove_tls_read_until(l.client, buf, 4, grove_now() + MS),
                     -1);
    assert_int_equal(errno, ETIMEDOUT);
    struct call in = tls_call(make_read, "read", l.client, buf, 4);
    call_start(&in);
    grove_kill(in.fiber);
    expect_error(&in, ECANCELED);
    /* What has come is read whatever the deadline. */
    assert_int_equal(grove_tls_write(l.server, "late", 4), 4);
    assert_int_equal(grove_tls_read_until(l.client, buf, 4, 1), 4);
    assert_int_equal(grove_tls_read_until(l.client, buf, 0, 1), 0);
    link_close(&l);
}

static void a_deadline_ends_a_handshake_which_goes_on(void **state)
{
    grove_tls_context *c = client_context(&ca), *s = server_context(&good);
    struct link l = link_over(tcp_pair(), c, s, "a.test");
    assert_int_equal(grove_tls_handshake_until(l.server, grove_now() + MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    shake_well(&l);
    assert_int_equal(grove_tls_handshake(l.client), 0);
    say(l.client, l.server, "hello");
    link_close(&l);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
}

/* Fill the connection by writes until one is cut short; how much it took. */
static size_t write_until_cut(struct link *l, const char *data)
{
    ssize_t n = grove_tls_write_until(l->client, data, LARGE, grove_now() + MS);
    assert_true(n < LARGE);
    size_t done = n < 0 ? 0 : (size_t)n;
    n = grove_tls_write_until(l->client, data + done, LARGE - done,
                              grove_now() + MS);
    assert_int_equal(n, -1);
    assert_int_equal(errno, ETIMEDOUT);
    return done;
}

static void a_cut_write_is_made_again(void **state)
{
    struct link l = usual_link(UNIX_STREAM);
    char *data = pattern(1);
    size_t done = write_until_cut(&l, data);
    /* From another place: the bytes count. */
    char *copy = malloc(LARGE - done);
    memcpy(copy, data + done, LARGE - done);
    make_write_again(&l, data, copy, done);
    free(data);
    free(copy);
    link_close(&l);
}

static void other_bytes_after_a_cut_write_are_refused(void **state)
{
    struct link l = usual_link(UNIX_STREAM);
    char *data = pattern(1);
    write_until_cut(&l, data);
    assert_int_equal(grove_tls_write(l.client, "short", 5), -1);
    assert_int_equal(errno, EPIPE);
    char *other = pattern(77);
    assert_int_equal(grove_tls_write(l.client, other, LARGE), -1);
    assert_int_equal(errno, EPIPE);
    assert_non_null(strstr(grove_tls_error(l.client), "cut short"));
    assert_int_equal(grove_tls_shutdown(l.client, SHUT_WR), -1);
    assert_int_equal(errno, EPIPE);
    /* Its other direction works. */
    assert_int_equal(grove_tls_write(l.server, "hello", 5), 5);
    char buf[8];
    assert_int_equal(grove_tls_read(l.client, buf, 8), 5);
    free(data);
    free(other);
    link_close(&l);
}

/* The part's length is the result, but the kill is not lost. */
static ssize_t write_then_sleep(struct call *c)
{
    c->flags = (int)grove_tls_write(c->more, c->buf, c->len);
    return grove_sleep(HANG) == -ECANCELED ? 0 : -1;
}

static void a_kill_after_a_part_is_told_next(void **state)
{
    struct link l = usual_link(UNIX_STREAM);
    char *data = pattern(1);
    struct call out =
        tls_call(write_then_sleep, "write", l.client, data, LARGE);
    start_parked(&out);
    grove_kill(out.fiber);
    expect_result(&out, 0);
    assert_true(out.flags > 0 && out.flags < LARGE);
    free(data);
    link_close(&l);
}

static void closing_the_descriptor_wakes_who_waits(void **state)
{
    struct link l = usual_link(TCP);
    char buf[4];
    struct call in = tls_call(make_read, "read", l.client, buf, 4);
    call_start(&in);
    grove_close(l.pair.out);
    expect_error(&in, EBADF);
    grove_tls_free(l.client);
    grove_tls_free(l.server);
    grove_close(l.pair.in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_talk),
        cmocka_unit_test(the_first_read_and_write_shake_hands),
        cmocka_unit_test(reading_while_writing),
        cmocka_unit_test(several_writers_take_turns),
        cmocka_unit_test(several_readers_take_turns),
        cmocka_unit_test(a_busy_connection_starves_nobody),
        cmocka_unit_test(over_functions),
        cmocka_unit_test(a_cut_write_over_functions),
        cmocka_unit_test(over_a_pipe),
        cmocka_unit_test(half_close),
        cmocka_unit_test(full_shutdown_waits_for_the_peer),
        cmocka_unit_test(a_cut_stream_says_so),
        cmocka_unit_test(shutdown_before_the_handshake),
        cmocka_unit_test(a_reset_is_the_systems_error),
        cmocka_unit_test(not_tls_at_all),
        cmocka_unit_test(a_deadline_or_a_kill_ends_a_read),
        cmocka_unit_test(a_deadline_ends_a_handshake_which_goes_on),
        cmocka_unit_test(a_cut_write_is_made_again),
        cmocka_unit_test(other_bytes_after_a_cut_write_are_refused),
        cmocka_unit_test(a_kill_after_a_part_is_told_next),
        cmocka_unit_test(closing_the_descriptor_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}

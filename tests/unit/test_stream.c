/*
 * Reading from streams: every call, cut at every byte; ends, limits, deadlines,
 * kills and closes in the middle, after which nothing is lost; memory.
 *
 * test_stream_tls.c runs the same by TLS.
 */
#include "stream_ends.h"

#include "hub/hub.h"
#include "hub/pace.h"

static const grove_stream_attr small = {.read_size = 256, .write_size = 256};

static void for_each_kind(void (*test)(enum kind kind))
{
    for (int kind = 0; kind < STREAM_KINDS; kind++)
        test((enum kind)kind);
}

static void expect_line(grove_stream *s, const char *expected)
{
    char *line;
    size_t len;
    int64_t deadline = grove_now() + HANG;
    int r = grove_stream_read_line_until(s, &line, &len, 0, deadline);
    check(r == 1, "line: %d, expected \"%s\"", r, expected);
    assert_string_equal(line, expected);
    assert_int_equal(len, strlen(expected));
}

static void expect_exactly(grove_stream *s, const char *expected)
{
    char buf[512];
    size_t len = strlen(expected), done = 0;
    int r =
        grove_stream_read_exactly_until(s, buf, len, &done, grove_now() + HANG);
    check(r == 0 && done == len, "exactly: %d after %zu of %zu", r, done, len);
    assert_memory_equal(buf, expected, len);
}

/* ---- cut at every byte ------------------------------------------------------ */

struct cut {
    const char *name;
    const char *input;
    void (*read)(grove_stream *s); /* all of it */
};

static void read_pieces(grove_stream *s)
{
    char buf[64];
    size_t done = 0;
    while (done < 11) {
        ssize_t n = grove_stream_read_until(s, buf + done, sizeof(buf) - done,
                                            grove_now() + HANG);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_memory_equal(buf, "some of all", 11);
}

static void read_exactly(grove_stream *s)
{
    expect_exactly(s, "exa");
    expect_exactly(s, "");
    expect_exactly(s, "ctly so many");
}

static void read_lines(grove_stream *s)
{
    expect_line(s, "one");
    expect_line(s, "");
    expect_line(s, "two\rand more");
    expect_line(s, "");
    expect_line(s, "four\r");
}

static void read_line_and_body(grove_stream *s)
{
    expect_line(s, "6");
    expect_exactly(s, "\r\n\r\n\n\n");
    expect_line(s, "next");
}

static void read_to_delimiter(grove_stream *s)
{
    char *text;
    size_t len;
    int64_t deadline = grove_now() + HANG;
    assert_int_equal(
        grove_stream_read_to_until(s, "--end", 5, &text, &len, 0, deadline), 1);
    assert_string_equal(text, "a--en--en-");
    assert_int_equal(len, 10);
    assert_int_equal(
        grove_stream_read_to_until(s, "--end", 5, &text, &len, 0, deadline), 1);
    assert_int_equal(len, 0);
    assert_int_equal(
        grove_stream_read_to_until(s, "\0", 1, &text, NULL, 0, deadline), 1);
    assert_string_equal(text, "z");
}

static void peek_and_consume(grove_stream *s)
{
    const char *at;
    int64_t deadline = grove_now() + HANG;
    ssize_t n = grove_stream_peek_until(s, 5, &at, deadline);
    assert_true(n >= 5);
    assert_int_equal(grove_stream_buffered(s), n);
    assert_memory_equal(at, "peek:", 5);
    assert_true(grove_stream_peek_until(s, 6, &at, deadline) >= 6);
    assert_memory_equal(at, "peek:a", 6);
    grove_stream_consume(s, 5);
    assert_int_equal(grove_stream_peek_until(s, 3, &at, deadline), 3);
    assert_memory_equal(at, "and", 3);
    grove_stream_consume(s, 3);
    assert_int_equal(grove_stream_peek(s, 0, &at), 0);
}

static void skip_some(grove_stream *s)
{
    size_t done = 0;
    int64_t deadline = grove_now() + HANG;
    assert_int_equal(grove_stream_skip_until(s, 7, &done, deadline), 0);
    assert_int_equal(done, 7);
    expect_exactly(s, "rest");
}

static const struct cut cuts[] = {
    {"read", "some of all", read_pieces},
    {"exactly", "exactly so many", read_exactly},
    {"lines", "one\n\ntwo\rand more\r\n\r\nfour\r\r\n", read_lines},
    {"line and body", "6\r\n\r\n\r\n\n\nnext\n", read_line_and_body},
    {"delimiter", "a--en--en---end--endz", read_to_delimiter}, /* and its 0 */
    {"peek", "peek:and", peek_and_consume},
    {"skip", "skippedrest", skip_some},
};

static ssize_t make_cut(struct call *c)
{
    const struct cut *cut = c->more;
    cut->read((grove_stream *)c->buf);
    return 0;
}

/* First k bytes, which are taken, then the rest; or byte by byte. */
static void read_cut(struct ends *e, const struct cut *cut, size_t k)
{
    size_t len = strlen(cut->input) + (cut->read == read_to_delimiter);
    struct call c = {.make = make_cut,
                     .name = cut->name,
                     .more = (void *)cut,
                     .buf = (char *)e->stream};
    call_start(&c);
    for (size_t sent = 0; sent < len;) {
        size_t n = k > len ? 1 : sent == 0 && k ? k : len - sent;
        peer_send(e, cut->input + sent, n);
        until_taken(e);
        sent += n;
    }
    expect_result(&c, 0);
}

static void cut_everywhere(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    for (size_t i = 0; i < UNIT_COUNT(cuts); i++) {
        for (size_t k = 0; k <= strlen(cuts[i].input) + 2; k++)
            read_cut(&e, &cuts[i], k);
    }
    assert_int_equal(grove_stream_buffered(e.stream), 0);
    ends_close(&e);
}

static void every_call_reads_what_is_cut_anywhere(void **state)
{
    for_each_kind(cut_everywhere);
}

/* In a buffer that is smaller than what comes. */
static void wrap(enum kind kind)
{
    struct ends e = ends_of(kind, &small);
    char text[200];
    for (int i = 0; i < 300; i++) {
        int len = snprintf(text, sizeof(text), "%d %0*d", i, i % 150 + 1, i);
        peer_send(&e, text, (size_t)len);
        peer_send(&e, "\r\nbody", 6);
        expect_line(e.stream, text);
        expect_exactly(e.stream, "body");
    }
    ends_close(&e);
}

static void lines_go_round_the_buffer(void **state)
{
    for_each_kind(wrap);
}

static void read_large(enum kind kind)
{
    enum { LARGE = 100000 };
    struct ends e = ends_of(kind, &small);
    char *in = malloc(LARGE), *out = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        in[i] = (char)(i * 7 + i / 251);
    struct call c = stream_call(make_exactly, "exactly", e.stream, out, LARGE);
    call_start(&c);
    peer_send(&e, in, LARGE);
    expect_result(&c, 0);
    assert_memory_equal(in, out, LARGE);
    grove_stream_stats stats = {.size = sizeof(stats)};
    grove_stream_get_stats(e.stream, &stats);
    assert_int_equal(stats.received, LARGE);
    assert_int_equal(stats.read, LARGE);
    free(in);
    free(out);
    ends_close(&e);
}

static void more_than_the_buffer_is_read_at_once(void **state)
{
    for_each_kind(read_large);
}

/* ---- the end ------------------------------------------------------------------ */

static void end_within(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char *line, buf[16];
    const char *at;
    size_t done = 9, len;
    int64_t deadline = grove_now() + HANG;
    peer_send(&e, "whole\ncut", 9);
    peer_finish(&e);
    expect_line(e.stream, "whole");
    assert_int_equal(
        grove_stream_read_line_until(e.stream, &line, &len, 0, deadline),
        -ENODATA);
    assert_int_equal(
        grove_stream_read_to_until(e.stream, "xy", 2, &line, &len, 0, deadline),
        -ENODATA);
    assert_int_equal(grove_stream_peek_until(e.stream, 10, &at, deadline), 3);
    assert_memory_equal(at, "cut", 3);
    assert_int_equal(grove_stream_read_exactly_until(e.stream, buf, sizeof(buf),
                                                     &done, deadline),
                     -ENODATA);
    assert_int_equal(done, 3);
    assert_memory_equal(buf, "cut", 3);
    /* And now it is a clean one. */
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 0), 0);
    assert_int_equal(grove_stream_read_to(e.stream, "x", 1, &line, &len, 0), 0);
    assert_int_equal(grove_stream_read(e.stream, buf, sizeof(buf)), 0);
    assert_int_equal(grove_stream_peek(e.stream, 1, &at), 0);
    assert_int_equal(grove_stream_skip(e.stream, 1, &done), -ENODATA);
    assert_int_equal(done, 0);
    assert_int_equal(grove_stream_read_exactly(e.stream, buf, 1, NULL),
                     -ENODATA);
    ends_close(&e);
}

static void an_end_in_the_middle_is_told(void **state)
{
    for_each_kind(end_within);
}

/* ---- limits -------------------------------------------------------------------- */

static void exceed(enum kind kind)
{
    struct ends e = ends_of(kind, &small);
    char *line, long_line[300];
    const char *at;
    size_t len;
    peer_send(&e, "12345\r\n123456\n", 14);
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 4),
                     -EMSGSIZE);
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 5), 1);
    assert_string_equal(line, "12345");
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 5),
                     -EMSGSIZE);
    assert_int_equal(grove_stream_read_to(e.stream, "\n", 1, &line, &len, 5),
                     -EMSGSIZE);
    expect_line(e.stream, "123456");
    /* Without an end in sight, too: as soon as it cannot be kept. */
    peer_send(&e, "123456", 6);
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 4),
                     -EMSGSIZE);
    expect_exactly(e.stream, "123456");
    /* What fills the buffer. */
    memset(long_line, 'x', sizeof(long_line));
    long_line[255] = '\n';
    peer_send(&e, long_line, 256);
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 0), 1);
    assert_int_equal(len, 255);
    long_line[255] = 'x';
    peer_send(&e, long_line, 300);
    assert_int_equal(grove_stream_read_line(e.stream, &line, &len, 0),
                     -EMSGSIZE);
    assert_int_equal(grove_stream_peek(e.stream, 256, &at), 256);
    assert_int_equal(grove_stream_peek(e.stream, 257, &at), -EMSGSIZE);
    assert_int_equal(grove_stream_skip(e.stream, 300, NULL), 0);
    assert_int_equal(grove_stream_read_to(e.stream, "", 0, &line, &len, 5),
                     -EINVAL);
    ends_close(&e);
}

static void limits_are_told_and_lose_nothing(void **state)
{
    for_each_kind(exceed);
}

/* ---- waits that end early -------------------------------------------------------- */

static void end_early(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char buf[64], *line;
    size_t done;
    peer_send(&e, "half", 4);
    int64_t past = grove_now();
    assert_int_equal(grove_stream_read_line_until(e.stream, &line, NULL, 0,
                                                  grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(
        grove_stream_read_to_until(e.stream, "|", 1, &line, NULL, 0, past),
        -ETIMEDOUT);
    struct call c = stream_call(make_line, "line", e.stream, buf, 0);
    expect_end_by_kill(&c);
    peer_send(&e, " and half\nrest", 14);
    expect_line(e.stream, "half and half");
    assert_int_equal(grove_stream_read_exactly_until(e.stream, buf, 9, &done,
                                                     grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(done, 4);
    assert_memory_equal(buf, "rest", 4);
    /* Others read, and write, meanwhile: one of each. */
    start_parked(&c);
    assert_int_equal(grove_stream_read(e.stream, buf, 1), -EBUSY);
    const char *at;
    assert_int_equal(grove_stream_peek(e.stream, 1, &at), -EBUSY);
    assert_int_equal(grove_stream_write(e.stream, "ok", 2), 0);
    assert_int_equal(grove_stream_flush(e.stream), 0);
    peer_expects(&e, "ok", 2);
    peer_send(&e, "last\n", 5);
    expect_result(&c, 1);
    assert_string_equal(buf, "last");
    ends_close(&e);
}

static void deadlines_and_kills_lose_nothing(void **state)
{
    for_each_kind(end_early);
}

static void close_under(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char buf[64];
    peer_send(&e, "part", 4);
    struct call c = stream_call(make_line, "line", e.stream, buf, 0);
    start_parked(&c);
    until_taken(&e);
    assert_int_equal(grove_stream_write(e.stream, "bye", 3), 0);
    assert_int_equal(grove_stream_close_until(e.stream, grove_now() + HANG), 0);
    expect_error(&c, EBADF);
    peer_expects(&e, "bye", 3);
    peer_end(&e);
}

static void a_reader_learns_of_the_end(void **state)
{
    for_each_kind(close_under);
}

/* Its number is a stranger's by then. */
static void lose_descriptor(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char buf[8];
    assert_int_equal(grove_close(e.stream_fd), 0);
    struct pair stranger = pair_of(UNIX_STREAM);
    assert_true(stranger.in == e.stream_fd || stranger.out == e.stream_fd);
    assert_int_equal(grove_stream_read(e.stream, buf, sizeof(buf)), -EBADF);
    assert_int_equal(grove_stream_write(e.stream, "x", 1), 0);
    assert_int_equal(grove_stream_flush(e.stream), -EBADF);
    assert_int_equal(grove_stream_shutdown(e.stream), -EBADF);
    assert_int_equal(grove_stream_close(e.stream), -EBADF);
    pair_close(stranger);
    peer_end(&e);
}

static void a_strangers_number_is_let_be(void **state)
{
    for_each_kind(lose_descriptor);
}

/* ---- memory, and what is known ---------------------------------------------------- */

static size_t memory_of(const grove_stream *s)
{
    grove_stream_stats stats = {.size = sizeof(stats)};
    grove_stream_get_stats(s, &stats);
    return stats.memory;
}

static void idle(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char buf[64];
    assert_int_equal(memory_of(e.stream), 0);
    for (int i = 0; i < 3; i++) {
        struct call c = stream_call(make_line, "line", e.stream, buf, 0);
        assert_int_equal(grove_stream_printf(e.stream, "answer %d", i), 0);
        /* The last line may still be looked at. */
        assert_int_equal(memory_of(e.stream), i ? 32768 : 16384);
        start_parked(&c);
        /* It was sent, and there is nothing to keep. */
        assert_int_equal(memory_of(e.stream), 0);
        peer_expects(&e, "answer ", 7);
        peer_expects(&e, &"012"[i], 1);
        peer_send(&e, "half", 4);
        until_taken(&e);
        assert_int_equal(memory_of(e.stream), 16384);
        peer_send(&e, " line\n", 6);
        expect_result(&c, 1);
    }
    assert_int_equal(grove_stream_fd(e.stream), e.stream_fd);
    assert_int_equal(grove_stream_tls(e.stream) != NULL, e.tls != NULL);
    ends_close(&e);
}

static void an_idle_stream_has_no_buffers(void **state)
{
    for_each_kind(idle);
}

static grove_stream *kept;

static void serve(grove_connection *c)
{
    char *line;
    assert_int_equal(grove_stream_new_connection(&kept, c, NULL), 0);
    assert_int_equal(c->fd, -1);
    assert_null(c->tls);
    assert_int_equal(grove_stream_read_line(kept, &line, NULL, 0), 1);
    assert_int_equal(grove_stream_printf(kept, "%s too\n", line), 0);
    assert_int_equal(grove_stream_flush(kept), 0);
}

/* It outlives the function that was called with it. */
static void a_servers_connection_can_be_a_streams(void **state)
{
    grove_server_attr attr = {.address = "127.0.0.1:0"};
    grove_server *server;
    char buf[16];
#ifdef STREAM_OVER_TLS
    attr.tls = usual_server;
#endif
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    struct sockaddr_in addr = loopback();
    addr.sin_port = htons((uint16_t)grove_server_port(server));
    struct ends e = {.fd = connected_to(&addr)};
#ifdef STREAM_OVER_TLS
    assert_int_equal(grove_tls_new(&e.tls, usual_client, e.fd, "a.test"), 0);
#endif
    peer_send(&e, "me\n", 3);
    peer_expects(&e, "me too\n", 7);
    assert_int_equal(grove_server_stop(server), 0);
    grove_server_release(server);
    e.stream = kept;
    peer_send(&e, "still", 5);
    expect_exactly(kept, "still");
    assert_int_equal(grove_stream_close(kept), 0);
    assert_int_equal(peer_receive(&e, buf, sizeof(buf)), 0);
    peer_end(&e);
}

#ifndef STREAM_OVER_TLS
static void bad_arguments_are_refused(void **state)
{
    grove_stream *s = NULL;
    struct pair p = pair_of(UDP), q = pair_of(TCP);
    assert_int_equal(grove_stream_new_tls(&s, NULL, -1, NULL), -EBADF);
    const grove_stream_attr little = {.read_size = 255},
                            much = {.write_size = GROVE_STREAM_SIZE_MAX + 1};
    assert_int_equal(grove_stream_new(&s, -1, NULL), -EBADF);
    assert_int_equal(grove_stream_new(&s, 1023, NULL), -EBADF);
    assert_int_equal(grove_stream_new(&s, p.in, NULL), -EPROTOTYPE);
    assert_int_equal(grove_stream_new(&s, q.in, &little), -EINVAL);
    assert_int_equal(grove_stream_new(&s, q.in, &much), -EINVAL);
    const grove_stream_attr unsized = {.size = 1};
    assert_int_equal(grove_stream_new(&s, q.in, &unsized), -EINVAL);
    grove_stream_free(NULL);
    pair_close(p);
    pair_close(q);
}

static void pipes_and_files_are_read_and_written(void **state)
{
    struct pair p = pair_of(PIPE);
    grove_stream *in, *out;
    char buf[64];
    assert_int_equal(grove_stream_new(&in, p.in, &small), 0);
    assert_int_equal(grove_stream_new(&out, p.out, &small), 0);
    struct call c = stream_call(make_line, "line", in, buf, 0);
    start_parked(&c);
    assert_int_equal(grove_stream_printf(out, "%s\n", "through a pipe"), 0);
    assert_int_equal(grove_stream_flush(out), 0);
    expect_result(&c, 1);
    assert_string_equal(buf, "through a pipe");
    assert_int_equal(grove_stream_shutdown(out), -ENOTSOCK);
    assert_int_equal(grove_stream_close(out), 0);
    char *line;
    assert_int_equal(grove_stream_read_line(in, &line, NULL, 0), 0);
    assert_int_equal(grove_stream_close(in), 0);

    int file = fileno(tmpfile());
    assert_int_equal(write(file, "a\nb\n", 4), 4);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    assert_int_equal(grove_stream_new(&in, dup(file), NULL), 0);
    expect_line(in, "a");
    expect_line(in, "b");
    assert_int_equal(grove_stream_read_line(in, &line, NULL, 0), 0);
    assert_int_equal(grove_stream_close(in), 0);
}
#endif

/* ---- turns ------------------------------------------------------------------- */

static int calls_left; /* before others get a turn, when the reader begins */

static void *read_byte(void *stream)
{
    char byte;
    hub_self()->calls = calls_left;
    return (void *)grove_stream_read(stream, &byte, 1);
}

/* In the turn that it gets, after which the loop looks around. */
static void *send_byte(void *ends)
{
    peer_send(ends, "x", 1);
    hub_pass_end(hub_self());
    grove_yield();
    return NULL;
}

static void *wait_to_read(void *fd)
{
    char byte;
    return (void *)grove_recv(*(int *)fd, &byte, 1, 0);
}

static void exchange_byte(struct ends *e, int calls)
{
    grove_fiber *reader;
    void *n;
    calls_left = calls;
    assert_int_equal(grove_spawn(&reader, read_byte, e->stream), 0);
    assert_int_equal(grove_spawn(NULL, send_byte, e), 0);
    int r = grove_join_until(reader, &n, grove_now() + HANG / 4);
    check(r == 0 && (ssize_t)n == 1, "%d calls: %d, %zd", calls, r, (ssize_t)n);
    grove_release(reader);
}

/* Wherever a read gives others a turn, what they send then wakes it. */
static void a_turn_loses_no_wake_up(void **state)
{
    (void)state;
    struct ends e = ends_of(TCP, &small);
    struct pair idle = pair_of(TCP); /* so that the loop has something to see */
    grove_fiber *waits;
    assert_int_equal(grove_spawn(&waits, wait_to_read, &idle.in), 0);
    exchange_byte(&e, HUB_CALLS); /* it waits, so the loop knows of it */
    for (int calls = 0; calls < 20; calls++)
        exchange_byte(&e, calls);
    assert_int_equal(grove_kill(waits), 0);
    assert_int_equal(grove_join(waits, NULL), 0);
    grove_release(waits);
    pair_close(idle);
    ends_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_reads_what_is_cut_anywhere),
        cmocka_unit_test(lines_go_round_the_buffer),
        cmocka_unit_test(more_than_the_buffer_is_read_at_once),
        cmocka_unit_test(an_end_in_the_middle_is_told),
        cmocka_unit_test(limits_are_told_and_lose_nothing),
        cmocka_unit_test(deadlines_and_kills_lose_nothing),
        cmocka_unit_test(a_reader_learns_of_the_end),
        cmocka_unit_test(a_strangers_number_is_let_be),
        cmocka_unit_test(an_idle_stream_has_no_buffers),
        cmocka_unit_test(a_servers_connection_can_be_a_streams),
        cmocka_unit_test(a_turn_loses_no_wake_up),
#ifndef STREAM_OVER_TLS
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(pipes_and_files_are_read_and_written),
#endif
    };
#ifdef STREAM_OVER_TLS
    return cmocka_run_group_tests(tests, make_contexts, release_contexts);
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}

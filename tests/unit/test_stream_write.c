/*
 * Writing to streams: when it is sent, in how many pieces, cut by deadlines,
 * kills and closes; what is told of it.
 *
 * test_stream_write_tls.c runs the same by TLS.
 */
#include "stream_ends.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>

static const grove_stream_attr small = {.read_size = 256, .write_size = 256};

static void for_each_kind(void (*test)(enum kind kind))
{
    for (int kind = 0; kind < STREAM_KINDS; kind++)
        test((enum kind)kind);
}

static char *bytes_of(size_t len)
{
    char *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    return bytes;
}

static uint64_t taken_by(const grove_stream *s)
{
    grove_stream_stats stats = {.size = sizeof(stats)};
    grove_stream_get_stats(s, &stats);
    return stats.taken;
}

static uint64_t unsent_of(const grove_stream *s)
{
    grove_stream_stats stats = {.size = sizeof(stats)};
    grove_stream_get_stats(s, &stats);
    return stats.taken - stats.sent;
}

static bool has_come(const struct ends *e)
{
    int n = 0;
    assert_int_equal(ioctl(e->fd, FIONREAD, &n), 0);
    return n > 0;
}

/* ---- when it is sent ---------------------------------------------------------- */

static void buffer(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char words[] = "and all";
    const struct iovec iov[] = {{words, 4}, {NULL, 0}, {words + 4, 3}};
    assert_int_equal(grove_stream_write(e.stream, "one ", 4), 0);
    assert_int_equal(grove_stream_printf(e.stream, "%d %s ", 2, "three"), 0);
    assert_int_equal(grove_stream_writev(e.stream, iov, 3), 0);
    assert_int_equal(grove_stream_write(e.stream, NULL, 0), 0);
    assert_int_equal(grove_stream_writev(e.stream, NULL, 0), 0);
    assert_int_equal(unsent_of(e.stream), 19);
    assert_false(has_come(&e));
    assert_int_equal(grove_stream_flush(e.stream), 0);
    assert_int_equal(unsent_of(e.stream), 0);
    peer_expects(&e, "one 2 three and all", 19);
    assert_int_equal(grove_stream_flush(e.stream), 0);
    assert_int_equal(grove_stream_writev(e.stream, iov, -1), -EINVAL);
    assert_int_equal(grove_stream_writev(e.stream, iov, 1025), -EINVAL);
    ends_close(&e);
}

/* What was written goes out before, whether or not there is more. */
static void send_at_once(enum kind kind)
{
    struct ends e = ends_of(kind, &small);
    char *text = bytes_of(1000);
    assert_int_equal(grove_stream_write(e.stream, "one ", 4), 0);
    assert_int_equal(grove_stream_send(e.stream, "two", 3), 0);
    assert_int_equal(taken_by(e.stream), 7);
    assert_int_equal(unsent_of(e.stream), 0);
    peer_expects(&e, "one two", 7);
    assert_int_equal(grove_stream_send_until(e.stream, text, 1000, 0), 0);
    assert_int_equal(taken_by(e.stream), 1007);
    assert_int_equal(unsent_of(e.stream), 0);
    peer_expects(&e, text, 1000);
    assert_int_equal(grove_stream_write(e.stream, "three", 5), 0);
    assert_int_equal(grove_stream_send(e.stream, NULL, 0), 0);
    peer_expects(&e, "three", 5);
    assert_int_equal(grove_stream_shutdown(e.stream), 0);
    assert_int_equal(grove_stream_send(e.stream, "four", 4), -EPIPE);
    assert_int_equal(taken_by(e.stream), 1012);
    free(text);
    ends_close(&e);
}

static void what_is_sent_does_not_stay_in_the_buffer(void **state)
{
    for_each_kind(send_at_once);
}

static ssize_t print_until(grove_stream *s, int64_t deadline,
                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int r = deadline == GROVE_NEVER
                ? grove_stream_vprintf(s, format, args)
                : grove_stream_vprintf_until(s, format, args, deadline);
    va_end(args);
    return r;
}

/* Twins whose deadline has passed do what need not wait. */
static void twins(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char word[] = "and";
    const struct iovec iov = {word, 3};
    assert_int_equal(print_until(e.stream, GROVE_NEVER, "%d ", 1), 0);
    assert_int_equal(print_until(e.stream, 0, "%s ", "two"), 0);
    assert_int_equal(grove_stream_writev_until(e.stream, &iov, 1, 0), 0);
    assert_int_equal(grove_stream_flush_until(e.stream, 0), 0);
    assert_int_equal(grove_stream_shutdown_until(e.stream, 0), 0);
    peer_expects(&e, "1 two and", 9);
    ends_close(&e);
}

static void a_deadline_that_has_passed_is_no_hindrance(void **state)
{
    for_each_kind(twins);
}

static void what_is_written_is_sent_by_a_flush(void **state)
{
    for_each_kind(buffer);
}

static void read_and_flush(enum kind kind, bool no_auto_flush)
{
    const grove_stream_attr attr = {.no_auto_flush = no_auto_flush};
    struct ends e = ends_of(kind, &attr);
    char buf[16];
    assert_int_equal(grove_stream_write(e.stream, "question", 8), 0);
    /* There is something to read, in the buffer: nothing has to wait. */
    peer_send(&e, "x\nx\n", 4);
    struct call c = stream_call(make_line, "line", e.stream, buf, 0);
    call_start(&c);
    expect_result(&c, 1);
    assert_int_equal(grove_stream_write(e.stream, " more", 5), 0);
    uint64_t unsent = unsent_of(e.stream);
    call_start(&c);
    expect_result(&c, 1);
    assert_int_equal(unsent_of(e.stream), unsent);
    start_parked(&c);
    assert_int_equal(has_come(&e), !no_auto_flush);
    assert_int_equal(unsent_of(e.stream), no_auto_flush ? 13 : 0);
    peer_send(&e, "answer\n", 7);
    expect_result(&c, 1);
    assert_string_equal(buf, "answer");
    ends_close(&e);
}

static void read_first_flushes(enum kind kind)
{
    read_and_flush(kind, false);
    read_and_flush(kind, true);
}

static void a_read_that_waits_flushes_before(void **state)
{
    for_each_kind(read_first_flushes);
}

/* ---- more than the buffer holds -------------------------------------------------- */

/* `first` bytes are in the buffer, then three pieces follow. */
static void write_pieces(struct ends *e, const char *text, size_t first,
                         size_t second, size_t len)
{
    struct iovec iov[3] = {{(void *)(text + first), second},
                           {(void *)(text + first + second), 5},
                           {(void *)(text + first + second + 5), len}};
    int r = grove_stream_write(e->stream, text, first);
    check(r == 0, "write of %zu: %d", first, r);
    r = grove_stream_writev(e->stream, iov, 3);
    check(r == 0, "%zu and %zu, 5, %zu: %d", first, second, len, r);
    assert_int_equal(grove_stream_flush(e->stream), 0);
    peer_expects(e, text, first + second + 5 + len);
}

static void overflow(enum kind kind)
{
    static const size_t sizes[] = {0,   1,   100, 250, 251,  252, 255,
                                   256, 257, 511, 512, 1000, 5000};
    struct ends e = ends_of(kind, &small);
    char *text = bytes_of(16384);
    for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
        for (size_t j = 0; j < UNIT_COUNT(sizes); j++) {
            for (size_t k = 0; k < UNIT_COUNT(sizes); k += 3)
                write_pieces(&e, text, sizes[i], sizes[j], sizes[k]);
        }
    }
    free(text);
    ends_close(&e);
}

static void more_than_fits_arrives_in_order(void **state)
{
    for_each_kind(overflow);
}

/* More pieces than are sent without an allocation. */
static void many_pieces(enum kind kind)
{
    struct ends e = ends_of(kind, &small);
    struct iovec iov[100];
    char *text = bytes_of(2001);
    for (int i = 0; i < 100; i++)
        iov[i] = (struct iovec){text + 1 + 20 * i, 20};
    assert_int_equal(grove_stream_write(e.stream, text, 1), 0);
    assert_int_equal(grove_stream_writev(e.stream, iov, 100), 0);
    assert_int_equal(grove_stream_flush(e.stream), 0);
    peer_expects(&e, text, 2001);
    free(text);
    ends_close(&e);
}

static void many_pieces_are_one_write(void **state)
{
    for_each_kind(many_pieces);
}

static void print_much(enum kind kind)
{
    struct ends e = ends_of(kind, &small);
    char text[300];
    for (int n = 1; n < 256; n++) {
        memset(text, 'a' + n % 26, (size_t)n);
        text[n] = 0;
        assert_int_equal(grove_stream_printf(e.stream, "%s", text), 0);
        if (n % 9 == 0)
            assert_int_equal(grove_stream_flush(e.stream), 0);
    }
    memset(text, 'x', 256);
    text[256] = 0;
    uint64_t taken = taken_by(e.stream);
    assert_int_equal(taken, 255 * 256 / 2);
    assert_int_equal(grove_stream_printf(e.stream, "%s", text), -EMSGSIZE);
    assert_int_equal(taken_by(e.stream), taken);
    assert_int_equal(grove_stream_flush(e.stream), 0);
    for (int n = 1; n < 256; n++) {
        memset(text, 'a' + n % 26, (size_t)n);
        peer_expects(&e, text, (size_t)n);
    }
    ends_close(&e);
}

static void printf_is_whole_or_nothing(void **state)
{
    for_each_kind(print_much);
}

/* ---- a peer that does not read ---------------------------------------------------- */

enum { MUCH = 8 << 20 }; /* more than sockets take */

static ssize_t make_drain(struct call *c)
{
    peer_expects(c->more, c->buf, c->len);
    return (ssize_t)c->len;
}

/* Write text, of which a part was taken already, and have all of it arrive. */
static void write_rest(struct ends *e, char *text, size_t taken)
{
    struct call c = {.make = make_drain,
                     .name = "drain",
                     .more = e,
                     .buf = text,
                     .len = MUCH};
    call_start(&c);
    int64_t deadline = grove_now() + HANG;
    int r = grove_stream_write_until(e->stream, text + taken, MUCH - taken,
                                     deadline);
    check(r == 0, "the rest: %d", r);
    assert_int_equal(taken_by(e->stream), MUCH);
    assert_int_equal(grove_stream_flush_until(e->stream, deadline), 0);
    expect_result(&c, MUCH);
}

static void time_out(enum kind kind, const grove_stream_attr *attr)
{
    struct ends e = ends_of(kind, attr);
    char *text = bytes_of(MUCH);
    assert_int_equal(
        grove_stream_write_until(e.stream, text, MUCH, grove_now() + 5 * MS),
        -ETIMEDOUT);
    uint64_t taken = taken_by(e.stream);
    assert_true(taken > 0 && taken < MUCH);
    /* What fits into the buffer is taken as a whole or not at all. */
    for (size_t n = 1; n <= 256; n++) {
        int r = grove_stream_write_until(e.stream, text + taken, n, 0);
        size_t more = (size_t)(taken_by(e.stream) - taken);
        check(r == 0 ? more == n : r == -ETIMEDOUT && more == 0,
              "%zu bytes: %d, %zu taken", n, r, more);
        taken += more;
    }
    int r = grove_stream_flush_until(e.stream, 0);
    check(r == (unsent_of(e.stream) ? -ETIMEDOUT : 0), "flush: %d", r);
    write_rest(&e, text, (size_t)taken);
    free(text);
    ends_close(&e);
}

static void time_out_both(enum kind kind)
{
    time_out(kind, NULL);
    time_out(kind, &small);
}

static void a_write_that_timed_out_is_no_success(void **state)
{
    for_each_kind(time_out_both);
}

/* What was sent is told, and what is left can be sent later. */
static void send_too_much(enum kind kind)
{
    struct ends e = ends_of(kind, &small);
    char *text = bytes_of(MUCH);
    assert_int_equal(
        grove_stream_send_until(e.stream, text, MUCH, grove_now() + 5 * MS),
        -ETIMEDOUT);
    uint64_t taken = taken_by(e.stream);
    assert_true(taken > 0 && taken < MUCH);
#ifndef STREAM_OVER_TLS
    assert_int_equal(unsent_of(e.stream), 0);
#endif
    write_rest(&e, text, (size_t)taken);
    free(text);
    ends_close(&e);
}

static void a_send_that_timed_out_can_go_on(void **state)
{
    for_each_kind(send_too_much);
}

static void kill_writer(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char *text = bytes_of(MUCH);
    struct call c =
        stream_call(make_stream_write, "write", e.stream, text, MUCH);
    start_parked(&c);
    assert_int_equal(grove_stream_write(e.stream, "x", 1), -EBUSY);
    assert_int_equal(grove_stream_flush(e.stream), -EBUSY);
    assert_int_equal(grove_kill(c.fiber), 0);
    expect_error(&c, ECANCELED);
    write_rest(&e, text, (size_t)taken_by(e.stream));
    free(text);
    ends_close(&e);
}

static void a_killed_write_can_go_on(void **state)
{
    for_each_kind(kill_writer);
}

static void close_under_writer(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char *text = bytes_of(MUCH);
    struct call c =
        stream_call(make_stream_write, "write", e.stream, text, MUCH);
    start_parked(&c);
    assert_int_equal(grove_stream_close(e.stream), -EBUSY);
    expect_error(&c, EBADF);
    free(text);
    peer_end(&e);
}

static void a_writer_learns_of_the_end(void **state)
{
    for_each_kind(close_under_writer);
}

/* ---- a reader that flushes, and a writer --------------------------------------------- */

/* Has the stream hold something that its peer's socket has no room for. How
 * much was taken of text. */
static size_t fill_stream(struct ends *e, char *text)
{
    assert_int_equal(
        grove_stream_write_until(e->stream, text, MUCH, grove_now() + 5 * MS),
        -ETIMEDOUT);
    size_t taken = (size_t)taken_by(e->stream);
    if (unsent_of(e->stream) == 0)
        assert_int_equal(
            grove_stream_write_until(e->stream, text + taken++, 1, 0), 0);
    assert_true(unsent_of(e->stream) > 0);
    return taken;
}

/* The read's flush would have to wait: it reads all the same, and the only
 * writer is not busy. */
static void read_while_full(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char *text = bytes_of(MUCH), buf[16];
    size_t taken = fill_stream(&e, text);
    struct call c = stream_call(make_line, "line", e.stream, buf, 0);
    start_parked(&c);
    int r = grove_stream_write_until(e.stream, text + taken, 1, 0);
    check(r == 0 || r == -ETIMEDOUT, "write: %d", r);
    peer_send(&e, "answer\n", 7);
    expect_result(&c, 1);
    assert_string_equal(buf, "answer");
    write_rest(&e, text, (size_t)taken_by(e.stream));
    free(text);
    ends_close(&e);
}

static void a_full_peer_can_be_read_from(void **state)
{
    for_each_kind(read_while_full);
}

static void read_until_there_is_room(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char *text = bytes_of(MUCH), buf[16];
    size_t taken = fill_stream(&e, text);
    struct call c = stream_call(make_line, "line", e.stream, buf, 0);
    start_parked(&c);
    peer_expects(&e, text, taken);
    assert_int_equal(unsent_of(e.stream), 0);
    peer_send(&e, "answer\n", 7);
    expect_result(&c, 1);
    free(text);
    ends_close(&e);
}

static void a_read_sends_the_rest_when_there_is_room(void **state)
{
    for_each_kind(read_until_there_is_room);
}

/* Whenever the turn comes that a call gives to the others. */
static void write_beside_a_reader(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char buf[16];
    grove_event set = GROVE_EVENT_INIT;
    grove_event_set(&set);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < round; i++)
            grove_event_wait(&set);
        assert_int_equal(grove_stream_write(e.stream, "a", 1), 0);
        struct call c = stream_call(make_line, "line", e.stream, buf, 0);
        call_start(&c);
        grove_yield();
        assert_int_equal(grove_stream_write(e.stream, "b", 1), 0);
        assert_int_equal(grove_stream_flush(e.stream), 0);
        peer_expects(&e, "ab", 2);
        peer_send(&e, "answer\n", 7);
        expect_result(&c, 1);
    }
    ends_close(&e);
}

static void the_only_writer_is_never_busy(void **state)
{
    for_each_kind(write_beside_a_reader);
}

#ifndef STREAM_OVER_TLS
/* A terminal takes no tries: who writes waits for the flush of who reads. */
static void a_flush_to_a_terminal_is_waited_for(void **state)
{
    (void)state;
    struct termios raw;
    char much[4096] = {0}, buf[16];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_int_equal(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    grove_stream *stream;
    assert_int_equal(grove_stream_new(&stream, master, NULL), 0);
    while (grove_write_until(master, much, sizeof(much), grove_now() + MS) > 0)
        ;
    assert_int_equal(grove_stream_write(stream, "first", 5), 0);
    struct call reads = stream_call(make_line, "line", stream, buf, 0);
    char second[] = "second";
    struct call writes =
        stream_call(make_stream_write, "write", stream, second, 6);
    start_parked(&reads);
    start_parked(&writes);
    int64_t hang = grove_now() + HANG;
    while (taken_by(stream) < 11 && grove_now() < hang) {
        check(read(slave, much, sizeof(much)) != 0, "the terminal's end");
        grove_sleep(MS / 10);
    }
    expect_result(&writes, 0);
    assert_int_equal(unsent_of(stream), 6); /* the first was sent before */
    assert_int_equal(write(slave, "x\n", 2), 2);
    expect_result(&reads, 1);
    while (read(slave, much, sizeof(much)) > 0)
        ;
    assert_int_equal(grove_stream_close(stream), 0);
    close(slave);
}
#endif

static ssize_t make_close(struct call *c)
{
    return told(grove_stream_close_until(c->more, c->deadline));
}

static void close_with_much(enum kind kind)
{
    const grove_stream_attr attr = {.no_auto_flush = true};
    struct ends e = ends_of(kind, &attr);
    char *text = bytes_of(MUCH), buf[8];
    fill_stream(&e, text);
    struct call reader = stream_call(make_exactly, "read", e.stream, buf, 1);
    struct call c = stream_call(make_close, "close", e.stream, NULL, 0);
    start_parked(&reader);
    start_parked(&c);
    /* Nobody enters it any more. */
    assert_int_equal(grove_stream_close(e.stream), -EBADF);
    assert_int_equal(grove_stream_write(e.stream, "x", 1), -EBADF);
    assert_int_equal(grove_kill(c.fiber), 0);
    expect_error(&c, ECANCELED);
    expect_error(&reader, EBADF);
    free(text);
    peer_end(&e);
}

static void a_close_that_waits_can_be_killed(void **state)
{
    for_each_kind(close_with_much);
}

/* ---- the end ------------------------------------------------------------------------ */

static void finish(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char buf[16];
    assert_int_equal(grove_stream_write(e.stream, "last", 4), 0);
    assert_int_equal(grove_stream_shutdown(e.stream), 0);
    assert_int_equal(grove_stream_shutdown(e.stream), 0);
    assert_int_equal(grove_stream_write(e.stream, "x", 1), -EPIPE);
    assert_int_equal(grove_stream_printf(e.stream, "x"), -EPIPE);
    peer_expects(&e, "last", 4);
    assert_int_equal(peer_receive(&e, buf, sizeof(buf)), 0);
    peer_send(&e, "more", 4);
    assert_int_equal(grove_stream_read(e.stream, buf, sizeof(buf)), 4);
    ends_close(&e);
}

static void after_a_shutdown_there_is_still_reading(void **state)
{
    for_each_kind(finish);
}

static void write_to_nobody(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    char *text = bytes_of(MUCH);
    peer_end(&e);
    int r = grove_stream_write_until(e.stream, text, MUCH, grove_now() + HANG);
    check(r == -EPIPE || r == -ECONNRESET, "write: %d", r);
    if (unsent_of(e.stream) == 0)
        assert_int_equal(grove_stream_write(e.stream, text, 1), 0);
    r = grove_stream_flush(e.stream);
    check(r == -EPIPE || r == -ECONNRESET, "flush: %d", r);
    r = grove_stream_close(e.stream);
    check(r == -EPIPE || r == -ECONNRESET, "close: %d", r);
    free(text);
}

static void a_peer_that_has_gone_is_told(void **state)
{
    for_each_kind(write_to_nobody);
}

static void drop(enum kind kind)
{
    struct ends e = ends_of(kind, NULL);
    assert_int_equal(grove_stream_write(e.stream, "x", 1), 0);
    grove_stream_free(e.stream);
    char c;
    assert_true(peer_receive(&e, &c, 1) <= 0);
    peer_end(&e);
}

static void free_sends_nothing(void **state)
{
    for_each_kind(drop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_sent_by_a_flush),
        cmocka_unit_test(what_is_sent_does_not_stay_in_the_buffer),
        cmocka_unit_test(a_deadline_that_has_passed_is_no_hindrance),
        cmocka_unit_test(a_read_that_waits_flushes_before),
        cmocka_unit_test(more_than_fits_arrives_in_order),
        cmocka_unit_test(many_pieces_are_one_write),
        cmocka_unit_test(printf_is_whole_or_nothing),
        cmocka_unit_test(a_write_that_timed_out_is_no_success),
        cmocka_unit_test(a_send_that_timed_out_can_go_on),
        cmocka_unit_test(a_killed_write_can_go_on),
        cmocka_unit_test(a_writer_learns_of_the_end),
        cmocka_unit_test(a_full_peer_can_be_read_from),
        cmocka_unit_test(a_read_sends_the_rest_when_there_is_room),
        cmocka_unit_test(the_only_writer_is_never_busy),
#ifndef STREAM_OVER_TLS
        cmocka_unit_test(a_flush_to_a_terminal_is_waited_for),
#endif
        cmocka_unit_test(a_close_that_waits_can_be_killed),
        cmocka_unit_test(after_a_shutdown_there_is_still_reading),
        cmocka_unit_test(a_peer_that_has_gone_is_told),
        cmocka_unit_test(free_sends_nothing),
    };
#ifdef STREAM_OVER_TLS
    return cmocka_run_group_tests(tests, make_contexts, release_contexts);
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}

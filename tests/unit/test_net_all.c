/*
 * Calls that send or write all or fail: a part is never a success, what it was
 * is told, and the rest can follow.
 */
#include "fiber_calls.h"
#include "socket_pairs.h"

enum { MUCH = 8 << 20 };

static char *text;

static int make_text(void **state)
{
    text = malloc(MUCH);
    for (size_t i = 0; i < MUCH; i++)
        text[i] = (char)(i * 7 + i / 251);
    return 0;
}

static int free_text(void **state)
{
    free(text);
    return 0;
}

/* The calls under test, by one signature. */
typedef int send_fn(int fd, const char *buf, size_t len, size_t *done,
                    int64_t deadline);

static int by_send(int fd, const char *buf, size_t len, size_t *done,
                   int64_t deadline)
{
    return grove_send_all_until(fd, buf, len, MSG_NOSIGNAL, done, deadline);
}

static int by_write(int fd, const char *buf, size_t len, size_t *done,
                    int64_t deadline)
{
    return grove_write_all_until(fd, buf, len, done, deadline);
}

static int by_writev(int fd, const char *buf, size_t len, size_t *done,
                     int64_t deadline)
{
    struct iovec iov[10];
    for (int i = 0; i < 10; i++)
        iov[i] = (struct iovec){(char *)buf + len / 10 * (size_t)i, len / 10};
    iov[9].iov_len = len - len / 10 * 9;
    return grove_writev_all_until(fd, iov, 10, done, deadline);
}

static send_fn *const calls[] = {by_send, by_write, by_writev};

struct sending {
    send_fn *send;
    size_t done;
};

static ssize_t make_send(struct call *c)
{
    struct sending *s = c->more;
    int r = s->send(c->fd, c->buf, c->len, &s->done, c->deadline);
    errno = -r;
    return r < 0 ? -1 : 0;
}

static ssize_t make_receive(struct call *c)
{
    size_t done = 0;
    while (done < c->len) {
        ssize_t n = grove_read(c->fd, c->buf + done, c->len - done);
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* The rest after `done` bytes arrives, and it all is as it should be. */
static void finish(struct pair p, send_fn *send, size_t done)
{
    char *in = malloc(MUCH);
    struct call c = {.make = make_receive,
                     .name = "receive",
                     .fd = p.in,
                     .buf = in,
                     .len = MUCH};
    call_start(&c);
    size_t rest;
    assert_int_equal(
        send(p.out, text + done, MUCH - done, &rest, grove_now() + HANG), 0);
    assert_int_equal(rest, MUCH - done);
    expect_result(&c, MUCH);
    assert_memory_equal(in, text, MUCH);
    free(in);
}

static void for_each(void (*test)(struct pair p, send_fn *send))
{
    static const enum kind kinds[] = {TCP, UNIX_STREAM, PIPE};
    for (size_t i = 0; i < UNIT_COUNT(kinds); i++) {
        for (size_t j = kinds[i] == PIPE; j < UNIT_COUNT(calls); j++) {
            struct pair p = pair_of(kinds[i]);
            test(p, calls[j]);
            pair_close(p);
        }
    }
}

static void time_out(struct pair p, send_fn *send)
{
    size_t done = 0;
    assert_int_equal(send(p.out, text, MUCH, &done, grove_now() + 5 * MS),
                     -ETIMEDOUT);
    assert_true(done > 0 && done < MUCH);
    finish(p, send, done);
}

static void a_part_that_timed_out_is_no_success(void **state)
{
    for_each(time_out);
}

static void be_killed(struct pair p, send_fn *send)
{
    struct sending s = {.send = send};
    struct call c = {.make = make_send,
                     .name = "send",
                     .fd = p.out,
                     .buf = text,
                     .len = MUCH,
                     .more = &s};
    expect_end_by_kill(&c);
    assert_true(s.done > 0 && s.done < MUCH);
    finish(p, send, s.done);
}

static void a_kill_tells_how_much_was_sent(void **state)
{
    for_each(be_killed);
}

static void not_wait(struct pair p, send_fn *send)
{
    size_t done = 0;
    set_nonblocking(p.out);
    assert_int_equal(send(p.out, text, MUCH, &done, GROVE_NEVER), -EAGAIN);
    assert_true(done > 0 && done < MUCH);
}

static void what_does_not_block_tells_how_much_it_took(void **state)
{
    for_each(not_wait);
}

static void succeed(struct pair p, send_fn *send)
{
    finish(p, send, 0);
}

static void all_is_sent(void **state)
{
    for_each(succeed);
}

static void other_errors_are_told(void **state)
{
    struct pair p = pair_of(TCP);
    size_t done = 1;
    struct iovec iov = {text, 4};
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(grove_send_all(p.out, "x", 1, 0, NULL), 0);
    assert_int_equal(grove_write_all(p.out, "xy", 2, NULL), 0);
    assert_int_equal(grove_writev_all(p.out, &iov, 1, NULL), 0);
    assert_int_equal(empty(p.in), 7);
    assert_int_equal(grove_send_all(-1, "x", 1, 0, &done), -EBADF);
    assert_int_equal(done, 0);
    assert_int_equal(grove_writev_all(p.out, &iov, -1, &done), -EINVAL);
    assert_int_equal(shutdown(p.out, SHUT_WR), 0);
    assert_int_equal(grove_send_all(p.out, "x", 1, 0, NULL), -EPIPE);
    assert_int_equal(grove_write_all(p.out, "x", 1, NULL), -EPIPE);
    pair_close(p);
    /* A disk that is full. */
    int full = open("/dev/full", O_WRONLY);
    assert_int_equal(grove_write_all(full, "x", 1, &done), -ENOSPC);
    assert_int_equal(done, 0);
    assert_int_equal(grove_close(full), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_that_timed_out_is_no_success),
        cmocka_unit_test(a_kill_tells_how_much_was_sent),
        cmocka_unit_test(what_does_not_block_tells_how_much_it_took),
        cmocka_unit_test(all_is_sent),
        cmocka_unit_test(other_errors_are_told),
    };
    return cmocka_run_group_tests(tests, make_text, free_text);
}

/*
 * The calls that send: each, on every kind of descriptor, when there is room
 * and when there is none, and that what is sent whole arrives whole.
 */
#include <assert.h>
#include <signal.h>

#include "fiber_calls.h"
#include "socket_pairs.h"

static struct iovec part(struct call *c, int i)
{
    size_t first = c->len / 3;
    return i == 0 ? (struct iovec){c->buf, first}
                  : (struct iovec){c->buf + first, c->len - first};
}

static ssize_t make_write(struct call *c)
{
    return grove_write_until(c->fd, c->buf, c->len, c->deadline);
}

static ssize_t make_writev(struct call *c)
{
    struct iovec iov[2] = {part(c, 0), part(c, 1)};
    return grove_writev_until(c->fd, iov, 2, c->deadline);
}

static ssize_t make_send(struct call *c)
{
    return grove_send_until(c->fd, c->buf, c->len, c->flags, c->deadline);
}

static ssize_t make_sendto(struct call *c)
{
    return grove_sendto_until(c->fd, c->buf, c->len, c->flags, NULL, 0,
                              c->deadline);
}

static ssize_t make_sendmsg(struct call *c)
{
    struct iovec iov[2] = {part(c, 0), part(c, 1)};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    return grove_sendmsg_until(c->fd, &msg, c->flags, c->deadline);
}

static const struct {
    const char *name;
    ssize_t (*make)(struct call *c);
    bool sockets_only;
} calls[] = {{"write", make_write, false},
             {"writev", make_writev, false},
             {"send", make_send, true},
             {"sendto", make_sendto, true},
             {"sendmsg", make_sendmsg, true}};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static bool is_byte_stream(enum kind kind)
{
    return kind == TCP || kind == UNIX_STREAM || kind == PIPE;
}

/* Every call on a fresh pair of every kind of which `wanted` is true. UDP is
 * never full. */
static void each(bool (*wanted)(enum kind kind),
                 void (*test)(struct call *c, struct pair p))
{
    int before = open_descriptors();
    for (int kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < CALLS; i++) {
            if (!wanted(kind) || (calls[i].sockets_only && kind == PIPE))
                continue;
            char name[64], buf[64];
            memset(buf, 'x', sizeof(buf));
            snprintf(name, sizeof(name), "%s on %s", calls[i].name,
                     kind_names[kind]);
            struct pair p = pair_of(kind);
            struct call c = {.make = calls[i].make,
                             .name = name,
                             .fd = p.out,
                             .buf = buf,
                             .len = sizeof(buf)};
            test(&c, p);
            assert_blocking(p.out);
            pair_close(p);
        }
    }
    assert_int_equal(open_descriptors(), before);
}

static bool any(enum kind kind)
{
    return kind < KINDS;
}

static bool can_be_full(enum kind kind)
{
    return kind != UDP;
}

/* Read until nothing is left; how much there was. */
static size_t drain(int fd)
{
    char block[65536];
    size_t total = 0;
    ssize_t n;
    set_nonblocking(fd);
    while ((n = read(fd, block, sizeof(block))) > 0)
        total += (size_t)n;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return total;
}

static void room(struct call *c, struct pair p)
{
    c->deadline = grove_now() - 1; /* no wait: it does not count */
    call_start(c);
    expect_result(c, (ssize_t)c->len);
    assert_int_equal(drain(p.in), c->len);
}

static void sends_at_once_when_there_is_room(void **state)
{
    each(any, room);
}

static void full(struct call *c, struct pair p)
{
    for (int round = 0; round < 2; round++) {
        fill(p.out);
        call_start(c);
        expect_parked(c);
        while (!c->finished) {
            drain(p.in);
            assert_int_equal(grove_sleep(MS / 4), 0);
        }
        expect_result(c, (ssize_t)c->len);
        drain(p.in);
    }
}

static void waits_for_room(void **state)
{
    each(can_be_full, full);
}

static void over(struct call *c, struct pair p)
{
    fill(p.out);
    int64_t begin = grove_now();
    c->deadline = begin + 2 * MS;
    call_start(c);
    /* The kernel may have found a last little room for a part. */
    call_finish(c);
    assert_true(c->result > 0 || c->error == ETIMEDOUT);
    assert_true(grove_now() >= begin + 2 * MS);
}

static void ends_at_its_deadline(void **state)
{
    each(can_be_full, over);
}

static void killed(struct call *c, struct pair p)
{
    fill(p.out);
    call_start(c);
    expect_parked(c);
    assert_int_equal(grove_kill(c->fiber), 0);
    expect_error(c, ECANCELED);
}

static void ends_when_killed(void **state)
{
    each(can_be_full, killed);
}

static void closed(struct call *c, struct pair p)
{
    fill(p.out);
    int copy = dup(p.out);
    call_start(c);
    expect_parked(c);
    assert_int_equal(grove_close(p.out), 0);
    expect_error(c, EBADF);
    assert_int_equal(dup2(copy, p.out), p.out);
    close(copy);
}

static void ends_when_the_descriptor_is_closed(void **state)
{
    each(can_be_full, closed);
}

static void nonblocking(struct call *c, struct pair p)
{
    fill(p.out);
    set_nonblocking(p.out);
    call_start(c);
    expect_error(c, EAGAIN);
    call_start(c);
    expect_error(c, EAGAIN);
    fcntl(p.out, F_SETFL, fcntl(p.out, F_GETFL) & ~O_NONBLOCK);
}

static void gets_eagain_with_o_nonblock(void **state)
{
    each(can_be_full, nonblocking);
}

static void bad(struct call *c, struct pair p)
{
    (void)p;
    int fd = c->fd;
    c->fd = -1;
    call_start(c);
    expect_error(c, EBADF);
    c->fd = 1000;
    call_start(c);
    expect_error(c, EBADF);
    c->fd = fd;
}

static void refuses_a_bad_descriptor(void **state)
{
    each(any, bad);
}

static void peer_gone(struct call *c, struct pair p)
{
    int copy = dup(p.in);
    fill(p.out);
    call_start(c);
    expect_parked(c);
    close(copy);
    close(p.in);
    call_finish(c);
    check(c->result == -1 && (c->error == EPIPE || c->error == ECONNRESET ||
                              c->error == ECONNREFUSED),
          "%s: %zd, errno %d", c->name, c->result, c->error);
    assert_int_equal(dup2(p.out, p.in), p.in);
}

static void wakes_when_the_peer_is_gone(void **state)
{
    each(can_be_full, peer_gone);
}

/* ---- all of it --------------------------------------------------------- */

#define BIG ((size_t)8 << 20)

static char *pattern(void)
{
    char *p = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        p[i] = (char)(i * 2654435761u >> 13);
    return p;
}

static ssize_t receive_all(struct call *c)
{
    size_t done = 0;
    while (done < c->len) {
        ssize_t n = grove_read(c->fd, c->buf + done, c->len - done);
        if (n <= 0)
            return n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void big(struct call *c, struct pair p)
{
    char *sent = pattern(), *got = calloc(1, BIG);
    struct call reader = {.make = receive_all,
                          .name = "receive_all",
                          .fd = p.in,
                          .buf = got,
                          .len = BIG};
    c->buf = sent;
    c->len = BIG;
    call_start(c);
    expect_parked(c);
    call_start(&reader);
    expect_result(c, (ssize_t)BIG);
    expect_result(&reader, (ssize_t)BIG);
    assert_memory_equal(sent, got, BIG);
    free(sent);
    free(got);
}

static void sends_eight_megabytes_whole(void **state)
{
    each(is_byte_stream, big);
}

/* Both ends send and receive as much at the same time. */
static void sends_both_ways_at_once(void **state)
{
    static const enum kind kinds[] = {TCP, UNIX_STREAM};
    char *sent = pattern(), *got[2] = {malloc(BIG), malloc(BIG)};
    for (int k = 0; k < 2; k++) {
        struct pair p = pair_of(kinds[k]);
        int fds[2] = {p.in, p.out};
        struct call send[2], recv[2];
        for (int i = 0; i < 2; i++) {
            send[i] = (struct call){.make = make_send,
                                    .name = "send",
                                    .fd = fds[i],
                                    .buf = sent,
                                    .len = BIG};
            recv[i] = (struct call){.make = receive_all,
                                    .name = "receive",
                                    .fd = fds[i],
                                    .buf = got[i],
                                    .len = BIG};
            call_start(&send[i]);
        }
        for (int i = 0; i < 2; i++)
            call_start(&recv[i]);
        for (int i = 0; i < 2; i++) {
            expect_result(&send[i], (ssize_t)BIG);
            expect_result(&recv[i], (ssize_t)BIG);
            assert_memory_equal(sent, got[i], BIG);
        }
        pair_close(p);
    }
    free(sent);
    free(got[0]);
    free(got[1]);
}

/* A kill that comes after a part was sent is told by the next wait, once. */
static int after_part[2];

static ssize_t make_send_and_sleep(struct call *c)
{
    ssize_t n = c->more ? make_sendmsg(c) : make_send(c);
    after_part[0] = grove_sleep(0);
    after_part[1] = grove_sleep(0);
    return n;
}

static void a_kill_after_a_part_comes_later(void **state)
{
    char *data = pattern();
    for (int how = 0; how < 2; how++) {
        struct pair p = pair_of(UNIX_STREAM);
        struct call c = {.make = make_send_and_sleep,
                         .name = "part",
                         .fd = p.out,
                         .buf = data,
                         .len = BIG,
                         .more = how ? data : NULL};
        call_start(&c);
        grove_kill(c.fiber);
        call_finish(&c);
        check(c.result > 0 && c.result < (ssize_t)BIG, "%zd", c.result);
        assert_int_equal(after_part[0], -ECANCELED);
        assert_int_equal(after_part[1], 0);
        pair_close(p);
    }
    free(data);
}

/* What was sent before the end of a wait is the result. */
static void a_part_is_its_length(void **state)
{
    char *data = pattern();
    for (int how = 0; how < 3; how++) {
        struct pair p = pair_of(UNIX_STREAM);
        struct call c = {.make = make_send,
                         .name = "part",
                         .fd = p.out,
                         .buf = data,
                         .len = BIG,
                         .flags = MSG_NOSIGNAL};
        if (how == 0)
            c.deadline = grove_now() + 5 * MS;
        call_start(&c);
        if (how == 1)
            grove_kill(c.fiber);
        if (how == 2)
            close(p.in);
        call_finish(&c);
        check(c.result > 0 && c.result < (ssize_t)BIG, "%d: %zd", how,
              c.result);
        if (how == 2)
            p.in = dup(p.out);
        else
            assert_int_equal(drain(p.in), c.result);
        pair_close(p);
    }
    free(data);
}

static void dontwait_sends_a_part(void **state)
{
    char *data = pattern();
    struct pair p = pair_of(TCP);
    ssize_t n = grove_send(p.out, data, BIG, MSG_DONTWAIT);
    assert_true(n > 0 && n < (ssize_t)BIG);
    fill(p.out);
    assert_int_equal(grove_send(p.out, data, BIG, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    pair_close(p);
    free(data);
}

/* An array longer than what is copied in place. */
static void many_parts_arrive_in_order(void **state)
{
    enum { PARTS = 64 };
    char *sent = pattern(), *got = malloc(BIG);
    static const enum kind kinds[] = {TCP, UNIX_STREAM, PIPE};
    for (int k = 0; k < 3; k++) {
        struct pair p = pair_of(kinds[k]);
        struct iovec iov[PARTS];
        for (size_t i = 0; i < PARTS; i++)
            iov[i] = (struct iovec){sent + i * (BIG / PARTS), BIG / PARTS};
        struct call reader = {.make = receive_all,
                              .name = "receive",
                              .fd = p.in,
                              .buf = got,
                              .len = BIG};
        call_start(&reader);
        assert_int_equal(grove_writev(p.out, iov, PARTS), BIG);
        expect_result(&reader, (ssize_t)BIG);
        assert_memory_equal(sent, got, BIG);
        pair_close(p);
    }
    free(sent);
    free(got);
}

/* ---- messages ---------------------------------------------------------- */

/* A descriptor passed with more data than fits at once goes with the first
 * part, once. */
static void control_data_is_sent_once(void **state)
{
    struct pair p = pair_of(UNIX_STREAM);
    char *sent = pattern(), *got = malloc(BIG);
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } out = {{0}}, in = {{0}};
    struct iovec iov = {sent, BIG};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = out.space,
                         .msg_controllen = sizeof(out.space)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &pipe_fds[1], sizeof(int));

    struct call rest = {.make = receive_all, .name = "rest", .fd = p.in};
    int before = open_descriptors();
    struct iovec first = {got, 100};
    struct msghdr reply = {.msg_iov = &first,
                           .msg_iovlen = 1,
                           .msg_control = in.space,
                           .msg_controllen = sizeof(in.space)};
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + 5 * MS);
    ssize_t n = grove_sendmsg(p.out, &msg, 0);
    grove_timeout_end(&t);
    assert_true(n > 100 && n < (ssize_t)BIG);
    assert_int_equal(grove_recvmsg(p.in, &reply, MSG_WAITALL), 100);
    assert_non_null(CMSG_FIRSTHDR(&reply));
    int passed;
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&reply)), sizeof(passed));
    rest.buf = got + 100;
    rest.len = (size_t)n - 100;
    call_start(&rest);
    expect_result(&rest, n - 100);
    assert_memory_equal(sent, got, (size_t)n);
    assert_int_equal(open_descriptors(), before + 1);
    assert_int_equal(write(passed, "x", 1), 1);
    assert_int_equal(grove_read(pipe_fds[0], got, 1), 1);
    grove_close(passed);
    grove_close(pipe_fds[0]);
    grove_close(pipe_fds[1]);
    pair_close(p);
    free(sent);
    free(got);
}

/* A receiver's full queue, filled by others: the kernel gives no edge. */
static void waits_for_another_sockets_queue(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int in = socket(AF_UNIX, SOCK_DGRAM, 0),
        out = socket(AF_UNIX, SOCK_DGRAM, 0);
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(in, (struct sockaddr *)&addr, sizeof(sa_family_t)),
                     0);
    socklen_t size = sizeof(addr);
    assert_int_equal(getsockname(in, (struct sockaddr *)&addr, &size), 0);
    while (sendto(other, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&addr,
                  size) == 1)
        ;
    assert_int_equal(grove_sendto_until(out, "y", 1, 0,
                                        (struct sockaddr *)&addr, size,
                                        grove_now() + 5 * MS),
                     -1);
    assert_int_equal(errno, ETIMEDOUT);
    drain(in);
    assert_int_equal(grove_sendto_until(out, "y", 1, 0,
                                        (struct sockaddr *)&addr, size,
                                        grove_now() + HANG),
                     1);
    grove_close(in);
    grove_close(out);
    grove_close(other);
}

static ssize_t send_to_full(struct call *c)
{
    struct sockaddr_un *addr = c->more;
    return grove_sendto(c->fd, "y", 1, 0, (struct sockaddr *)addr,
                        (socklen_t)c->len);
}

static void is_woken_for_another_sockets_queue(void **state)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int in = socket(AF_UNIX, SOCK_DGRAM, 0),
        out = socket(AF_UNIX, SOCK_DGRAM, 0);
    int other = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(in, (struct sockaddr *)&addr, sizeof(sa_family_t)),
                     0);
    socklen_t size = sizeof(addr);
    assert_int_equal(getsockname(in, (struct sockaddr *)&addr, &size), 0);
    while (sendto(other, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&addr,
                  size) == 1)
        ;
    struct call c = {.make = send_to_full,
                     .name = "sendto",
                     .fd = out,
                     .len = size,
                     .more = &addr};
    call_start(&c);
    assert_int_equal(grove_sleep(3 * MS), 0);
    expect_parked(&c);
    drain(in);
    expect_result(&c, 1);
    grove_close(in);
    grove_close(out);
    grove_close(other);
}

/* ---- signals ----------------------------------------------------------- */

static volatile sig_atomic_t pipe_signals;

static void on_sigpipe(int signum)
{
    (void)signum;
    pipe_signals++;
}

static void sigpipe_is_as_from_posix(void **state)
{
    void (*old)(int) = signal(SIGPIPE, on_sigpipe);
    static const enum kind kinds[] = {TCP, UNIX_STREAM, PIPE};
    for (int k = 0; k < 3; k++) {
        struct pair p = pair_of(kinds[k]);
        if (kinds[k] == PIPE) {
            close(p.in);
            p.in = dup(p.out);
        } else {
            shutdown(p.out, SHUT_WR);
        }
        pipe_signals = 0;
        assert_int_equal(grove_write(p.out, "x", 1), -1);
        assert_int_equal(errno, EPIPE);
        assert_int_equal(pipe_signals, 1);
        if (kinds[k] != PIPE) {
            assert_int_equal(grove_send(p.out, "x", 1, MSG_NOSIGNAL), -1);
            assert_int_equal(errno, EPIPE);
            assert_int_equal(pipe_signals, 1);
        }
        pair_close(p);
    }
    signal(SIGPIPE, old);
}

/* ---- a reader and a writer --------------------------------------------- */

static ssize_t read_one(struct call *c)
{
    return grove_recv(c->fd, c->buf, 1, 0);
}

static void reader_and_writer_share_a_descriptor(void **state)
{
    struct pair p = pair_of(TCP);
    char in, *data = pattern();
    fill(p.out);
    struct call writer = {.make = make_send,
                          .name = "writer",
                          .fd = p.out,
                          .buf = data,
                          .len = 1000};
    struct call reader = {
        .make = read_one, .name = "reader", .fd = p.out, .buf = &in};
    call_start(&writer);
    call_start(&reader);
    expect_parked(&writer);
    expect_parked(&reader);
    assert_int_equal(write(p.in, "x", 1), 1);
    expect_result(&reader, 1);
    expect_parked(&writer);
    while (!writer.finished) {
        drain(p.in);
        assert_int_equal(grove_sleep(MS / 4), 0);
    }
    expect_result(&writer, 1000);
    pair_close(p);
    free(data);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    assert(grove_hub_self()); /* it keeps two descriptors */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_at_once_when_there_is_room),
        cmocka_unit_test(waits_for_room),
        cmocka_unit_test(ends_at_its_deadline),
        cmocka_unit_test(ends_when_killed),
        cmocka_unit_test(ends_when_the_descriptor_is_closed),
        cmocka_unit_test(gets_eagain_with_o_nonblock),
        cmocka_unit_test(refuses_a_bad_descriptor),
        cmocka_unit_test(wakes_when_the_peer_is_gone),
        cmocka_unit_test(sends_eight_megabytes_whole),
        cmocka_unit_test(sends_both_ways_at_once),
        cmocka_unit_test(a_kill_after_a_part_comes_later),
        cmocka_unit_test(a_part_is_its_length),
        cmocka_unit_test(dontwait_sends_a_part),
        cmocka_unit_test(many_parts_arrive_in_order),
        cmocka_unit_test(control_data_is_sent_once),
        cmocka_unit_test(waits_for_another_sockets_queue),
        cmocka_unit_test(is_woken_for_another_sockets_queue),
        cmocka_unit_test(sigpipe_is_as_from_posix),
        cmocka_unit_test(reader_and_writer_share_a_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

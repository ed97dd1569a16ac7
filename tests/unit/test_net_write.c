/*
 * The calls that send: each, on every kind of descriptor, when there is room
 * and when there is none, and that what is sent whole arrives whole.
 */
#include <assert.h>
#include <signal.h>

#include "socket_calls.h"

static ssize_t make_writev(struct call *c)
{
    struct iovec iov[2] = {part(c, 0), part(c, 1)};
    return grove_writev_until(c->fd, iov, 2, c->deadline);
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

static const struct way ways_to_send[] = {{"write", make_write, false},
                                          {"writev", make_writev, false},
                                          {"send", make_send, true},
                                          {"sendto", make_sendto, true},
                                          {"sendmsg", make_sendmsg, true}};

static bool is_byte_stream(enum kind kind)
{
    return kind == TCP || kind == UNIX_STREAM || kind == PIPE;
}

/* Every call on a fresh pair of every kind of which `wanted` is true. UDP is
 * never full. */
static void each(bool (*wanted)(enum kind kind),
                 void (*test)(struct call *c, struct pair p))
{
    static const struct ways ways = {ways_to_send, UNIT_COUNT(ways_to_send),
                                     true};
    each_way(&ways, wanted, test);
}

static bool can_be_full(enum kind kind)
{
    return kind != UDP;
}

static void room(struct call *c, struct pair p)
{
    c->deadline = grove_now() - 1; /* no wait: it does not count */
    call_start(c);
    expect_result(c, (ssize_t)c->len);
    assert_int_equal(empty(p.in), c->len);
}

static void sends_at_once_when_there_is_room(void **state)
{
    each(any_kind, room);
}

static void full(struct call *c, struct pair p)
{
    for (int round = 0; round < 2; round++) {
        fill(p.out);
        start_parked(c);
        while (!c->finished) {
            empty(p.in);
            assert_int_equal(grove_sleep(MS / 4), 0);
        }
        expect_result(c, (ssize_t)c->len);
        empty(p.in);
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
    expect_end_by_kill(c);
}

static void ends_when_killed(void **state)
{
    each(can_be_full, killed);
}

static void closed(struct call *c, struct pair p)
{
    fill(p.out);
    expect_end_by_close(c);
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
    set_blocking(p.out);
}

static void gets_eagain_with_o_nonblock(void **state)
{
    each(can_be_full, nonblocking);
}

static void bad(struct call *c, struct pair p)
{
    (void)p;
    expect_bad_descriptors(c);
}

static void refuses_a_bad_descriptor(void **state)
{
    each(any_kind, bad);
}

static void peer_gone(struct call *c, struct pair p)
{
    int copy = dup(p.in);
    fill(p.out);
    start_parked(c);
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
    struct call reader = io_call(receive_all, "receive_all", p.in, got, BIG);
    c->buf = sent;
    c->len = BIG;
    start_parked(c);
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
            send[i] = io_call(make_send, "send", fds[i], sent, BIG);
            recv[i] = io_call(receive_all, "receive", fds[i], got[i], BIG);
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
            assert_int_equal(empty(p.in), c.result);
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
        struct call reader = io_call(receive_all, "receive", p.in, got, BIG);
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
struct full_queue {
    int in;                  /* whose queue it is */
    int out;                 /* may send to it, once there is room */
    int other;               /* filled it */
    struct sockaddr_un addr; /* of in */
    socklen_t size;          /* of addr */
};

static struct full_queue full_queue(void)
{
    struct full_queue q = {.in = socket(AF_UNIX, SOCK_DGRAM, 0),
                           .out = socket(AF_UNIX, SOCK_DGRAM, 0),
                           .other = socket(AF_UNIX, SOCK_DGRAM, 0),
                           .addr.sun_family = AF_UNIX,
                           .size = sizeof(q.addr)};
    struct sockaddr *addr = (struct sockaddr *)&q.addr;
    assert_int_equal(bind(q.in, addr, sizeof(sa_family_t)), 0);
    assert_int_equal(getsockname(q.in, addr, &q.size), 0);
    while (sendto(q.other, "x", 1, MSG_DONTWAIT, addr, q.size) == 1)
        ;
    assert_int_equal(errno, EAGAIN);
    return q;
}

static void full_queue_close(const struct full_queue *q)
{
    grove_close(q->in);
    grove_close(q->out);
    grove_close(q->other);
}

static ssize_t send_to_queue(struct call *c)
{
    const struct full_queue *q = c->more;
    const struct sockaddr *addr = (const struct sockaddr *)&q->addr;
    return c->deadline == GROVE_NEVER
               ? grove_sendto(q->out, "y", 1, 0, addr, q->size)
               : grove_sendto_until(q->out, "y", 1, 0, addr, q->size,
                                    c->deadline);
}

static void waits_for_another_sockets_queue(void **state)
{
    struct full_queue q = full_queue();
    struct call c = {.make = send_to_queue, .name = "sendto", .more = &q};
    c.deadline = grove_now() + 5 * MS;
    assert_int_equal(c.make(&c), -1);
    assert_int_equal(errno, ETIMEDOUT);
    empty(q.in);
    c.deadline = grove_now() + HANG;
    assert_int_equal(c.make(&c), 1);
    full_queue_close(&q);
}

static void is_woken_for_another_sockets_queue(void **state)
{
    struct full_queue q = full_queue();
    struct call c = {.make = send_to_queue, .name = "sendto", .more = &q};
    call_start(&c);
    assert_int_equal(grove_sleep(3 * MS), 0);
    expect_parked(&c);
    empty(q.in);
    expect_result(&c, 1);
    full_queue_close(&q);
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
    struct call writer = io_call(make_send, "writer", p.out, data, 1000);
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
        empty(p.in);
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

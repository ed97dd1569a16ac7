/* Channels on one hub: what goes through, in which order, what ends a wait, and
 * that no value is lost, doubled or half-sent whoever is first. */
#include <fcntl.h>

#include "fiber_calls.h"
#include "stopped_clock.h"
#include "unit.h"

#include "hub/hub.h"
#include "turns.h"

struct item {
    char text[20]; /* no size of a register */
};

static ssize_t outcome(int r)
{
    errno = -r;
    return r < 0 ? -1 : r;
}

static ssize_t make_send(struct call *c)
{
    return outcome(grove_channel_send_until(c->more, c->buf, c->deadline));
}

static ssize_t make_recv(struct call *c)
{
    return outcome(grove_channel_recv_until(c->more, c->buf, c->deadline));
}

static struct call send_call(grove_channel *c, int *value)
{
    return (struct call){
        .make = make_send, .name = "send", .more = c, .buf = (char *)value};
}

static struct call recv_call(grove_channel *c, int *value)
{
    return (struct call){
        .make = make_recv, .name = "recv", .more = c, .buf = (char *)value};
}

static grove_channel *new_channel(size_t size, size_t capacity)
{
    grove_channel *c;
    assert_int_equal(grove_channel_create(&c, size, capacity), 0);
    return c;
}

static void assert_nobody_waits(const grove_channel *c)
{
    assert_null(c->senders.first);
    assert_null(c->receivers.first);
}

/* ---- values -------------------------------------------------------------- */

static void values_of_every_size_arrive_in_order(void **state)
{
    static const size_t capacities[] = {1, 3, 8, GROVE_UNBOUNDED};
    for (size_t size = 0; size < 40; size++) {
        for (size_t k = 0; k < UNIT_COUNT(capacities); k++) {
            grove_channel *c = new_channel(size, capacities[k]);
            size_t fits = k == 3 ? 700 : capacities[k];
            unsigned char in = 0, out = 0, value[40];
            /* Round and round the ring, at every place in it. */
            for (size_t round = 0; round < 5; round++) {
                for (size_t i = 0; i < fits; i++) {
                    memset(value, in++, size);
                    assert_int_equal(grove_channel_trysend(c, value), 0);
                }
                assert_int_equal(grove_channel_length(c), fits);
                if (k < 3)
                    assert_int_equal(grove_channel_trysend(c, value), -EAGAIN);
                for (size_t i = 0; i < fits; i++) {
                    memset(value, 0xee, sizeof(value));
                    assert_int_equal(grove_channel_tryrecv(c, value), 0);
                    for (size_t b = 0; b < size; b++)
                        assert_int_equal(value[b], out);
                    assert_int_equal(value[size], 0xee);
                    out++;
                }
                assert_int_equal(grove_channel_tryrecv(c, value), -EAGAIN);
            }
            grove_channel_release(c);
        }
    }
}

static void an_unbounded_ring_grows_wherever_its_first_is(void **state)
{
    for (int head = 0; head < 70; head++) {
        grove_channel *c = new_channel(sizeof(int), GROVE_UNBOUNDED);
        int in = 0, out = 0, value;
        for (; in < head; in++)
            assert_int_equal(grove_channel_send(c, &in), 0);
        for (; out < head; out++)
            assert_int_equal(grove_channel_recv(c, &value), 0);
        for (; in < head + 300; in++)
            assert_int_equal(grove_channel_send(c, &in), 0);
        for (; out < in; out++) {
            assert_int_equal(grove_channel_recv(c, &value), 0);
            assert_int_equal(value, out);
        }
        grove_channel_release(c);
    }
}

static void a_channel_in_place(void **state)
{
    static struct item buffer[2];
    static grove_channel ready =
        GROVE_CHANNEL_INIT(sizeof(struct item), buffer, 2);
    struct item a = {"first"}, b = {"second"}, got;
    assert_int_equal(grove_channel_send(&ready, &a), 0);
    assert_int_equal(grove_channel_send(&ready, &b), 0);
    assert_int_equal(grove_channel_trysend(&ready, &b), -EAGAIN);
    assert_int_equal(grove_channel_recv(&ready, &got), 0);
    assert_string_equal(got.text, "first");

    grove_channel c;
    assert_int_equal(grove_channel_init(&c, 4, NULL, 1), -EINVAL);
    assert_int_equal(grove_channel_init(&c, 4, buffer, GROVE_UNBOUNDED),
                     -EINVAL);
    assert_int_equal(grove_channel_init(&c, 0, NULL, 5), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(grove_channel_trysend(&c, NULL), 0);
    assert_int_equal(grove_channel_trysend(&c, NULL), -EAGAIN);
    assert_int_equal(grove_channel_length(&c), 5);
}

static void sizes_that_cannot_be(void **state)
{
    grove_channel *c;
    assert_int_equal(grove_channel_create(&c, SIZE_MAX, 2), -ENOMEM);
    assert_int_equal(grove_channel_create(&c, 16, SIZE_MAX / 4), -ENOMEM);
    if (!unit_slow()) { /* there, to ask for so much is an error */
        c = new_channel(SIZE_MAX / 4, GROVE_UNBOUNDED);
        assert_int_equal(grove_channel_send(c, "x"), -ENOMEM);
        grove_channel_release(c);
    }
    c = new_channel(4, 1);
    assert_int_equal(grove_channel_send(c, NULL), -EINVAL);
    grove_channel_release(c);
    grove_channel_release(NULL);
    c = new_channel(0, GROVE_UNBOUNDED);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(grove_channel_send(c, NULL), 0);
    assert_int_equal(grove_channel_length(c), 1000);
    grove_channel_release(c);
}

static void references_are_counted(void **state)
{
    grove_channel *c = new_channel(4, 1);
    assert_ptr_equal(grove_channel_retain(c), c);
    grove_channel_release(c);
    assert_int_equal(grove_channel_length(c), 0);
    grove_channel_release(c);
}

static void a_value_may_be_dropped(void **state)
{
    grove_channel *c = new_channel(sizeof(int), 1);
    int value = 7;
    assert_int_equal(grove_channel_send(c, &value), 0);
    assert_int_equal(grove_channel_recv(c, NULL), 0);
    struct call s = send_call(c, &value);
    grove_channel *r = new_channel(sizeof(int), 0);
    s.more = r;
    call_start(&s);
    assert_int_equal(grove_channel_recv(r, NULL), 0);
    expect_result(&s, 0);
    struct call d = recv_call(r, NULL);
    call_start(&d);
    assert_int_equal(grove_channel_send(r, &value), 0);
    expect_result(&d, 0);
    grove_channel_release(r);
    grove_channel_release(c);
}

/* ---- waiting --------------------------------------------------------------- */

static void a_rendezvous_waits_for_the_other_side(void **state)
{
    grove_channel *c = new_channel(sizeof(int), 0);
    int sent = 41, got = 0;
    struct call s = send_call(c, &sent), r = recv_call(c, &got);
    start_parked(&s);
    assert_int_equal(grove_channel_length(c), 0);
    call_start(&r);
    expect_result(&r, 0);
    expect_result(&s, 0);
    assert_int_equal(got, 41);

    sent = 42;
    start_parked(&r);
    call_start(&s);
    expect_result(&s, 0);
    expect_result(&r, 0);
    assert_int_equal(got, 42);
    assert_int_equal(grove_channel_trysend(c, &sent), -EAGAIN);
    assert_int_equal(grove_channel_tryrecv(c, &got), -EAGAIN);
    grove_channel_release(c);
}

static void those_who_wait_are_served_in_order(void **state)
{
    for (size_t capacity = 0; capacity < 3; capacity++) {
        grove_channel *c = new_channel(sizeof(int), capacity);
        struct call s[6], r[6];
        int sent[6], got[6];
        finished_calls = 0;
        for (int i = 0; i < 6; i++) {
            sent[i] = 10 + i;
            s[i] = send_call(c, &sent[i]);
            call_start(&s[i]);
        }
        for (int i = 0; i < 6; i++) {
            int value;
            assert_int_equal(grove_channel_recv(c, &value), 0);
            assert_int_equal(value, 10 + i);
        }
        for (int i = 0; i < 6; i++) {
            expect_result(&s[i], 0);
            /* Those that found room may have given others a turn. */
            if (i > (int)capacity)
                assert_true(s[i].order > s[i - 1].order);
        }
        finished_calls = 0;
        for (int i = 0; i < 6; i++) {
            r[i] = recv_call(c, &got[i]);
            start_parked(&r[i]);
        }
        for (int i = 0; i < 6; i++)
            assert_int_equal(grove_channel_send(c, &sent[i]), 0);
        for (int i = 0; i < 6; i++) {
            expect_result(&r[i], 0);
            assert_int_equal(got[i], 10 + i);
            assert_int_equal(r[i].order, i + 1);
        }
        grove_channel_release(c);
    }
}

static void deadlines_and_scopes_end_a_wait(void **state)
{
    grove_channel *c = new_channel(sizeof(int), 0);
    int value = 0;
    assert_int_equal(grove_channel_send_until(c, &value, 0), -ETIMEDOUT);
    assert_int_equal(grove_channel_recv_until(c, &value, grove_now() + MS),
                     -ETIMEDOUT);
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + MS);
    assert_int_equal(grove_channel_recv(c, &value), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    assert_nobody_waits(c);
    grove_channel_release(c);
}

/* ---- kill and hand-over, in every order ------------------------------------- */

enum act { ACT_SEND, ACT_RECV, ACT_KILL, ACT_CLOSE };

/* A fiber waits to send or to receive; then a and b happen before it runs. What
 * was sent and not refused arrives or is still there, once. */
static void happen(bool sender, enum act a, enum act b)
{
    grove_channel *c = new_channel(sizeof(int), 0);
    int mine = sender ? 1 : 0, other = 2, got = 0, done = -1;
    struct call w = sender ? send_call(c, &mine) : recv_call(c, &mine);
    start_parked(&w);
    enum act acts[] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (acts[i] == ACT_KILL)
            grove_kill(w.fiber);
        else if (acts[i] == ACT_CLOSE)
            grove_channel_close(c);
        else if (acts[i] == ACT_SEND)
            done = grove_channel_trysend(c, &other);
        else
            done = grove_channel_tryrecv(c, &got);
    }
    enum act exchange = sender ? ACT_RECV : ACT_SEND;
    if (a == exchange) {
        expect_result(&w, 0);
        assert_int_equal(done, 0);
        assert_int_equal(sender ? got : mine, sender ? 1 : 2);
    } else {
        expect_error(&w, a == ACT_KILL ? ECANCELED : EPIPE);
        if (b == exchange)
            assert_int_equal(done, a == ACT_KILL ? -EAGAIN : -EPIPE);
        assert_int_equal(sender ? got : mine, 0);
    }
    assert_nobody_waits(c);
    grove_channel_release(c);
}

static void whoever_is_first_decides(void **state)
{
    for (int sender = 0; sender < 2; sender++) {
        enum act exchange = sender ? ACT_RECV : ACT_SEND;
        enum act acts[] = {exchange, ACT_KILL, ACT_CLOSE};
        for (int a = 0; a < 3; a++) {
            for (int b = 0; b < 3; b++) {
                if (a != b)
                    happen(sender, acts[a], acts[b]);
            }
        }
    }
}

/* One of several who wait goes: the others still get theirs, in order. */
static void those_who_give_up_leave_the_others(void **state)
{
    for (unsigned subset = 0; subset < 16; subset++) {
        grove_channel *c = new_channel(sizeof(int), 1);
        struct call s[4];
        int values[4], full = 99, value;
        assert_int_equal(grove_channel_send(c, &full), 0);
        for (int i = 0; i < 4; i++) {
            values[i] = i;
            s[i] = send_call(c, &values[i]);
            call_start(&s[i]);
        }
        for (unsigned i = 0; i < 4; i++) {
            if (subset & 1u << i)
                grove_kill(s[i].fiber);
        }
        assert_int_equal(grove_channel_recv(c, &value), 0);
        assert_int_equal(value, 99);
        for (int i = 0; i < 4; i++) {
            if (subset & 1u << i)
                continue;
            assert_int_equal(grove_channel_recv(c, &value), 0);
            assert_int_equal(value, i);
        }
        assert_int_equal(grove_channel_tryrecv(c, &value), -EAGAIN);
        for (unsigned i = 0; i < 4; i++) {
            if (subset & 1u << i)
                expect_error(&s[i], ECANCELED);
            else
                expect_result(&s[i], 0);
        }
        assert_nobody_waits(c);
        grove_channel_release(c);
    }
}

/* ---- close ------------------------------------------------------------------- */

static void receivers_drain_a_closed_channel(void **state)
{
    grove_channel *c = new_channel(sizeof(int), 2);
    struct call s[2];
    int values[] = {1, 2, 3, 4}, value = 0;
    assert_false(grove_channel_is_closed(c));
    assert_int_equal(grove_channel_send(c, &values[0]), 0);
    assert_int_equal(grove_channel_send(c, &values[1]), 0);
    for (int i = 0; i < 2; i++) {
        s[i] = send_call(c, &values[2 + i]);
        call_start(&s[i]);
    }
    grove_channel_close(c);
    grove_channel_close(c);
    assert_true(grove_channel_is_closed(c));
    for (int i = 0; i < 2; i++)
        expect_error(&s[i], EPIPE);
    assert_int_equal(grove_channel_send(c, &values[3]), -EPIPE);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(grove_channel_recv(c, &value), 0);
        assert_int_equal(value, i);
    }
    assert_int_equal(grove_channel_recv(c, &value), -EPIPE);
    assert_int_equal(grove_channel_tryrecv(c, &value), -EPIPE);
    assert_int_equal(value, 2);
    grove_channel_release(c);
}

static void close_wakes_those_who_receive(void **state)
{
    grove_channel *c = new_channel(sizeof(int), 4);
    struct call r[3];
    int got[3] = {5, 5, 5};
    for (int i = 0; i < 3; i++) {
        r[i] = recv_call(c, &got[i]);
        call_start(&r[i]);
    }
    grove_channel_close(c);
    for (int i = 0; i < 3; i++) {
        expect_error(&r[i], EPIPE);
        assert_int_equal(got[i], 5);
    }
    grove_channel_release(c);
}

/* ---- the cost of a hand-over --------------------------------------------------- */

static void *count_down(void *arg)
{
    grove_channel *c = arg;
    int value;
    while (grove_channel_recv(c, &value) == 0)
        ;
    return NULL;
}

/* A switch a value, either way; and no pass is ended by time. */
static void a_hand_over_is_one_switch(void **state)
{
    enum { VALUES = 10000 };
    if (GROVE_TURNS_CALLS || GROVE_TURNS_PASSES)
        unit_skip(TURNS_ALWAYS);
    grove_channel *c = new_channel(sizeof(int), 0);
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, count_down, c), 0);
    grove_yield();
    struct hub *hub = hub_self();
    clock_stop();
    uint64_t before = hub->switches - (uint64_t)hub->budget;
    for (int i = 0; i < VALUES; i++)
        assert_int_equal(grove_channel_send(c, &i), 0);
    uint64_t switches = hub->switches - (uint64_t)hub->budget - before;
    clock_go_on(0);
    grove_channel_close(c);
    grove_join(f, NULL);
    grove_release(f);
    /* The hub's own looks around come on top. */
    assert_uint_in_range(switches, VALUES / 2, VALUES + VALUES / 50);
    grove_channel_release(c);
}

static void nobody_to_exchange_with_is_a_deadlock(void **state)
{
    grove_channel *c = new_channel(sizeof(int), 0);
    int value = 0, quiet = open("/dev/null", O_WRONLY),
        err = dup(STDERR_FILENO);
    dup2(quiet, STDERR_FILENO);
    int r = grove_channel_recv(c, &value);
    int s = grove_channel_send(c, &value);
    dup2(err, STDERR_FILENO);
    close(quiet);
    close(err);
    assert_int_equal(r, -EDEADLK);
    assert_int_equal(s, -EDEADLK);
    assert_nobody_waits(c);
    grove_channel_release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_size_arrive_in_order),
        cmocka_unit_test(an_unbounded_ring_grows_wherever_its_first_is),
        cmocka_unit_test(a_channel_in_place),
        cmocka_unit_test(sizes_that_cannot_be),
        cmocka_unit_test(references_are_counted),
        cmocka_unit_test(a_value_may_be_dropped),
        cmocka_unit_test(a_rendezvous_waits_for_the_other_side),
        cmocka_unit_test(those_who_wait_are_served_in_order),
        cmocka_unit_test(deadlines_and_scopes_end_a_wait),
        cmocka_unit_test(whoever_is_first_decides),
        cmocka_unit_test(those_who_give_up_leave_the_others),
        cmocka_unit_test(receivers_drain_a_closed_channel),
        cmocka_unit_test(close_wakes_those_who_receive),
        cmocka_unit_test(a_hand_over_is_one_switch),
        cmocka_unit_test(nobody_to_exchange_with_is_a_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Select on one hub: one clause is done and no other, each that is ready has
 * its chance, and what ends a wait loses nothing. */
#include "fiber_calls.h"
#include "socket_pairs.h"
#include "unit.h"

#include "hub/hub.h"

static grove_channel *new_channel(size_t capacity)
{
    grove_channel *c;
    assert_int_equal(grove_channel_create(&c, sizeof(int), capacity), 0);
    return c;
}

static grove_clause sends(grove_channel *c, int *value)
{
    return (grove_clause){
        .kind = GROVE_CLAUSE_SEND, .channel = c, .value = value};
}

static grove_clause receives(grove_channel *c, int *value)
{
    return (grove_clause){
        .kind = GROVE_CLAUSE_RECV, .channel = c, .value = value};
}

static grove_clause happens(grove_event *e)
{
    return (grove_clause){.kind = GROVE_CLAUSE_EVENT, .event = e};
}

static grove_clause readable(int fd)
{
    return (grove_clause){.kind = GROVE_CLAUSE_READABLE, .fd = fd};
}

static grove_clause writable(int fd)
{
    return (grove_clause){.kind = GROVE_CLAUSE_WRITABLE, .fd = fd};
}

static ssize_t make_select(struct call *c)
{
    ssize_t r = grove_select_until(c->more, c->len, c->deadline);
    errno = (int)-r;
    return r < 0 ? -1 : r;
}

static struct call select_call(grove_clause *clauses, size_t n)
{
    return (struct call){
        .make = make_select, .name = "select", .more = clauses, .len = n};
}

static void assert_nobody_waits(const grove_channel *c)
{
    assert_null(c->senders.first);
    assert_null(c->receivers.first);
}

/* ---- what is ready at once ------------------------------------------------- */

static void each_kind_of_clause(void **state)
{
    grove_channel *in = new_channel(1), *out = new_channel(1);
    grove_event e = GROVE_EVENT_INIT;
    struct pair p = pair_of(TCP), full = pair_of(UNIX_STREAM);
    fill(full.out);
    int got = 0, sent = 9, value = 7;
    assert_int_equal(grove_channel_send(out, &sent), 0); /* no room */
    grove_clause none[] = {{.kind = GROVE_CLAUSE_NONE},
                           sends(out, &sent),
                           receives(in, &got),
                           happens(&e),
                           readable(p.in),
                           writable(full.out)};
    size_t n = UNIT_COUNT(none);
    assert_int_equal(grove_tryselect(none, n), -EAGAIN);
    assert_int_equal(grove_select_until(none, n, 0), -ETIMEDOUT);

    grove_channel_send(in, &value);
    assert_int_equal(grove_tryselect(none, n), 2);
    assert_int_equal(got, 7);
    assert_int_equal(none[2].result, 0);
    grove_channel_recv(out, NULL);
    assert_int_equal(grove_select(none, n), 1);
    assert_int_equal(grove_channel_length(out), 1);
    grove_event_set(&e);
    assert_int_equal(grove_select(none, n), 3);
    grove_event_clear(&e);
    assert_int_equal(write(p.out, "x", 1), 1);
    assert_int_equal(grove_select(none, n), 4);
    assert_int_equal(read(p.in, &(char){0}, 1), 1);
    char drain[4096];
    while (recv(full.in, drain, sizeof(drain), MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(grove_select(none, n), 5);
    assert_int_equal(grove_tryselect(none, 1), -EAGAIN);
    assert_int_equal(grove_tryselect(NULL, 0), -EAGAIN);
    pair_close(p);
    pair_close(full);
    grove_channel_release(in);
    grove_channel_release(out);
}

/* The same, waited for: each clause in its turn ends the wait. */
static void each_kind_ends_a_wait(void **state)
{
    grove_channel *in = new_channel(0), *out = new_channel(0);
    grove_event e = GROVE_EVENT_INIT;
    struct pair p = pair_of(TCP), full = pair_of(UNIX_STREAM);
    fill(full.out);
    for (int which = 0; which < 5; which++) {
        int got = 0, sent = 9, value = 7;
        grove_clause clauses[] = {receives(in, &got), sends(out, &sent),
                                  happens(&e), readable(p.in),
                                  writable(full.out)};
        struct call c = select_call(clauses, 5);
        start_parked(&c);
        char drain[4096];
        if (which == 0)
            assert_int_equal(grove_channel_trysend(in, &value), 0);
        else if (which == 1)
            assert_int_equal(grove_channel_tryrecv(out, &value), 0);
        else if (which == 2)
            grove_event_set(&e);
        else if (which == 3)
            assert_int_equal(write(p.out, "x", 1), 1);
        while (which == 4 &&
               recv(full.in, drain, sizeof(drain), MSG_DONTWAIT) > 0)
            ;
        expect_result(&c, which);
        assert_int_equal(clauses[which].result, 0);
        assert_int_equal(got, which == 0 ? 7 : 0);
        assert_int_equal(value, which == 1 ? 9 : 7);
        grove_event_clear(&e);
        if (which == 3)
            assert_int_equal(read(p.in, drain, 1), 1);
        assert_nobody_waits(in);
        assert_nobody_waits(out);
        assert_null(e.waiters.first);
        assert_int_equal(hub_self()->loop.waits, 0);
    }
    pair_close(p);
    pair_close(full);
    grove_channel_release(in);
    grove_channel_release(out);
}

static void promises_are_waited_for(void **state)
{
    grove_promise kept = GROVE_PROMISE_INIT, broken = GROVE_PROMISE_INIT;
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_PROMISE, .promise = &kept},
        {.kind = GROVE_CLAUSE_PROMISE, .promise = &broken}};
    void *value;
    assert_int_equal(grove_tryselect(clauses, 2), -EAGAIN);
    struct call c = select_call(clauses, 2);
    start_parked(&c);
    assert_int_equal(grove_promise_fail(&broken, -EIO), 0);
    expect_result(&c, 1);
    assert_int_equal(clauses[1].result, 0);
    assert_int_equal(grove_promise_result(&broken, NULL), -EIO);
    clauses[1].kind = GROVE_CLAUSE_NONE;
    call_start(&c);
    assert_int_equal(grove_promise_set(&kept, &kept), 0);
    expect_result(&c, 0);
    assert_int_equal(grove_promise_result(&kept, &value), 0);
    assert_ptr_equal(value, &kept);
    assert_int_equal(grove_tryselect(clauses, 2), 0);
    assert_null(broken.waiters.first);
}

static void a_closed_channel_is_ready(void **state)
{
    grove_channel *c = new_channel(0), *other = new_channel(0);
    int value = 0;
    grove_clause clauses[] = {receives(other, &value), receives(c, &value)};
    struct call call = select_call(clauses, 2);
    call_start(&call);
    grove_channel_close(c);
    expect_result(&call, 1);
    assert_int_equal(clauses[1].result, -EPIPE);
    assert_int_equal(grove_select(clauses, 2), 1);
    clauses[1] = sends(c, &value);
    clauses[1].result = 0;
    assert_int_equal(grove_tryselect(clauses, 2), 1);
    assert_int_equal(clauses[1].result, -EPIPE);
    assert_nobody_waits(other);
    grove_channel_release(c);
    grove_channel_release(other);
}

static void descriptors_that_are_none(void **state)
{
    struct pair p = pair_of(TCP);
    grove_clause bad = readable(-1);
    assert_int_equal(grove_select(&bad, 1), 0);
    assert_int_equal(bad.result, -EBADF);
    int closed = dup(p.in);
    close(closed);
    bad = readable(closed);
    assert_int_equal(grove_select(&bad, 1), 0);
    assert_int_equal(bad.result, -EBADF);
    /* Closed while it is waited for. */
    grove_clause clauses[] = {readable(p.in)};
    struct call c = select_call(clauses, 1);
    start_parked(&c);
    grove_close(p.in);
    expect_result(&c, 0);
    assert_int_equal(clauses[0].result, -EBADF);
    grove_close(p.out);
}

static void clauses_that_make_no_sense(void **state)
{
    grove_channel *c = new_channel(0);
    grove_clause clauses[] = {sends(c, NULL)};
    assert_int_equal(grove_select(clauses, 1), -EINVAL);
    clauses[0].kind = (grove_clause_kind)77;
    assert_int_equal(grove_tryselect(clauses, 1), -EINVAL);
    assert_int_equal(grove_select_until(NULL, 0, grove_now() + MS), -ETIMEDOUT);
    grove_channel_release(c);
}

static void an_unbounded_channel_grows(void **state)
{
    grove_channel *c = new_channel(GROVE_UNBOUNDED);
    for (int i = 0; i < 1000; i++) {
        grove_clause clause = sends(c, &i);
        assert_int_equal(grove_select(&clause, 1), 0);
    }
    for (int i = 0; i < 1000; i++) {
        int value;
        assert_int_equal(grove_channel_recv(c, &value), 0);
        assert_int_equal(value, i);
    }
    grove_channel_release(c);
}

/* ---- fairness ------------------------------------------------------------------ */

/* Of any subset that is ready each clause is taken as often, give or take: with
 * 2,000 choices a share of a quarter has a standard deviation of 19. */
static void clauses_that_are_ready_have_the_same_chance(void **state)
{
    enum { N = 4, CHOICES = 2000 };
    grove_event events[N];
    for (unsigned subset = 1; subset < 1u << N; subset++) {
        grove_clause clauses[N];
        int counts[N] = {0}, ready = 0;
        for (unsigned i = 0; i < N; i++) {
            grove_event_init(&events[i]);
            clauses[i] = happens(&events[i]);
            if (subset & 1u << i) {
                grove_event_set(&events[i]);
                ready++;
            }
        }
        for (int k = 0; k < CHOICES; k++)
            counts[grove_select(clauses, N)]++;
        for (unsigned i = 0; i < N; i++) {
            int share = subset & 1u << i ? CHOICES / ready : 0;
            check(abs(counts[i] - share) <= (share < CHOICES ? share / 4 : 0),
                  "subset %u, clause %u: %d of %d", subset, i, counts[i],
                  CHOICES);
        }
    }
}

/* ---- one clause and no other ----------------------------------------------------- */

/* Both sides of every exchange are in a select, on the same two channels in
 * opposite directions: what one has sent the other has received. */
struct swapper {
    grove_channel *a, *b;
    int value;
    long sent[2], received[2]; /* sums, of a and of b */
    int rounds;
};

static void *swap(void *arg)
{
    struct swapper *s = arg;
    for (int i = 0; i < s->rounds; i++) {
        int out = ++s->value, in_a = 0, in_b = 0;
        grove_clause clauses[] = {sends(s->a, &out), receives(s->a, &in_a),
                                  sends(s->b, &out), receives(s->b, &in_b)};
        ssize_t k = grove_select(clauses, 4);
        if (k == 0 || k == 2)
            s->sent[k / 2] += out;
        if (k == 1)
            s->received[0] += in_a;
        if (k == 3)
            s->received[1] += in_b;
        if (k < 0 || (k != 1 && in_a) || (k != 3 && in_b))
            return NULL;
    }
    return s;
}

static void selects_meet_selects(void **state)
{
    grove_channel *a = new_channel(0), *b = new_channel(0);
    struct swapper s[2] = {{.a = a, .b = b, .rounds = 1000},
                           {.a = b, .b = a, .value = 1 << 20, .rounds = 1000}};
    grove_fiber *fs[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_spawn(&fs[i], swap, &s[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *value;
        assert_int_equal(grove_join(fs[i], &value), 0);
        assert_ptr_equal(value, &s[i]);
        grove_release(fs[i]);
    }
    assert_int_equal(s[0].sent[0], s[1].received[1]);
    assert_int_equal(s[0].sent[1], s[1].received[0]);
    assert_int_equal(s[0].received[0], s[1].sent[1]);
    assert_int_equal(s[0].received[1], s[1].sent[0]);
    assert_nobody_waits(a);
    assert_nobody_waits(b);
    grove_channel_release(a);
    grove_channel_release(b);
}

/* Two hand-overs, a kill and a deadline against each other, in every order: the
 * first counts and the others change nothing. */
static void whoever_is_first_decides(void **state)
{
    enum { FIRST, SECOND, KILL, CLOSE, ACTS };
    for (int a = 0; a < ACTS; a++) {
        for (int b = 0; b < ACTS; b++) {
            grove_channel *c[] = {new_channel(0), new_channel(0)};
            int got[2] = {0, 0}, value = 5, done[ACTS] = {0};
            if (a == b)
                goto next;
            grove_clause clauses[] = {receives(c[0], &got[0]),
                                      receives(c[1], &got[1])};
            struct call call = select_call(clauses, 2);
            call_start(&call);
            for (int i = 0; i < 2; i++) {
                int act = i == 0 ? a : b;
                if (act == KILL)
                    grove_kill(call.fiber);
                else if (act == CLOSE)
                    grove_channel_close(c[1]);
                else
                    done[act] = grove_channel_trysend(c[act], &value);
            }
            if (a == KILL) {
                expect_error(&call, ECANCELED);
            } else {
                expect_result(&call, a == FIRST ? 0 : 1);
                assert_int_equal(clauses[1].result, a == CLOSE ? -EPIPE : 0);
            }
            assert_int_equal(got[0], a == FIRST ? 5 : 0);
            assert_int_equal(got[1], a == SECOND ? 5 : 0);
            if (b == FIRST)
                assert_int_equal(done[b], -EAGAIN);
            if (b == SECOND)
                assert_int_equal(done[b], a == CLOSE ? -EPIPE : -EAGAIN);
            assert_nobody_waits(c[0]);
            assert_nobody_waits(c[1]);
        next:
            grove_channel_release(c[0]);
            grove_channel_release(c[1]);
        }
    }
}

static void the_same_thing_twice(void **state)
{
    grove_channel *c = new_channel(0);
    grove_event e = GROVE_EVENT_INIT;
    int first = 0, second = 0, value = 3;
    grove_clause clauses[] = {receives(c, &first), receives(c, &second),
                              happens(&e), happens(&e), sends(c, &value)};
    struct call call = select_call(clauses, 5);
    start_parked(&call); /* it does not exchange with itself */
    assert_int_equal(grove_channel_trysend(c, &value), 0);
    assert_int_equal(grove_channel_trysend(c, &value), -EAGAIN);
    call_finish(&call);
    assert_uint_in_range(call.result, 0, 1);
    assert_int_equal(first + second, 3);
    call_start(&call);
    grove_event_set(&e);
    call_finish(&call);
    assert_uint_in_range(call.result, 2, 3);
    assert_nobody_waits(c);
    assert_null(e.waiters.first);
    grove_channel_release(c);
}

static void many_clauses(void **state)
{
    enum { MANY = 200 };
    static grove_channel channels[MANY];
    static grove_clause clauses[MANY];
    static int got[MANY];
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(grove_channel_init(&channels[i], sizeof(int), NULL, 0),
                         0);
        clauses[i] = receives(&channels[i], &got[i]);
    }
    for (int i = 0; i < MANY; i++) {
        struct call call = select_call(clauses, MANY);
        call_start(&call);
        assert_int_equal(grove_channel_trysend(&channels[i], &i), 0);
        expect_result(&call, i);
        assert_int_equal(got[i], i);
    }
    struct call call = select_call(clauses, MANY);
    call.deadline = grove_now() + MS;
    call_start(&call);
    expect_error(&call, ETIMEDOUT);
    for (int i = 0; i < MANY; i++)
        assert_nobody_waits(&channels[i]);
}

/* ---- ends, signals, semaphores ------------------------------------------------ */

static void *end_on(void *event)
{
    grove_event_wait(event);
    return event;
}

static void the_end_of_a_fiber(void **state)
{
    grove_event go = GROVE_EVENT_INIT;
    grove_fiber *f[2];
    void *value;
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_spawn(&f[i], end_on, &go), 0);
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_FIBER, .fiber = f[0]},
        {.kind = GROVE_CLAUSE_FIBER, .fiber = f[1]},
    };
    assert_int_equal(grove_tryselect(clauses, 2), -EAGAIN);
    assert_int_equal(grove_select_until(clauses, 2, grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(f[0]->references, 2); /* its own, and the handle */
    struct call c = select_call(clauses, 2);
    start_parked(&c);
    grove_kill(f[1]);
    expect_result(&c, 1);
    assert_int_equal(clauses[1].result, 0);
    assert_int_equal(grove_result(f[1], &value), 0);
    assert_int_equal(grove_tryselect(clauses, 2), 1); /* it has ended */
    grove_event_set(&go);
    assert_int_equal(grove_select(clauses, 1), 0);
    grove_clause own = {.kind = GROVE_CLAUSE_FIBER, .fiber = grove_self()};
    assert_int_equal(grove_select(&own, 1), -EINVAL);
    for (int i = 0; i < 2; i++)
        grove_release(f[i]);
}

static void the_end_of_a_process(void **state)
{
    char name[] = "cat";
    char *const argv[] = {name, NULL};
    const grove_process_attr attr = {.in = GROVE_IO_PIPE};
    grove_process *p;
    int status;
    (void)state;
    assert_int_equal(grove_process_spawn(&p, &attr, argv), 0);
    grove_event never = GROVE_EVENT_INIT;
    grove_clause clauses[] = {
        happens(&never),
        {.kind = GROVE_CLAUSE_PROCESS, .process = p},
    };
    assert_int_equal(grove_tryselect(clauses, 2), -EAGAIN);
    struct call c = select_call(clauses, 2);
    start_parked(&c);
    grove_process_close(p, 0);
    expect_result(&c, 1);
    assert_int_equal(clauses[1].result, 0);
    assert_int_equal(grove_process_wait_until(p, &status, 0), 0);
    assert_int_equal(status, 0);
    assert_int_equal(grove_tryselect(clauses, 2), 1); /* reaped, too */
    grove_process_release(p);
}

static void a_signal(void **state)
{
    grove_signals s;
    sigset_t set;
    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    assert_int_equal(grove_signals_open(&s, &set), 0);
    grove_clause clause = {.kind = GROVE_CLAUSE_SIGNAL, .signals = &s};
    assert_int_equal(grove_tryselect(&clause, 1), -EAGAIN);
    /* Two that wait: each gets one. */
    grove_clause other = clause;
    struct call c[2] = {select_call(&clause, 1), select_call(&other, 1)};
    start_parked(&c[0]);
    start_parked(&c[1]);
    raise(SIGUSR2);
    for (int i = 0; i < 100 && !c[0].finished && !c[1].finished; i++)
        assert_int_equal(grove_sleep(MS), 0);
    assert_int_equal(c[0].finished + c[1].finished, 1);
    raise(SIGUSR1);
    expect_result(&c[0], 0);
    expect_result(&c[1], 0);
    assert_int_equal(clause.result + other.result, SIGUSR1 + SIGUSR2);
    raise(SIGUSR1);
    assert_int_equal(grove_select(&clause, 1), 0);
    assert_int_equal(clause.result, SIGUSR1);
    grove_signals_close(&s);
}

static ssize_t make_acquire(struct call *c)
{
    int r = grove_semaphore_acquire_until(c->more, c->len, c->deadline);
    errno = -r;
    return r < 0 ? -1 : 0;
}

static void a_semaphore(void **state)
{
    grove_semaphore s = GROVE_SEMAPHORE_INIT(1);
    grove_event e = GROVE_EVENT_INIT;
    (void)state;
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_SEMAPHORE, .semaphore = &s, .units = 2},
        happens(&e),
    };
    assert_int_equal(grove_tryselect(clauses, 2), -EAGAIN);
    struct call c = select_call(clauses, 2);
    struct call after = {
        .make = make_acquire, .name = "acquire", .more = &s, .len = 1};
    start_parked(&c);
    start_parked(&after); /* there is one, but not its turn */
    assert_int_equal(grove_semaphore_release(&s, 1), 0);
    expect_result(&c, 0);
    assert_int_equal(grove_semaphore_units(&s), 0);
    expect_parked(&after);
    assert_int_equal(grove_semaphore_release(&s, 1), 0);
    expect_result(&after, 0);
    /* One that goes another way lets those through that it held up. */
    assert_int_equal(grove_semaphore_release(&s, 1), 0);
    c = select_call(clauses, 2);
    after.finished = false;
    start_parked(&c);
    start_parked(&after);
    grove_event_set(&e);
    expect_result(&c, 1);
    expect_result(&after, 0);
    assert_int_equal(grove_semaphore_units(&s), 0);
    assert_null(s.waiters.first);
    /* One is what is taken by default. */
    clauses[0].units = 0;
    assert_int_equal(grove_semaphore_release(&s, 1), 0);
    assert_int_equal(grove_tryselect(clauses, 1), 0);
    assert_int_equal(grove_semaphore_units(&s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_clause),
        cmocka_unit_test(each_kind_ends_a_wait),
        cmocka_unit_test(promises_are_waited_for),
        cmocka_unit_test(a_closed_channel_is_ready),
        cmocka_unit_test(descriptors_that_are_none),
        cmocka_unit_test(clauses_that_make_no_sense),
        cmocka_unit_test(an_unbounded_channel_grows),
        cmocka_unit_test(clauses_that_are_ready_have_the_same_chance),
        cmocka_unit_test(selects_meet_selects),
        cmocka_unit_test(whoever_is_first_decides),
        cmocka_unit_test(the_same_thing_twice),
        cmocka_unit_test(many_clauses),
        cmocka_unit_test(the_end_of_a_fiber),
        cmocka_unit_test(the_end_of_a_process),
        cmocka_unit_test(a_signal),
        cmocka_unit_test(a_semaphore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

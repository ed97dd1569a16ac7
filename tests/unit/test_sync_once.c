/* What happens once, or once all are there: promises, wait groups, barriers,
 * things to be done once. */
#include "fiber_calls.h"

#include "hub/hub.h"

static ssize_t posix(int r)
{
    errno = -r;
    return r < 0 ? -1 : r;
}

static void start(struct call *c, const char *name,
                  ssize_t (*make)(struct call *c), void *what)
{
    *c = (struct call){.make = make, .name = name, .more = what};
    call_start(c);
}

/* ---- promise --------------------------------------------------------------- */

static ssize_t make_get(struct call *c)
{
    void *value;
    int r = grove_promise_get_until(c->more, &value, c->deadline);
    c->buf = value;
    return posix(r);
}

static void a_promise_is_settled_once(void **state)
{
    grove_promise p = GROVE_PROMISE_INIT, failed;
    void *value = state;
    grove_promise_init(&failed);
    assert_int_equal(grove_promise_result(&p, &value), -EAGAIN);
    assert_null(value);
    assert_int_equal(grove_promise_get_until(&p, &value, 0), -ETIMEDOUT);
    assert_int_equal(grove_promise_set(&p, state), 0);
    assert_int_equal(grove_promise_set(&p, &p), -EALREADY);
    assert_int_equal(grove_promise_fail(&p, -EIO), -EALREADY);
    assert_int_equal(grove_promise_get(&p, &value), 0);
    assert_ptr_equal(value, state);
    assert_int_equal(grove_promise_wait(&p), 0);

    assert_int_equal(grove_promise_fail(&failed, EIO), -EINVAL);
    assert_int_equal(grove_promise_fail(&failed, 0), -EINVAL);
    assert_int_equal(grove_promise_fail(&failed, -ETIMEDOUT), 0);
    assert_int_equal(grove_promise_set(&failed, state), -EALREADY);
    assert_int_equal(grove_promise_get(&failed, &value), -ETIMEDOUT);
    assert_null(value);
    assert_int_equal(grove_promise_wait_until(&failed, 0), 0);
    assert_int_equal(grove_promise_result(&failed, NULL), -ETIMEDOUT);
}

static void all_who_wait_get_it_in_order(void **state)
{
    for (int fails = 0; fails < 2; fails++) {
        grove_promise p = GROVE_PROMISE_INIT;
        struct call c[4];
        finished_calls = 0;
        for (int i = 0; i < 4; i++)
            start(&c[i], "promise", make_get, &p);
        grove_kill(c[1].fiber);
        if (fails)
            grove_promise_fail(&p, -EPIPE);
        else
            grove_promise_set(&p, state);
        for (int i = 0; i < 4; i++) {
            if (i == 1 || fails)
                expect_error(&c[i], i == 1 ? ECANCELED : EPIPE);
            else
                expect_result(&c[i], 0);
            assert_ptr_equal(c[i].buf, i == 1 || fails ? NULL : (void *)state);
        }
        assert_true(c[0].order < c[2].order && c[2].order < c[3].order);
    }
}

/* ---- wait group ------------------------------------------------------------- */

static ssize_t make_await(struct call *c)
{
    return posix(grove_wait_group_wait_until(c->more, c->deadline));
}

static void the_last_of_a_group_wakes_all(void **state)
{
    grove_wait_group g, zero = GROVE_WAIT_GROUP_INIT;
    struct call c[3];
    grove_wait_group_init(&g);
    assert_int_equal(grove_wait_group_wait(&g), 0);
    assert_int_equal(grove_wait_group_done(&zero), -EINVAL);
    assert_int_equal(grove_wait_group_add(&g, 2), 0);
    assert_int_equal(grove_wait_group_add(&g, SIZE_MAX), -EOVERFLOW);
    assert_int_equal(grove_wait_group_count(&g), 2);
    assert_int_equal(grove_wait_group_wait_until(&g, grove_now() + MS),
                     -ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        start(&c[i], "wait group", make_await, &g);
    assert_int_equal(grove_wait_group_done(&g), 0);
    grove_yield();
    for (int i = 0; i < 3; i++)
        expect_parked(&c[i]);
    assert_int_equal(grove_wait_group_done(&g), 0);
    assert_int_equal(grove_wait_group_add(&g, 1), 0); /* they go on */
    for (int i = 0; i < 3; i++)
        expect_result(&c[i], 0);
    assert_int_equal(grove_wait_group_done(&g), 0);
    assert_int_equal(grove_wait_group_done(&g), -EINVAL);
}

/* ---- barrier ---------------------------------------------------------------- */

static ssize_t make_arrive(struct call *c)
{
    return posix(grove_barrier_wait_until(c->more, c->deadline));
}

static void all_go_on_together_again_and_again(void **state)
{
    grove_barrier b = GROVE_BARRIER_INIT(4);
    struct call c[3];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++) {
            start(&c[i], "barrier", make_arrive, &b);
            expect_parked(&c[i]);
        }
        assert_int_equal(grove_barrier_wait(&b), 1);
        for (int i = 0; i < 3; i++)
            expect_result(&c[i], 0);
    }
    grove_barrier_init(&b, 0); /* as 1 */
    assert_int_equal(grove_barrier_wait_until(&b, 0), 1);
}

static void one_that_leaves_does_not_count(void **state)
{
    grove_barrier b = GROVE_BARRIER_INIT(3);
    struct call c[2];
    for (int i = 0; i < 2; i++)
        start(&c[i], "barrier", make_arrive, &b);
    grove_kill(c[0].fiber);
    expect_error(&c[0], ECANCELED);
    assert_int_equal(grove_barrier_wait_until(&b, grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(b.arrived, 1);
    start(&c[0], "barrier", make_arrive, &b);
    expect_parked(&c[0]);
    assert_int_equal(grove_barrier_wait(&b), 1);
    expect_result(&c[0], 0);
    expect_result(&c[1], 0);
}

/* ---- once -------------------------------------------------------------------- */

static grove_once once;
static grove_event go_on;
static int runs, failures; /* how many are still to fail */

static int do_it(void *arg)
{
    runs++;
    int r = grove_event_wait(&go_on);
    grove_event_clear(&go_on);
    return r < 0 ? r : failures-- > 0 ? -EIO : 7;
}

static ssize_t make_once(struct call *c)
{
    return posix(grove_once_run_until(&once, do_it, NULL, c->deadline));
}

static void start_once(struct call *c, int n)
{
    grove_once_init(&once);
    grove_event_clear(&go_on);
    runs = finished_calls = 0;
    for (int i = 0; i < n; i++) {
        start(&c[i], "once", make_once, NULL);
        expect_parked(&c[i]);
    }
    assert_int_equal(runs, 1);
}

static int never(void *arg)
{
    return -EFAULT;
}

static void the_first_does_it_the_others_wait(void **state)
{
    struct call c[3];
    failures = 0;
    start_once(c, 3);
    assert_int_equal(grove_once_run_until(&once, never, NULL, 0), -ETIMEDOUT);
    grove_kill(c[1].fiber);
    expect_error(&c[1], ECANCELED);
    grove_event_set(&go_on);
    expect_result(&c[0], 0);
    expect_result(&c[2], 0);
    assert_int_equal(runs, 1);
    assert_int_equal(grove_once_run(&once, never, NULL), 0);
}

static void after_a_failure_the_next_tries(void **state)
{
    struct call c[3];
    failures = 1;
    start_once(c, 3);
    grove_event_set(&go_on);
    expect_error(&c[0], EIO);
    grove_yield();
    assert_int_equal(runs, 2);
    grove_kill(c[1].fiber); /* while it is at it */
    expect_error(&c[1], ECANCELED);
    grove_yield();
    assert_int_equal(runs, 3);
    grove_event_set(&go_on);
    expect_result(&c[2], 0);
    /* With nobody who waits it is for the next to come. */
    failures = 1;
    start_once(c, 1);
    grove_event_set(&go_on);
    expect_error(&c[0], EIO);
    assert_int_equal(grove_once_run(&once, never, NULL), -EFAULT);
    grove_event_set(&go_on);
    assert_int_equal(grove_once_run(&once, do_it, NULL), 0);
    assert_int_equal(runs, 2);
}

static int do_it_within(void *arg)
{
    grove_once *o = arg;
    return grove_once_run(o, do_it_within, o);
}

static void within_itself_it_is_a_deadlock(void **state)
{
    grove_once o = GROVE_ONCE_INIT;
    assert_int_equal(grove_once_run(&o, do_it_within, &o), -EDEADLK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_settled_once),
        cmocka_unit_test(all_who_wait_get_it_in_order),
        cmocka_unit_test(the_last_of_a_group_wakes_all),
        cmocka_unit_test(all_go_on_together_again_and_again),
        cmocka_unit_test(one_that_leaves_does_not_count),
        cmocka_unit_test(the_first_does_it_the_others_wait),
        cmocka_unit_test(after_a_failure_the_next_tries),
        cmocka_unit_test(within_itself_it_is_a_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

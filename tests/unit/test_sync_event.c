/* Events: who waits for one, in which order they go on, and what ends a wait.
 */
#include <fcntl.h>

#include "fiber_calls.h"

static ssize_t make_wait(struct call *c)
{
    int r = c->deadline == GROVE_NEVER
                ? grove_event_wait(c->more)
                : grove_event_wait_until(c->more, c->deadline);
    errno = -r;
    return r < 0 ? -1 : r;
}

static struct call wait_call(grove_event *e)
{
    return (struct call){.make = make_wait, .name = "event", .more = e};
}

static void set_before_is_no_wait(void **state)
{
    grove_event e;
    grove_event_init(&e);
    assert_false(grove_event_is_set(&e));
    grove_event_set(&e);
    assert_true(grove_event_is_set(&e));
    assert_int_equal(grove_event_wait(&e), 0);
    assert_int_equal(grove_event_wait_until(&e, 0), 0);
    grove_event_clear(&e);
    assert_false(grove_event_is_set(&e));
    assert_int_equal(grove_event_wait_until(&e, 0), -ETIMEDOUT);
}

static void set_wakes_all_in_order(void **state)
{
    grove_event e = GROVE_EVENT_INIT;
    struct call c[5];
    for (int round = 0; round < 2; round++) {
        finished_calls = 0;
        for (int i = 0; i < 5; i++) {
            c[i] = wait_call(&e);
            start_parked(&c[i]);
        }
        grove_event_set(&e);
        grove_event_clear(&e); /* they were released all the same */
        for (int i = 0; i < 5; i++) {
            expect_result(&c[i], 0);
            assert_int_equal(c[i].order, i + 1);
        }
    }
}

static void those_who_give_up_leave_the_others(void **state)
{
    grove_event e = GROVE_EVENT_INIT;
    /* Every subset of four is killed, so that first, last and middle go. */
    for (unsigned subset = 0; subset < 16; subset++) {
        struct call c[4];
        grove_event_clear(&e);
        for (unsigned i = 0; i < 4; i++) {
            c[i] = wait_call(&e);
            call_start(&c[i]);
        }
        for (unsigned i = 0; i < 4; i++) {
            if (subset & 1u << i) {
                grove_kill(c[i].fiber);
                expect_error(&c[i], ECANCELED);
            }
        }
        grove_event_set(&e);
        for (unsigned i = 0; i < 4; i++) {
            if (!(subset & 1u << i))
                expect_result(&c[i], 0);
        }
    }
    assert_null(e.waiters.first);
    assert_null(e.waiters.last);
}

static void deadlines_end_a_wait(void **state)
{
    grove_event e = GROVE_EVENT_INIT;
    struct call c = wait_call(&e);
    c.deadline = grove_now() + MS;
    call_start(&c);
    expect_error(&c, ETIMEDOUT);
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + MS);
    assert_int_equal(grove_event_wait(&e), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
}

/* Killed and then released before it runs: the kill is not lost. */
static void a_kill_comes_before_a_later_set(void **state)
{
    grove_event e = GROVE_EVENT_INIT;
    struct call c = wait_call(&e);
    call_start(&c);
    grove_kill(c.fiber);
    grove_event_set(&e);
    expect_error(&c, ECANCELED);
    /* The other way round the wait has ended, and the next one is told. */
    grove_event_clear(&e);
    call_start(&c);
    grove_event_set(&e);
    grove_kill(c.fiber);
    expect_result(&c, 0);
}

static void nobody_to_set_it_is_a_deadlock(void **state)
{
    grove_event e = GROVE_EVENT_INIT;
    int quiet = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO);
    dup2(quiet, STDERR_FILENO);
    int r = grove_event_wait(&e);
    dup2(err, STDERR_FILENO);
    close(quiet);
    close(err);
    assert_int_equal(r, -EDEADLK);
    assert_null(e.waiters.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_before_is_no_wait),
        cmocka_unit_test(set_wakes_all_in_order),
        cmocka_unit_test(those_who_give_up_leave_the_others),
        cmocka_unit_test(deadlines_end_a_wait),
        cmocka_unit_test(a_kill_comes_before_a_later_set),
        cmocka_unit_test(nobody_to_set_it_is_a_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

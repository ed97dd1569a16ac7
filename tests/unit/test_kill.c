/* Killing a fiber, in each state it can be in. */
#include "unit.h"

#include "grove.h"
#include "hub/wait.h"

static int seen[8];
static size_t sees;

static void *sleep_thrice(void *arg)
{
    for (int i = 0; i < 3; i++)
        seen[sees++] = grove_sleep(i ? GROVE_MILLISECOND : 60 * GROVE_SECOND);
    return arg;
}

static void *return_arg(void *arg)
{
    sees++;
    return arg;
}

static void reset(void)
{
    memset(seen, 1, sizeof(seen));
    sees = 0;
}

static void one_that_waits_is_told_once(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    reset();
    assert_int_equal(grove_spawn(&f, sleep_thrice, state), 0);
    grove_yield();
    assert_int_equal(f->state, FIBER_PARKED);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(f->state, FIBER_READY);
    assert_int_equal(grove_join(f, &value), 0);
    assert_ptr_equal(value, state); /* it chose to go on */
    assert_int_equal(seen[0], -ECANCELED);
    assert_int_equal(seen[1], 0);
    assert_int_equal(seen[2], 0);
    grove_release(f);
}

static void a_second_kill_is_told_again(void **state)
{
    (void)state;
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, sleep_thrice, state), 0);
    grove_yield();
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_kill(f), 0); /* READY by now */
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(seen[0], -ECANCELED);
    assert_int_equal(seen[1], -ECANCELED);
    assert_int_equal(seen[2], 0);
    grove_release(f);
}

static void one_that_has_not_run_never_will(void **state)
{
    (void)state;
    grove_fiber *f[2];
    grove_attr late = {.delay = GROVE_MILLISECOND};
    size_t before = hub_fibers(hub_self());
    reset();
    assert_int_equal(grove_spawn(&f[0], return_arg, state), 0);
    assert_int_equal(grove_spawn_with(&f[1], &late, return_arg, state), 0);
    for (int i = 0; i < 2; i++) {
        void *value = state;
        assert_int_equal(grove_kill(f[i]), 0);
        assert_int_equal(grove_result(f[i], &value), -ECANCELED);
        assert_null(value);
        assert_int_equal(grove_join(f[i], NULL), -ECANCELED);
        assert_int_equal(grove_kill(f[i]), -ESRCH);
        grove_release(f[i]);
        assert_false(f[i]->fiber.stack.live);
    }
    assert_int_equal(hub_self()->timers.count, 0);
    assert_int_equal(hub_fibers(hub_self()), before);
    assert_int_equal(grove_sleep(2 * GROVE_MILLISECOND), 0);
    assert_int_equal(sees, 0);
}

static void *yield_then_sleep(void *arg)
{
    grove_yield();
    sees++;
    seen[0] = grove_sleep(0);
    seen[1] = grove_sleep(0);
    return arg;
}

static void one_that_is_ready_is_told_at_its_next_wait(void **state)
{
    (void)state;
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, yield_then_sleep, state), 0);
    grove_yield();
    assert_int_equal(f->state, FIBER_READY);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(sees, 1);
    assert_int_equal(seen[0], -ECANCELED);
    assert_int_equal(seen[1], 0);
    grove_release(f);
}

static void *kill_self(void *arg)
{
    seen[0] = grove_kill(grove_self());
    grove_yield(); /* no wait: yields are not cancelled */
    seen[1] = grove_sleep_until(GROVE_NEVER);
    return arg;
}

static void one_may_kill_itself(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    reset();
    assert_int_equal(grove_spawn(&f, kill_self, state), 0);
    assert_int_equal(grove_join(f, &value), 0);
    assert_ptr_equal(value, state);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[1], -ECANCELED);
    assert_int_equal(grove_kill(f), -ESRCH);
    grove_release(f);
}

static void *kill_main(void *arg)
{
    *(int *)arg = grove_kill(&hub_self()->root);
    return arg;
}

static void main_cannot_be_killed(void **state)
{
    (void)state;
    int r = 0;
    assert_int_equal(grove_kill(grove_self()), -EINVAL);
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, kill_main, &r), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(r, -EINVAL);
    grove_release(f);
}

static void *wait_in_a_scope(void *arg)
{
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + GROVE_SECOND * 3600);
    seen[0] = grove_sleep_until(GROVE_NEVER);
    seen[1] = grove_timeout_end(&t);
    return arg;
}

static void a_kill_is_no_timeout(void **state)
{
    (void)state;
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, wait_in_a_scope, state), 0);
    grove_yield();
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(seen[0], -ECANCELED);
    assert_int_equal(seen[1], 0);
    assert_int_equal(hub_self()->timers.count, 0);
    grove_release(f);
}

static void *park_deaf(void *arg)
{
    seen[0] = hub_park(hub_self());
    seen[1] = grove_sleep(GROVE_SECOND * 3600);
    return arg;
}

static void a_bare_park_is_no_cancellation_point(void **state)
{
    (void)state;
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, park_deaf, state), 0);
    grove_yield();
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(f->state, FIBER_PARKED);
    hub_wake(f, 5);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], -ECANCELED);
    grove_release(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_waits_is_told_once),
        cmocka_unit_test(a_second_kill_is_told_again),
        cmocka_unit_test(one_that_has_not_run_never_will),
        cmocka_unit_test(one_that_is_ready_is_told_at_its_next_wait),
        cmocka_unit_test(one_may_kill_itself),
        cmocka_unit_test(main_cannot_be_killed),
        cmocka_unit_test(a_kill_is_no_timeout),
        cmocka_unit_test(a_bare_park_is_no_cancellation_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

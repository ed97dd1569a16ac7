/* Shielded regions: what is held back in them, and when it is told. */
#include "unit.h"

#include "hub/hub.h"

static grove_event gate = GROVE_EVENT_INIT;

/* What the waits of a fiber returned, in order. */
struct diary {
    int wait[4];
    int ended[2]; /* timeout scopes */
    grove_fiber *fiber;
};

static void start(struct diary *d, void *(*fn)(void *))
{
    *d = (struct diary){.wait = {1, 1, 1, 1}, .ended = {1, 1}};
    grove_event_clear(&gate);
    assert_int_equal(grove_spawn(&d->fiber, fn, d), 0);
    grove_yield();
}

static void finish(struct diary *d)
{
    assert_int_equal(grove_join_until(d->fiber, NULL, grove_now() + HANG), 0);
    grove_release(d->fiber);
    assert_int_equal(hub_self()->timers.count, 0);
}

static void *wait_shielded(void *arg)
{
    struct diary *d = arg;
    grove_shield s;
    grove_shield_begin(&s);
    d->wait[0] = grove_event_wait(&gate);
    d->wait[1] = grove_sleep(0);
    grove_shield_end(&s);
    d->wait[2] = grove_sleep(0);
    d->wait[3] = grove_sleep(0);
    return NULL;
}

static void expect_told_after(const struct diary *d)
{
    assert_int_equal(d->wait[0], 0);
    assert_int_equal(d->wait[1], 0);
    assert_int_equal(d->wait[2], -ECANCELED);
    assert_int_equal(d->wait[3], 0);
}

static void a_kill_is_told_after_the_region(void **state)
{
    struct diary d;
    start(&d, wait_shielded);
    assert_int_equal(grove_kill(d.fiber), 0);
    assert_int_equal(d.fiber->state, FIBER_PARKED);
    assert_int_equal(grove_kill(d.fiber), 0); /* two while it is held back */
    grove_yield();
    assert_int_equal(d.wait[0], 1);
    grove_event_set(&gate);
    finish(&d);
    expect_told_after(&d);
}

static void *killed_then_shielded(void *arg)
{
    assert_int_equal(grove_kill(grove_self()), 0);
    return wait_shielded(arg);
}

static void one_from_before_is_held_back_too(void **state)
{
    struct diary d;
    start(&d, killed_then_shielded);
    assert_int_equal(d.wait[0], 1);
    grove_event_set(&gate);
    finish(&d);
    expect_told_after(&d);
}

static void *wait_nested(void *arg)
{
    struct diary *d = arg;
    grove_shield outer, inner;
    grove_shield_begin(&outer);
    grove_shield_begin(&inner);
    d->wait[0] = grove_event_wait(&gate);
    grove_shield_end(&inner);
    d->wait[1] = grove_sleep(0); /* still in the outer one */
    grove_shield_end(&outer);
    d->wait[2] = grove_sleep(0);
    d->wait[3] = grove_sleep(0);
    return NULL;
}

static void regions_nest(void **state)
{
    struct diary d;
    start(&d, wait_nested);
    grove_kill(d.fiber);
    grove_event_set(&gate);
    finish(&d);
    expect_told_after(&d);
}

static void *wait_in_scopes(void *arg)
{
    struct diary *d = arg;
    grove_timeout outer, inner;
    grove_shield s;
    grove_timeout_begin(&outer, 0);
    grove_shield_begin(&s);
    d->wait[0] = grove_event_wait(&gate); /* the outer one does not count */
    d->wait[1] = grove_event_wait_until(&gate, grove_now() + MS);
    grove_event_clear(&gate);
    grove_timeout_begin(&inner, grove_now() + MS);
    d->wait[2] = grove_event_wait(&gate); /* its own does */
    d->ended[0] = grove_timeout_end(&inner);
    grove_shield_end(&s);
    d->wait[3] = grove_event_wait(&gate);
    d->ended[1] = grove_timeout_end(&outer);
    return NULL;
}

static void scopes_from_outside_do_not_count(void **state)
{
    struct diary d;
    start(&d, wait_in_scopes);
    grove_sleep(2 * MS);
    assert_int_equal(d.wait[0], 1);
    grove_event_set(&gate);
    finish(&d);
    assert_int_equal(d.wait[0], 0);
    assert_int_equal(d.wait[1], 0); /* set: no wait */
    assert_int_equal(d.wait[2], -ETIMEDOUT);
    assert_int_equal(d.ended[0], -ETIMEDOUT);
    assert_int_equal(d.wait[3], -ETIMEDOUT);
    assert_int_equal(d.ended[1], -ETIMEDOUT);
}

static void *deadline_shielded(void *arg)
{
    struct diary *d = arg;
    grove_shield s;
    grove_shield_begin(&s);
    d->wait[0] = grove_event_wait_until(&gate, grove_now() + MS);
    grove_shield_end(&s);
    return NULL;
}

static void a_deadline_of_the_region_counts(void **state)
{
    struct diary d;
    start(&d, deadline_shielded);
    finish(&d);
    assert_int_equal(d.wait[0], -ETIMEDOUT);
}

static void it_is_of_no_consequence_on_the_threads_own_stack(void **state)
{
    grove_shield s;
    grove_timeout t;
    grove_timeout_begin(&t, 0);
    grove_shield_begin(&s);
    assert_int_equal(grove_sleep(MS), 0);
    grove_shield_end(&s);
    assert_int_equal(grove_sleep(MS), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_is_told_after_the_region),
        cmocka_unit_test(one_from_before_is_held_back_too),
        cmocka_unit_test(regions_nest),
        cmocka_unit_test(scopes_from_outside_do_not_count),
        cmocka_unit_test(a_deadline_of_the_region_counts),
        cmocka_unit_test(it_is_of_no_consequence_on_the_threads_own_stack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Timeout scopes: which deadline counts, whom it is told. */
#include "unit.h"

#include "grove.h"
#include "hub/hub.h"

static int64_t in_ms(int64_t ms)
{
    return grove_now() + ms * GROVE_MILLISECOND;
}

static void the_inner_one_expires(void **state)
{
    (void)state;
    grove_timeout outer, inner;
    grove_timeout_begin(&outer, in_ms(60000));
    int64_t deadline = in_ms(2);
    grove_timeout_begin(&inner, deadline);
    assert_int_equal(grove_sleep_until(GROVE_NEVER), -ETIMEDOUT);
    assert_true(grove_now() >= deadline);
    assert_true(inner.expired);
    assert_int_equal(grove_timeout_end(&inner), -ETIMEDOUT);
    assert_int_equal(grove_sleep(1000), 0); /* the outer one holds */
    assert_int_equal(grove_timeout_end(&outer), 0);
    assert_false(outer.expired);
}

static void the_outer_one_expires(void **state)
{
    (void)state;
    grove_timeout outer, inner;
    grove_timeout_begin(&outer, in_ms(2));
    grove_timeout_begin(&inner, in_ms(60000));
    assert_int_equal(grove_sleep_until(GROVE_NEVER), -ETIMEDOUT);
    assert_false(inner.expired);
    assert_int_equal(grove_timeout_end(&inner), 0);
    assert_int_equal(grove_timeout_end(&outer), -ETIMEDOUT);
    assert_int_equal(grove_sleep(1000), 0);
}

static void of_two_alike_the_inner_one_expires(void **state)
{
    (void)state;
    grove_timeout outer, inner;
    int64_t deadline = in_ms(2);
    grove_timeout_begin(&outer, deadline);
    grove_timeout_begin(&inner, deadline);
    assert_int_equal(grove_sleep_until(GROVE_NEVER), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&inner), -ETIMEDOUT);
    assert_false(outer.expired);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&outer), -ETIMEDOUT);
}

static void *forever(void *arg)
{
    grove_sleep_until(GROVE_NEVER);
    return arg;
}

static void an_earlier_deadline_of_the_call_is_the_calls(void **state)
{
    (void)state;
    grove_timeout t;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, forever, NULL), 0);
    grove_timeout_begin(&t, in_ms(60000));
    assert_int_equal(grove_join_until(f, NULL, in_ms(1)), -ETIMEDOUT);
    assert_false(t.expired);
    assert_int_equal(grove_sleep(1000), 0); /* a sleep that ended in time */
    assert_int_equal(grove_timeout_end(&t), 0);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void what_need_not_wait_succeeds_however_late(void **state)
{
    (void)state;
    grove_timeout t;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, forever, NULL), 0);
    grove_yield();
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_timeout_begin(&t, 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(grove_sleep(0), 0);
    assert_false(t.expired);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    grove_release(f);
}

static void a_scope_can_be_used_again(void **state)
{
    (void)state;
    grove_timeout t;
    for (int i = 0; i < 5; i++) {
        grove_timeout_begin(&t, in_ms(1));
        assert_false(t.expired);
        assert_int_equal(grove_sleep_until(GROVE_NEVER), -ETIMEDOUT);
        assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
        grove_timeout_begin(&t, GROVE_NEVER);
        assert_int_equal(grove_sleep(1000), 0);
        assert_int_equal(grove_timeout_end(&t), 0);
    }
    assert_int_equal(hub_self()->timers.count, 0);
}

static void every_wait_in_an_expired_scope_ends(void **state)
{
    (void)state;
    grove_timeout t;
    grove_timeout_begin(&t, in_ms(1));
    for (int i = 0; i < 5; i++)
        assert_int_equal(grove_sleep_until(GROVE_NEVER), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
}

static void *scoped_sleep(void *arg)
{
    grove_timeout t;
    grove_timeout_begin(&t, in_ms((intptr_t)arg));
    int r = grove_sleep(5 * GROVE_MILLISECOND);
    int end = grove_timeout_end(&t);
    return (void *)(intptr_t)(r == end ? r : 1);
}

static void scopes_belong_to_their_fiber(void **state)
{
    (void)state;
    grove_fiber *brief, *ample;
    void *a, *b;
    assert_int_equal(grove_spawn(&brief, scoped_sleep, (void *)1), 0);
    assert_int_equal(grove_spawn(&ample, scoped_sleep, (void *)60000), 0);
    assert_int_equal(grove_join(brief, &a), 0);
    assert_int_equal(grove_join(ample, &b), 0);
    assert_int_equal((intptr_t)a, -ETIMEDOUT);
    assert_int_equal((intptr_t)b, 0);
    grove_release(brief);
    grove_release(ample);
}

/* ---- misuse ------------------------------------------------------------------ */

static int end_the_outer_first(void)
{
    grove_timeout outer, inner;
    grove_timeout_begin(&outer, GROVE_NEVER);
    grove_timeout_begin(&inner, GROVE_NEVER);
    grove_timeout_end(&outer);
    return 0;
}

static int end_twice(void)
{
    grove_timeout t;
    grove_timeout_begin(&t, GROVE_NEVER);
    grove_timeout_end(&t);
    grove_timeout_end(&t);
    return 0;
}

static int end_the_outer_shield_first(void)
{
    grove_shield outer, inner;
    grove_shield_begin(&outer);
    grove_shield_begin(&inner);
    grove_shield_end(&outer);
    return 0;
}

static int end_a_shield_with_a_scope_in_it(void)
{
    grove_shield s;
    grove_timeout t;
    grove_shield_begin(&s);
    grove_timeout_begin(&t, GROVE_NEVER);
    grove_shield_end(&s);
    return 0;
}

static void ends_out_of_order_are_told_at_once(void **state)
{
    static const struct {
        int (*fn)(void);
        const char *says;
    } ways[] = {
        {end_the_outer_first, "not the timeout scope that this fiber began"},
        {end_twice, "not the timeout scope that this fiber began"},
        {end_the_outer_shield_first, "not the region that this fiber began"},
        {end_a_shield_with_a_scope_in_it, "scope begun in the region"},
    };
    (void)state;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    for (size_t i = 0; i < UNIT_COUNT(ways); i++) {
        struct unit_child child;
        unit_in_child(&child, ways[i].fn);
        check(unit_died_of(&child, SIGABRT), "%zu: %#x", i,
              (unsigned)child.status);
        check(strstr(child.text, ways[i].says) != NULL &&
                  strstr(child.text, "fiber 1 \"main\"") != NULL,
              "%s", child.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_inner_one_expires),
        cmocka_unit_test(the_outer_one_expires),
        cmocka_unit_test(of_two_alike_the_inner_one_expires),
        cmocka_unit_test(an_earlier_deadline_of_the_call_is_the_calls),
        cmocka_unit_test(what_need_not_wait_succeeds_however_late),
        cmocka_unit_test(a_scope_can_be_used_again),
        cmocka_unit_test(every_wait_in_an_expired_scope_ends),
        cmocka_unit_test(scopes_belong_to_their_fiber),
        cmocka_unit_test(ends_out_of_order_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

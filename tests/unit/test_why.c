/* Why a wait ended, which deadline holds, and whether one is to end. */
#include "unit.h"

#include "hub/hub.h"

static const char reason[] = "a reason", other[] = "another";

/* What a fiber was told. */
struct told {
    int result;
    grove_ending why;
    const void *cause;
};

static void ask(struct told *t, int result)
{
    t->result = result;
    t->why = grove_why(&t->cause);
}

static void expect(const struct told *t, int result, grove_ending why,
                   const void *cause)
{
    assert_int_equal(t->result, result);
    assert_int_equal(t->why, why);
    assert_ptr_equal(t->cause, cause);
}

static void *nap(void *arg)
{
    ask(arg, grove_sleep(HANG));
    return NULL;
}

static void *compute_then_nap(void *arg)
{
    grove_yield();
    return nap(arg);
}

static void a_kill_has_its_cause(void **state)
{
    struct told t;
    grove_fiber *f;
    (void)state;
    for (int waiting = 0; waiting < 2; waiting++) {
        assert_int_equal(grove_spawn(&f, waiting ? nap : compute_then_nap, &t),
                         0);
        grove_yield();
        assert_int_equal(grove_kill_for(f, reason), 0);
        assert_int_equal(grove_join(f, NULL), 0);
        grove_release(f);
        expect(&t, -ECANCELED, GROVE_ENDED_BY_KILL, reason);
    }
    assert_int_equal(grove_spawn(&f, compute_then_nap, &t), 0);
    grove_yield();
    assert_int_equal(grove_kill_for(f, reason), 0);
    assert_int_equal(grove_kill(f), 0); /* the last one counts */
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    expect(&t, -ECANCELED, GROVE_ENDED_BY_KILL, NULL);
}

static void *end_by_deadlines(void *arg)
{
    struct told *t = arg;
    grove_timeout outer, inner;
    grove_event never = GROVE_EVENT_INIT;
    ask(&t[0], 0); /* before any */
    ask(&t[1], grove_event_wait_until(&never, grove_now() + 1));
    grove_timeout_begin_for(&outer, grove_now() + MS, reason);
    ask(&t[2], grove_event_wait(&never));
    grove_timeout_begin_for(&inner, grove_now(), other);
    ask(&t[3], grove_sleep(HANG)); /* the earlier one */
    grove_timeout_end(&inner);
    grove_timeout_end(&outer);
    grove_timeout_begin(&outer, grove_now());
    ask(&t[4], grove_event_wait(&never));
    grove_timeout_end(&outer);
    grove_sleep(1);
    ask(&t[5], 0); /* a wait that was not ended early changes nothing */
    return NULL;
}

static void so_have_scopes(void **state)
{
    struct told t[6];
    grove_fiber *f;
    (void)state;
    assert_int_equal(grove_spawn(&f, end_by_deadlines, t), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    expect(&t[0], 0, GROVE_ENDED_NONE, NULL);
    expect(&t[1], -ETIMEDOUT, GROVE_ENDED_BY_DEADLINE, NULL);
    expect(&t[2], -ETIMEDOUT, GROVE_ENDED_BY_SCOPE, reason);
    expect(&t[3], -ETIMEDOUT, GROVE_ENDED_BY_SCOPE, reason);
    expect(&t[4], -ETIMEDOUT, GROVE_ENDED_BY_SCOPE, NULL);
    expect(&t[5], 0, GROVE_ENDED_BY_SCOPE, NULL);
}

static void the_deadline_that_holds_is_told(void **state)
{
    grove_timeout outer, inner;
    grove_shield shield;
    int64_t soon = grove_now() + GROVE_SECOND;
    (void)state;
    assert_true(grove_deadline() == GROVE_NEVER);
    grove_timeout_begin(&outer, soon);
    assert_true(grove_deadline() == soon);
    grove_timeout_begin(&inner, soon + 1);
    assert_true(grove_deadline() == soon);
    grove_shield_begin(&shield);
    assert_true(grove_deadline() == GROVE_NEVER);
    grove_shield_end(&shield);
    assert_int_equal(grove_timeout_end(&inner), 0);
    assert_int_equal(grove_timeout_end(&outer), 0);
}

static void *compute(void *arg)
{
    struct told *t = arg;
    grove_shield shield;
    int r = 0;
    while (r == 0) {
        grove_yield();
        r = grove_check();
    }
    ask(&t[0], r);
    ask(&t[1], grove_check()); /* it was told */
    assert_int_equal(grove_kill_for(grove_self(), other), 0);
    grove_shield_begin(&shield);
    t[2].result = grove_is_killed() && grove_check() == 0;
    grove_shield_end(&shield);
    ask(&t[3], grove_check());
    t[4].result = grove_is_killed();
    return NULL;
}

static void code_that_computes_can_ask(void **state)
{
    struct told t[5];
    grove_fiber *f;
    grove_timeout scope;
    (void)state;
    assert_int_equal(grove_spawn(&f, compute, t), 0);
    grove_yield();
    assert_int_equal(grove_kill_for(f, reason), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    expect(&t[0], -ECANCELED, GROVE_ENDED_BY_KILL, reason);
    expect(&t[1], 0, GROVE_ENDED_BY_KILL, reason);
    assert_true(t[2].result);
    expect(&t[3], -ECANCELED, GROVE_ENDED_BY_KILL, other);
    assert_false(t[4].result);

    grove_timeout_begin_for(&scope, grove_now() + HANG, reason);
    assert_int_equal(grove_check(), 0);
    assert_int_equal(grove_timeout_end(&scope), 0);
    grove_timeout_begin_for(&scope, grove_now(), reason);
    ask(&t[0], grove_check());
    expect(&t[0], -ETIMEDOUT, GROVE_ENDED_BY_SCOPE, reason);
    assert_int_equal(grove_timeout_end(&scope), -ETIMEDOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_has_its_cause),
        cmocka_unit_test(so_have_scopes),
        cmocka_unit_test(the_deadline_that_holds_is_told),
        cmocka_unit_test(code_that_computes_can_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

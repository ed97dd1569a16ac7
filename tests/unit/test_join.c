/* Waiting for fibers to end: one, several, some of many. */
#include "unit.h"

#include "grove.h"
#include "hub/hub.h"
#include "stopped_clock.h"

static void *return_arg(void *arg)
{
    return arg;
}

static void *sleep_forever(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)grove_sleep_until(GROVE_NEVER);
}

struct joiner {
    grove_fiber *of;
    int64_t deadline;
    void *value;
    int result;
};

static void *join_it(void *arg)
{
    struct joiner *j = arg;
    j->value = &j->value;
    j->result = grove_join_until(j->of, &j->value, j->deadline);
    return NULL;
}

static void *yield_then_return(void *arg)
{
    for (int i = 0; i < 3; i++)
        grove_yield();
    return arg;
}

static void join_gives_what_the_function_returned(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(&f, yield_then_return, state), 0);
    assert_int_equal(grove_result(f, &value), -EAGAIN);
    assert_int_equal(grove_join(f, &value), 0);
    assert_ptr_equal(value, state);
    value = NULL;
    assert_int_equal(grove_join(f, &value), 0); /* again */
    assert_ptr_equal(value, state);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(grove_result(f, &value), 0);
    assert_ptr_equal(value, state);
    assert_int_equal(grove_result(f, NULL), 0);
    /* It need not wait: it succeeds, however late. */
    assert_int_equal(grove_join_until(f, &value, 0), 0);
    grove_release(f);
}

static void several_may_join_one(void **state)
{
    (void)state;
    enum { N = 10 };
    grove_fiber *f, *w[N];
    struct joiner j[N];
    assert_int_equal(grove_spawn(&f, yield_then_return, state), 0);
    for (int i = 0; i < N; i++) {
        j[i] = (struct joiner){.of = f, .deadline = GROVE_NEVER, .result = 1};
        assert_int_equal(grove_spawn(&w[i], join_it, &j[i]), 0);
    }
    assert_int_equal(grove_join_all(w, N, 0), N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(j[i].result, 0);
        assert_ptr_equal(j[i].value, state);
        grove_release(w[i]);
    }
    grove_release(f);
}

static void *join_self(void *arg)
{
    void *value = arg;
    int r = grove_join(grove_self(), &value);
    return (void *)(intptr_t)(value ? 1 : r);
}

static void joining_oneself_is_a_deadlock(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(&f, join_self, state), 0);
    assert_int_equal(grove_join(f, &value), 0);
    assert_int_equal((intptr_t)value, -EDEADLK);
    grove_release(f);
    assert_int_equal(grove_join(grove_self(), NULL), -EDEADLK);
}

static void a_killed_joiner_leaves_the_joined_alone(void **state)
{
    (void)state;
    grove_fiber *f, *w;
    struct joiner j = {.deadline = GROVE_NEVER};
    void *value;
    assert_int_equal(grove_spawn(&f, yield_then_return, state), 0);
    j.of = f;
    assert_int_equal(grove_spawn(&w, join_it, &j), 0);
    grove_yield();
    assert_int_equal(grove_kill(w), 0);
    assert_int_equal(grove_join(w, NULL), 0);
    assert_int_equal(j.result, -ECANCELED);
    assert_null(j.value);
    assert_int_equal(grove_join(f, &value), 0);
    assert_ptr_equal(value, state);
    grove_release(f);
    grove_release(w);
}

static void a_deadline_ends_a_join(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value = state;
    assert_int_equal(grove_spawn(&f, sleep_forever, NULL), 0);
    grove_yield(); /* it has begun, however soon the deadline comes */
    int64_t deadline = grove_now() + GROVE_MILLISECOND;
    assert_int_equal(grove_join_until(f, &value, deadline), -ETIMEDOUT);
    assert_true(grove_now() >= deadline);
    assert_null(value);
    assert_int_equal(grove_join_until(f, NULL, 0), -ETIMEDOUT);
    assert_int_equal(grove_join_until(f, NULL, INT64_MIN), -ETIMEDOUT);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, &value), 0);
    assert_int_equal((intptr_t)value, -ECANCELED);
    grove_release(f);
}

static void the_killed_before_they_ran_say_so(void **state)
{
    (void)state;
    grove_fiber *f, *w;
    void *value = state;
    struct joiner j = {.deadline = GROVE_NEVER, .result = 1};
    const grove_attr late = {.delay = GROVE_SECOND * 3600};
    assert_int_equal(grove_spawn_with(&f, &late, return_arg, state), 0);
    j.of = f;
    assert_int_equal(grove_spawn(&w, join_it, &j), 0);
    grove_yield();
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(w, NULL), 0);
    assert_int_equal(j.result, -ECANCELED);
    assert_null(j.value);
    assert_int_equal(grove_join(f, &value), -ECANCELED);
    assert_null(value);
    grove_release(f);
    grove_release(w);
}

static grove_fiber *to_release;

static void *release_it(void *arg)
{
    grove_release(to_release);
    return arg;
}

static void one_may_be_released_while_it_is_joined(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(NULL, release_it, NULL), 0);
    assert_int_equal(grove_spawn(&f, yield_then_return, state), 0);
    to_release = f;
    assert_int_equal(grove_join(f, &value), 0);
    assert_ptr_equal(value, state);
    assert_false(f->fiber.stack.live);
}

/* ---- join_all ------------------------------------------------------------ */

static int asleep, most_asleep;

static void *sleep_for(void *arg)
{
    asleep++;
    most_asleep = asleep > most_asleep ? asleep : most_asleep;
    grove_sleep((int64_t)(intptr_t)arg);
    asleep--;
    return arg;
}

static void join_all_waits_for_all_or_for_some(void **state)
{
    (void)state;
    enum { N = 5 };
    grove_fiber *f[N];
    for (intptr_t i = 0; i < N; i++)
        assert_int_equal(
            grove_spawn(&f[i], i < 2 ? return_arg : sleep_forever, (void *)i),
            0);
    assert_int_equal(grove_join_all(NULL, 0, 0), 0);
    assert_int_equal(grove_join_all(NULL, 0, 1), -EINVAL);
    assert_int_equal(grove_join_all(f, N, N + 1), -EINVAL);
    /* The other one ends as well before the waiter has its turn. */
    assert_uint_in_range(grove_join_all(f, N, 1), 1, 2);
    assert_int_equal(grove_join_all(f, N, 2), 2);
    assert_int_equal(grove_join_all(f, N, 1), 2);
    assert_int_equal(grove_join_all_until(f, N, 3, 0), -ETIMEDOUT);
    assert_int_equal(
        grove_join_all_until(f, N, 0, grove_now() + GROVE_MILLISECOND),
        -ETIMEDOUT);
    for (int i = 2; i < N; i++)
        assert_int_equal(grove_kill(f[i]), 0);
    assert_int_equal(grove_join_all(f, N, 0), N);
    for (int i = 0; i < N; i++)
        grove_release(f[i]);
}

static void join_all_counts_a_fiber_as_often_as_it_is_named(void **state)
{
    (void)state;
    grove_fiber *f, *g;
    assert_int_equal(grove_spawn(&f, yield_then_return, NULL), 0);
    assert_int_equal(grove_spawn(&g, sleep_forever, NULL), 0);
    grove_fiber *fs[] = {f, g, f, f};
    assert_int_equal(grove_join_all(fs, 4, 3), 3);
    assert_int_equal(grove_kill(g), 0);
    assert_int_equal(grove_join_all(fs, 4, 0), 4);
    grove_release(f);
    grove_release(g);
}

static void *join_all_with_self(void *arg)
{
    grove_fiber *other = arg;
    grove_fiber *fs[] = {grove_self(), other, grove_self()};
    ssize_t all = grove_join_all(fs, 3, 0);
    ssize_t two = grove_join_all(fs, 3, 2);
    ssize_t one = grove_join_all(fs, 3, 1);
    return (void *)(intptr_t)(all == -EDEADLK && two == -EDEADLK && one == 1);
}

static void join_all_of_oneself_is_a_deadlock(void **state)
{
    (void)state;
    grove_fiber *f, *other;
    void *value;
    assert_int_equal(grove_spawn(&other, yield_then_return, NULL), 0);
    assert_int_equal(grove_spawn(&f, join_all_with_self, other), 0);
    assert_int_equal(grove_join_until(f, &value, grove_now() + HANG), 0);
    assert_non_null(value);
    grove_release(f);
    grove_release(other);
}

static void *join_all_of_two(void *arg)
{
    return (void *)(intptr_t)grove_join_all(arg, 2, 0);
}

static void a_killed_join_all_forgets_everything(void **state)
{
    (void)state;
    grove_fiber *f[2], *w;
    void *value;
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_spawn(&f[i], sleep_forever, NULL), 0);
    assert_int_equal(grove_spawn(&w, join_all_of_two, f), 0);
    grove_yield();
    assert_int_equal(grove_kill(w), 0);
    assert_int_equal(grove_join(w, &value), 0);
    assert_int_equal((intptr_t)value, -ECANCELED);
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(f[i]->links.next, &f[i]->links);
        assert_int_equal(grove_kill(f[i]), 0);
        assert_int_equal(grove_join(f[i], NULL), 0);
        grove_release(f[i]);
        assert_false(f[i]->fiber.stack.live);
    }
    grove_release(w);
}

static void join_all_takes_the_time_of_the_slowest(void **state)
{
    (void)state;
    enum { N = 50 };
    grove_fiber *f[N];
    clock_stop();
    int64_t start = grove_now();
    most_asleep = 0;
    for (intptr_t i = 0; i < N; i++)
        assert_int_equal(
            grove_spawn(&f[i], sleep_for, (void *)(20 * GROVE_MILLISECOND)), 0);
    grove_yield();
    assert_int_equal(most_asleep, N); /* and not one after another */
    clock_go_on(0);
    assert_int_equal(grove_join_all(f, N, 0), N);
    assert_true(grove_now() - start >= 20 * GROVE_MILLISECOND);
    for (int i = 0; i < N; i++)
        grove_release(f[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_gives_what_the_function_returned),
        cmocka_unit_test(several_may_join_one),
        cmocka_unit_test(joining_oneself_is_a_deadlock),
        cmocka_unit_test(a_killed_joiner_leaves_the_joined_alone),
        cmocka_unit_test(a_deadline_ends_a_join),
        cmocka_unit_test(the_killed_before_they_ran_say_so),
        cmocka_unit_test(one_may_be_released_while_it_is_joined),
        cmocka_unit_test(join_all_waits_for_all_or_for_some),
        cmocka_unit_test(join_all_counts_a_fiber_as_often_as_it_is_named),
        cmocka_unit_test(join_all_of_oneself_is_a_deadlock),
        cmocka_unit_test(a_killed_join_all_forgets_everything),
        cmocka_unit_test(join_all_takes_the_time_of_the_slowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Birth, names, numbers, handles, delays; hubs of other threads. */
#include "unit.h"

#include <pthread.h>
#include <sys/resource.h>

#include "grove.h"
#include "hub/hub.h"

static void *return_arg(void *arg)
{
    return arg;
}

static int trace[64];
static size_t traced;

static void *trace_twice(void *arg)
{
    trace[traced++] = (int)(intptr_t)arg;
    grove_yield();
    trace[traced++] = (int)(intptr_t)arg;
    return arg;
}

static void fibers_run_in_the_order_spawned_and_not_before(void **state)
{
    (void)state;
    traced = 0;
    for (intptr_t i = 0; i < 5; i++)
        assert_int_equal(grove_spawn(NULL, trace_twice, (void *)i), 0);
    assert_int_equal(traced, 0);
    grove_yield();
    assert_int_equal(traced, 5);
    grove_yield();
    assert_int_equal(traced, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(trace[i], i % 5);
}

static void nothing_is_spawned_without_a_function(void **state)
{
    (void)state;
    grove_fiber *f = NULL;
    grove_attr attr = {.name = "x"}, negative = {.delay = -1};
    assert_int_equal(grove_spawn(&f, NULL, NULL), -EINVAL);
    assert_int_equal(grove_spawn_with(&f, &attr, NULL, NULL), -EINVAL);
    assert_int_equal(grove_spawn_with(&f, &negative, return_arg, NULL),
                     -EINVAL);
    assert_null(f);
    assert_int_equal(grove_spawn_with(&f, NULL, return_arg, NULL), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void *check_name(void *arg)
{
    const char *expected = arg;
    assert_string_equal(grove_name(grove_self()), expected);
    return arg;
}

static void names_are_copied_and_cut(void **state)
{
    (void)state;
    char name[] = "a name of more than twenty-three bytes";
    grove_attr attr = {.name = name};
    grove_fiber *f;
    char expected[] = "a name of more than twe";
    assert_int_equal(grove_spawn_with(&f, &attr, check_name, expected), 0);
    memset(name, 'x', sizeof(name) - 1);
    assert_string_equal(grove_name(f), expected);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_set_name(f, "other");
    assert_string_equal(grove_name(f), "other");
    grove_set_name(f, NULL);
    assert_string_equal(grove_name(f), "");
    grove_release(f);
    assert_int_equal(grove_spawn(&f, return_arg, NULL), 0);
    assert_string_equal(grove_name(f), ""); /* not what the slot's last had */
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void numbers_are_never_used_again(void **state)
{
    (void)state;
    uint64_t last = grove_id(grove_self());
    assert_int_equal(last, 1);
    for (int i = 0; i < 100; i++) {
        grove_fiber *f;
        assert_int_equal(grove_spawn(&f, return_arg, NULL), 0);
        assert_true(grove_id(f) > last);
        last = grove_id(f);
        assert_int_equal(grove_join(f, NULL), 0);
        grove_release(f);
    }
}

static void *check_self(void *arg)
{
    assert_ptr_equal(grove_self(), *(grove_fiber **)arg);
    return arg;
}

static void self_is_the_handle(void **state)
{
    (void)state;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, check_self, &f), 0);
    assert_ptr_not_equal(grove_self(), f);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void handles_keep_the_record_and_no_longer(void **state)
{
    (void)state;
    grove_fiber *f;
    size_t before = hub_fibers(hub_self());
    assert_int_equal(grove_spawn(&f, return_arg, state), 0);
    assert_int_equal(hub_fibers(hub_self()), before + 1);
    assert_ptr_equal(grove_retain(f), f);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(hub_fibers(hub_self()), before);
    grove_release(f);
    void *value;
    assert_int_equal(grove_result(f, &value), 0);
    assert_ptr_equal(value, state);
    assert_true(f->fiber.stack.live);
    grove_release(f);
    assert_false(f->fiber.stack.live);
    grove_release(NULL);

    assert_int_equal(grove_spawn(&f, return_arg, NULL), 0);
    grove_release(f); /* before it has run: it goes on, detached */
    assert_true(f->fiber.stack.live);
    grove_yield();
    assert_false(f->fiber.stack.live);
}

static void *note_time(void *arg)
{
    *(int64_t *)arg = grove_now();
    return arg;
}

static void a_delayed_fiber_is_not_early(void **state)
{
    (void)state;
    int64_t ran[3] = {0}, start = grove_now();
    static const int64_t delays[] = {60, 10, 30};
    grove_fiber *f[3];
    for (int i = 0; i < 3; i++) {
        grove_attr attr = {.delay = delays[i] * GROVE_MILLISECOND};
        assert_int_equal(grove_spawn_with(&f[i], &attr, note_time, &ran[i]), 0);
    }
    assert_int_equal(grove_join_all(f, 3, 0), 3);
    for (int i = 0; i < 3; i++) {
        assert_true(ran[i] >= start + delays[i] * GROVE_MILLISECOND);
        grove_release(f[i]);
    }
    assert_true(ran[1] < ran[2] && ran[2] < ran[0]);
}

static void *spawn_next(void *arg)
{
    intptr_t left = (intptr_t)arg;
    if (left)
        assert_int_equal(grove_spawn(NULL, spawn_next, (void *)(left - 1)), 0);
    traced++;
    return NULL;
}

static void fibers_spawn_fibers(void **state)
{
    (void)state;
    traced = 0;
    assert_int_equal(grove_spawn(NULL, spawn_next, (void *)1000), 0);
    for (int i = 0; i < 1100; i++)
        grove_yield();
    assert_int_equal(traced, 1001);
}

static void main_may_yield_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 10 * HUB_PASS; i++)
        grove_yield();
    assert_int_equal(grove_sleep(0), 0);
    assert_int_equal(grove_sleep(-5), 0);
    assert_int_equal(grove_sleep(INT64_MIN), 0);
    assert_int_equal(grove_sleep_until(INT64_MIN), 0);
    assert_int_equal(grove_sleep_until(0), 0);
}

static void a_sleep_is_not_early(void **state)
{
    (void)state;
    static const int64_t ns[] = {1, 1000, 50000, 999999, 1000001, 3000000};
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < UNIT_COUNT(ns); i++) {
            int64_t until = grove_now() + ns[i];
            assert_int_equal(grove_sleep_until(until), 0);
            assert_true(grove_now() >= until);
        }
    }
}

/* ---- threads ----------------------------------------------------------------- */

static void *nap(void *arg)
{
    return grove_sleep(GROVE_MILLISECOND) == 0 ? arg : NULL;
}

static void *thread_main(void *arg)
{
    grove_fiber *f[20];
    void *value;
    bool good = grove_id(grove_self()) == 1;
    for (size_t i = 0; i < UNIT_COUNT(f); i++)
        good = good && grove_spawn(&f[i], nap, &f[i]) == 0;
    good = good && grove_join_all(f, UNIT_COUNT(f), 0) == UNIT_COUNT(f);
    for (size_t i = 0; i < UNIT_COUNT(f); i++) {
        good = good && grove_join(f[i], &value) == 0 && value == &f[i];
        grove_release(f[i]);
    }
    /* One that is parked when the thread ends. */
    good = good && grove_spawn(NULL, nap, NULL) == 0;
    grove_yield();
    return good ? arg : NULL;
}

static void every_thread_has_a_hub(void **state)
{
    (void)state;
    pthread_t t[4];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < UNIT_COUNT(t); i++)
            assert_int_equal(
                pthread_create(&t[i], NULL, thread_main, (void *)(i + 1)), 0);
        assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
        for (size_t i = 0; i < UNIT_COUNT(t); i++) {
            void *value;
            assert_int_equal(pthread_join(t[i], &value), 0);
            assert_ptr_equal(value, (void *)(i + 1));
        }
    }
}

static size_t open_descriptors(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += dup2(fd, fd) == fd;
    return n;
}

static void *use_hub(void *arg)
{
    return grove_hub_self() ? arg : NULL;
}

static void a_threads_hub_goes_with_it(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    for (int i = 0; i < 20; i++) {
        pthread_t t;
        void *value;
        assert_int_equal(pthread_create(&t, NULL, use_hub, state), 0);
        assert_int_equal(pthread_join(t, &value), 0);
        assert_ptr_equal(value, state);
    }
    assert_int_equal(open_descriptors(), before);
}

static void *use_up_descriptors(void *arg)
{
    int fds[1024], n = 0;
    while (n < 1024 && (fds[n] = dup(0)) >= 0)
        n++;
    grove_fiber *f = NULL;
    int none = grove_spawn(&f, return_arg, NULL);
    bool no_hub = !grove_hub_self() && errno == EMFILE;
    close(fds[--n]);
    int one = grove_spawn(&f, return_arg, NULL); /* epoll, but no eventfd */
    while (n)
        close(fds[--n]);
    int enough = grove_spawn(&f, return_arg, NULL);
    bool good = none == -EMFILE && one == -EMFILE && no_hub && enough == 0 &&
                grove_join(f, NULL) == 0;
    return good ? arg : NULL;
}

static int without_descriptors(void)
{
    pthread_t t;
    void *value;
    struct rlimit limit;
    CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 256;
    CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHILD_CHECK(pthread_create(&t, NULL, use_up_descriptors, &limit) == 0);
    CHILD_CHECK(pthread_join(t, &value) == 0 && value == &limit);
    return 0;
}

static void a_hub_without_descriptors_is_an_error_not_the_end(void **state)
{
    (void)state;
    struct unit_child child;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    unit_in_child(&child, without_descriptors);
    unit_assert_exit(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fibers_run_in_the_order_spawned_and_not_before),
        cmocka_unit_test(nothing_is_spawned_without_a_function),
        cmocka_unit_test(names_are_copied_and_cut),
        cmocka_unit_test(numbers_are_never_used_again),
        cmocka_unit_test(self_is_the_handle),
        cmocka_unit_test(handles_keep_the_record_and_no_longer),
        cmocka_unit_test(a_delayed_fiber_is_not_early),
        cmocka_unit_test(fibers_spawn_fibers),
        cmocka_unit_test(main_may_yield_alone),
        cmocka_unit_test(a_sleep_is_not_early),
        cmocka_unit_test(every_thread_has_a_hub),
        cmocka_unit_test(a_threads_hub_goes_with_it),
        cmocka_unit_test(a_hub_without_descriptors_is_an_error_not_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Fiber-local values: whose they are, and when their destructors run. */
#include <pthread.h>

#include "unit.h"

static grove_local key, counted;
static int destroyed;
static grove_fiber *destroyer;

static void on_destroy(void *value)
{
    destroyed += *(int *)value;
    destroyer = grove_self();
}

static int setup(void **state)
{
    return grove_local_create(&key, NULL) ||
           grove_local_create(&counted, on_destroy);
}

static void *set_and_get(void *arg)
{
    if (grove_local_get(key) != NULL || grove_local_set(key, arg) != 0)
        return NULL;
    grove_yield();
    return grove_local_get(key);
}

static void values_are_the_fibers_own(void **state)
{
    int a, b, own;
    grove_fiber *fa, *fb;
    void *va, *vb;
    assert_int_equal(grove_local_set(key, &own), 0);
    grove_spawn(&fa, set_and_get, &a);
    grove_spawn(&fb, set_and_get, &b);
    assert_int_equal(grove_join(fa, &va), 0);
    assert_int_equal(grove_join(fb, &vb), 0);
    assert_ptr_equal(va, &a);
    assert_ptr_equal(vb, &b);
    assert_ptr_equal(grove_local_get(key), &own);
    assert_int_equal(grove_local_set(key, NULL), 0);
    assert_null(grove_local_get(key));
    grove_release(fa);
    grove_release(fb);
}

static void *set_counted(void *arg)
{
    return (void *)(intptr_t)grove_local_set(counted, arg);
}

static void destructors_run_on_the_fiber(void **state)
{
    int value = 5;
    grove_fiber *f;
    destroyed = 0;
    grove_spawn(&f, set_counted, &value);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(destroyed, 5);
    assert_ptr_equal(destroyer, f);
    grove_release(f);
    /* Not of one that never ran. */
    grove_spawn(&f, set_counted, &value);
    grove_kill(f);
    assert_int_equal(grove_join(f, NULL), -ECANCELED);
    assert_int_equal(destroyed, 5);
    grove_release(f);
}

static grove_local sleeper, setter;
static int sleeps, sets;

static void sleep_in_destructor(void *value)
{
    (void)value;
    sleeps += grove_sleep(MS) == 0;
}

static void set_in_destructor(void *value)
{
    sets++;
    grove_local_set(setter, value);
    grove_local_set(GROVE_LOCAL_MAX - 1, value); /* not created: refused */
}

static void *set_both(void *arg)
{
    grove_local_set(sleeper, arg);
    grove_local_set(setter, arg);
    return NULL;
}

static void destructors_may_wait_and_set_values(void **state)
{
    int value;
    grove_fiber *f;
    assert_int_equal(grove_local_create(&sleeper, sleep_in_destructor), 0);
    assert_int_equal(grove_local_create(&setter, set_in_destructor), 0);
    grove_spawn(&f, set_both, &value);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(sleeps, 1);
    assert_int_equal(sets, 4); /* after so many rounds it is let go */
    grove_release(f);
}

static void *thread(void *arg)
{
    assert_int_equal(grove_local_set(counted, arg), 0);
    grove_yield();
    return NULL;
}

static void destructors_run_at_the_threads_end(void **state)
{
    int value = 7;
    pthread_t t;
    destroyed = 0;
    assert_int_equal(pthread_create(&t, NULL, thread, &value), 0);
    pthread_join(t, NULL);
    assert_int_equal(destroyed, 7);
}

static void keys_end(void **state)
{
    grove_local k = 0;
    int r, value;
    assert_int_equal(grove_local_set(GROVE_LOCAL_MAX - 1, &value), -EINVAL);
    assert_null(grove_local_get(GROVE_LOCAL_MAX - 1));
    while ((r = grove_local_create(&k, NULL)) == 0)
        ;
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(k, GROVE_LOCAL_MAX - 1);
    assert_int_equal(grove_local_set(k, &value), 0);
    assert_ptr_equal(grove_local_get(k), &value);
    assert_null(grove_local_get(k - 1));
    assert_int_equal(grove_local_set(k, NULL), 0);
    assert_int_equal(grove_local_set(GROVE_LOCAL_MAX, &value), -EINVAL);
    assert_null(grove_local_get(GROVE_LOCAL_MAX));
    assert_null(grove_local_get(UINT32_MAX));
}

/* ---- inherited ------------------------------------------------------------- */

static grove_local tracked;
static int copies, destroyed;

static void *copy(void *value)
{
    copies++;
    return *(int *)value < 0 ? NULL : value;
}

static void count_destroyed(void *value)
{
    (void)value;
    destroyed++;
}

static void *tell_mine(void *arg)
{
    *(void **)arg = grove_local_get(tracked);
    return NULL;
}

static void *spawn_another(void *arg)
{
    grove_fiber *f;
    grove_local_set(tracked, NULL); /* its own */
    assert_int_equal(grove_spawn(&f, tell_mine, arg), 0);
    grove_join(f, NULL);
    grove_release(f);
    return NULL;
}

static void values_are_inherited_on_request(void **state)
{
    int value = 1, none = -1;
    void *seen = &seen;
    grove_fiber *f;
    (void)state;
    assert_int_equal(
        grove_local_create_inherited(&tracked, count_destroyed, NULL), -EINVAL);
    assert_int_equal(
        grove_local_create_inherited(&tracked, count_destroyed, copy), 0);
    copies = destroyed = 0;
    assert_int_equal(grove_local_set(tracked, &value), 0);
    assert_int_equal(grove_spawn(&f, tell_mine, &seen), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_ptr_equal(seen, &value);
    assert_int_equal(copies, 1);
    assert_int_equal(destroyed, 1);
    /* From the fiber that spawns, as it is then. */
    assert_int_equal(grove_spawn(&f, spawn_another, &seen), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_null(seen);
    assert_int_equal(copies, 2);
    /* One that never runs gives it back. */
    destroyed = 0;
    assert_int_equal(grove_spawn(&f, tell_mine, &seen), 0);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(destroyed, 1);
    grove_release(f);
    /* None is inherited. */
    assert_int_equal(grove_local_set(tracked, &none), 0);
    assert_int_equal(grove_spawn(&f, tell_mine, &seen), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_null(seen);
    assert_int_equal(grove_local_set(tracked, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_inherited_on_request),
        cmocka_unit_test(values_are_the_fibers_own),
        cmocka_unit_test(destructors_run_on_the_fiber),
        cmocka_unit_test(destructors_may_wait_and_set_values),
        cmocka_unit_test(destructors_run_at_the_threads_end),
        cmocka_unit_test(keys_end),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

/* errno belongs to the fiber. */
#include "unit.h"

#include "grove.h"

static void *keep_errno(void *arg)
{
    int mine = (int)(intptr_t)arg;
    if (errno != 0) /* a new fiber begins with none */
        return NULL;
    errno = mine;
    for (int i = 0; i < 10; i++) {
        grove_yield();
        if (errno != mine)
            return NULL;
        grove_sleep(1000);
        errno = mine;
    }
    return arg;
}

static void every_fiber_has_its_own(void **state)
{
    (void)state;
    grove_fiber *f[20];
    void *value;
    for (intptr_t i = 0; i < 20; i++)
        assert_int_equal(grove_spawn(&f[i], keep_errno, (void *)(i + 1)), 0);
    errno = 1000;
    for (int i = 0; i < 5; i++) {
        grove_yield();
        assert_int_equal(errno, 1000);
    }
    for (intptr_t i = 0; i < 20; i++) {
        assert_int_equal(grove_join(f[i], &value), 0);
        assert_ptr_equal(value, (void *)(i + 1));
        grove_release(f[i]);
    }
}

static void *end_with_errno(void *arg)
{
    errno = 77;
    return arg;
}

static void an_ended_fiber_leaves_none_behind(void **state)
{
    (void)state;
    errno = 5;
    assert_int_equal(grove_spawn(NULL, end_with_errno, NULL), 0);
    grove_yield();
    assert_int_equal(errno, 5);
    assert_int_equal(grove_spawn(NULL, keep_errno, (void *)1), 0);
    grove_yield();
    assert_int_equal(errno, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fiber_has_its_own),
        cmocka_unit_test(an_ended_fiber_leaves_none_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

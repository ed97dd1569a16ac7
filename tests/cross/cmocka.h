/*
 * What the unit tests use of cmocka, for targets it is not packaged for: the
 * same names, the same lines of output, one header. A test that fails leaves
 * by longjmp, so teardown functions run as with cmocka.
 */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*setup)(void **state);
    int (*teardown)(void **state);
    void *initial_state;
};

/* clang-format takes these braces for a block. */
/* clang-format off */
#define cmocka_unit_test(f) {#f, f, NULL, NULL, NULL}
#define cmocka_unit_test_setup(f, setup) {#f, f, setup, NULL, NULL}
#define cmocka_unit_test_teardown(f, teardown) {#f, f, NULL, teardown, NULL}
#define cmocka_unit_test_setup_teardown(f, setup, teardown) \
    {#f, f, setup, teardown, NULL}
#define cmocka_unit_test_prestate(f, state) {#f, f, NULL, NULL, state}
/* clang-format on */

enum { CROSS_PASSED, CROSS_FAILED, CROSS_SKIPPED };

static jmp_buf cross_leave;

#define fail_msg(...) \
    do { \
        fprintf(stderr, __VA_ARGS__); \
        fprintf(stderr, "\n%s:%d: error: Failure!\n", __FILE__, __LINE__); \
        longjmp(cross_leave, CROSS_FAILED); \
    } while (0)
#define fail() fail_msg("fail()")
#define skip() longjmp(cross_leave, CROSS_SKIPPED)

#define CROSS_CHECK(condition, ...) \
    do { \
        if (!(condition)) \
            fail_msg(__VA_ARGS__); \
    } while (0)
#define CROSS_INT(a, op, b) \
    do { \
        long long cross_a = (long long)(a), cross_b = (long long)(b); \
        CROSS_CHECK(cross_a op cross_b, "not %s " #op " %s: %#llx, %#llx", #a, \
                    #b, cross_a, cross_b); \
    } while (0)

#define assert_true(c) CROSS_CHECK(c, "not true: %s", #c)
#define assert_false(c) CROSS_CHECK(!(c), "not false: %s", #c)
#define assert_null(p) CROSS_CHECK((p) == NULL, "not NULL: %s", #p)
#define assert_non_null(p) CROSS_CHECK((p) != NULL, "NULL: %s", #p)
#define assert_ptr_equal(a, b) \
    CROSS_CHECK((const void *)(a) == (const void *)(b), "%s != %s", #a, #b)
#define assert_ptr_not_equal(a, b) \
    CROSS_CHECK((const void *)(a) != (const void *)(b), "%s == %s", #a, #b)
#define assert_int_equal(a, b) CROSS_INT(a, ==, b)
#define assert_int_not_equal(a, b) CROSS_INT(a, !=, b)
#define assert_return_code(rc, error) \
    CROSS_CHECK((rc) >= 0, "%s < 0, errno %d", #rc, (int)(error))
#define assert_uint_in_range(v, low, high) \
    CROSS_CHECK((uintmax_t)(v) >= (uintmax_t)(low) && \
                    (uintmax_t)(v) <= (uintmax_t)(high), \
                "%s not in range", #v)
#define assert_string_equal(a, b) \
    CROSS_CHECK(strcmp(a, b) == 0, "\"%s\" != \"%s\"", a, b)
#define assert_string_not_equal(a, b) \
    CROSS_CHECK(strcmp(a, b) != 0, "\"%s\" twice", a)
#define assert_memory_equal(a, b, size) \
    CROSS_CHECK(memcmp(a, b, size) == 0, "%s and %s differ", #a, #b)

static int cross_run(const struct CMUnitTest *test)
{
    void *state = test->initial_state;
    int outcome = setjmp(cross_leave);

    if (outcome == CROSS_PASSED) {
        if (test->setup != NULL && test->setup(&state) != 0)
            return CROSS_FAILED;
        test->test(&state);
    }
    if (test->teardown != NULL && test->teardown(&state) != 0)
        return CROSS_FAILED;
    return outcome;
}

static int cross_run_group(const struct CMUnitTest *tests, size_t n,
                           int (*setup)(void **), int (*teardown)(void **))
{
    static const char *const words[] = {"      OK", " FAILED ", " SKIPPED"};
    int failed = 0;
    void *state = NULL;

    if (setup != NULL && setup(&state) != 0)
        return 1;
    for (size_t i = 0; i < n; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        int outcome = cross_run(&tests[i]);
        printf("[ %s ] %s\n", words[outcome], tests[i].name);
        failed += outcome == CROSS_FAILED;
    }
    if (teardown != NULL && teardown(&state) != 0)
        failed++;
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown) \
    cross_run_group(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    cmocka_run_group_tests(tests, setup, teardown)

#endif

/* Messages of the library: what is told to whom, and what is written. */
#include "unit.h"

#include "fiber/log.h"
#include "fiber/stack.h"
#include "hub/hub.h"

/* What was told, a line each: its level and its text. */
struct told {
    char text[8192];
    size_t length;
};

static void keep(grove_log_level level, const char *text, void *arg)
{
    struct told *t = arg;
    int n = snprintf(t->text + t->length, sizeof(t->text) - t->length,
                     "%d %s\n", (int)level, text);
    assert_uint_in_range(n, 1, sizeof(t->text) - t->length - 1);
    t->length += (size_t)n;
}

static void it_is_told_with_its_level(void **state)
{
    (void)state;
    struct told t = {.length = 0};
    grove_log_set(keep, &t);
    errno = ENOTTY;
    log_tell(GROVE_LOG_WARNING, "%s is %d", "it", 3);
    log_tell(GROVE_LOG_DETAIL, "two\nlines");
    grove_log_set(NULL, NULL);
    assert_int_equal(errno, ENOTTY);
    assert_string_equal(t.text, "2 it is 3\n4 two lines\n");
}

static void a_long_one_is_cut(void **state)
{
    (void)state;
    char longest[4000];
    struct told t = {.length = 0};
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    grove_log_set(keep, &t);
    log_tell(GROVE_LOG_INFO, "%s", longest);
    grove_log_set(NULL, NULL);
    assert_int_equal(t.length, 2 + 1023 + 1);
    assert_int_equal(strspn(t.text + 2, "x"), 1023);
}

static int write_some(void)
{
    struct told t = {.length = 0};
    log_tell(GROVE_LOG_ERROR, "first");
    log_tell(GROVE_LOG_DETAIL, "more");
    grove_log_set(keep, &t);
    log_tell(GROVE_LOG_ERROR, "second");
    grove_log_set(NULL, NULL);
    log_tell(GROVE_LOG_FATAL, "third");
    return strcmp(t.text, "1 second\n") != 0;
}

static void without_a_function_it_is_written(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, write_some);
    unit_assert_exit(&child);
    assert_string_equal(child.text, "grove: first\nmore\ngrove: third\n");
}

static void *sleep_on(void *arg)
{
    grove_sleep_until(GROVE_NEVER);
    return arg;
}

static void a_deadlock_is_told_with_its_fibers(void **state)
{
    (void)state;
    struct told t = {.length = 0};
    grove_attr attr = {.name = "last"};
    grove_fiber *f;
    assert_int_equal(grove_spawn_with(&f, &attr, sleep_on, NULL), 0);
    grove_log_set(keep, &t);
    assert_int_equal(grove_join(f, NULL), -EDEADLK);
    grove_log_set(NULL, NULL);
    assert_ptr_equal(strstr(t.text, "1 deadlock: every fiber"), t.text);
    assert_non_null(strstr(t.text, "\n4 fiber 1 \"main\" parked in join for"));
    assert_non_null(strstr(t.text, "\"last\" parked in sleep for"));
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void a_bad_setting_is_a_warning(void **state)
{
    (void)state;
    struct told t = {.length = 0};
    setenv("GROVE_STACK_SIZE", "much", 1);
    grove_log_set(keep, &t);
    assert_int_equal(stack_shift_from_environment(GROVE_STACK_MIN), 0);
    grove_log_set(NULL, NULL);
    unsetenv("GROVE_STACK_SIZE");
    const char *text = "2 GROVE_STACK_SIZE is \"much\"; expected ";
    assert_ptr_equal(strstr(t.text, text), t.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told_with_its_level),
        cmocka_unit_test(a_long_one_is_cut),
        cmocka_unit_test(without_a_function_it_is_written),
        cmocka_unit_test(a_deadlock_is_told_with_its_fibers),
        cmocka_unit_test(a_bad_setting_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

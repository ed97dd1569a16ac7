/* Cleanup handlers: when they run, in which order, and what they may do. */
#include "unit.h"

#include "grove.h"
#include "hub/hub.h"

/* A handler's argument. */
#define TEXT(literal) ((void *)(uintptr_t)(literal))

static char trace[64]; /* a letter a step */
static int told[4];
static grove_fiber *runner; /* who ran the last handler */
static grove_event killed;

static void reset(void)
{
    trace[0] = '\0';
    memset(told, 1, sizeof(told));
    grove_event_init(&killed);
}

static void note(void *letter)
{
    runner = grove_self();
    strcat(trace, letter);
}

/* Spawns fn and joins it; what it ended with. */
static int run(void *(*fn)(void *), bool kill)
{
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, fn, NULL), 0);
    if (kill) {
        grove_yield();
        assert_int_equal(grove_kill(f), 0);
        grove_event_set(&killed);
    }
    void *value;
    int r = grove_join(f, &value);
    if (r == 0 && value)
        assert_ptr_equal(runner, value);
    grove_release(f);
    return r;
}

static void *defer_three(void *arg)
{
    told[0] = grove_defer(note, TEXT("a"));
    told[1] = grove_defer(note, TEXT("b"));
    told[2] = grove_defer(note, TEXT("c"));
    strcat(trace, ".");
    return grove_self();
}

static void handlers_run_at_the_end_last_first(void **state)
{
    assert_int_equal(run(defer_three, false), 0);
    assert_string_equal(trace, ".cba");
    for (int i = 0; i < 3; i++)
        assert_int_equal(told[i], 0);
}

static void *defer_and_sleep(void *arg)
{
    grove_defer(note, TEXT("a"));
    told[0] = grove_sleep(3600 * GROVE_SECOND);
    return NULL;
}

static void they_run_for_one_that_was_killed(void **state)
{
    assert_int_equal(run(defer_and_sleep, true), 0);
    assert_int_equal(told[0], -ECANCELED);
    assert_string_equal(trace, "a");
}

static void *never_runs(void *arg)
{
    grove_defer(note, TEXT("x"));
    return NULL;
}

static void one_that_never_ran_has_none(void **state)
{
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, never_runs, NULL), 0);
    assert_int_equal(grove_kill(f), 0);
    grove_release(f);
    grove_yield();
    assert_string_equal(trace, "");
}

static void wait_in_handler(void *letter)
{
    told[0] = grove_event_wait(&killed);
    if (told[0] == 0)
        told[0] = grove_sleep(GROVE_MILLISECOND);
    strcat(trace, letter);
}

static void *defer_wait(void *arg)
{
    grove_timeout t; /* left open: its deadline must not reach the handler */
    grove_defer(note, TEXT("b"));
    grove_defer(wait_in_handler, TEXT("a"));
    grove_timeout_begin(&t, 0);
    return NULL;
}

static void a_handler_may_wait_and_is_shielded(void **state)
{
    assert_int_equal(run(defer_wait, true), 0);
    assert_int_equal(told[0], 0);
    assert_string_equal(trace, "ab");
}

static void defer_more(void *arg)
{
    strcat(trace, "m");
    grove_defer(note, TEXT("n"));
}

static void *defer_nested(void *arg)
{
    grove_defer(note, TEXT("a"));
    grove_defer(defer_more, NULL);
    return NULL;
}

static void a_handler_may_ask_for_another(void **state)
{
    assert_int_equal(run(defer_nested, false), 0);
    assert_string_equal(trace, "mna");
}

static void *take_back(void *arg)
{
    static char same[] = "s";
    grove_defer(note, same);
    grove_defer(note, TEXT("b"));
    grove_defer(note, same);
    grove_defer(note, TEXT("d"));
    told[0] = grove_undefer(note, same, false);
    told[1] = grove_undefer(note, TEXT("d"), true);
    told[2] = grove_undefer(defer_more, same, true);
    strcat(trace, ".");
    told[3] = grove_undefer(note, same, true); /* the other one */
    return NULL;
}

static void one_can_be_taken_back(void **state)
{
    assert_int_equal(run(take_back, false), 0);
    assert_int_equal(told[0], 0);
    assert_int_equal(told[1], 0);
    assert_int_equal(told[2], -ENOENT);
    assert_int_equal(told[3], 0);
    assert_string_equal(trace, "d.sb");
}

static void *defer_nothing(void *arg)
{
    told[0] = grove_defer(NULL, NULL);
    return NULL;
}

static void wrong_ones_are_refused(void **state)
{
    assert_int_equal(run(defer_nothing, false), 0);
    assert_int_equal(told[0], -EINVAL);
    assert_int_equal(grove_defer(note, TEXT("x")), -EINVAL); /* no end */
    assert_int_equal(grove_undefer(note, TEXT("x"), true), -ENOENT);
}

/* In the child only the fiber that forked goes on: its handlers run, those of
 * the one that was lost do not. */
static void *fork_and_end(void *arg)
{
    grove_defer(note, TEXT("f"));
    *(pid_t *)arg = fork();
    return NULL;
}

static void a_fork_runs_only_those_of_its_own_fiber(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    grove_fiber *other, *forker;
    pid_t pid = -1;
    reset();
    assert_int_equal(grove_spawn(&other, defer_and_sleep, NULL), 0);
    assert_int_equal(grove_spawn(&forker, fork_and_end, &pid), 0);
    assert_int_equal(grove_join(forker, NULL), 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        CHILD_CHECK(grove_result(other, NULL) == -ECANCELED);
        CHILD_CHECK(strcmp(trace, "f") == 0);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_string_equal(trace, "f");
    assert_int_equal(grove_kill(other), 0);
    assert_int_equal(grove_join(other, NULL), 0);
    assert_string_equal(trace, "fa");
    grove_release(other);
    grove_release(forker);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_run_at_the_end_last_first),
        cmocka_unit_test(they_run_for_one_that_was_killed),
        cmocka_unit_test(one_that_never_ran_has_none),
        cmocka_unit_test(a_handler_may_wait_and_is_shielded),
        cmocka_unit_test(a_handler_may_ask_for_another),
        cmocka_unit_test(one_can_be_taken_back),
        cmocka_unit_test(wrong_ones_are_refused),
        cmocka_unit_test(a_fork_runs_only_those_of_its_own_fiber),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

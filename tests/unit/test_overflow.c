/* Running out of stack: what is said, and how the process dies. The runtime is
 * only used in children, each of which sets up its handlers first. */
#include "unit.h"

#include <pthread.h>
#include <unistd.h>

#include "grove.h"

/* The sanitizers' own handlers would come first. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "handle_segv=0:allow_user_segv_handler=1";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "handle_segv=0:allow_user_segv_handler=1";
}

static __attribute__((noinline)) long recurse(long n)
{
    volatile char frame[256];
    frame[n & 255] = (char)n;
    return n < 0 ? 0 : recurse(n + 1) + frame[n & 255];
}

static void *overflow(void *arg)
{
    return (void *)(recurse(0) + (intptr_t)arg);
}

static int overflow_in_a_fiber(void)
{
    grove_attr attr = {.name = "digger", .stack_size = 64 << 10};
    grove_fiber *f;
    CHILD_CHECK(grove_spawn_with(&f, &attr, overflow, NULL) == 0);
    fprintf(stderr, "number %llu\n", (unsigned long long)grove_id(f));
    return grove_join(f, NULL);
}

static bool reported(const struct unit_child *child)
{
    char expected[128];
    unsigned long long number = 0;
    const char *at = strstr(child->text, "number ");
    if (at)
        number = strtoull(at + 7, NULL, 10);
    snprintf(expected, sizeof(expected),
             "stack overflow in fiber %llu \"digger\": its stack of 65536 "
             "bytes",
             number);
    return strstr(child->text, expected) != NULL;
}

static void assert_reported(const struct unit_child *child)
{
    if (!reported(child))
        fail_msg("status %#x: %s", (unsigned)child->status, child->text);
}

static void the_fiber_is_named_and_the_process_dies(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, overflow_in_a_fiber);
    assert_reported(&child);
    assert_true(unit_died_of(&child, SIGSEGV));
}

static int overflow_with_mprotect_guards(void)
{
    setenv("GROVE_GUARD", "mprotect", 1);
    return overflow_in_a_fiber();
}

static void guards_by_mprotect_are_told_as_well(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, overflow_with_mprotect_guards);
    assert_reported(&child);
    assert_true(unit_died_of(&child, SIGSEGV));
}

/* Where the guard below the caller's stack begins, from above. */
static char *end_of_stack(void)
{
    char *page = (char *)((uintptr_t)__builtin_frame_address(0) & ~4095ul);
    int ends[2];
    if (pipe(ends) < 0)
        return NULL;
    while (write(ends[1], page - 4096, 1) == 1)
        page -= 4096;
    close(ends[0]);
    close(ends[1]);
    return page;
}

/* Touches the far end of its frame and nothing on the way there, as code does
 * that was compiled without -fstack-clash-protection. */
static __attribute__((noinline)) long stride(char *end)
{
    volatile char frame[256];
    char *here = __builtin_frame_address(0);
    frame[(uintptr_t)end & 255] = 1;
    if (here - end > 8192)
        return stride(end) + frame[(uintptr_t)end & 255];
    volatile char *far = here - (60 << 10);
    *far = 1;
    return *far;
}

static void *overflow_by_a_stride(void *arg)
{
    (void)arg;
    return (void *)stride(end_of_stack());
}

static void *sleep_on(void *arg)
{
    grove_sleep(60 * GROVE_SECOND);
    return arg;
}

static int stride_over_the_end(void)
{
    grove_attr attr = {.name = "digger", .stack_size = 256 << 10};
    grove_fiber *below, *f; /* below: who would be written into */
    CHILD_CHECK(grove_spawn_with(&below, &attr, sleep_on, NULL) == 0);
    CHILD_CHECK(grove_spawn_with(&f, &attr, overflow_by_a_stride, NULL) == 0);
    return grove_join(f, NULL);
}

static void a_large_frame_does_not_step_over_the_guard(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, stride_over_the_end);
    if (!strstr(child.text, "\"digger\": its stack of 262144 bytes"))
        fail_msg("status %#x: %s", (unsigned)child.status, child.text);
    assert_true(unit_died_of(&child, SIGSEGV));
}

static void *thread_body(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)overflow_in_a_fiber();
}

static int overflow_in_a_thread(void)
{
    pthread_t t;
    grove_yield(); /* the first thread has a hub of its own */
    CHILD_CHECK(pthread_create(&t, NULL, thread_body, NULL) == 0);
    return pthread_join(t, NULL);
}

static void another_threads_fiber_is_named(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, overflow_in_a_thread);
    assert_reported(&child);
    assert_true(unit_died_of(&child, SIGSEGV));
}

static void plain_handler(int signum)
{
    static const char text[] = "chained\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(n > 0 && signum == SIGSEGV ? 7 : 8);
}

static void info_handler(int signum, siginfo_t *info, void *context)
{
    if (info->si_addr && context)
        plain_handler(signum);
}

static int overflow_with_a_plain_handler(void)
{
    signal(SIGSEGV, plain_handler);
    return overflow_in_a_fiber();
}

static int overflow_with_an_info_handler(void)
{
    struct sigaction action = {.sa_sigaction = info_handler,
                               .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    return overflow_in_a_fiber();
}

static void a_handler_that_was_there_is_called(void **state)
{
    (void)state;
    int (*const fns[])(void) = {overflow_with_a_plain_handler,
                                overflow_with_an_info_handler};
    for (size_t i = 0; i < UNIT_COUNT(fns); i++) {
        struct unit_child child;
        unit_in_child(&child, fns[i]);
        assert_reported(&child);
        assert_non_null(strstr(child.text, "chained"));
        assert_true(WIFEXITED(child.status));
        assert_int_equal(WEXITSTATUS(child.status), 7);
    }
}

static volatile int *volatile nowhere;

static void *store_to_nowhere(void *arg)
{
    *nowhere = 1;
    return arg;
}

static int fault_in_a_fiber(void)
{
    grove_fiber *f;
    CHILD_CHECK(grove_spawn(&f, store_to_nowhere, NULL) == 0);
    return grove_join(f, NULL);
}

static int fault_in_main(void)
{
    grove_yield();
    store_to_nowhere(NULL);
    return 0;
}

static int fault_while_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    return fault_in_a_fiber();
}

static void other_faults_die_in_silence(void **state)
{
    (void)state;
    if (UNIT_ASAN || getenv("GROVE_UNDER_VALGRIND"))
        unit_skip("AddressSanitizer and valgrind report the bad store "
                  "themselves; a build without runs it");
    int (*const fns[])(void) = {fault_in_a_fiber, fault_in_main,
                                fault_while_ignored};
    for (size_t i = 0; i < UNIT_COUNT(fns); i++) {
        struct unit_child child;
        unit_in_child(&child, fns[i]);
        assert_true(unit_died_of(&child, SIGSEGV));
        assert_null(strstr(child.text, "grove: "));
    }
}

static int sent_while_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    grove_yield();
    CHILD_CHECK(raise(SIGSEGV) == 0);
    CHILD_CHECK(grove_sleep(1000) == 0);
    return 0;
}

static int sent_by_somebody(void)
{
    grove_yield();
    kill(getpid(), SIGSEGV);
    return 0;
}

static void one_sent_by_somebody_is_as_before(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, sent_while_ignored);
    unit_assert_exit(&child);
    unit_in_child(&child, sent_by_somebody);
    assert_true(unit_died_of(&child, SIGSEGV));
}

static int times;

static void count_it(int signum)
{
    (void)signum;
    times++;
}

static int sent_to_a_handler_for_once(void)
{
    struct sigaction action = {.sa_handler = count_it,
                               .sa_flags = SA_RESETHAND};
    sigaction(SIGSEGV, &action, NULL);
    grove_yield();
    raise(SIGSEGV);
    CHILD_CHECK(times == 1);
    raise(SIGSEGV);
    return 0;
}

static void a_handler_for_once_is_called_once(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, sent_to_a_handler_for_once);
    assert_true(unit_died_of(&child, SIGSEGV));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fiber_is_named_and_the_process_dies),
        cmocka_unit_test(guards_by_mprotect_are_told_as_well),
        cmocka_unit_test(a_large_frame_does_not_step_over_the_guard),
        cmocka_unit_test(another_threads_fiber_is_named),
        cmocka_unit_test(a_handler_that_was_there_is_called),
        cmocka_unit_test(other_faults_die_in_silence),
        cmocka_unit_test(one_sent_by_somebody_is_as_before),
        cmocka_unit_test(a_handler_for_once_is_called_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

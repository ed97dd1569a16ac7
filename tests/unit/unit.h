/*
 * What the unit tests of the core share: where they run, and how to look at a
 * process that is expected to die.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* cmocka 2 has this one beside the other, which it calls deprecated, and which
 * is taken away here. */
#ifndef assert_uint_in_range
#define assert_uint_in_range(value, least, most) \
    _assert_in_range(cast_to_largest_integral_type(value), \
                     cast_to_largest_integral_type(least), \
                     cast_to_largest_integral_type(most), __FILE__, __LINE__)
#endif
#undef assert_in_range

#include "grove.h"

/* Not every test uses each. */
#define HELPER __attribute__((unused)) static

#define MS GROVE_MILLISECOND

/* Long enough to mean that something hangs, on a machine that is busy with
 * other things, too: for waits that should not last. */
#define HANG (60 * GROVE_SECOND)

/* cmocka.h of the cross build has no such thing. */
#define check(condition, ...) \
    do { \
        if (!(condition)) \
            fail_msg(__VA_ARGS__); \
    } while (0)

#if defined(__SANITIZE_ADDRESS__)
#define UNIT_ASAN 1
#else
#define UNIT_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define UNIT_TSAN 1
#else
#define UNIT_TSAN 0
#endif

/* Whether valgrind runs it. */
HELPER bool unit_valgrind(void)
{
    return getenv("GROVE_UNDER_VALGRIND");
}

/* Whether the kernel's calls are made by qemu's, which leave some out: it
 * ignores recvmmsg's time-out and does not know epoll_pwait2. */
HELPER bool unit_emulated(void)
{
    return getenv("GROVE_EMULATED");
}

/* Whether address space, speed and page counts are not those of the machine. */
HELPER bool unit_slow(void)
{
    return UNIT_ASAN || UNIT_TSAN || unit_valgrind();
}

/* A value for many things, and one for few where they cost much more. */
HELPER size_t unit_scale(size_t many, size_t few)
{
    return unit_slow() ? few : many;
}

/* Skip the test, and say in a sentence why and what would make it run. */
#define unit_skip(why) \
    do { \
        printf("%s\n", why); \
        fflush(stdout); \
        skip(); \
    } while (0)

/* clang's sanitizers are in the program itself, with functions in the place of
 * libc's that it calls without slots. */
#if defined(__clang__) && (UNIT_ASAN || UNIT_TSAN)
#define UNIT_HAS_NO_SLOTS 1
#else
#define UNIT_HAS_NO_SLOTS 0
#endif

HELPER void all_tests(void **state)
{
    unit_skip("the sanitizer answers libc's calls, in the program itself; its "
              "build by gcc runs it");
}

/* What main returns for tests that patch slots, where there are none. */
HELPER int unit_skip_all(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_tests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Why tests of signals that are blocked are skipped where fibers are switched
 * by ucontext. */
#if defined(GROVE_CONTEXT_ASM)
#define UNIT_UCONTEXT 0
#else
#define UNIT_UCONTEXT 1
#endif
#define UNIT_UCONTEXT_MASKS \
    "by ucontext each fiber has a signal mask of its own, where a thread has " \
    "one; every other build runs it"

/* Why tests that compare system calls, or what signals and forks do to them,
 * are skipped under valgrind. */
#define UNIT_VALGRIND_CALLS \
    "valgrind does not know all of these system calls, and has descriptors " \
    "and signals of its own; every other build runs it"

/* Why tests that go on in the child of a fork are skipped under TSan. */
#define UNIT_TSAN_FORK \
    "ThreadSanitizer loses track of fibers and threads in the child of a " \
    "fork; every other build runs it"

/* Why tests that are about addresses, pages and mappings are. */
#define UNIT_SLOW_MEMORY \
    "under a sanitizer or valgrind, memory is not laid out as the machine " \
    "has it; a build without runs it"

/* Seconds after which a child hangs, whatever else the machine does; a little
 * less than the test's own timeout in meson.build. */
#define UNIT_HANG 280

/* What came of a child process. */
struct unit_child {
    int status;      /* as wait has it */
    char text[8192]; /* what it wrote to stderr, cut */
};

/* Run fn in a forked process that exits with what fn returns. */
HELPER void unit_in_child(struct unit_child *child, int (*fn)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        alarm(UNIT_HANG);
        /* cmocka's handlers are for tests. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        _exit(fn());
    }
    close(ends[1]);
    size_t n = 0;
    char rest[1024];
    for (;;) {
        bool full = n >= sizeof(child->text) - 1;
        ssize_t r =
            full ? read(ends[0], rest, sizeof(rest))
                 : read(ends[0], child->text + n, sizeof(child->text) - 1 - n);
        if (r <= 0)
            break;
        if (!full)
            n += (size_t)r;
    }
    child->text[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &child->status, 0), pid);
}

HELPER bool unit_died_of(const struct unit_child *child, int signum)
{
    return WIFSIGNALED(child->status) && WTERMSIG(child->status) == signum;
}

HELPER void unit_assert_exit(struct unit_child *child)
{
    if (!WIFEXITED(child->status) || WEXITSTATUS(child->status) != 0)
        fail_msg("the child ended with status %#x: %s", (unsigned)child->status,
                 child->text);
}

/* For children, where cmocka's assertions would report to nobody: the line
 * that failed becomes visible on stderr. */
#define CHILD_CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            _exit(1); \
        } \
    } while (0)

#define UNIT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif

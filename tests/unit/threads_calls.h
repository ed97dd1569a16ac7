/*
 * Little programs of POSIX threads, run in a process of their own by libc's
 * threads and by those made of fibers, and compared in what they say, but for
 * the order of lines.
 *
 *     static int program(void)
 *     {
 *         SAY("%d", CALL(pthread_create)(...));
 *         return 0;
 *     }
 */
#ifndef TESTS_UNIT_THREADS_CALLS_H
#define TESTS_UNIT_THREADS_CALLS_H

#include "unit.h"

#include <dirent.h>

#include "grove.h"
#include "patch/threads/threads.h"

/* A member for each function, named after its symbol. */
struct calls {
#define CALLS_MEMBER(type, symbol, parameters, names) type(*symbol) parameters;
    THREADS_ALL_SYMBOLS(CALLS_MEMBER)
};

static const struct calls real_calls = {
#define CALLS_REAL(type, symbol, parameters, names) .symbol = symbol,
    THREADS_ALL_SYMBOLS(CALLS_REAL)};

static const struct calls our_calls = {
#define CALLS_OURS(type, symbol, parameters, names) .symbol = patched_##symbol,
    THREADS_ALL_SYMBOLS(CALLS_OURS)};

static const struct calls *calls;
static unsigned calls_hubs; /* threads are dealt over so many; 0: not */

#define CALL(symbol) (calls->symbol)

/* A line of what is compared. */
#define SAY(...) \
    do { \
        char line_[256]; \
        int n_ = snprintf(line_, sizeof(line_), __VA_ARGS__); \
        line_[n_++] = '\n'; \
        if (write(STDERR_FILENO, line_, (size_t)n_) != n_) \
            _exit(9); \
    } while (0)

HELPER bool is_ours(void)
{
    return calls == &our_calls;
}

/* Threads that the kernel knows of. */
HELPER int count_tasks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = -2; /* itself and its parent */
    while (readdir(tasks))
        n++;
    closedir(tasks);
    return n;
}

static int (*calls_program)(void);

HELPER int run_program(void)
{
    if (is_ours() && calls_hubs && grove_patch_cores(calls_hubs) < 0)
        return 8;
    return calls_program();
}

HELPER int order_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in the order of the alphabet: those of different threads come in any
 * other. */
HELPER void sort_lines(char *text)
{
    static char sorted[sizeof(((struct unit_child *)0)->text)];
    char *lines[512];
    size_t n = 0, at = 0;
    for (char *rest, *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        assert_true(n < UNIT_COUNT(lines));
        lines[n++] = line;
    }
    qsort(lines, n, sizeof(lines[0]), order_lines);
    sorted[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(sorted + at, sizeof(sorted) - at, "%s\n",
                               lines[i]);
    strcpy(text, sorted);
}

HELPER void compare(int (*program)(void))
{
    static struct unit_child theirs, ours;
    const char *why = grove_own_tls_refused();
    if (why) {
        printf("no threads of fibers here: %s\n", why);
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    }
    calls_program = program;
    calls = &real_calls;
    unit_in_child(&theirs, run_program);
    calls = &our_calls;
    unit_in_child(&ours, run_program);
    calls_hubs = 0;
    sort_lines(theirs.text);
    sort_lines(ours.text);
    assert_true(theirs.text[0] != '\0');
    if (strcmp(theirs.text, ours.text) != 0 || theirs.status != ours.status)
        fail_msg("by libc (%#x):\n%s\nby fibers (%#x):\n%s",
                 (unsigned)theirs.status, theirs.text, (unsigned)ours.status,
                 ours.text);
}

/* The same with threads on several hubs. */
HELPER void compare_hubs(int (*program)(void))
{
    compare(program);
    calls_hubs = 3;
    compare(program);
}

/* ns from now on clock. */
HELPER struct timespec in_time(clockid_t clock, long ns)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_nsec += ns % 1000000000;
    t.tv_sec += ns / 1000000000 + t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

#endif

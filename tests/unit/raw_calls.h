/* System calls made without libc, as the kernel has them: -errno for a failure.
 * On x86-64. */
#ifndef TESTS_UNIT_RAW_CALLS_H
#define TESTS_UNIT_RAW_CALLS_H

#include <sys/syscall.h>

#include "unit.h"

HELPER __attribute__((noinline)) long raw6(long number, long a, long b, long c,
                                           long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#define RAW_ARGS(number, a, b, c, d, e, f, ...) \
    raw6((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), \
         (long)(e), (long)(f))
/* raw(SYS_x, ...), with up to six arguments. */
#define raw(...) RAW_ARGS(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

HELPER void all_raw_tests(void **state)
{
    printf("%s; a plain build on x86-64, with Linux 5.11, runs it\n",
           grove_patch_syscalls_refused());
    fflush(stdout);
    skip();
}

/* What main returns where such calls are not patched. */
HELPER int raw_skip_all(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_raw_tests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif

/*
 * What programs call that were compiled with -D_FORTIFY_SOURCE: functions that
 * are told how much room there is, too.
 */
#ifndef GROVE_PATCH_FORTIFY_H
#define GROVE_PATCH_FORTIFY_H

#include <stddef.h>

/* libc's: says that a buffer overflowed, and ends the program. */
__attribute__((noreturn)) void __chk_fail(void);

/* Room for `room` that is known to be too small for n is the end, as in libc.
 */
static inline void fortify_check(size_t n, size_t room)
{
    if (n > room)
        __chk_fail();
}

#endif

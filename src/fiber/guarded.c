/*
 * Calls that end where they touch memory that is not there. The innermost one
 * of a thread is known by a variable of the thread's, which the handler of
 * SIGSEGV (overflow.c) asks for first.
 */
#include "fiber/guarded.h"

#include <setjmp.h>
#include <stddef.h>

/* NULL: the thread is in none. */
static __thread sigjmp_buf *volatile innermost
    __attribute__((tls_model("initial-exec")));

bool guarded_call(void (*fn)(void *arg), void *arg)
{
    sigjmp_buf here;
    sigjmp_buf *volatile outer = innermost;
    volatile bool done = false;
    if (sigsetjmp(here, 1) == 0) {
        innermost = &here;
        fn(arg);
        done = true;
    }
    innermost = outer;
    return done;
}

void guarded_fault(void)
{
    if (innermost)
        siglongjmp(*innermost, 1);
}

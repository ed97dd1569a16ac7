/*
 * The limit that switches are measured against: the least code that saves the
 * callee-saved registers and both floating-point control words on the stack
 * that is left and takes them from the one it goes to. It ends in pop and jmp,
 * because a ret to another stack's caller is always mispredicted.
 */
#ifndef GROVE_BENCH_BARE_SWAP_H
#define GROVE_BENCH_BARE_SWAP_H

#include <stddef.h>

/* Where a bare context stands: its stack pointer. */
struct bare {
    void *sp;
};

/* Leave `from` for `to`; returns when something swaps back. */
void bare_swap(struct bare *from, struct bare *to);

/* Where a new context begins; not to be called. */
void bare_start(void);

/* Make c run fn(arg), which must not return, on the stack that ends at top. */
static inline void bare_make(struct bare *c, void *top, void (*fn)(void *),
                             void *arg);

#if defined(__x86_64__)

static inline void bare_make(struct bare *c, void *top, void (*fn)(void *),
                             void *arg)
{
    void **sp = top;
    *--sp = NULL; /* where fn would return to, and its alignment */
    *--sp = (void *)bare_start;
    *--sp = NULL;                   /* rbp */
    *--sp = (void *)fn;             /* rbx */
    *--sp = arg;                    /* r12 */
    sp -= 3;                        /* r13, r14, r15 */
    *--sp = (void *)0x037f00001f80; /* the control words at their defaults */
    c->sp = sp;
}

#elif defined(__aarch64__)

static inline void bare_make(struct bare *c, void *top, void (*fn)(void *),
                             void *arg)
{
    void **sp = (void **)top - 22;
    sp[0] = (void *)fn;          /* x19 */
    sp[1] = arg;                 /* x20 */
    sp[10] = NULL;               /* x29 */
    sp[11] = (void *)bare_start; /* x30 */
    sp[20] = NULL;               /* fpcr */
    c->sp = sp;
}

#else
#error "no bare swap for this machine"
#endif

#endif

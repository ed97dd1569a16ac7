/*
 * The context switch: save where one stack stands, go on where another does.
 *
 * A context is three words (stack pointer, frame pointer, resume address) and
 * the floating-point control words. The other callee-saved registers are named
 * as clobbered, so that the compiler saves those that are live, on the stack
 * that is left, and no others. Four things make it fast:
 *
 *   - it is inline, so that calls and returns stay paired: a switch by `call`
 *     that ends in `jmp` leaves the return predictor one entry off for every
 *     later `ret` of that stack, and one that ends in `ret` mispredicts itself;
 *   - nothing is pushed, hence no red zone to step over, and the unwind tables
 *     of the calling function describe the parked stack as it stands: debuggers
 *     unwind a parked fiber from sp, bp and ip;
 *   - the resume address is loaded beside the stack pointer, not off the stack;
 *   - the control words are stored and loaded without a look at them: on the
 *     processors measured, storing MXCSR costs most of a switch (4 ns of 4.3 on
 *     Zen 5), and a comparison waits for that store; a load does not.
 *
 * Offsets are fixed by the assembly here and in context_*.S and checked below.
 */
#ifndef GROVE_FIBER_CONTEXT_H
#define GROVE_FIBER_CONTEXT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if defined(GROVE_CONTEXT_UCONTEXT)
#include <ucontext.h>
struct context {
    ucontext_t uc;
    void (*entry)(void *); /* what a new context runs */
    void *arg;
};
#elif defined(__x86_64__)
struct context {
    void *sp;
    void *bp;
    void *ip;
    uint32_t mxcsr; /* SSE control and status */
    uint16_t fpucw; /* x87 control word */
};
#elif defined(__aarch64__)
struct context {
    void *sp;
    void *fp; /* x29 */
    void *pc;
    uint64_t fpcr;
};
#else
#error "no context switch for this machine: configure with -Dcontext=ucontext"
#endif

#if !defined(GROVE_CONTEXT_UCONTEXT)
_Static_assert(offsetof(struct context, sp) == 0, "known to the assembly");
_Static_assert(sizeof(struct context) == 32, "known to the assembly");
#endif

/* Make c start entry(arg) on the stack that ends (exclusively) at top. entry
 * must not return. */
#if defined(GROVE_CONTEXT_UCONTEXT)
void context_make(struct context *c, void *stack_low, void *top,
                  void (*entry)(void *), void *arg);
#else
extern void grove_context_start(void) __attribute__((visibility("hidden")));

/* The stack of a new context, top down: two zero words (the end of the frame
 * chain, for unwinders that go by frame pointers), then what
 * grove_context_start pops. */
static inline void context_make(struct context *c, void *stack_low, void *top,
                                void (*entry)(void *), void *arg)
{
    (void)stack_low;
    void **sp = (void **)((uintptr_t)top & ~(uintptr_t)15);
    assert((char *)stack_low < (char *)sp);
    *--sp = NULL;
    *--sp = NULL;
    *--sp = (void *)(uintptr_t)entry;
    *--sp = arg;
    assert((uintptr_t)sp % 16 == 0); /* as the ABI has it at a call */
    c->sp = sp;
    void *start = (void *)(uintptr_t)grove_context_start;
#if defined(__x86_64__)
    c->bp = NULL;
    c->ip = start;
    c->mxcsr = 0x1f80; /* what the ABI has a process start with: to read the */
    c->fpucw = 0x037f; /* creator's would cost a third of a spawn */
#else
    c->fp = NULL;
    c->pc = start;
    c->fpcr = 0;
#endif
}
#endif

/* Where a parked context's stack stands, for prefetching; may be NULL. */
static inline void *context_sp(const struct context *c)
{
#if defined(GROVE_CONTEXT_UCONTEXT)
    return c->uc.uc_stack.ss_sp;
#else
    return c->sp;
#endif
}

#if defined(GROVE_CONTEXT_UCONTEXT)

static inline void context_switch(struct context *from, struct context *to)
{
    swapcontext(&from->uc, &to->uc);
}

static inline void __attribute__((noreturn))
context_jump(struct context *from, struct context *to)
{
    (void)from;
    setcontext(&to->uc);
    __builtin_unreachable();
}

#elif defined(__x86_64__)

#if defined(__AVX512F__)
#define CONTEXT_CLOBBERS_AVX512 \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", \
        "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", \
        "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define CONTEXT_CLOBBERS_AVX512
#endif

__attribute__((always_inline)) static inline void
context_switch(struct context *from, struct context *to)
{
    /* endbr64 is what an indirect jump may land on. */
    __asm__ volatile(
        "stmxcsr 24(%%rdi)\n\t"
        "fnstcw 28(%%rdi)\n\t"
        "leaq 1f(%%rip), %%rax\n\t"
        "movq %%rsp, (%%rdi)\n\t"
        "movq %%rbp, 8(%%rdi)\n\t"
        "movq %%rax, 16(%%rdi)\n\t"
        "ldmxcsr 24(%%rsi)\n\t"
        "fldcw 28(%%rsi)\n\t"
        "movq (%%rsi), %%rsp\n\t"
        "movq 8(%%rsi), %%rbp\n\t"
        "jmpq *16(%%rsi)\n"
        "1:\n\t"
        "endbr64"
        : "+D"(from), "+S"(to)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
          "r14", "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
          "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5",
          "mm6", "mm7", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
          "st(6)", "st(7)" CONTEXT_CLOBBERS_AVX512);
}

/* The same for a context that never runs again: nothing is saved. */
__attribute__((always_inline, noreturn)) static inline void
context_jump(struct context *from, struct context *to)
{
    (void)from;
    __asm__ volatile("ldmxcsr 24(%0)\n\t"
                     "fldcw 28(%0)\n\t"
                     "movq (%0), %%rsp\n\t"
                     "movq 8(%0), %%rbp\n\t"
                     "jmpq *16(%0)"
                     :
                     : "S"(to)
                     : "memory");
    __builtin_unreachable();
}

#elif defined(__aarch64__)

__attribute__((always_inline, noreturn)) static inline void
context_jump(struct context *from, struct context *to)
{
    (void)from;
    __asm__ volatile("ldp x10, x12, [%0]\n\t"
                     "ldp x11, x13, [%0, #16]\n\t"
                     "msr fpcr, x13\n\t"
                     "mov sp, x10\n\t"
                     "mov x29, x12\n\t"
                     "br x11"
                     :
                     : "r"(to)
                     : "memory", "x10", "x11", "x12", "x13");
    __builtin_unreachable();
}

__attribute__((always_inline)) static inline void
context_switch(struct context *from, struct context *to)
{
    register struct context *x0 __asm__("x0") = from;
    register struct context *x1 __asm__("x1") = to;
    __asm__ volatile("mrs x9, fpcr\n\t"
                     "mov x10, sp\n\t"
                     "adr x11, 1f\n\t"
                     "stp x10, x29, [x0]\n\t"
                     "stp x11, x9, [x0, #16]\n\t"
                     "ldp x10, x12, [x1]\n\t"
                     "ldp x11, x13, [x1, #16]\n\t"
                     "cmp x9, x13\n\t"
                     "b.eq 2f\n\t"
                     "msr fpcr, x13\n"
                     "2:\n\t"
                     "mov sp, x10\n\t"
                     "mov x29, x12\n\t"
                     "br x11\n"
                     "1:\n\t"
                     "hint #36" /* bti j */
                     : "+r"(x0), "+r"(x1)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
                       "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18",
                       "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
                       "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5",
                       "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
                       "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
                       "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                       "v30", "v31", "memory", "cc");
}

#endif
#endif

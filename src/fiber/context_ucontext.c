/*
 * How a context is born. Switching is inline, in context.h.
 */
#include "fiber/context.h"

#include <assert.h>

#if defined(GROVE_CONTEXT_UCONTEXT)

/* makecontext passes ints; the pointer is handed over in two halves. */
static void start(unsigned high, unsigned low)
{
    struct context *c =
        (struct context *)(((uintptr_t)high << 32) | (uintptr_t)low);
    c->entry(c->arg);
    __builtin_trap();
}

void context_make(struct context *c, void *stack_low, void *top,
                  void (*entry)(void *), void *arg)
{
    getcontext(&c->uc);
    c->uc.uc_stack.ss_sp = stack_low;
    c->uc.uc_stack.ss_size = (size_t)((char *)top - (char *)stack_low);
    c->uc.uc_link = NULL;
    c->entry = entry;
    c->arg = arg;
    makecontext(&c->uc, (void (*)(void))start, 2,
                (unsigned)((uint64_t)(uintptr_t)c >> 32),
                (unsigned)(uintptr_t)c);
}

#else

extern void grove_context_start(void);

/* The stack of a new context, top down: two zero words (the end of the frame
 * chain, for unwinders that go by frame pointers), then what
 * grove_context_start pops. */
void context_make(struct context *c, void *stack_low, void *top,
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

/*
 * How a context of ucontext is born: where there is no assembly for the
 * machine, and in one of the test builds. The others are born in context.h.
 */
#include "fiber/context.h"

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

/*
 * A greenlet that is about to wait for long keeps no more of its stack than it
 * stands on: what deep calls have used before is given back to the system, of
 * the C stack and of the interpreter's data stack above it.
 */
#include "fiber/stack.h"
#include "raw/raw.h"

/* The next calls stand there, whose pages would come again at once. */
#define NEAR 512

void raw_rest_stack(void)
{
    struct py_thread *t = thread_self();
    const struct stack *stack = t ? &t->hub->current->fiber.stack : NULL;
    if (!stack || !stack->base)
        return; /* the thread's own */
    const char *begin = stack->base, *end = begin + stack_size(stack);
    const char *low = (const char *)__builtin_frame_address(0) - NEAR;
    /* Of frames that stand elsewhere nothing is known. */
    const char *high = (const char *)t->tstate->datastack_top;
    if (low > stack_spare_end(stack))
        stack_rest(stack, low, high > low && high < end ? high : end);
}

/*
 * The stack size of fibers for which none is asked: that of the environment, or
 * what was set since. Any thread.
 */
#include "hub/hub.h"

#define DEFAULT_STACK_SIZE ((size_t)256 << 10)

static _Atomic unsigned default_shift; /* 0: the environment was not read */

unsigned hub_stack_shift(void)
{
    unsigned shift = atomic_load_explicit(&default_shift, memory_order_relaxed);
    if (unlikely(!shift)) {
        unsigned unset = 0;
        shift = stack_shift_from_environment(GROVE_STACK_MIN);
        if (!shift)
            shift = stack_shift(DEFAULT_STACK_SIZE);
        if (!atomic_compare_exchange_strong(&default_shift, &unset, shift))
            shift = unset;
    }
    return shift;
}

size_t grove_stack_size_default(void)
{
    return (size_t)1 << hub_stack_shift();
}

int grove_stack_size_set_default(size_t size)
{
    unsigned shift = stack_shift(size);
    if (!shift)
        return -EINVAL;
    atomic_store(&default_shift, shift);
    return 0;
}

/*
 * The stack size of fibers for which none is asked: that of the environment, or
 * what was set since. Any thread.
 */
#include "hub/hub.h"

#define DEFAULT_STACK_SIZE ((size_t)256 << 10)

_Atomic unsigned hub_default_shift;

unsigned hub_stack_shift_first(void)
{
    unsigned unset = 0;
    unsigned shift = stack_shift_from_environment(GROVE_STACK_MIN);
    if (!shift)
        shift = stack_shift(DEFAULT_STACK_SIZE);
    return atomic_compare_exchange_strong(&hub_default_shift, &unset, shift)
               ? shift
               : unset;
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
    atomic_store(&hub_default_shift, shift);
    return 0;
}

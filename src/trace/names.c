/*
 * The names of fibers, in a table that never grows: a fiber's place is its
 * number's remainder, and who comes last has it. Names are looked at where a
 * fiber goes on, so that those who ran last are there.
 *
 * The ring's own thread writes, others may read (copy.c): a place is nobody's
 * while it is being written.
 */
#include <string.h>

#include "trace/trace.h"

_Static_assert(sizeof(struct trace_name) == 64, "a cache line");

void trace_name(struct trace_ring *ring, uint64_t fiber, const char *name)
{
    struct trace_name *to = &ring->names[fiber & ring->name_mask];
    uint64_t text[TRACE_NAME_SIZE / 8] = {0};
    memcpy(text, name, strnlen(name, TRACE_NAME_SIZE - 1));
    atomic_store_explicit(&to->fiber, 0, memory_order_relaxed);
    for (size_t i = 0; i < TRACE_NAME_SIZE / 8; i++)
        atomic_store_explicit(&to->text[i], text[i], memory_order_release);
    atomic_store_explicit(&to->fiber, fiber, memory_order_release);
}

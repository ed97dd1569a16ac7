/*
 * How many threads of the library's own there are.
 */
#include "hub/library_threads.h"

#include <assert.h>
#include <stdatomic.h>

static _Atomic unsigned count;

void hub_library_thread_begins(void)
{
    atomic_fetch_add(&count, 1);
}

void hub_library_thread_ends(void)
{
    unsigned before = atomic_fetch_sub(&count, 1);
    assert(before > 0);
    (void)before;
}

void hub_library_threads_forked(void)
{
    atomic_store(&count, 0);
}

unsigned hub_library_threads(void)
{
    return atomic_load(&count);
}

/*
 * How many threads of the library's own there are.
 */
#include "hub/helpers.h"

#include <assert.h>
#include <stdatomic.h>

static _Atomic unsigned helpers;
static _Atomic bool known;

void hub_helper_begins(void)
{
    atomic_store(&known, true);
    atomic_fetch_add(&helpers, 1);
}

void hub_helper_ends(void)
{
    unsigned before = atomic_fetch_sub(&helpers, 1);
    assert(before > 0);
    (void)before;
}

void hub_helpers_forked(void)
{
    atomic_store(&helpers, 0);
}

unsigned hub_helpers(void)
{
    return atomic_load(&helpers);
}

bool hub_helpers_known(void)
{
    return atomic_load(&known);
}

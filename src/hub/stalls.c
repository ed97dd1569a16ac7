/*
 * What programs say of stalls: when they are some, and who is told. Any thread.
 */
#include "hub/sized.h"
#include "hub/stall.h"

/* Shorter ones are those of the machine. */
#define LEAST GROVE_MILLISECOND

int grove_stalls_set(const grove_stalls *given)
{
    grove_stalls settings;
    if (!given ||
        sized_take(&settings, sizeof(settings), SIZED_TO(grove_stalls, arg),
                   given) < 0 ||
        settings.limit < 0 || (settings.limit && settings.limit < LEAST))
        return -EINVAL;
    hub_stall_set(&settings);
    hub_stall_ring();
    return 0;
}

int grove_stalls_get(grove_stalls *settings)
{
    const grove_stalls now = hub_stall_settings();
    return sized_give(settings, &now, sizeof(now), SIZED_TO(grove_stalls, arg));
}

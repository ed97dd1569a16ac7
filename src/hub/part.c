/*
 * The parts of a hub: a fixture that passes on to them what they are told.
 */
#include <assert.h>

#include "hub/part.h"

static void end(struct hub *hub)
{
    while (hub->parts) {
        struct hub_part *part = hub->parts;
        hub->parts = part->next;
        part->end(part);
    }
}

static void forked(struct hub *hub)
{
    for (struct hub_part *part = hub->parts; part; part = part->next) {
        if (part->forked)
            part->forked(part);
    }
}

const struct hub_fixture hub_parts_fixture = {.end = end, .forked = forked};

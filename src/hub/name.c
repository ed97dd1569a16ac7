/*
 * What a fiber is called: its own name, or what its host calls it. Called in
 * signal handlers, too, on the hub's thread, so nothing here takes a lock or
 * memory.
 */
#include <string.h>

#include "hub/dump.h"
#include "hub/hub.h"

void hub_fiber_name(const struct grove_fiber *f, char *text, size_t size)
{
    const struct grove_host *host = hub_host_of(f);
    if (host && !f->fiber.name[0]) {
        host->name(f, text, size);
        return;
    }
    size_t n = strnlen(f->fiber.name, size - 1);
    memcpy(text, f->fiber.name, n);
    text[n] = '\0';
}

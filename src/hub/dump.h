/*
 * Telling where the fibers of a hub are; on its thread.
 */
#ifndef GROVE_HUB_DUMP_H
#define GROVE_HUB_DUMP_H

#include "hub/hub.h"

/* As grove_each_fiber and grove_dump, of a hub. */
void hub_tell_each(struct hub *hub,
                   void (*fn)(const grove_fiber_info *info, void *arg),
                   void *arg);
void hub_dump(struct hub *hub, int fd);

/* The lines of hub_dump as details of the message that was just told. */
void hub_log_each(struct hub *hub);

/* The host that f belongs to; NULL: none. One that has left its hub leaves its
 * fibers, too. */
static inline const struct grove_host *hub_host_of(const struct grove_fiber *f)
{
    return f->host ? f->hub->host : NULL;
}

/* What people call f, as snprintf writes it. Async-signal-safe (name.c). */
void hub_fiber_name(const struct grove_fiber *f, char *text, size_t size);

#endif

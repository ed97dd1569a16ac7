/*
 * The fibers of a hub, as they are while it goes on.
 */
#ifndef GROVE_TOOL_FIBERS_H
#define GROVE_TOOL_FIBERS_H

#include "look/hubs.h"

/* As enum fiber_state of hub/life.h. */
enum look_state {
    LOOK_NEW,
    LOOK_READY,
    LOOK_RUNNING,
    LOOK_PARKED,
    LOOK_ENDED,
    LOOK_STRANDED,
    LOOK_STATES
};

struct look_fiber {
    uint64_t at; /* where its record is */
    uint64_t id; /* of its hub */
    uint64_t host, fn;
    uint64_t what;       /* a text, where it waits for something; 0 */
    int64_t since;       /* when it began to */
    uint64_t sp, bp, ip; /* while it does not run */
    int fd;              /* that it waits for; -1 */
    uint8_t state;       /* enum look_state */
    char name[24];       /* its own; "": none */
};

extern const char *const look_state_names[LOOK_STATES];

/* Calls fn for each fiber of the hub, the thread's own stack first, as long as
 * it returns true. One that comes, goes or changes meanwhile is told as it was,
 * or not at all. 0, or -ENOMEM. */
int fibers_each(struct target *t, const struct look_hub *hub,
                bool (*fn)(const struct look_fiber *f, void *arg), void *arg);

/* The one that is at that address; false: there is none of that hub. */
bool fibers_at(struct target *t, const struct look_hub *hub, uint64_t at,
               struct look_fiber *f);

#endif

/*
 * What hangs on a hub without the loop knowing it by name.
 *
 * A fixture is had by every hub from its making to its end: a constant table
 * of functions in the file of who it belongs to, listed in fixtures.c, and
 * memory behind the hub's own. Fixtures begin in the order of that list and end
 * in the opposite one.
 *
 * A part is had by the hubs whose fibers asked for it, from then on: layers
 * above add theirs at first use (name look-ups, signals, a ring of files).
 */
#ifndef GROVE_HUB_PART_H
#define GROVE_HUB_PART_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "hub/hub.h"

/* ---- fixtures --------------------------------------------------------------- */

/* All functions but `once` and `unheard` are called on the hub's thread, and
 * each may be NULL. */
struct hub_fixture {
    size_t size;    /* bytes of its own in each hub, zero at first */
    size_t *offset; /* where they are; set once a process. NULL: size is 0 */
    /* Once a process, before the first hub begins. */
    void (*once)(void);
    /* A hub is being made: 0 or -errno. */
    int (*begin)(struct hub *hub);
    /* The hub's thread ends and no fiber of it runs any more. */
    void (*end)(struct hub *hub);
    /* In a forked child, on the one thread that is there. */
    void (*forked)(struct hub *hub);
    /* Nothing is due, and neither timers nor descriptors nor holds are a reason
     * to go on: whether something may still come. */
    bool (*expects)(const struct hub *hub);
    /* Those whose fn is `post` are its posts; one of them was on its way when
     * the hub ended, or when the process forked (`forked`): it is not called.
     */
    void (*post)(grove_post *post);
    void (*unheard)(grove_post *post, bool forked);
};

/* All of them, NULL at the end. */
extern const struct hub_fixture *const hub_fixtures[];

/* What hub keeps for the fixture whose offset is given. */
static inline void *hub_keeps(const struct hub *hub, size_t offset)
{
    assert(offset >= sizeof(*hub)); /* once_a_process has been there */
    return (char *)hub + offset;
}

/* ---- parts ------------------------------------------------------------------- */

struct hub_part {
    struct hub_part *next; /* added before it */
    /* The hub's thread ends, on it, and no fiber of it runs any more. */
    void (*end)(struct hub_part *part);
    /* In a forked child, where the loop is a fresh one; before a host's. NULL:
     * nothing need be done. */
    void (*forked)(struct hub_part *part);
};

static inline void hub_part_add(struct hub *hub, struct hub_part *part)
{
    assert(hub == hub_of_thread && part->end);
    part->next = hub->parts;
    hub->parts = part;
}

static inline void hub_part_remove(struct hub *hub, struct hub_part *part)
{
    assert(hub == hub_of_thread);
    struct hub_part **at = &hub->parts;
    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
}

/* The hub's part with this end; NULL: it has none. */
static inline struct hub_part *hub_part_find(const struct hub *hub,
                                             void (*end)(struct hub_part *))
{
    struct hub_part *part = hub->parts;
    while (part && part->end != end)
        part = part->next;
    return part;
}

#endif

/*
 * Rings of links: those who want to know of a fiber's end, and whoever else
 * stands in line on one thread. A ring's ends are a link themselves, whose next
 * is the first and whose prev the last; a link that is in no ring has no next.
 */
#ifndef GROVE_HUB_LINKS_H
#define GROVE_HUB_LINKS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "grove.h"

struct hub;

static inline void links_init(grove_link *ends)
{
    ends->next = ends;
    ends->prev = ends;
}

static inline bool links_empty(const grove_link *ends)
{
    return ends->next == ends;
}

static inline void links_append(grove_link *ends, grove_link *link)
{
    assert(ends->prev->next == ends);
    link->next = ends;
    link->prev = ends->prev;
    ends->prev->next = link;
    ends->prev = link;
}

static inline void links_remove(grove_link *link)
{
    assert(link->next->prev == link && link->prev->next == link);
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
}

/* link, a user's, whose fiber has ended, is called in the hub's next pass. */
void hub_link_due(struct hub *hub, grove_link *link);

#endif

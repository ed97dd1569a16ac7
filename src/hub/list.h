/*
 * The ring of all hubs of the process; see list.c. Any thread.
 */
#ifndef GROVE_HUB_LIST_H
#define GROVE_HUB_LIST_H

#include "hub/hub.h"

/* Any of them; NULL: there is none. For layout.c. */
extern struct hub *hub_list __attribute__((visibility("hidden")));

void hub_list_add(struct hub *hub);
void hub_list_remove(struct hub *hub);

/* Whether there is no hub but the calling thread's, hub. */
bool hub_list_is_alone(const struct hub *hub);

/* While it is locked no hub comes or goes: around a fork. */
void hub_list_lock(void);
void hub_list_unlock(void);

/* Calls fn for every hub, none of which comes or goes meanwhile. fn must be
 * done within microseconds. */
void hub_list_each(void (*fn)(struct hub *hub, void *arg), void *arg);

/* In the child, locked: only survivor's thread is there; NULL: no hub's. */
void hub_list_forked(struct hub *survivor);

/* Calls fn for every hub, now or, if the ring is locked, when it is let go; the
 * last of several fns that are to wait wins; arg is NULL. For signal handlers,
 * too, if fn is. */
void hub_list_ask(void (*fn)(struct hub *hub, void *arg));

#endif

/*
 * Threads of the library's own, which wake only who waits for them by a hold:
 * that they are there keeps no deadlock from being told. Any thread.
 */
#ifndef GROVE_HUB_HELPERS_H
#define GROVE_HUB_HELPERS_H

#include <stdbool.h>

/* One is about to begin; has ended, or did not begin. */
void hub_helper_begins(void);
void hub_helper_ends(void);

/* In the child of a fork there are none. */
void hub_helpers_forked(void);

/* How many there are. Whether there ever were any: if not, the process has no
 * other threads but those that it has made itself. */
unsigned hub_helpers(void);
bool hub_helpers_known(void);

#endif

/*
 * Watching the switches of a thread; see switch_watch.c.
 */
#ifndef GROVE_PYTHON_SWITCH_WATCH_H
#define GROVE_PYTHON_SWITCH_WATCH_H

#include "raw/raw.h"

struct switch_watch;

/* A switch happens; waits: because the greenlet that runs waits or ends. */
void switch_watch_note(struct switch_watch *w, bool waits);

/* The hub has slept: nobody ran meanwhile. */
void switch_watch_rested(struct switch_watch *w);

#endif

/*
 * A process that is looked at: its memory, and the tables by which Grove says
 * where things are in it.
 */
#ifndef GROVE_TOOL_TARGET_H
#define GROVE_TOOL_TARGET_H

#include "greenlet/layout.h"
#include "hub/layout.h"
#include "interp/layout.h"
#include "look/memory.h"
#include "look/modules.h"

struct target {
    struct memory memory;
    struct modules modules;
    struct hub_layout layout;
    struct hub_layout_numbers numbers;
    struct hub_layout_mailbox mailbox;
    size_t mark_at, numbers_at, mailbox_at; /* from a hub; 0: none has begun */
    bool has_python; /* the tables of the Python package are there */
    struct interp_layout interp;
    struct greenlet_layout greenlet;
    char *package; /* the folder of the Python package, up to its last slash;
                      NULL: there is none */
};

/* Looks for Grove in the process of that number, as a user typed it. 0, or -1
 * where that cannot be: why was told on stderr, in one line. */
int target_open(struct target *t, pid_t pid);
void target_close(struct target *t);

/* Whether the process could be read up to now; if not that is told on stderr.
 */
bool target_was_read(const struct target *t);

#endif

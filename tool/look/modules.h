/*
 * The ELF files that a process has loaded, and their notes.
 */
#ifndef GROVE_TOOL_MODULES_H
#define GROVE_TOOL_MODULES_H

#include "look/memory.h"

struct module {
    uint64_t begin, end; /* from its first mapping to its last */
    uint64_t first_end;  /* of the first */
    uint64_t bias;       /* what is added to the addresses that it names */
    uint64_t notes[4];   /* the tables that its notes tell of, by type; 0 */
    char *path;          /* as /proc/PID/maps has it */
};

struct modules {
    struct module *list; /* by address */
    size_t count;
};

/* Those of m's process. 0, or -errno as of open(2) on its maps. */
int modules_read(struct modules *modules, struct memory *m);
void modules_free(struct modules *modules);

/* The one that an address lies in; NULL: none. */
const struct module *modules_at(const struct modules *modules,
                                uint64_t address);

/* The first that has a note of that type; NULL: none. */
const struct module *modules_noted(const struct modules *modules,
                                   unsigned type);

#endif

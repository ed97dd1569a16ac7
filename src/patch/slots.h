/*
 * Slots that were changed, and how they are changed: all of a batch or none.
 */
#ifndef GROVE_PATCH_SLOTS_H
#define GROVE_PATCH_SLOTS_H

#include "patch/object.h"
#include "patch/patch.h"

struct slot {
    void **at;      /* the word */
    void *before;   /* what was in it */
    void *function; /* what is in it now: of row */
    const struct patch_row *row;
    const ElfW(Phdr) * headers; /* of its object */
    uintptr_t relro, relro_end; /* the object's */
    bool in_tables;             /* of libc's tables, which all objects share */
};

/* Zero at first. */
struct slots {
    struct slot *slots;
    size_t count, room;
};

/* Room for one more: -ENOMEM. */
int slots_reserve(struct slots *s, size_t more);
void slots_free(struct slots *s);
/* How many are objects' own. */
size_t slots_own(const struct slots *s);
/* The one at that address; NULL: there is none. */
struct slot *slots_find(const struct slots *s, void **at);

/* Store the functions; or what was there before, in those that still have
 * the function. 0, or a negative errno of mprotect's and nothing is stored. */
int slots_apply(struct slots *s);
int slots_restore(struct slots *s);

#endif

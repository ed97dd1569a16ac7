/*
 * Whose a FILE is for the time of a call, a fiber's: see hold.c.
 */
#ifndef GROVE_PATCH_STDIO_HOLD_H
#define GROVE_PATCH_STDIO_HOLD_H

#include <stdio.h>

#include "patch/call.h"

/* One hold; it stands on the holder's stack, or for flockfile in memory of its
 * own. */
struct file_hold {
    struct file_hold *next; /* of other FILEs, in the same row */
    FILE *file;
    struct hub *hub;          /* the fiber's; NULL: nothing is held */
    uint64_t owner;           /* the fiber's identity */
    struct file_hold *counts; /* what stands in the row: this, or the one that
                                 the same fiber had of the file before */
    unsigned depth;           /* of that one: how many holds there are */
    bool own_memory;          /* of that one: it is freed with the last */
    bool libcs;               /* libc's own lock is held, too */
};

/* h->hub is set. The file becomes the calling fiber's: if nobody else has it;
 * or else false, when that may have changed; or the fiber parks until it can,
 * and libc's own lock of it is the fiber's as well. */
bool file_hold_try(struct file_hold *h, FILE *file);
bool file_hold_or_wait(struct file_hold *h, FILE *file);
void file_hold_both(struct file_hold *h, FILE *file);

/* libc's own lock alone; the fiber of hub parks until it has it. */
void file_lock_libcs(struct hub *hub, FILE *file);

/* It is not this hold's any more. Nothing of the file is read. */
void file_let_go_slow(struct file_hold *h);
/* The same of the hold that counts. */
void file_let_go_once(struct file_hold *counts);

/* What counts, if the file is the calling fiber's; NULL: it is not. */
struct file_hold *file_held(const FILE *file);

static inline void file_hold(struct file_hold *h, FILE *file)
{
    h->hub = patch_hub();
    if (unlikely(h->hub != NULL))
        file_hold_both(h, file);
}

/* Only the fibers' lock is held from now on. */
static inline void file_give_up_libcs(struct file_hold *h)
{
    if (!h->hub || !h->libcs)
        return;
    funlockfile(h->file);
    h->libcs = false;
}

static inline void file_let_go(struct file_hold *h)
{
    if (unlikely(h->hub != NULL))
        file_let_go_slow(h);
}

/* The file is the calling fiber's until the block is left, by a cancel of its
 * thread, too. Costs a thread without a hub a load and a branch. */
#define HOLD(file) \
    struct file_hold hold_ __attribute__((cleanup(file_let_go))); \
    file_hold(&hold_, (file))

#endif

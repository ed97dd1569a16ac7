/*
 * Blocks of thread-local storage for fibers that are to have their own; see
 * tls_block.c.
 */
#ifndef GROVE_FIBER_TLS_BLOCK_H
#define GROVE_FIBER_TLS_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "fiber/fiber.h"
#include "fiber/tls_libc.h"

struct tls_block {
    void *tp;                 /* its thread pointer; first */
    struct tls_block *next;   /* while pooled */
    struct tls_block *others; /* of all there are */
    struct tls_thread *home;  /* of the thread whose fiber has it */
    void *room[2];            /* of who gave it to the fiber */
    uint64_t mask;            /* signals that are blocked while it is in use */
    int tid; /* what it is known by as an owner of locks: no thread's */
};

/* NULL, or why no fiber can have a block of its own here. Any thread. */
GROVE_HOST_API const char *tls_block_refused(void);

/* A block in which all is as in a new thread that the caller has created, whose
 * thread's is home (NULL: not known); NULL with errno: ENOTSUP, ENOMEM. */
GROVE_HOST_API struct tls_block *tls_block_take(const struct tls_thread *home);

/* Back to the pool, on any thread. No fiber has it any more. */
GROVE_HOST_API void tls_block_put(struct tls_block *block);

/* f, a fiber of the calling thread, which is t and home, will run with block:
 * it is new; or does from here on: it is running. */
void tls_block_enter(struct fiber_thread *t, struct tls_thread *home,
                     struct fiber *f, struct tls_block *block);
GROVE_HOST_API void tls_block_begin(struct fiber_thread *t,
                                    struct tls_thread *home, struct fiber *f,
                                    struct tls_block *block);

/* f, which is running, has its thread's own again. */
GROVE_HOST_API void tls_block_leave(struct fiber_thread *t, struct fiber *f);

/* f, which does not run, never will: it has its thread's own. On the thread. */
GROVE_HOST_API void tls_block_forget(struct fiber *f);

/* What a thread does at its end with its block: destructors of C++'s
 * thread-local variables and of keys are called, on it, and what libc keeps for
 * it is given back. May wait. */
GROVE_HOST_API void tls_block_finish(void);

/* The variable of one word at address, of the calling thread, is the thread's
 * and not the fiber's: all blocks of the thread hold the same. Before it is set
 * for the first time; again, it changes nothing. */
void tls_block_share(void *address);

/* Whether any fiber of the process was given a block. */
extern _Atomic bool tls_block_any;

/* The calling thread has blocked these signals, bit n - 1 for signal n: for
 * whoever runs now, and those who share its block. */
GROVE_HOST_API void tls_block_mask(struct tls_thread *home, uint64_t mask);

/* The block that is in use now; NULL: the thread's own. In each block it is the
 * block. */
extern GROVE_HOST_API __thread struct tls_block *tls_block_in_use
    __attribute__((tls_model("initial-exec")));

static inline struct tls_block *tls_block_current(void)
{
    return tls_block_in_use;
}

/* Where the thread itself has the variable whose address, in the storage that
 * is in use, is this: for what is the thread's and not the fiber's. Also in a
 * signal's handler. */
static inline void *tls_block_own(void *address)
{
    const struct tls_block *block = tls_block_in_use;
    if (__builtin_expect(!block, 1))
        return address;
    return tls_at(block->home->tp, (char *)address - (char *)tls_pointer());
}

#endif

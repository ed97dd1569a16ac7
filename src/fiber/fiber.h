/*
 * A fiber, as far as a thread of execution goes: a stack, a saved context and
 * what belongs to it across switches. Scheduling is the hub's.
 *
 * The record of a fiber stands at the top of its own stack slot (stack.h), so
 * that one page holds all that a parked fiber needs; it begins with a struct
 * fiber, which begins with a struct stack. The fiber that stands for a thread's
 * own stack has no slot: its stack.base is NULL.
 */
#ifndef GROVE_FIBER_FIBER_H
#define GROVE_FIBER_FIBER_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "fiber/annotate.h"
#include "fiber/context.h"
#include "fiber/root.h"
#include "fiber/stack.h"

#define FIBER_NAME_SIZE 24

/* The Itanium C++ ABI's __cxa_eh_globals: the exceptions that are being
 * handled. A parked catch block's must not be seen by another fiber. */
struct eh_globals {
    void *caught;       /* a list of those in catch blocks, innermost first */
    uintptr_t uncaught; /* how many are thrown and not caught yet */
};

struct tls_block;

/* Bits of fiber.special. */
#define FIBER_EXCEPTIONS 1u /* eh is what the thread's globals must get */
#define FIBER_OWN_TLS \
    2u /* it runs with block (tls_block.h), not with its \
          thread's own storage */

struct fiber {
    struct stack stack; /* first: where it stands is where the stack begins */
    uint64_t id;        /* of its hub, from 1 on; never used again */
    char name[FIBER_NAME_SIZE];   /* for people; cut, and ended by a zero */
    struct eh_globals eh;         /* see FIBER_EXCEPTIONS */
    struct tls_block *block;      /* see FIBER_OWN_TLS */
    struct annotation annotation; /* what the tools know it by */
    /* What every switch touches begins here, at the start of a cache line
     * (stack_pool_init's hot_offset), and goes on with the scheduler's words.
     */
    unsigned special;       /* what a switch to it has to do besides */
    int saved_errno;        /* while it does not run */
    struct context context; /* while it does not run */
};

/* What a switch needs of the thread it happens on. */
struct fiber_thread {
    int *errno_location;   /* the thread's errno */
    struct eh_globals *eh; /* NULL until a C++ runtime is seen, or a fiber has a
                              block; while one runs with it: not empty */
#if FIBER_ANNOTATED
    struct fiber *previous; /* who was left by the last switch */
#endif
};

/* Masks of the blocks that a thread's fibers have: tls_masks.c. */
#define TLS_SIGNALS 64
struct tls_masks {
    uint32_t blocks;                /* how many there are */
    uint32_t blocking[TLS_SIGNALS]; /* [n - 1]: those that block signal n */
    bool known;                     /* common is right */
    uint64_t common;                /* what all of them block, as bits */
};

/* What is known of a thread that has, or had, fibers with blocks of their own
 * (tls_block.h); zero before. */
struct tls_thread {
    void *tp;              /* the thread's own thread pointer; NULL: none yet */
    struct eh_globals *eh; /* what fiber_thread.eh is without a block */
    struct eh_globals elsewhere; /* what it is with one */
    uint64_t mask;               /* signals that are blocked without a block */
    struct eh_globals none;      /* what it is where there is no C++ runtime */
    struct tls_masks masks;      /* of its fibers with blocks */
};

/* The annotations want to know, on arrival, who was left. */
static inline void fiber_leaves(struct fiber_thread *t, struct fiber *from)
{
    (void)t;
    (void)from;
#if FIBER_ANNOTATED
    t->previous = from;
#endif
}

static inline void fiber_arrives(struct fiber_thread *t, struct fiber *here)
{
    (void)t;
    (void)here;
#if FIBER_ANNOTATED
    annotate_arrive(&here->annotation, &t->previous->annotation);
#endif
}

/* Fills t for the calling thread. */
void fiber_thread_init(struct fiber_thread *t);

/* Look again for a C++ runtime: one may have been loaded since. Cheap when no
 * library was. */
GROVE_HOST_API void fiber_thread_refresh(struct fiber_thread *t);

/* Make f's record stand for the calling thread's own stack. */
void fiber_adopt_thread(struct fiber *f);

/* Make f, whose stack part is set, start entry(arg) when first switched to.
 * entry must end in fiber_leave. */
static inline void fiber_make(struct fiber *f, uint64_t id,
                              void (*entry)(void *), void *arg)
{
    char *low = f->stack.base + 4096;
    assert(f->stack.live && low < (char *)f);
    f->saved_errno = 0;
    f->special = 0;
    f->id = id;
    f->name[0] = '\0';
    annotate_birth(&f->annotation, low, f);
    context_make(&f->context, low, f, entry, arg);
}

/* To be called first by entry. */
static inline void fiber_started(struct fiber_thread *t, struct fiber *f)
{
    fiber_arrives(t, f);
}

/* What fiber_switch leaves to it: exceptions in flight go with the fiber, and
 * so does a block (tls_block.c). */
GROVE_HOST_API void fiber_switch_special(struct fiber_thread *t,
                                         struct fiber *from, struct fiber *to);

/* While a fiber runs with a block, t->eh is never empty, so that one test tells
 * the usual case: nothing is in flight, and neither has a block. */
static inline void fiber_swap_special(struct fiber_thread *t,
                                      struct fiber *from, struct fiber *to)
{
    const struct eh_globals *eh = t->eh;
    if (unlikely((uintptr_t)eh->caught | eh->uncaught) || unlikely(to->special))
        fiber_switch_special(t, from, to);
}

/* Whether t is the thread that is running, and its errno what saved_errno is
 * for: that of a fiber with a block stays there. */
static inline bool fiber_on_thread(const struct fiber_thread *t,
                                   const struct fiber *f)
{
    return (f->special & FIBER_OWN_TLS) || t->errno_location == &errno;
}

/* Leave `from`, which is running, for `to`; returns when something switches
 * back. */
__attribute__((always_inline)) static inline void
fiber_switch(struct fiber_thread *t, struct fiber *from, struct fiber *to)
{
    int *e = t->errno_location;
    assert(fiber_on_thread(t, from) && from != to);
    from->saved_errno = *e;
    *e = to->saved_errno;
    if (unlikely(t->eh != NULL))
        fiber_swap_special(t, from, to);
    fiber_leaves(t, from);
    annotate_leave(&from->annotation, &to->annotation, 0);
    context_switch(&from->context, &to->context);
    fiber_arrives(t, from);
}

/* Leave `from` for good. Its record, and the stack it stands on, may already be
 * in the pool, but nothing else may have taken it. */
__attribute__((always_inline, noreturn)) static inline void
fiber_leave(struct fiber_thread *t, struct fiber *from, struct fiber *to)
{
    assert(fiber_on_thread(t, from) && from != to);
    *t->errno_location = to->saved_errno;
    if (unlikely(t->eh != NULL))
        fiber_swap_special(t, from, to);
    fiber_leaves(t, from);
    annotate_leave(&from->annotation, &to->annotation, 1);
    context_jump(&from->context, &to->context);
}

GROVE_HOST_API void fiber_set_name(struct fiber *f, const char *name);

#endif

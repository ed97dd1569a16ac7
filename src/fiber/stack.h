/*
 * Stacks: slots of address space, each with a guard, from slabs that one
 * thread owns. See stack.c for the layout.
 */
#ifndef GROVE_FIBER_STACK_H
#define GROVE_FIBER_STACK_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"

#define STACK_SHIFT_MIN 14 /* 16 KiB */
#define STACK_SHIFT_MAX 26 /* 64 MiB */
#define STACK_SHIFTS (STACK_SHIFT_MAX - STACK_SHIFT_MIN + 1)

/* Who lays out the top of a slot. */
enum stack_kind {
    STACK_PLAIN,  /* nothing above the record */
    STACK_HOSTED, /* STACK_HOST_AREA bytes above it belong to the host */
    STACK_KINDS
};

/* The host's part of a hosted slot: CPython's first frame chunk. Tools that
 * read another process take 16 KiB from its start, so that much must be
 * mapped; the rest makes its start fall at offset 3072 of a page, which leaves
 * that page 3 KiB for the record and the parked C frames below it, and 1 KiB
 * for the frames above: a parked greenlet touches one page. */
#define STACK_HOST_AREA (16384 + 1024)

/* Records are moved down by one of these colours, multiples of a cache line
 * that are small against a page, and what is hot in them begins a line. */
#define STACK_COLOURS 8
#define STACK_COLOUR 64
#define STACK_LINE 64

/* The head of a slot's record, where the stack begins to grow down from. */
struct stack {
    struct stack *next;        /* while pooled */
    char *base;                /* start of the slot */
    struct stack_class *class; /* it goes back to */
    bool live;                 /* handed out; false while pooled */
    bool open;            /* its spare part is in use; see stack_open_spare */
    unsigned valgrind_id; /* what valgrind knows it by */
};

/* One mapping of equal slots. */
struct slab {
    struct slab *next; /* made before it, and smaller */
    char *base;        /* of its first slot */
    size_t slots;      /* in all */
    size_t used;       /* slots handed out at least once */
    size_t ahead;   /* of those after, the next that have their guard, and the
                       page they begin in; the rest is untouched */
    uint32_t *cold; /* a stack of slot numbers whose pages were given back */
    size_t colds;   /* its height */
    uint64_t *is_cold;       /* a bit a slot: its record is not to be read */
    size_t protected_guards; /* those that cost mappings */
};

/* The slots of one size and kind. */
struct stack_class {
    struct stack *fresh; /* pooled, pages below the top one not looked at */
    struct stack *clean; /* pooled, only the top page resident */
    struct slab *slabs;  /* newest first; only the first has unused slots */
    size_t fresh_count;
    size_t clean_count;
    size_t cold_count;    /* in all slabs */
    unsigned shift;       /* log2 of the slot's size; 0 before first use */
    size_t guard;         /* bytes, of each slot */
    size_t spare;         /* the same; 0: none */
    enum stack_kind kind; /* set with shift */
};

_Static_assert(STACK_KINDS *STACK_SHIFTS <= 64, "a bit for each class");

struct stack_pool {
    /* by kind and shift - STACK_SHIFT_MIN */
    struct stack_class classes[STACK_KINDS][STACK_SHIFTS];
    uint64_t in_use;    /* a bit a class, by its index: it has had a slot */
    size_t record_size; /* bytes of the record that begins with struct stack */
    size_t hot_offset;  /* of what in it should begin a cache line */
    size_t spare;       /* the spare part of hosted slots, at
                           most a quarter of each; a whole number of pages.
                           Set before the first of them is taken */
};

/* How guards are made on this machine; see stack_guard_mode. */
enum stack_guard { STACK_GUARD_REGION, STACK_GUARD_MPROTECT };

void stack_pool_init(struct stack_pool *pool, size_t record_size,
                     size_t hot_offset);

/* Unmaps every slab. No stack of the pool may be in use. */
void stack_pool_destroy(struct stack_pool *pool);

/* log2 of the slot that a stack of size bytes gets, or 0 when size is out of
 * GROVE_STACK_MIN..GROVE_STACK_MAX. */
GROVE_HOST_API unsigned stack_shift(size_t size);

/* A size in bytes, or with a unit (K, KB, KiB, M, MB, MiB, G, GB, GiB); 0 when
 * text is none, or too large for any stack. stack_environment.c. */
GROVE_HOST_API size_t stack_size_parse(const char *text);

/* log2 of the slot for the size that GROVE_STACK_SIZE in the environment asks
 * for; 0 when it is not set, or bad, which is told: smallest is what this kind
 * of fiber needs. stack_environment.c. */
GROVE_HOST_API unsigned stack_shift_from_environment(size_t smallest);

/* The slow half of stack_get: a slot from a slab. NULL when no memory, address
 * space or mapping is left. */
GROVE_HOST_API struct stack *stack_get_cold(struct stack_pool *pool,
                                            struct stack_class *class);

/* So many slots are made ready together at most, where a slab is of so many
 * that their pages do not count. */
#define STACK_AHEAD 32
#define STACK_AHEAD_SLAB (32 * STACK_AHEAD)

/* Install n guards of size bytes, the first at guard and the next stride after
 * it, and have the pages there where begin and so on lie. How many were
 * installed: 0 where the kernel does not let us. */
size_t stack_prepare(char *guard, size_t size, char *begin, size_t stride,
                     size_t n);

/* Look at up to max pooled stacks and give back what is deeper than their top
 * page; beyond a reserve give back that page, too. True when more is left. */
GROVE_HOST_API bool stack_pool_trim(struct stack_pool *pool, unsigned max);

/* Of a live stack whose user needs what lies from low to high alone: all other
 * whole pages are given back. It may grow over them again. Owner's thread. */
GROVE_HOST_API void stack_rest(const struct stack *stack, const char *low,
                               const char *high);

/* The live stack in whose slot addr lies, or NULL. Async-signal-safe. */
struct stack *stack_by_address(const struct stack_pool *pool, const void *addr);

/* The same if addr lies in the slot's guard. */
struct stack *stack_by_guard(const struct stack_pool *pool, const void *addr);

/* A stack has run into its guard: it may use its spare part from here on, until
 * that is closed again. False when it has none, or uses it, or the kernel does
 * not let us. Async-signal-safe. */
GROVE_HOST_API bool stack_open_spare(struct stack *stack);

/* The spare part, which is open, holds nothing any more: it is closed, and its
 * pages are given back. False when the kernel does not let us: it stays open.
 */
GROVE_HOST_API bool stack_close_spare(struct stack *stack);

/* Calls fn for every live stack. */
GROVE_HOST_API void stack_each(const struct stack_pool *pool,
                               void (*fn)(struct stack *stack, void *arg),
                               void *arg);

/* How guards are made: regions where the kernel has them (Linux 6.13),
 * otherwise mprotect, which is bounded by vm.max_map_count.
 * GROVE_GUARD=mprotect in the environment chooses the latter. Under valgrind it
 * is mprotect for the first 8,000, and nothing for those after them. */
GROVE_HOST_API enum stack_guard stack_guard_mode(void);

/* The protection of their memory, as mmap(2) takes it: with PROT_EXEC where the
 * process began with an executable stack. stack_access.c. */
int stack_access(void);

static inline size_t stack_size(const struct stack *stack)
{
    return (size_t)1 << stack->class->shift;
}

/* Where the stack ends as long as its spare part is closed. */
static inline char *stack_spare_end(const struct stack *stack)
{
    return stack->base + stack->class->spare + stack->class->guard;
}

/* The host's area of a hosted slot. */
static inline void *stack_host_area(const struct stack *stack)
{
    return stack->base + stack_size(stack) - STACK_HOST_AREA;
}

static inline struct stack_class *
stack_class_of(struct stack_pool *pool, enum stack_kind kind, unsigned shift)
{
    assert(kind < STACK_KINDS);
    assert(shift >= STACK_SHIFT_MIN && shift <= STACK_SHIFT_MAX);
    return &pool->classes[kind][shift - STACK_SHIFT_MIN];
}

/* The stack of the class that was put there last; NULL: there is none. */
static inline struct stack *stack_get_pooled(struct stack_class *class)
{
    struct stack *stack = class->fresh;
    if (unlikely(!stack))
        return NULL;
    assert(!stack->live && stack->class == class && class->fresh_count > 0);
    class->fresh = stack->next;
    class->fresh_count--;
    stack->live = true;
    return stack;
}

/* A stack of the class: its record, whose bytes behind struct stack are what
 * the last user left (zero when new). */
static inline struct stack *stack_get(struct stack_pool *pool,
                                      struct stack_class *class)
{
    struct stack *stack = stack_get_pooled(class);
    return likely(stack != NULL) ? stack : stack_get_cold(pool, class);
}

/* Back to the pool. May be called while standing on the stack, if nothing that
 * takes a stack runs before leaving it. */
static inline void stack_put(struct stack *stack)
{
    struct stack_class *class = stack->class;
    assert(stack->live && stack->base); /* a thread's own has no slot */
    stack->live = false;
    stack->next = class->fresh;
    class->fresh = stack;
    class->fresh_count++;
}

#endif

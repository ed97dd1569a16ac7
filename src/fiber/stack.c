/*
 * Slots, slabs and the pool.
 *
 * A slot is a power of two in size and is laid out so:
 *
 *   base                                                       base + size
 *   | spare | guard | .... stack, growing down | record | host's area     |
 *       ^                                      ^                ^
 *   hosted only             moved down by the slot's colour   hosted only
 *
 * The spare part is for a stack that has overflowed whose host can end what
 * runs there in good order, which takes some stack, too (overflow.c). Then it
 * is opened: the guard moves below it, until it is closed again.
 *
 * The guard is a quarter of the slot, but no wider than 64 KiB, so that a
 * function whose frame is smaller cannot step over it, even if it was compiled
 * without -fstack-clash-protection; an eighth where there is a spare part,
 * which takes as much again. Its width costs address space and nothing else: it
 * is one call, and no page.
 *
 * The record (struct stack, and around it the fiber) stands in the page where
 * the stack begins, so that a parked fiber touches one page. Records of
 * neighbouring slots would all fall on the same cache sets; a colour of 0 to
 * 448 bytes spreads them without spilling into a second page.
 *
 * Slots come from slabs, which double from 16 MiB to 16 GiB: 1,000,000 slots of
 * 256 KiB are some 30 mappings. Slabs are aligned to 2 MiB so that a slot's
 * guard and top share a page of the page table, and never use huge pages: one
 * would make a whole group of stacks resident.
 *
 * A slot's life:
 *
 *      unused --> live --> fresh --> clean --> cold
 *                  ^         |         |         |
 *                  +---------+---------+---------+
 *
 * fresh: pooled, the last in is the first out, because it is in the cache;
 * clean: looked at by stack_pool_trim, its deep pages given back;
 * cold: beyond the reserve, all its pages given back. A cold slot's record is
 * gone, so cold slots are remembered in the slab.
 *
 * All of it belongs to one thread; only stack_guard_mode is shared.
 */
#include "fiber/stack.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fiber/annotate.h"
#include "fiber/fiber.h"
#include "fiber/log.h"

#define PAGE ((size_t)4096)
#define GUARD_MAX ((size_t)64 << 10)
#define SLAB_MIN ((size_t)16 << 20)
#define SLAB_MAX ((size_t)16 << 30)
#define SLAB_ALIGN ((size_t)2 << 20)

/* Pooled stacks of a class that keep their top page while the hub is idle. */
#define CLEAN_RESERVE 4096

/* Mappings left to the rest of the process when guards cost mappings. */
#define MAPPING_RESERVE 4096

/* Under valgrind, which has room for so many. */
#define WATCHED_GUARDS 8000

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103
#endif

static pthread_once_t guard_once = PTHREAD_ONCE_INIT;
static enum stack_guard guard_mode;
static _Atomic long guard_budget; /* mprotect guards still allowed */
static bool watched; /* by valgrind: stacks beyond these have no guard */

unsigned stack_shift(size_t size)
{
    if (size < (size_t)1 << STACK_SHIFT_MIN || size > (size_t)1
                                                          << STACK_SHIFT_MAX)
        return 0;
    return 64 - (unsigned)__builtin_clzl(size - 1);
}

/* Each mprotect guard splits a mapping: two more of vm.max_map_count. */
static long mprotect_budget(void)
{
    long limit = 65530;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    if (f) {
        if (fscanf(f, "%ld", &limit) != 1)
            limit = 65530;
        fclose(f);
    }
    return limit > 2 * MAPPING_RESERVE ? (limit - MAPPING_RESERVE) / 2
                                       : limit / 4;
}

/* Emulators accept advice that they do not know, so the guard is tried out:
 * populating a guarded page fails. */
static bool guard_regions_work(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    bool works = madvise(page, PAGE, MADV_GUARD_INSTALL) == 0 &&
                 madvise(page, PAGE, MADV_POPULATE_READ) < 0 && errno == EFAULT;
    munmap(page, PAGE);
    return works;
}

static void choose_guard(void)
{
    const char *wish = getenv("GROVE_GUARD");
    bool by_mprotect = wish && strcmp(wish, "mprotect") == 0;
    if (wish && !by_mprotect)
        log_tell(GROVE_LOG_WARNING,
                 "GROVE_GUARD is \"%s\"; expected mprotect; using guard "
                 "regions where they work",
                 wish);
    watched = annotate_watched();
    bool regions = !watched && !by_mprotect && guard_regions_work();
    guard_mode = regions ? STACK_GUARD_REGION : STACK_GUARD_MPROTECT;
    atomic_store(&guard_budget, watched ? WATCHED_GUARDS : mprotect_budget());
}

enum stack_guard stack_guard_mode(void)
{
    pthread_once(&guard_once, choose_guard);
    return guard_mode;
}

static int guard_by_mprotect(struct slab *slab, char *guard, size_t size)
{
    if (atomic_fetch_sub(&guard_budget, 1) > 0 &&
        mprotect(guard, size, PROT_NONE) == 0) {
        slab->protected_guards++;
        return 0;
    }
    atomic_fetch_add(&guard_budget, 1);
    return watched ? 0 : -ENOMEM;
}

static int guard_install(struct slab *slab, char *guard, size_t size)
{
    if (stack_guard_mode() == STACK_GUARD_REGION) {
        if (madvise(guard, size, MADV_GUARD_INSTALL) == 0)
            return 0;
        if (errno != EINVAL) /* which says that the memory is locked */
            return -ENOMEM;
    }
    return guard_by_mprotect(slab, guard, size);
}

/* Where the guard of a slot stands. */
static char *guard_of(const struct stack *stack)
{
    return stack->base + (stack->open ? 0 : stack->class->spare);
}

/* The lowest address in a slot that a stack can come to use: above the guard
 * where the spare part is open. */
static char *lowest(const struct stack_class *class, char *base)
{
    return base + class->guard;
}

/* A guard of the same kind, whichever it is; mappings are not counted, for one
 * is given up for it. */
static bool guard_move(char *from, char *to, size_t size)
{
    if (guard_mode == STACK_GUARD_REGION &&
        madvise(to, size, MADV_GUARD_INSTALL) == 0)
        return madvise(from, size, MADV_GUARD_REMOVE) == 0;
    return mprotect(to, size, PROT_NONE) == 0 &&
           mprotect(from, size, stack_access()) == 0;
}

bool stack_open_spare(struct stack *stack)
{
    if (!stack->class->spare || stack->open ||
        !guard_move(guard_of(stack), stack->base, stack->class->guard))
        return false;
    stack->open = true;
    return true;
}

bool stack_close_spare(struct stack *stack)
{
    assert(stack->open);
    size_t spare = stack->class->spare;
    if (!guard_move(stack->base, stack->base + spare, stack->class->guard))
        return false;
    stack->open = false;
    madvise(stack->base, spare, MADV_DONTNEED);
    return true;
}

/* What is kept free on either side of a slab. Valgrind takes the whole segment
 * that a thread's stack lies in for that stack: what is mapped beside it must
 * be of another kind. */
static size_t margin(void)
{
    return annotate_watched() ? PAGE : 0;
}

static void unmap_slab(char *base, size_t size)
{
    munmap(base - margin(), size + 2 * margin());
}

static char *map_aligned(size_t size, size_t align)
{
    size_t all = size + align + 2 * margin();
    char *raw = mmap(NULL, all, stack_access(),
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    uintptr_t first = (uintptr_t)raw + margin();
    char *base = (char *)((first + align - 1) & ~(align - 1));
    char *before = base - margin(), *behind = base + size + margin();
    if (before > raw)
        munmap(raw, (size_t)(before - raw));
    if (raw + all > behind)
        munmap(behind, (size_t)(raw + all - behind));
    if (margin() > 0) {
        mprotect(before, margin(), PROT_NONE);
        mprotect(base + size, margin(), PROT_NONE);
    }
    madvise(base, size, MADV_NOHUGEPAGE);
    annotate_slab(base, size);
    return base;
}

/* Adds a slab of twice the last one's size, or as much as there is. */
static struct slab *slab_new(struct stack_class *class)
{
    size_t slot = (size_t)1 << class->shift;
    size_t size = SLAB_MIN;
    if (class->slabs)
        size = 2 * class->slabs->slots * slot;
    if (size > SLAB_MAX)
        size = SLAB_MAX;
    if (size < slot)
        size = slot;
    size_t align = slot > SLAB_ALIGN ? slot : SLAB_ALIGN;
    char *base;
    while (!(base = map_aligned(size, align))) {
        if (size <= slot)
            return NULL;
        size = size / 2 < slot ? slot : size / 2;
    }

    size_t slots = size / slot;
    size_t words = (slots + 63) / 64;
    struct slab *slab = calloc(1, sizeof(*slab) + words * sizeof(uint64_t));
    uint32_t *cold = calloc(slots, sizeof(*cold));
    if (!slab || !cold) {
        free(slab);
        free(cold);
        unmap_slab(base, size);
        return NULL;
    }
    slab->base = base;
    slab->slots = slots;
    slab->cold = cold;
    slab->is_cold = (uint64_t *)(slab + 1);
    slab->next = class->slabs;
    class->slabs = slab;
    return slab;
}

/* Where the slot's record stands. */
static struct stack *record_of(const struct stack_pool *pool,
                               const struct stack_class *class, char *base)
{
    uintptr_t top = (uintptr_t)base + ((uintptr_t)1 << class->shift);
    if (class->kind == STACK_HOSTED)
        top -= STACK_HOST_AREA;
    top -= (((uintptr_t)base >> class->shift) % STACK_COLOURS) * STACK_COLOUR;
    uintptr_t hot = top - pool->record_size + pool->hot_offset;
    return (struct stack *)((hot & ~(uintptr_t)(STACK_LINE - 1)) -
                            pool->hot_offset);
}

static char *cold_slot_take(struct stack_class *class)
{
    struct slab *s = class->slabs;
    while (!s->colds)
        s = s->next;
    size_t i = s->cold[--s->colds];
    assert(i < s->used && s->is_cold[i / 64] >> (i % 64) & 1);
    s->is_cold[i / 64] &= ~(UINT64_C(1) << (i % 64));
    class->cold_count--;
    return s->base + (i << class->shift);
}

/* The next slots of a large slab get their guards and first pages together. */
static void prepare_ahead(const struct stack_pool *pool,
                          const struct stack_class *class, struct slab *s)
{
    size_t left = s->slots - s->used;
    char *base = s->base + (s->used << class->shift);
    char *record = (char *)record_of(pool, class, base);
    s->ahead = stack_prepare(base + class->spare, class->guard, record,
                             (size_t)1 << class->shift,
                             left < STACK_AHEAD ? left : STACK_AHEAD);
}

/* A guard for the next slot of the slab that was never used. */
static int guard_next(const struct stack_pool *pool,
                      const struct stack_class *class, struct slab *s)
{
    if (!s->ahead && s->slots >= STACK_AHEAD_SLAB &&
        stack_guard_mode() == STACK_GUARD_REGION)
        prepare_ahead(pool, class, s);
    if (!s->ahead)
        return guard_install(s,
                             s->base + (s->used << class->shift) + class->spare,
                             class->guard);
    s->ahead--;
    return 0;
}

/* A cold slot, which has its guard, or one never used. */
static char *slot_take(const struct stack_pool *pool, struct stack_class *class)
{
    if (class->cold_count)
        return cold_slot_take(class);
    struct slab *s = class->slabs;
    if (!s || s->used == s->slots)
        s = slab_new(class);
    if (!s)
        return NULL;
    assert(s->used < s->slots);
    if (guard_next(pool, class, s) < 0)
        return NULL;
    return s->base + (s->used++ << class->shift);
}

static size_t spare_of(const struct stack_pool *pool,
                       const struct stack_class *class)
{
    size_t most = (size_t)1 << class->shift >> 2;
    if (class->kind != STACK_HOSTED)
        return 0;
    return pool->spare < most ? pool->spare : most;
}

/* No wider than the spare part, so that the guard never overlaps where it moves
 * to. */
static size_t guard_size_of(const struct stack_class *class)
{
    size_t slot = (size_t)1 << class->shift;
    size_t size = class->spare ? slot / 8 : slot / 4;
    if (size > GUARD_MAX)
        size = GUARD_MAX;
    if (class->spare && size > class->spare)
        size = class->spare;
    assert(size >= PAGE && size % PAGE == 0);
    return size;
}

struct stack *stack_get_cold(struct stack_pool *pool, struct stack_class *class)
{
    struct stack *stack = class->clean;
    assert(!class->fresh);
    if (stack) {
        assert(!stack->live && stack->class == class && class->clean_count > 0);
        class->clean = stack->next;
        class->clean_count--;
        stack->live = true;
        return stack;
    }
    if (!class->shift) {
        size_t index = (size_t)(class - &pool->classes[0][0]);
        class->shift = (unsigned)(index % STACK_SHIFTS) + STACK_SHIFT_MIN;
        class->kind = (enum stack_kind)(index / STACK_SHIFTS);
        class->spare = spare_of(pool, class);
        class->guard = guard_size_of(class);
        pool->in_use |= UINT64_C(1) << index;
    }
    if (class->kind == STACK_HOSTED &&
        (size_t)1 << class->shift < 2 * STACK_HOST_AREA)
        return NULL; /* no room for a stack below the host's area */
    char *base = slot_take(pool, class);
    if (!base)
        return NULL;
    stack = record_of(pool, class, base);
    assert((char *)stack > base + class->spare + class->guard &&
           (char *)stack + pool->record_size <=
               base + ((size_t)1 << class->shift));
    unsigned id = annotate_stack(lowest(class, base), stack,
                                 base + ((size_t)1 << class->shift));
    stack->base = base;
    stack->class = class;
    stack->live = true;
    stack->valgrind_id = id;
    return stack;
}

static bool any_resident(char *from, const char *to)
{
    unsigned char resident[256];
    while (from < to) {
        size_t pages = (size_t)(to - from) / PAGE;
        if (pages > sizeof(resident))
            pages = sizeof(resident);
        if (mincore(from, pages * PAGE, resident) < 0 ||
            memchr(resident, 1, pages))
            return true;
        from += pages * PAGE;
    }
    return false;
}

static void give_back(char *from, char *to)
{
    if (any_resident(from, to))
        madvise(from, (size_t)(to - from), MADV_DONTNEED);
}

/* All pages but the one where the stack begins: those it has grown down to, and
 * those above, which in a hosted slot deep calls of the host have used. */
static void give_back_deep_pages(const struct stack *stack)
{
    char *page = (char *)((uintptr_t)stack & ~(PAGE - 1));
    give_back(lowest(stack->class, stack->base), page);
    give_back(page + PAGE, stack->base + stack_size(stack));
}

void stack_rest(const struct stack *stack, const char *low, const char *high)
{
    char *end = stack->base + stack_size(stack);
    assert(stack->live && stack->base < low && low < high && high <= end);
    give_back(lowest(stack->class, stack->base),
              (char *)((uintptr_t)low & ~(PAGE - 1)));
    give_back((char *)(((uintptr_t)high + PAGE - 1) & ~(PAGE - 1)), end);
}

static struct slab *slab_of(const struct stack_class *class, const char *base)
{
    struct slab *s = class->slabs;
    while (base < s->base || base >= s->base + (s->slots << class->shift))
        s = s->next; /* one of them has it */
    assert((size_t)(base - s->base) >> class->shift < s->used);
    return s;
}

static void forget_annotations(struct stack *stack)
{
    annotate_stack_gone(stack->valgrind_id,
                        &((struct fiber *)stack)->annotation,
                        lowest(stack->class, stack->base), stack,
                        stack->base + stack_size(stack));
}

static void make_cold(struct stack_class *class, struct stack *stack)
{
    char *base = stack->base;
    struct slab *s = slab_of(class, base);
    size_t i = (size_t)(base - s->base) >> class->shift;
    assert(!stack->live && s->colds < s->used);
    assert(!(s->is_cold[i / 64] >> (i % 64) & 1));
    forget_annotations(stack);
    /* Should it fail, the slot is as good, but its pages stay. */
    madvise(lowest(class, base), ((size_t)1 << class->shift) - class->guard,
            MADV_DONTNEED);
    s->cold[s->colds++] = (uint32_t)i;
    s->is_cold[i / 64] |= UINT64_C(1) << (i % 64);
    class->cold_count++;
}

static void class_trim(struct stack_class *class, unsigned *max)
{
    while (class->fresh && *max) {
        struct stack *stack = class->fresh;
        assert(!stack->live && stack->class == class && class->fresh_count > 0);
        class->fresh = stack->next;
        class->fresh_count--;
        (*max)--;
        if (class->clean_count >= CLEAN_RESERVE) {
            make_cold(class, stack);
            continue;
        }
        give_back_deep_pages(stack);
        stack->next = class->clean;
        class->clean = stack;
        class->clean_count++;
    }
}

bool stack_pool_trim(struct stack_pool *pool, unsigned max)
{
    for (uint64_t left = pool->in_use; left; left &= left - 1) {
        struct stack_class *class =
            &pool->classes[0][0] + __builtin_ctzll(left);
        if (class->fresh)
            class_trim(class, &max);
        if (class->fresh)
            return true;
    }
    return false;
}

void stack_pool_init(struct stack_pool *pool, size_t record_size,
                     size_t hot_offset)
{
    assert(record_size >= sizeof(struct stack) && hot_offset < record_size);
    memset(pool, 0, sizeof(*pool));
    pool->record_size = record_size;
    pool->hot_offset = hot_offset;
}

/* Calls fn for every slot that has a record, live or pooled. */
static void each_record(const struct stack_pool *pool,
                        void (*fn)(struct stack *stack, void *arg), void *arg)
{
    const struct stack_class *class = &pool->classes[0][0];
    const struct stack_class *end = class + STACK_KINDS * STACK_SHIFTS;
    for (; class < end; class ++) {
        for (struct slab *s = class->slabs; s; s = s->next) {
            for (size_t i = 0; i < s->used; i++) {
                if (!(s->is_cold[i / 64] >> (i % 64) & 1))
                    fn(record_of(pool, class, s->base + (i << class->shift)),
                       arg);
            }
        }
    }
}

static void forget_slot(struct stack *stack, void *arg)
{
    (void)arg;
    forget_annotations(stack);
}

void stack_pool_destroy(struct stack_pool *pool)
{
    if (STACKS_ANNOTATED)
        each_record(pool, forget_slot, NULL);
    struct stack_class *class = &pool->classes[0][0];
    struct stack_class *end = class + STACK_KINDS * STACK_SHIFTS;
    for (; class < end; class ++) {
        while (class->slabs) {
            struct slab *s = class->slabs;
            class->slabs = s->next;
            unmap_slab(s->base, s->slots << class->shift);
            atomic_fetch_add(&guard_budget, (long)s->protected_guards);
            free(s->cold);
            free(s);
        }
    }
    stack_pool_init(pool, pool->record_size, pool->hot_offset);
}

struct stack *stack_by_address(const struct stack_pool *pool, const void *addr)
{
    const char *at = addr;
    const struct stack_class *class = &pool->classes[0][0];
    const struct stack_class *end = class + STACK_KINDS * STACK_SHIFTS;
    for (; class < end; class ++) {
        for (struct slab *s = class->slabs; s; s = s->next) {
            if (at < s->base || at >= s->base + (s->used << class->shift))
                continue;
            size_t i = (size_t)(at - s->base) >> class->shift;
            if (s->is_cold[i / 64] >> (i % 64) & 1)
                return NULL;
            struct stack *stack =
                record_of(pool, class, s->base + (i << class->shift));
            return stack->live ? stack : NULL;
        }
    }
    return NULL;
}

struct stack *stack_by_guard(const struct stack_pool *pool, const void *addr)
{
    struct stack *stack = stack_by_address(pool, addr);
    if (!stack)
        return NULL;
    size_t offset = (size_t)((const char *)addr - guard_of(stack));
    return offset < stack->class->guard ? stack : NULL;
}

struct live_only {
    void (*fn)(struct stack *stack, void *arg);
    void *arg;
};

static void call_if_live(struct stack *stack, void *arg)
{
    const struct live_only *l = arg;
    if (stack->live)
        l->fn(stack, l->arg);
}

void stack_each(const struct stack_pool *pool,
                void (*fn)(struct stack *stack, void *arg), void *arg)
{
    struct live_only l = {fn, arg};
    each_record(pool, call_if_live, &l);
}

/*
 * What valgrind, AddressSanitizer and ThreadSanitizer must be told of stacks
 * and switches. Compiled in where valgrind's headers are, and by -Db_sanitize;
 * otherwise every function here is empty.
 */
#ifndef GROVE_FIBER_ANNOTATE_H
#define GROVE_FIBER_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif
#if defined(GROVE_VALGRIND)
#include <valgrind/memcheck.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIBER_ANNOTATED 1
#else
#define FIBER_ANNOTATED 0
#endif

/* Whether annotate_stack_gone does anything. */
#if FIBER_ANNOTATED || defined(GROVE_VALGRIND)
#define STACKS_ANNOTATED 1
#else
#define STACKS_ANNOTATED 0
#endif

/* A fiber's part; empty in a plain build. */
struct annotation {
#if defined(__SANITIZE_ADDRESS__)
    void *fake_stack; /* ASan's own, while the fiber is parked */
    const void *low;  /* bounds of its stack */
    size_t size;
#endif
#if defined(__SANITIZE_THREAD__)
    void *tsan; /* one a fiber's life; destroyed at the next
                   birth on this stack, when it surely was left */
#endif
#if !FIBER_ANNOTATED
    __extension__ char none[0];
#endif
};

/* Whether valgrind watches: its 3.27 ends a program that has many guard
 * regions, all releases one that has 30,000 mappings. */
static inline bool annotate_watched(void)
{
#if defined(GROVE_VALGRIND)
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

/* Memory for stacks was mapped. What is in no stack is not to be touched, nor
 * to be searched for leaks: guards and pages never used would be asked of the
 * kernel one by one. */
static inline void annotate_slab(void *base, size_t size)
{
    (void)base;
    (void)size;
#if defined(GROVE_VALGRIND)
    VALGRIND_MAKE_MEM_NOACCESS(base, size);
#endif
}

/* A stack begins at high and grows down to low; from high to end is zero, or
 * what was left there. Returns valgrind's id. */
static inline unsigned annotate_stack(void *low, void *high, void *end)
{
    (void)low;
    (void)high;
    (void)end;
#if defined(GROVE_VALGRIND)
    VALGRIND_MAKE_MEM_UNDEFINED(low, (size_t)((char *)high - (char *)low));
    VALGRIND_MAKE_MEM_DEFINED(high, (size_t)((char *)end - (char *)high));
    return VALGRIND_STACK_REGISTER(low, high);
#else
    return 0;
#endif
}

/* Its pages, to end, are about to be given back; a is the last fiber's on it.
 */
static inline void annotate_stack_gone(unsigned id, struct annotation *a,
                                       void *low, void *high, void *end)
{
    (void)id;
    (void)a;
    (void)low;
    (void)high;
    (void)end;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(low, (size_t)((char *)high - (char *)low));
#endif
#if defined(__SANITIZE_THREAD__)
    if (a->tsan)
        __tsan_destroy_fiber(a->tsan);
    a->tsan = NULL;
#endif
#if defined(GROVE_VALGRIND)
    VALGRIND_STACK_DEREGISTER(id);
    VALGRIND_MAKE_MEM_NOACCESS(low, (size_t)((char *)end - (char *)low));
#endif
}

/* A fiber is about to live on the stack from low to high; NULL bounds: the
 * running thread's own. */
static inline void annotate_birth(struct annotation *a, void *low, void *high)
{
    (void)a;
    (void)low;
    (void)high;
#if defined(__SANITIZE_ADDRESS__)
    a->fake_stack = NULL;
    a->low = low;
    a->size = (size_t)((char *)high - (char *)low);
    if (low) /* what the last fiber on this stack left poisoned */
        __asan_unpoison_memory_region(low, a->size);
#endif
#if defined(__SANITIZE_THREAD__)
    if (a->tsan && low)
        __tsan_destroy_fiber(a->tsan);
    a->tsan = low ? __tsan_create_fiber(0) : __tsan_get_current_fiber();
#endif
}

/* Around a switch: left with `ends` when `from` never runs again. TSan counts
 * calls and returns a fiber each, so this must not be a call, which would be
 * entered in one fiber and left in another. */
__attribute__((always_inline)) static inline void
annotate_leave(struct annotation *from, struct annotation *to, int ends)
{
    (void)from;
    (void)to;
    (void)ends;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, to->low,
                                   to->size);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* First thing on the stack that was switched to; `came_from` learns its bounds
 * when they were not known (a thread's own stack). */
static inline void annotate_arrive(struct annotation *here,
                                   struct annotation *came_from)
{
    (void)here;
    (void)came_from;
#if defined(__SANITIZE_ADDRESS__)
    const void *low;
    size_t size;
    __sanitizer_finish_switch_fiber(here->fake_stack, &low, &size);
    if (came_from && !came_from->low) {
        came_from->low = low;
        came_from->size = size;
    }
#endif
}

#if defined(__SANITIZE_THREAD__)
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#endif

/* The calling thread reads, on purpose, what others write meanwhile; does so no
 * more. */
static inline void annotate_peek(void)
{
#if defined(__SANITIZE_THREAD__)
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
#endif
}

static inline void annotate_peeked(void)
{
#if defined(__SANITIZE_THREAD__)
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

#endif

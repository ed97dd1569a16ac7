/*
 * What the process knows of descriptors' numbers, whichever hub uses them; see
 * number.c.
 */
#ifndef GROVE_LOOP_NUMBER_H
#define GROVE_LOOP_NUMBER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"

#define LOOP_CHUNK 1024
#define LOOP_CHUNKS 1024 /* descriptors up to 1,048,576 */

struct loop_number {
    /* How often the runtime was told that the number's file is gone: what was
     * known of it before is not of the file that has the number now. */
    _Atomic uint32_t closes;
    /* The marks of loops that have registered the number since then. */
    _Atomic uint32_t loops;
};

extern GROVE_HOST_API struct loop_number *_Atomic loop_numbers[LOOP_CHUNKS];

/* That of number; NULL: no loop has ever known it, or it is none. */
static inline struct loop_number *loop_number(int number)
{
    if (unlikely((unsigned)number >= LOOP_CHUNK * LOOP_CHUNKS))
        return NULL;
    struct loop_number *chunk = atomic_load_explicit(
        &loop_numbers[(unsigned)number / LOOP_CHUNK], memory_order_acquire);
    return chunk ? &chunk[(unsigned)number % LOOP_CHUNK] : NULL;
}

static inline uint32_t loop_closes(int number)
{
    struct loop_number *n = loop_number(number);
    return likely(n != NULL)
               ? atomic_load_explicit(&n->closes, memory_order_acquire)
               : 0;
}

/* The same for who has no record of the number: closes are counted from now
 * on, unless there is no memory for it. */
uint32_t loop_closes_counted(int number);

/* Make the table's chunk, in which numbers from chunk * LOOP_CHUNK are. False
 * when there is no memory. */
bool loop_numbers_make(size_t chunk);

/* The number's file is about to be closed, or has been replaced. The marks of
 * the loops that knew it. */
uint32_t loop_number_closed(int number);

/* Whether a loop has registered the number since its last close. */
static inline bool loop_number_known(int number)
{
    struct loop_number *n = loop_number(number);
    return n && atomic_load_explicit(&n->loops, memory_order_relaxed);
}

#endif

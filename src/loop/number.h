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

/* In loop_number.state, beside the marks of loops. */
#define LOOP_OWNED (1u << 31)  /* who closes it will tell (loop_own) */
#define LOOP_SHARED (1u << 30) /* a second loop has registered it */
#define LOOP_MARKS 30          /* the other bits: one a loop */
#define LOOP_MARK_BITS (LOOP_SHARED - 1)

struct loop_number {
    /* How often the runtime was told that the number's file is gone: what was
     * known of it before is not of the file that has the number now. */
    _Atomic uint32_t closes;
    /* What holds of the file that has it since then: the marks of the loops
     * that have registered it, LOOP_OWNED, LOOP_SHARED. */
    _Atomic uint32_t state;
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

/* Whether its file's close will be told of. */
static inline bool loop_owned(int number)
{
    struct loop_number *n = loop_number(number);
    return likely(n != NULL) &&
           (atomic_load_explicit(&n->state, memory_order_acquire) & LOOP_OWNED);
}

/* As loop_closes, for who has no record of the number: closes are counted from
 * now on, unless there is no memory for it. */
GROVE_HOST_API uint32_t loop_closes_counted(int number);

/* Make the table's chunk, in which numbers from chunk * LOOP_CHUNK are. False
 * when there is no memory. */
bool loop_numbers_make(size_t chunk);

/* The number's file is about to be closed, or has been replaced. The marks of
 * the loops that knew it. */
uint32_t loop_number_closed(int number);

/* A file has just been opened at number, and its end will be told of: it is
 * owned. The marks of the loops that know the number as another file's, whose
 * end was not told of. Nothing without memory. */
uint32_t loop_number_opened(int number);

/* The file that has the number is owned from now on, unless another loop than
 * that of mark knows it: what that one knows may be of another file. */
void loop_number_adopted(int number, uint32_t mark);

/* The marks of the loops that know it. */
uint32_t loop_number_marks(int number);

/* It is owned no more. The marks of the loops that know it. */
uint32_t loop_number_disowned(int number);

#endif

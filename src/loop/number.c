/*
 * The one table of the process by descriptors' numbers. A number is closed by
 * one thread and taken by the next file at once, while other threads' loops,
 * and calls that are in the middle of a wait, still know it as what it was:
 * they compare the count of closes with the one they began with.
 *
 *     a loop registers it:   loops |= its mark; closes is noted in its record
 *     a thread closes it:    closes++; loops = 0, and those who were in it are
 *                            told (hub/closed.c)
 *
 * A loop that registers sets its mark before it reads closes, and who closes
 * counts before it takes the marks: one of them sees the other.
 *
 * Chunks are made when a loop first needs one and are never freed. Any thread.
 */
#include "loop/number.h"

#include <assert.h>
#include <stdlib.h>

struct loop_number *_Atomic loop_numbers[LOOP_CHUNKS];

bool loop_numbers_make(size_t chunk)
{
    assert(chunk < LOOP_CHUNKS);
    if (atomic_load(&loop_numbers[chunk]))
        return true;
    struct loop_number *made = calloc(LOOP_CHUNK, sizeof(*made)), *none = NULL;
    if (!made)
        return false;
    if (!atomic_compare_exchange_strong(&loop_numbers[chunk], &none, made))
        free(made); /* another thread was faster */
    return true;
}

uint32_t loop_closes_counted(int number)
{
    if ((unsigned)number < LOOP_CHUNK * LOOP_CHUNKS && !loop_number(number))
        loop_numbers_make((size_t)number / LOOP_CHUNK);
    return loop_closes(number);
}

uint32_t loop_number_closed(int number)
{
    struct loop_number *n = loop_number(number);
    if (!n)
        return 0;
    atomic_fetch_add(&n->closes, 1);
    return atomic_exchange(&n->loops, 0);
}

/*
 * The one table of the process by descriptors' numbers. A number is closed by
 * one thread and taken by the next file at once, while other threads' loops,
 * and calls that are in the middle of a wait, still know it as what it was:
 * they compare the count of closes with the one they began with.
 *
 *     a loop registers it:   state |= its mark; closes is noted in its record
 *     a thread closes it:    closes++; state = 0, and the loops whose marks
 *                            were in it are told (hub/descriptor.c)
 *     opened by the runtime: state = OWNED; if anything was in it, the last
 *                            file was closed behind our back: as a close
 *
 * A loop that registers sets its mark before it reads closes, and who closes
 * counts before it takes the marks: one of them sees the other.
 *
 * That a file is owned is the process's knowledge, not a loop's: whichever
 * thread closes it counts, so every loop may rely on being told.
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

/* Counted first: see above. */
static uint32_t replace_state(struct loop_number *n, uint32_t state)
{
    atomic_fetch_add(&n->closes, 1);
    return atomic_exchange(&n->state, state) & LOOP_MARK_BITS;
}

uint32_t loop_number_closed(int number)
{
    struct loop_number *n = loop_number(number);
    return n ? replace_state(n, 0) : 0;
}

uint32_t loop_number_opened(int number)
{
    assert(number >= 0);
    if (number >= LOOP_CHUNK * LOOP_CHUNKS ||
        !loop_numbers_make((size_t)number / LOOP_CHUNK))
        return 0;
    struct loop_number *n = loop_number(number);
    if (unlikely(atomic_load(&n->state) != 0))
        return replace_state(n, LOOP_OWNED);
    atomic_store_explicit(&n->state, LOOP_OWNED, memory_order_release);
    return 0;
}

void loop_number_adopted(int number, uint32_t mark)
{
    struct loop_number *n = loop_number(number);
    uint32_t state = n ? atomic_load(&n->state) : LOOP_MARK_BITS;
    while (!(state & (LOOP_OWNED | (LOOP_MARK_BITS & ~mark))) &&
           !atomic_compare_exchange_weak(&n->state, &state, state | LOOP_OWNED))
        ;
}

uint32_t loop_number_marks(int number)
{
    struct loop_number *n = loop_number(number);
    return n ? atomic_load(&n->state) & LOOP_MARK_BITS : 0;
}

uint32_t loop_number_disowned(int number)
{
    struct loop_number *n = loop_number(number);
    return n ? atomic_fetch_and(&n->state, ~LOOP_OWNED) & LOOP_MARK_BITS : 0;
}

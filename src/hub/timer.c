/*
 * The heap of timers; see timer.h. On its hub's thread.
 *
 *      place:      3     4   5   6   7     8 ... 11   12 ... 15   ...
 *      entries: | root | its children   | those of 4 | of 5     | ...
 *
 *      slot:       1     2     3   ...
 *      places:  |  5  |  3  |  9  |    where the entry of its timer is; of a
 *                                      free slot: the next that is free
 *      timers:  |  *  |  *  |  *  |    the timer itself
 *
 * An entry has what comparing needs, and a slot in place of the timer: when it
 * moves, what is told of it is a word in `places`, and not the timer, which is
 * likely to be on a stack that nobody has touched for long. The children of a
 * node share a cache line: the root's place is 3 for that.
 *
 * Entries, places and timers of the same numbers are in one chunk. Chunks never
 * move, so that growing costs the same at a million timers as at none; they are
 * kept until the hub ends.
 */
#include "hub/timer.h"

#include <stdlib.h>

#include "grove.h"

/* What the tests of the work of an operation count. */
#ifndef TIMER_MOVED
#define TIMER_MOVED() ((void)0)
#endif

#define ARITY 4
#define ROOT (ARITY - 1)
#define LINE 64 /* of the cache */
#define CHUNK_SHIFT 12
#define CHUNK ((size_t)1 << CHUNK_SHIFT)
#define SLOT_BITS 28

struct entry {
    int64_t deadline; /* the timer's */
    uint64_t rest;    /* order of adding, and in the lowest bits the slot. The
                         order wraps around after 2^36 additions: only if that
                         happens between two of equal deadlines do they come the
                         wrong way round */
};

struct timer_chunk {
    struct entry entries[CHUNK];
    uint32_t places[CHUNK];
    struct timer *timers[CHUNK];
};

_Static_assert(sizeof(struct entry) * ARITY == LINE,
               "the children of a node are a cache line");
_Static_assert(CHUNK % ARITY == 0, "... and in the same chunk");

static inline struct timer_chunk *chunk_of(const struct timer_heap *heap,
                                           size_t i)
{
    return heap->chunks[i >> CHUNK_SHIFT];
}

static inline struct entry *entry_at(const struct timer_heap *heap,
                                     size_t place)
{
    return &chunk_of(heap, place)->entries[place % CHUNK];
}

static inline uint32_t *place_of(const struct timer_heap *heap, size_t slot)
{
    return &chunk_of(heap, slot)->places[slot % CHUNK];
}

static inline struct timer **timer_of(const struct timer_heap *heap,
                                      size_t slot)
{
    return &chunk_of(heap, slot)->timers[slot % CHUNK];
}

static inline uint32_t slot_of(const struct entry *e)
{
    return (uint32_t)e->rest & ((1u << SLOT_BITS) - 1);
}

static inline size_t parent(size_t place)
{
    return place / ARITY + ROOT - 1;
}

static inline size_t first_child(size_t place)
{
    return (place - (ROOT - 1)) * ARITY;
}

/* The first place that no entry is at. */
static inline size_t end_of(const struct timer_heap *heap)
{
    return ROOT + heap->count;
}

/* Made without a branch, which would be guessed wrong half of the time. */
static inline bool earlier(const struct entry *a, const struct entry *b)
{
    return ((__int128)a->deadline << 64 | a->rest) <
           ((__int128)b->deadline << 64 | b->rest);
}

/* ---- memory -------------------------------------------------------------- */

static size_t chunks_of(const struct timer_heap *heap)
{
    return (heap->room + ROOT) >> CHUNK_SHIFT;
}

/* The directory of a million timers is of 256 chunks, 2 KiB. */
static int grow_directory(struct timer_heap *heap)
{
    size_t n = heap->directory ? 2 * heap->directory : 8;
    void *chunks = realloc(heap->chunks, n * sizeof(heap->chunks[0]));
    if (!chunks)
        return -ENOMEM;
    heap->chunks = chunks;
    heap->directory = n;
    return 0;
}

int timer_grow(struct timer_heap *heap)
{
    size_t n = chunks_of(heap);
    void *chunk;
    if (n == ((size_t)1 << SLOT_BITS) / CHUNK)
        return -ENOMEM;
    if (n == heap->directory && grow_directory(heap) < 0)
        return -ENOMEM;
    if (posix_memalign(&chunk, LINE, sizeof(struct timer_chunk)))
        return -ENOMEM;
    heap->chunks[n] = chunk;
    heap->room = (n + 1) * CHUNK - ROOT;
    return 0;
}

void timer_heap_free(struct timer_heap *heap)
{
    for (size_t n = chunks_of(heap); n > 0; n--)
        free(heap->chunks[n - 1]);
    free(heap->chunks);
    *heap = (struct timer_heap){0};
}

static uint32_t take_slot(struct timer_heap *heap)
{
    uint32_t slot = heap->free;
    if (slot)
        heap->free = *place_of(heap, slot);
    else
        slot = ++heap->used;
    assert(slot > 0 && slot <= heap->room);
    return slot;
}

static void give_slot(struct timer_heap *heap, uint32_t slot)
{
    *place_of(heap, slot) = heap->free;
    heap->free = slot;
}

/* ---- the heap ------------------------------------------------------------ */

static inline void put(struct timer_heap *heap, size_t place, struct entry e)
{
    TIMER_MOVED();
    *entry_at(heap, place) = e;
    *place_of(heap, slot_of(&e)) = (uint32_t)place;
}

/* Put e at place or above it. */
static void sift_up(struct timer_heap *heap, size_t place, struct entry e)
{
    while (place > ROOT) {
        const struct entry *above = entry_at(heap, parent(place));
        if (!earlier(&e, above))
            break;
        put(heap, place, *above);
        place = parent(place);
    }
    put(heap, place, e);
}

/* The earliest of ARITY siblings: its number. */
static inline size_t earliest_of_all(const struct entry *e)
{
    size_t a = (size_t)earlier(&e[1], &e[0]);
    size_t b = 2 + (size_t)earlier(&e[3], &e[2]);
    size_t b_is = -(size_t)earlier(&e[b], &e[a]); /* all ones, or none */
    return a ^ ((a ^ b) & b_is);
}

/* The place of the earliest of the siblings from place c on; c is before end.
 */
static inline size_t earliest(const struct timer_heap *heap, size_t c,
                              size_t end)
{
    const struct entry *e = entry_at(heap, c);
    if (likely(end - c >= ARITY))
        return c + earliest_of_all(e);
    size_t best = 0;
    for (size_t i = 1; i < end - c; i++) {
        if (earlier(&e[i], &e[best]))
            best = i;
    }
    return c + best;
}

/* Put e at place or below it. */
static void sift_down(struct timer_heap *heap, size_t place, struct entry e)
{
    size_t end = end_of(heap);
    for (size_t c; (c = first_child(place)) < end; place = c) {
        c = earliest(heap, c, end);
        const struct entry *below = entry_at(heap, c);
        if (!earlier(below, &e))
            break;
        put(heap, place, *below);
    }
    put(heap, place, e);
}

/* The last entry fills the hole that the one at place leaves. */
static void take_out(struct timer_heap *heap, size_t place)
{
    heap->count--;
    assert(place >= ROOT && place <= end_of(heap));
    if (place == end_of(heap))
        return;
    const struct entry *last = entry_at(heap, end_of(heap));
    if (place > ROOT && earlier(last, entry_at(heap, parent(place))))
        sift_up(heap, place, *last);
    else
        sift_down(heap, place, *last);
}

/* ---- timers -------------------------------------------------------------- */

void timer_add(struct timer_heap *heap, struct timer *timer, int64_t deadline)
{
    assert(!timer_pending(timer) && heap->count < heap->claims);
    /* One that adds itself with a deadline long past would stay ahead of all
     * others for good; behind those that are due now it cannot. */
    if (unlikely(heap->expiring) && deadline < heap->now)
        deadline = heap->now;
    uint32_t slot = take_slot(heap);
    struct entry e = {deadline, heap->order++ << SLOT_BITS | slot};
    *timer_of(heap, slot) = timer;
    timer->deadline = deadline;
    timer->slot = slot;
    heap->count++;
    sift_up(heap, end_of(heap) - 1, e);
}

void timer_remove(struct timer_heap *heap, struct timer *timer)
{
    if (!timer_pending(timer))
        return;
    uint32_t slot = timer->slot;
    size_t place = *place_of(heap, slot);
    assert(heap->count > 0 && *timer_of(heap, slot) == timer);
    assert(slot_of(entry_at(heap, place)) == slot);
    take_out(heap, place);
    give_slot(heap, slot);
    timer->slot = 0;
}

int64_t timer_first(const struct timer_heap *heap)
{
    return heap->count ? entry_at(heap, ROOT)->deadline : GROVE_NEVER;
}

/* The timer at the root, which is about to be looked at. */
static struct timer *fetch_first(const struct timer_heap *heap)
{
    struct timer *timer = *timer_of(heap, slot_of(entry_at(heap, ROOT)));
    __builtin_prefetch(timer);
    return timer;
}

size_t timer_expire(struct timer_heap *heap, int64_t now)
{
    size_t n = 0;
    assert(!heap->expiring && now >= heap->now);
    /* One added meanwhile has a later order: it waits for the next pass, so
     * that a timer that adds itself cannot hold up the loop. */
    uint64_t end = heap->order << SLOT_BITS;
    heap->expiring = true;
    heap->now = now;
    while (heap->count && n < TIMER_BATCH) {
        struct entry first = *entry_at(heap, ROOT);
        if (first.deadline > now || (int64_t)(first.rest - end) >= 0)
            break;
        struct timer *timer = fetch_first(heap);
        timer_remove(heap, timer);
        assert(!heap->count || earlier(&first, entry_at(heap, ROOT)));
        timer->fn(timer);
        n++;
    }
    heap->expiring = false;
    return n;
}

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
 *      lined:   |  -  |  -  |  -  |    of one in a run instead of the heap: its
 *                                      entry, its neighbours there
 *
 * An entry has what comparing needs, and a slot in place of the timer: when it
 * moves, what is told of it is a word in `places`, and not the timer, which is
 * likely to be on a stack that nobody has touched for long. The children of a
 * node share a cache line: the root's place is 3 for that.
 *
 * Entries, places and so on of the same numbers are in one chunk. Chunks never
 * move, so that growing costs the same at a million timers as at none; they are
 * kept until the hub ends.
 *
 * Runs are for servers, whose every receive arms and cancels a timeout, and the
 * same one: the earliest of the heap would go each time, and all its levels
 * would be walked. A timer joins the run whose last is the closest before it,
 * and not too far. One that finds none is in the heap, and now and then (it is
 * no use to try each time) makes a short run give up one of its own to the
 * heap, so that runs which nobody goes on with do not stay.
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
#define CHUNK_SHIFT 11
#define CHUNK ((size_t)1 << CHUNK_SHIFT)
#define SLOT_BITS 28

/* A place of this and above: in the run of the number in the lower bits. */
#define IN_RUN (1u << 31)

/* A timer joins a run whose last is earlier by so much at most: a straggler
 * would keep those of before from joining until it is over. */
#define RUN_GAP (100 * GROVE_MILLISECOND)

/* A run of so many is short: nobody went on with it, or cancels at once. */
#define RUN_SHORT 8

/* Of so many additions to the heap, one makes a short run shorter. */
#define RUN_PATIENCE 16

struct lined {
    struct timer_entry entry;
    uint32_t previous, next; /* slots; 0: it is the first, the last */
};

struct timer_chunk {
    struct timer_entry entries[CHUNK];
    uint32_t places[CHUNK];
    struct timer *timers[CHUNK];
    struct lined lined[CHUNK];
};

_Static_assert(sizeof(struct timer_entry) * ARITY == LINE,
               "the children of a node are a cache line");
_Static_assert(CHUNK % ARITY == 0, "... and in the same chunk");

static inline struct timer_chunk *chunk_of(const struct timer_heap *heap,
                                           size_t i)
{
    return heap->chunks[i >> CHUNK_SHIFT];
}

static inline struct timer_entry *entry_at(const struct timer_heap *heap,
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

static inline struct lined *lined_at(const struct timer_heap *heap, size_t slot)
{
    return &chunk_of(heap, slot)->lined[slot % CHUNK];
}

static inline uint32_t slot_of(const struct timer_entry *e)
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
    return ROOT + heap->heaped;
}

/* What tells who is earlier, as one number. */
static inline __int128 key(const struct timer_entry *e)
{
    return (__int128)((unsigned __int128)e->deadline << 64 | e->rest);
}

/* Made without a branch, which would be guessed wrong half of the time. */
static inline bool earlier(const struct timer_entry *a,
                           const struct timer_entry *b)
{
    return key(a) < key(b);
}

/* ---- memory -------------------------------------------------------------- */

static size_t chunks_of(const struct timer_heap *heap)
{
    return (heap->room + ROOT) >> CHUNK_SHIFT;
}

/* The directory of a million timers is of 512 chunks, 4 KiB. */
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

static inline void put(struct timer_heap *heap, size_t place,
                       struct timer_entry e)
{
    TIMER_MOVED();
    *entry_at(heap, place) = e;
    *place_of(heap, slot_of(&e)) = (uint32_t)place;
}

/* Put e at place or above it. */
static void sift_up(struct timer_heap *heap, size_t place, struct timer_entry e)
{
    while (place > ROOT) {
        const struct timer_entry *above = entry_at(heap, parent(place));
        if (!earlier(&e, above))
            break;
        put(heap, place, *above);
        place = parent(place);
    }
    put(heap, place, e);
}

/* The earliest of ARITY siblings: its number. */
static inline size_t earliest_of_all(const struct timer_entry *e)
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
    const struct timer_entry *e = entry_at(heap, c);
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
static void sift_down(struct timer_heap *heap, size_t place,
                      struct timer_entry e)
{
    size_t end = end_of(heap);
    for (size_t c; (c = first_child(place)) < end; place = c) {
        c = earliest(heap, c, end);
        const struct timer_entry *below = entry_at(heap, c);
        if (!earlier(below, &e))
            break;
        put(heap, place, *below);
    }
    put(heap, place, e);
}

/* The last entry fills the hole that the one at place leaves. */
static void take_out(struct timer_heap *heap, size_t place)
{
    heap->heaped--;
    assert(place >= ROOT && place <= end_of(heap));
    if (place == end_of(heap))
        return;
    const struct timer_entry *last = entry_at(heap, end_of(heap));
    if (place > ROOT && earlier(last, entry_at(heap, parent(place))))
        sift_up(heap, place, *last);
    else
        sift_down(heap, place, *last);
}

static void heap_add(struct timer_heap *heap, struct timer_entry e)
{
    heap->heaped++;
    sift_up(heap, end_of(heap) - 1, e);
}

/* ---- runs ---------------------------------------------------------------- */

static void run_append(struct timer_heap *heap, size_t number,
                       struct timer_entry e)
{
    struct timer_run *run = &heap->runs[number];
    uint32_t slot = slot_of(&e);
    struct lined *l = lined_at(heap, slot);
    TIMER_MOVED();
    *place_of(heap, slot) = IN_RUN | (uint32_t)number;
    l->entry = e;
    l->next = 0;
    l->previous = run->count ? run->last : 0;
    if (l->previous) {
        assert(earlier(&lined_at(heap, run->last)->entry, &e));
        lined_at(heap, run->last)->next = slot;
    } else {
        run->first = e;
    }
    run->last = slot;
    run->count++;
    heap->last[number] = e.deadline;
}

/* The latest that joined it stays what the next must not be before: so one that
 * is alone and comes and goes finds it again, too. */
static void run_remove(struct timer_heap *heap, size_t number, uint32_t slot)
{
    struct timer_run *run = &heap->runs[number];
    const struct lined *l = lined_at(heap, slot);
    assert(run->count > 0);
    run->count--;
    if (l->next)
        lined_at(heap, l->next)->previous = l->previous;
    else
        run->last = l->previous;
    if (l->previous)
        lined_at(heap, l->previous)->next = l->next;
    else if (l->next)
        run->first = lined_at(heap, l->next)->entry;
}

/* The run that a timer of this deadline joins; TIMER_RUNS: none. */
static inline size_t run_for(const struct timer_heap *heap, int64_t deadline)
{
    size_t best = 0;
    uint64_t gap = UINT64_MAX; /* later ones are far ahead, without a sign */
    for (size_t i = 0; i < TIMER_RUNS; i++) {
        uint64_t d = (uint64_t)deadline - (uint64_t)heap->last[i];
        best = d < gap ? i : best;
        gap = d < gap ? d : gap;
    }
    if (likely(gap <= (uint64_t)RUN_GAP))
        return best;
    for (best = 0; best < TIMER_RUNS && heap->runs[best].count; best++)
        ;
    return best;
}

/* The shortest run, if it is short, loses its last to the heap. */
static void shorten_a_run(struct timer_heap *heap)
{
    size_t shortest = 0;
    for (size_t i = 1; i < TIMER_RUNS; i++) {
        if (heap->runs[i].count < heap->runs[shortest].count)
            shortest = i;
    }
    const struct timer_run *run = &heap->runs[shortest];
    if (!run->count || run->count > RUN_SHORT)
        return;
    struct timer_entry e = lined_at(heap, run->last)->entry;
    run_remove(heap, shortest, slot_of(&e));
    heap_add(heap, e);
}

/* ---- timers -------------------------------------------------------------- */

/* Whether e, which is not before the latest that joined the run, comes behind
 * its last: one that is put right is older than others of its deadline. */
static inline bool joins(const struct timer_heap *heap, size_t number,
                         const struct timer_entry *e)
{
    const struct timer_run *run = &heap->runs[number];
    return e->deadline > heap->last[number] || !run->count ||
           earlier(&lined_at(heap, run->last)->entry, e);
}

static void insert(struct timer_heap *heap, struct timer_entry e)
{
    size_t run = run_for(heap, e.deadline);
    if (run < TIMER_RUNS && joins(heap, run, &e)) {
        run_append(heap, run, e);
        return;
    }
    heap_add(heap, e);
    if (heap->order % RUN_PATIENCE == 0)
        shorten_a_run(heap);
}

/* The entry of a timer that has none: what it says now. */
static void enter(struct timer_heap *heap, struct timer *timer)
{
    timer->entered = timer->deadline;
    insert(heap, (struct timer_entry){timer->deadline,
                                      timer->order << SLOT_BITS | timer->slot});
}

/* Takes the entry out; the slot stays its timer's. */
static void take_entry(struct timer_heap *heap, uint32_t slot)
{
    uint32_t place = *place_of(heap, slot);
    if (place >= IN_RUN)
        run_remove(heap, place - IN_RUN, slot);
    else
        take_out(heap, place);
}

/* One that rests is pending again; its entry stays unless it comes too late. */
static void wake_up(struct timer_heap *heap, struct timer *timer)
{
    timer->slot &= ~TIMER_RESTS;
    if (likely(timer->deadline >= timer->entered))
        return;
    take_entry(heap, timer->slot);
    enter(heap, timer);
}

void timer_add(struct timer_heap *heap, struct timer *timer, int64_t deadline)
{
    assert(!timer_pending(timer) && heap->count < heap->claims);
    /* One that adds itself with a deadline long past would stay ahead of all
     * others for good; behind those that are due now it cannot. */
    if (unlikely(heap->expiring) && deadline < heap->now)
        deadline = heap->now;
    timer->deadline = deadline;
    timer->order = heap->order++;
    heap->count++;
    if (timer->slot) {
        wake_up(heap, timer);
        return;
    }
    timer->slot = take_slot(heap);
    *timer_of(heap, timer->slot) = timer;
    enter(heap, timer);
}

void timer_remove(struct timer_heap *heap, struct timer *timer)
{
    uint32_t slot = timer->slot & ~TIMER_RESTS;
    if (!slot)
        return;
    assert(*timer_of(heap, slot) == timer);
    timer_rest(heap, timer);
    take_entry(heap, slot);
    give_slot(heap, slot);
    timer->slot = 0;
}

/* The earliest entry; NULL: there is none. */
static const struct timer_entry *earliest_entry(const struct timer_heap *heap)
{
    const struct timer_entry *e = heap->heaped ? entry_at(heap, ROOT) : NULL;
    for (size_t i = 0; i < TIMER_RUNS; i++) {
        const struct timer_run *run = &heap->runs[i];
        if (run->count && (!e || earlier(&run->first, e)))
            e = &run->first;
    }
    return e;
}

int64_t timer_first(const struct timer_heap *heap)
{
    /* What rests is expired only where something is pending. */
    return heap->count ? earliest_entry(heap)->deadline : GROVE_NEVER;
}

void timer_remove_all(struct timer_heap *heap)
{
    const struct timer_entry *e;
    while ((e = earliest_entry(heap)))
        timer_remove(heap, *timer_of(heap, slot_of(e)));
    assert(heap->count == 0);
}

static bool calls(const struct timer *timer, void (*fn)(struct timer *timer))
{
    return timer->fn == fn && timer_pending(timer);
}

static struct timer *find_in_run(const struct timer_heap *heap,
                                 const struct timer_run *run,
                                 void (*fn)(struct timer *timer))
{
    uint32_t slot = run->count ? slot_of(&run->first) : 0;
    while (slot && !calls(*timer_of(heap, slot), fn))
        slot = lined_at(heap, slot)->next;
    return slot ? *timer_of(heap, slot) : NULL;
}

struct timer *timer_find(const struct timer_heap *heap,
                         void (*fn)(struct timer *timer))
{
    for (size_t place = ROOT; place < end_of(heap); place++) {
        struct timer *timer = *timer_of(heap, slot_of(entry_at(heap, place)));
        if (calls(timer, fn))
            return timer;
    }
    struct timer *found = NULL;
    for (size_t i = 0; i < TIMER_RUNS && !found; i++)
        found = find_in_run(heap, &heap->runs[i], fn);
    return found;
}

/* Takes the entry out, and its timer is not pending any more; NULL: the entry
 * was older than what its timer says, and was put right. The timer is likely to
 * be cold, and so is who comes after it: both are asked for, and the first is
 * not touched before the heap is in order again. */
static struct timer *take_expired(struct timer_heap *heap, struct timer_entry e)
{
    uint32_t slot = slot_of(&e);
    struct timer *timer = *timer_of(heap, slot);
    __builtin_prefetch(timer, 1);
    take_entry(heap, slot);
    const struct timer_entry *next = earliest_entry(heap);
    if (next)
        __builtin_prefetch(*timer_of(heap, slot_of(next)), 1);
    assert((timer->slot & ~TIMER_RESTS) == slot &&
           e.deadline == timer->entered);
    bool pending = timer_pending(timer);
    if (pending && timer->order << SLOT_BITS != (e.rest ^ slot)) {
        enter(heap, timer);
        return NULL;
    }
    timer->slot = 0;
    give_slot(heap, slot);
    heap->count -= pending;
    return pending ? timer : NULL;
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
    while (n < TIMER_BATCH) {
        const struct timer_entry *e = earliest_entry(heap);
        if (!e || e->deadline > now || (int64_t)(e->rest - end) >= 0)
            break;
        struct timer *timer = take_expired(heap, *e);
        if (likely(timer != NULL))
            timer->fn(timer);
        n++;
    }
    heap->expiring = false;
    return n;
}

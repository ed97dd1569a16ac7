/*
 * Copying a ring into which its hub may go on to write. Which records were
 * written over meanwhile is known afterwards, by how many there are then; those
 * are left out, and the few after them, whose stores may have been seen before
 * the number that tells of them.
 */
#include "trace/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Records whose stores a processor may let others see early. */
#define EARLY 64

/* Before any later look at how many there are. */
static uint64_t load(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static struct trace_event read_record(const struct trace_record *r)
{
    uint64_t rest = load(&r->rest);
    return (struct trace_event){
        .time = load(&r->time),
        .fiber = load(&r->fiber),
        .other = load(&r->other),
        .kind = (enum trace_kind)(uint32_t)rest,
        .value = (int)(uint32_t)(rest >> 32),
    };
}

/* The first that is there when there are so many. */
static uint64_t first_of(const struct trace_ring *ring, uint64_t next)
{
    uint64_t room = ring->mask + 1;
    return next > room ? next - room : 0;
}

/* Counters of two processors may differ by some ticks. */
static void put_in_order(struct trace_copy *copy)
{
    for (size_t i = 1; i < copy->count; i++) {
        if (copy->events[i].time < copy->events[i - 1].time)
            copy->events[i].time = copy->events[i - 1].time;
    }
    if (copy->count && copy->end < copy->events[copy->count - 1].time)
        copy->end = copy->events[copy->count - 1].time;
}

/* How many of them are no more what they were. */
static uint64_t spoilt(const struct trace_ring *ring, uint64_t first,
                       uint64_t next)
{
    uint64_t now = load(&ring->next);
    if (now == next && ring->ended)
        return 0;
    uint64_t good = first_of(ring, now + EARLY);
    return good <= first ? 0 : good < next ? good - first : next - first;
}

int trace_copy_make(struct trace_copy *copy, const struct trace_ring *ring)
{
    uint64_t next = load(&ring->next);
    uint64_t first = first_of(ring, next);
    *copy = (struct trace_copy){.ring = ring};
    copy->events = malloc((next - first + 1) * sizeof(*copy->events));
    if (!copy->events)
        return -ENOMEM;
    for (uint64_t i = first; i < next; i++)
        copy->events[i - first] = read_record(&ring->records[i & ring->mask]);
    uint64_t bad = spoilt(ring, first, next);
    copy->lost = first + bad;
    copy->count = (size_t)(next - first - bad);
    memmove(copy->events, copy->events + bad,
            copy->count * sizeof(*copy->events));
    copy->end = ring->ended ? ring->ended : trace_ticks();
    put_in_order(copy);
    return 0;
}

void trace_copy_free(struct trace_copy *copy)
{
    free(copy->events);
    copy->events = NULL;
}

bool trace_copy_name(const struct trace_copy *copy, uint64_t fiber,
                     char name[TRACE_NAME_SIZE])
{
    const struct trace_ring *ring = copy->ring;
    const struct trace_name *from = &ring->names[fiber & ring->name_mask];
    uint64_t text[TRACE_NAME_SIZE / 8];
    if (load(&from->fiber) != fiber)
        return false;
    for (size_t i = 0; i < TRACE_NAME_SIZE / 8; i++)
        text[i] = load(&from->text[i]);
    memcpy(name, text, TRACE_NAME_SIZE);
    return load(&from->fiber) == fiber;
}

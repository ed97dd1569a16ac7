/*
 * A hash table of fibers' numbers, at most half full. An empty place has the
 * number NOBODY.
 */
#include "trace/states.h"

#include <stdlib.h>

#define NOBODY UINT64_MAX
#define ROOM_FIRST 64

static size_t place_of(uint64_t fiber, size_t room)
{
    return (size_t)((fiber * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (room - 1);
}

static struct trace_state *find(const struct trace_states *s, uint64_t fiber)
{
    size_t at = place_of(fiber, s->room);
    while (s->table[at].fiber != fiber && s->table[at].fiber != NOBODY)
        at = (at + 1) & (s->room - 1);
    return &s->table[at];
}

static int grow(struct trace_states *s)
{
    struct trace_states old = *s;
    size_t room = old.room ? 2 * old.room : ROOM_FIRST;
    struct trace_state *table = malloc(room * sizeof(*table));
    if (!table)
        return -1;
    for (size_t i = 0; i < room; i++)
        table[i] = (struct trace_state){NOBODY, TRACE_UNKNOWN, 0};
    s->table = table;
    s->room = room;
    for (size_t i = 0; i < old.room; i++) {
        if (old.table[i].fiber != NOBODY)
            *find(s, old.table[i].fiber) = old.table[i];
    }
    free(old.table);
    return 0;
}

struct trace_state *trace_state_of(struct trace_states *s, uint64_t fiber)
{
    if (2 * s->count >= s->room && grow(s) < 0)
        return NULL;
    struct trace_state *state = find(s, fiber);
    if (state->fiber == NOBODY) {
        state->fiber = fiber;
        s->count++;
    }
    return state;
}

void trace_states_each(const struct trace_states *s,
                       void (*fn)(struct trace_state *state, void *arg),
                       void *arg)
{
    for (size_t i = 0; i < s->room; i++) {
        if (s->table[i].fiber != NOBODY)
            fn(&s->table[i], arg);
    }
}

void trace_states_free(struct trace_states *s)
{
    free(s->table);
    *s = (struct trace_states){NULL, 0, 0};
}

/*
 * Walking the ring of hubs while hubs come and go. A hub is one if it bears the
 * mark; the walk ends where the ring closes, at what is no hub, and in any case
 * after so many. A ring that did not close is walked again, a few times.
 */
#include "look/hubs.h"

#include <errno.h>
#include <stdlib.h>

#include "look/record.h"

#define HUBS_MOST 16384
#define HUB_SIZE_MOST ((size_t)1 << 20)
#define TRIES 5

/* What numbers.c and mailbox.c keep of it. */
static void read_kept(struct look_hub *hub, struct target *t)
{
    struct memory *m = &t->memory;
    const struct hub_layout_numbers *n = &t->numbers;
    uint64_t numbers = hub->at + t->numbers_at;
    size_t delays =
        n->delays_count < HUB_DELAYS_MOST ? n->delays_count : HUB_DELAYS_MOST;
    hub->thread = (long)memory_word(m, numbers + n->thread);
    hub->delay_longest = (int64_t)memory_word(m, numbers + n->longest);
    hub->delay_sum = memory_word(m, numbers + n->sum);
    hub->stalls = memory_word(m, numbers + n->stalls);
    for (size_t i = 0; i < delays; i++)
        hub->delays[i] = memory_word(m, numbers + n->delays + 8 * i);
    hub->posts = memory_word(m, hub->at + t->mailbox_at + t->mailbox.called);
}

static void decode(struct look_hub *hub, struct record r,
                   const struct hub_layout_hub *at)
{
    uint64_t budget = (uint64_t)(int64_t)(int32_t)record_half(r, at->budget);
    hub->current = record_word(r, at->current);
    hub->loop_fiber = record_word(r, at->loop_fiber);
    hub->asleep = record_byte(r, at->polling);
    hub->switches = record_word(r, at->switches) - budget;
    /* Numbers begin at 1, the thread's own stack. */
    hub->spawned =
        record_word(r, at->next_id) - 2 - record_half(r, at->loop_fibers);
    hub->live = record_word(r, at->claims) - record_word(r, at->others);
    hub->polls = record_word(r, at->polls);
    hub->offloads = record_word(r, at->offloads);
    hub->timers = record_word(r, at->timers);
    hub->descriptors = record_word(r, at->waits);
    hub->now = (int64_t)record_word(r, at->now);
    hub->stacks = hub->at + at->stacks;
    for (size_t i = 0; i < METRICS_WAITS && i < at->waits_kinds; i++)
        hub->waits[i] = record_word(r, at->waits_begun + 8 * (uint32_t)i);
    hub->names_asked = record_word(r, at->names_asked);
    hub->names_found = record_word(r, at->names_found);
    hub->names_failed = record_word(r, at->names_failed);
    hub->names_timed_out = record_word(r, at->names_timed_out);
    hub->names_time = record_word(r, at->names_time);
}

static bool is_marked(struct target *t, uint64_t at)
{
    return memory_word(&t->memory, at + t->mark_at) == t->layout.mark.value;
}

/* The hub at hub->at, and where the next of the ring is. False: there is none.
 */
static bool read_hub(struct look_hub *hub, struct target *t, void *bytes,
                     uint64_t *next)
{
    const struct hub_layout_hub *at = &t->layout.hub;
    struct record r = {bytes, at->size};
    if (!is_marked(t, hub->at) ||
        !memory_read(&t->memory, hub->at, bytes, at->size))
        return false;
    decode(hub, r, at);
    read_kept(hub, t);
    *next = record_word(r, at->next_hub);
    return !record_byte(r, at->dead);
}

static bool is_known(const struct look_hubs *hubs, uint64_t at)
{
    for (size_t i = 0; i < hubs->count; i++) {
        if (hubs->list[i].at == at)
            return true;
    }
    return false;
}

static int append(struct look_hubs *hubs, const struct look_hub *hub)
{
    size_t n = hubs->count;
    if ((n & (n - 1)) == 0) { /* room for the next power of two */
        void *list = realloc(hubs->list, (n ? 2 * n : 1) * sizeof(*hub));
        if (!list)
            return -ENOMEM;
        hubs->list = list;
    }
    hubs->list[hubs->count++] = *hub;
    return 0;
}

/* 1: the ring has closed; 0: it has not; -ENOMEM. */
static int walk(struct look_hubs *hubs, struct target *t, void *bytes)
{
    uint64_t first =
        memory_word(&t->memory, (uint64_t)(uintptr_t)t->layout.hubs);
    uint64_t at = first;
    hubs->count = 0;
    while (at && hubs->count < HUBS_MOST && !is_known(hubs, at)) {
        struct look_hub hub = {.at = at};
        if (!read_hub(&hub, t, bytes, &at))
            return 0;
        if (append(hubs, &hub) < 0)
            return -ENOMEM;
    }
    return at == first;
}

int hubs_read(struct look_hubs *hubs, struct target *t)
{
    size_t size = t->layout.hub.size;
    void *bytes = size <= HUB_SIZE_MOST ? malloc(size) : NULL;
    int r = bytes ? 0 : -ENOMEM;
    hubs->count = 0;
    for (int i = 0; i < TRIES && r == 0 && t->mark_at; i++) {
        memory_forget(&t->memory);
        r = walk(hubs, t, bytes);
    }
    free(bytes);
    return r < 0 ? r : 0;
}

void hubs_free(struct look_hubs *hubs)
{
    free(hubs->list);
}

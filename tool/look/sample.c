/*
 * Sampling. A look is two calls of the kernel at most: the first reads of every
 * hub who runs, the second which fiber that is and, now and then, whether those
 * that are known could run. Nothing is kept in the process for it, so what runs
 * for less than the time between two looks is seen in proportion only.
 */
#include "look/sample.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Every so many looks the states of known fibers are read, so many at most. */
#define STATES_EVERY 8
#define STATES_MOST 1024

/* What is read of a hub. */
struct sampled_words {
    uint64_t current, switches, id;
    int64_t now;
    int32_t budget;
    uint8_t asleep;
};

#define PIECES 5 /* of each hub */

int64_t look_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t thread_cpu(pid_t pid, long thread)
{
    char path[64];
    int64_t cpu = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%ld/schedstat", (int)pid,
             thread);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%" SCNd64, &cpu) != 1)
        cpu = 0;
    if (f)
        fclose(f);
    return cpu;
}

/* ---- fibers ------------------------------------------------------------------------ */

static size_t place_of(uint64_t at)
{
    return (size_t)(at * UINT64_C(0x9e3779b97f4a7c15) >> 52) &
           (SAMPLED_FIBERS - 1);
}

/* The place of a fiber, or the free one where it would be. */
static size_t find(const struct sampler *s, uint64_t at, uint64_t id)
{
    size_t i = place_of(at);
    while (s->fibers[i].at && (s->fibers[i].at != at || s->fibers[i].id != id))
        i = (i + 1) & (SAMPLED_FIBERS - 1);
    return i;
}

struct sampled_fiber *sampler_fiber(struct sampler *s, size_t hub, uint64_t at,
                                    uint64_t id)
{
    struct sampled_fiber *f = &s->fibers[find(s, at, id)];
    if (f->at)
        return f;
    if (s->fiber_count >=
        SAMPLED_FIBERS / 2) /* the search ends at a free one */
        return NULL;
    s->fiber_count++;
    *f = (struct sampled_fiber){.at = at, .id = id, .hub = hub};
    return f;
}

const struct sampled_fiber *sampler_seen(const struct sampler *s, uint64_t at,
                                         uint64_t id)
{
    const struct sampled_fiber *f = &s->fibers[find(s, at, id)];
    return f->at ? f : NULL;
}

/* ---- looks ------------------------------------------------------------------------- */

/* Of every hub: who runs, and whether it moves. */
static void read_hubs(struct sampler *s)
{
    const struct hub_layout_hub *at = &s->t->layout.hub;
    struct memory_piece *p = s->pieces;
    for (size_t i = 0; i < s->hub_count; i++) {
        uint64_t hub = s->hubs[i].before.at;
        struct sampled_words *w = &s->words[i];
        *p++ = (struct memory_piece){hub + at->current, &w->current, 8, false};
        *p++ =
            (struct memory_piece){hub + at->switches, &w->switches, 8, false};
        *p++ = (struct memory_piece){hub + at->budget, &w->budget, 4, false};
        *p++ = (struct memory_piece){hub + at->now, &w->now, 8, false};
        *p++ = (struct memory_piece){hub + at->polling, &w->asleep, 1, false};
    }
    memory_gather(&s->t->memory, s->pieces, PIECES * s->hub_count);
}

static bool was_read(const struct sampler *s, size_t hub)
{
    for (size_t i = 0; i < PIECES; i++) {
        if (!s->pieces[PIECES * hub + i].there)
            return false;
    }
    return true;
}

static void note_hub(struct sampled_hub *h, const struct sampled_words *w)
{
    uint64_t switches = w->switches - (uint64_t)(int64_t)w->budget;
    h->looks++;
    h->busy += !w->asleep;
    h->current = w->current;
    if (w->asleep || switches != h->before.switches || w->now != h->before.now)
        h->still = false;
}

/* Whether a fiber ran on the hub at the last look. */
static bool runs_fiber(const struct sampler *s, size_t hub)
{
    const struct sampled_words *w = &s->words[hub];
    return !w->asleep && w->current &&
           w->current != s->hubs[hub].before.loop_fiber;
}

/* Which fibers run. */
static void read_current(struct sampler *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->hub_count; i++) {
        if (runs_fiber(s, i))
            s->pieces[n++] = (struct memory_piece){s->words[i].current +
                                                       s->t->layout.fiber.id,
                                                   &s->words[i].id, 8, false};
    }
    memory_gather(&s->t->memory, s->pieces, n);
    n = 0;
    for (size_t i = 0; i < s->hub_count; i++) {
        if (!runs_fiber(s, i) || !s->pieces[n++].there)
            continue;
        struct sampled_fiber *f =
            sampler_fiber(s, i, s->words[i].current, s->words[i].id);
        if (f)
            f->ran++;
    }
}

/* Whether those that are known could run. */
static void read_states(struct sampler *s)
{
    struct {
        uint64_t id;
        uint8_t state;
        struct sampled_fiber *f;
    } seen[STATES_MOST];
    struct memory_piece pieces[2 * STATES_MOST];
    const struct hub_layout_fiber *at = &s->t->layout.fiber;
    size_t n = 0;
    for (size_t i = 0; i < SAMPLED_FIBERS && n < STATES_MOST; i++) {
        struct sampled_fiber *f = &s->fibers[i];
        if (!f->at)
            continue;
        seen[n].f = f;
        pieces[2 * n] =
            (struct memory_piece){f->at + at->id, &seen[n].id, 8, false};
        pieces[2 * n + 1] =
            (struct memory_piece){f->at + at->state, &seen[n].state, 1, false};
        n++;
    }
    memory_gather(&s->t->memory, pieces, 2 * n);
    for (size_t i = 0; i < n; i++) {
        bool there = pieces[2 * i].there && pieces[2 * i + 1].there &&
                     seen[i].id == seen[i].f->id;
        seen[i].f->looks++;
        seen[i].f->ready +=
            there && (seen[i].state == LOOK_READY || seen[i].state == LOOK_NEW);
    }
}

void sampler_look(struct sampler *s)
{
    read_hubs(s);
    for (size_t i = 0; i < s->hub_count; i++) {
        if (was_read(s, i))
            note_hub(&s->hubs[i], &s->words[i]);
        else
            s->words[i].asleep = true; /* it is gone */
    }
    read_current(s);
    if (s->looks++ % STATES_EVERY == 0 && s->fiber_count)
        read_states(s);
}

/* ---- begin and end -------------------------------------------------------------------- */

int sampler_begin(struct sampler *s, struct target *t,
                  const struct look_hubs *hubs)
{
    memset(s, 0, sizeof(*s));
    s->t = t;
    s->began = look_clock();
    s->hub_count = hubs->count;
    s->hubs = calloc(hubs->count + 1, sizeof(s->hubs[0]));
    s->words = calloc(hubs->count + 1, sizeof(s->words[0]));
    s->pieces = calloc(hubs->count + 1, PIECES * sizeof(s->pieces[0]));
    if (!s->hubs || !s->words || !s->pieces) {
        sampler_end(s);
        return -ENOMEM;
    }
    for (size_t i = 0; i < hubs->count; i++) {
        s->hubs[i].before = hubs->list[i];
        s->hubs[i].still = !hubs->list[i].asleep;
        s->hubs[i].cpu_before = thread_cpu(t->memory.pid, hubs->list[i].thread);
    }
    return 0;
}

void sampler_end(struct sampler *s)
{
    free(s->hubs);
    free(s->words);
    free(s->pieces);
    s->hubs = NULL;
    s->words = NULL;
    s->pieces = NULL;
    s->hub_count = 0;
}

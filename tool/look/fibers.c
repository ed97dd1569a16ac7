/*
 * Finding the fibers of a hub by its stacks: slot by slot, as src/fiber/stack.c
 * lays them out, many at a time. Slots whose pages were given back are left
 * alone, so that reading makes no page.
 *
 * The hub goes on meanwhile. A record counts if it says that it is live, that
 * it belongs to this hub and stands in this slot, and if its state and number
 * can be; whatever else is there is dropped. All walks are bounded by what
 * there can be.
 */
#include "look/fibers.h"

#include <errno.h>
#include <stdlib.h>

#include "look/record.h"

#define BATCH 1024
#define RECORD_MOST 4096u
/* Of a hub. */
#define SLABS_MOST 4096
#define SLOTS_MOST ((uint64_t)1 << 25)
#define SHIFT_MOST 40

const char *const look_state_names[LOOK_STATES] = {
    "new", "ready", "running", "parked", "ended", "stranded"};

/* What a walk over one hub has at hand. */
struct walk {
    struct target *t;
    const struct look_hub *hub;
    bool (*fn)(const struct look_fiber *f, void *arg);
    void *arg;
    bool over;              /* fn has had enough */
    uint64_t slabs, slots;  /* that may still be looked at */
    unsigned char *records; /* BATCH of them */
    struct memory_piece pieces[BATCH];
    uint64_t bases[BATCH]; /* of their slots */
    size_t count;
};

/* ---- one record ----------------------------------------------------------------- */

/* Whether r is a fiber of the hub, in the slot at base (0: the thread's own
 * stack), that has not ended. */
static bool is_fiber(const struct target *t, const struct look_hub *hub,
                     struct record r, uint64_t base)
{
    const struct hub_layout_fiber *at = &t->layout.fiber;
    uint8_t state = record_byte(r, at->state);
    return record_word(r, at->hub) == hub->at && state < LOOK_STATES &&
           state != LOOK_ENDED && record_word(r, at->id) > 0 &&
           record_word(r, at->base) == base &&
           (base == 0 || record_byte(r, at->live) == 1);
}

static void decode(const struct target *t, struct record r,
                   struct look_fiber *f)
{
    const struct hub_layout_fiber *at = &t->layout.fiber;
    size_t name =
        at->name_size < sizeof(f->name) ? at->name_size : sizeof(f->name);
    f->id = record_word(r, at->id);
    f->host = record_word(r, at->host);
    f->fn = record_word(r, at->fn);
    f->sp = record_word(r, at->sp);
    f->bp = record_word(r, at->bp);
    f->ip = record_word(r, at->ip);
    f->state = record_byte(r, at->state);
    bool waits = f->state == LOOK_PARKED && record_byte(r, at->waiting);
    f->what = waits ? record_word(r, at->what) : 0;
    f->fd = waits ? (int32_t)record_half(r, at->fd) : -1;
    f->since = waits ? (int64_t)record_word(r, at->since) : 0;
    record_copy(r, at->name, f->name, name);
    f->name[sizeof(f->name) - 1] = '\0';
}

static size_t record_size(const struct target *t)
{
    size_t size = t->layout.fiber.size;
    return size < RECORD_MOST ? size : RECORD_MOST;
}

bool fibers_at(struct target *t, const struct look_hub *hub, uint64_t at,
               struct look_fiber *f)
{
    unsigned char bytes[RECORD_MOST];
    struct record r = {bytes, record_size(t)};
    *f = (struct look_fiber){.at = at};
    if (!memory_read_now(&t->memory, at, bytes, r.size))
        return false;
    uint64_t base = record_word(r, t->layout.fiber.base);
    if (at == hub->loop_fiber || !is_fiber(t, hub, r, base))
        return false;
    decode(t, r, f);
    return true;
}

/* ---- batches ---------------------------------------------------------------------- */

static void settle(struct walk *w)
{
    size_t size = record_size(w->t);
    memory_gather(&w->t->memory, w->pieces, w->count);
    for (size_t i = 0; i < w->count && !w->over; i++) {
        struct record r = {w->pieces[i].to, size};
        struct look_fiber f = {.at = w->pieces[i].from};
        if (!w->pieces[i].there || f.at == w->hub->loop_fiber ||
            !is_fiber(w->t, w->hub, r, w->bases[i]))
            continue;
        decode(w->t, r, &f);
        w->over = !w->fn(&f, w->arg);
    }
    w->count = 0;
}

static void add(struct walk *w, uint64_t record, uint64_t base)
{
    size_t size = record_size(w->t);
    w->bases[w->count] = base;
    w->pieces[w->count] = (struct memory_piece){
        .from = record, .to = w->records + w->count * size, .size = size};
    if (++w->count == BATCH)
        settle(w);
}

/* ---- slabs ------------------------------------------------------------------------- */

/* What the slots of a class have in common. */
struct slots {
    unsigned shift, kind;
    uint64_t record_size, hot_offset; /* of the pool */
};

/* Where the record of the slot at base stands; record_of() in stack.c. */
static uint64_t record_of(const struct hub_layout_stacks *at,
                          const struct slots *s, uint64_t base)
{
    uint64_t top = base + (UINT64_C(1) << s->shift);
    if (s->kind == at->hosted)
        top -= at->host_area;
    top -= (base >> s->shift) % at->colours * at->colour;
    uint64_t hot = top - s->record_size + s->hot_offset;
    return hot - hot % at->line - s->hot_offset;
}

static void walk_slab(struct walk *w, const struct slots *s, struct record r)
{
    const struct hub_layout_stacks *at = &w->t->layout.stacks;
    uint64_t base = record_word(r, at->slab_base);
    uint64_t used = record_word(r, at->slab_used);
    uint64_t cold_at = record_word(r, at->slab_cold);
    if (used > record_word(r, at->slab_slots) || used > w->slots)
        return;
    w->slots -= used;
    size_t words = (used + 63) / 64;
    uint64_t *cold = malloc(words * sizeof(*cold) + 1);
    if (cold &&
        memory_read_now(&w->t->memory, cold_at, cold, words * sizeof(*cold))) {
        for (uint64_t i = 0; i < used && !w->over; i++) {
            uint64_t slot = base + (i << s->shift);
            if (!(cold[i / 64] >> i % 64 & 1))
                add(w, record_of(at, s, slot), slot);
        }
    }
    free(cold);
}

static void walk_class(struct walk *w, struct record class, struct slots *s)
{
    const struct hub_layout_stacks *at = &w->t->layout.stacks;
    unsigned char bytes[256];
    struct record r = {bytes, at->slab_size};
    uint64_t slab = record_word(class, at->slabs);
    s->shift = record_half(class, at->shift);
    s->kind = record_half(class, at->kind);
    if (r.size > sizeof(bytes) || s->shift > SHIFT_MOST)
        return;
    for (; w->slabs > 0 && slab && !w->over; w->slabs--) {
        if (!memory_read(&w->t->memory, slab, bytes, r.size))
            return;
        walk_slab(w, s, r);
        slab = record_word(r, at->slab_next);
    }
}

static void walk_pool(struct walk *w)
{
    struct target *t = w->t;
    const struct hub_layout_stacks *at = &t->layout.stacks;
    uint64_t pool = w->hub->stacks;
    unsigned char bytes[1024];
    struct record class = {bytes, at->class_size};
    struct slots s = {
        .record_size = memory_word(&t->memory, pool + at->record_size),
        .hot_offset = memory_word(&t->memory, pool + at->hot_offset)};
    uint64_t classes = (uint64_t)at->kinds * at->shifts;
    if (class.size > sizeof(bytes) || classes > 256 || !at->colours ||
        !at->line)
        return;
    for (uint64_t i = 0; i < classes && !w->over; i++) {
        uint64_t from = pool + at->classes + i * at->class_size;
        if (memory_read(&t->memory, from, bytes, class.size))
            walk_class(w, class, &s);
    }
}

int fibers_each(struct target *t, const struct look_hub *hub,
                bool (*fn)(const struct look_fiber *f, void *arg), void *arg)
{
    struct walk *w = malloc(sizeof(*w));
    unsigned char *records = malloc(BATCH * record_size(t));
    int r = w && records ? 0 : -ENOMEM;
    if (r == 0) {
        w->t = t;
        w->hub = hub;
        w->fn = fn;
        w->arg = arg;
        w->over = false;
        w->slabs = SLABS_MOST;
        w->slots = SLOTS_MOST;
        w->records = records;
        w->count = 0;
        add(w, hub->at + t->layout.hub.root, 0);
        walk_pool(w);
        settle(w);
    }
    free(records);
    free(w);
    return r;
}

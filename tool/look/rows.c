/*
 * Choosing the rows. Among a million fibers a sorted list of the best is kept;
 * most of the others are refused by one comparison with the last of it. Names
 * are read of those that were chosen, unless a filter asks for all of them.
 */
#include "look/rows.h"

#include <string.h>

/* ---- the order ---------------------------------------------------------------------- */

/* The smaller is told first, where all else is equal. */
static int rank(const struct row *row)
{
    static const int ranks[LOOK_STATES] = {[LOOK_RUNNING] = 0,
                                           [LOOK_READY] = 1,
                                           [LOOK_NEW] = 2,
                                           [LOOK_PARKED] = 3};
    return ranks[row->f.state];
}

static int compare(double a, double b)
{
    return a > b ? -1 : a < b;
}

/* Who waits for longer comes first; who does not wait, last. */
static int by_wait(const struct row *a, const struct row *b)
{
    uint64_t x = (uint64_t)a->f.since - 1, y = (uint64_t)b->f.since - 1;
    return x < y ? -1 : x > y;
}

static int by_number(const struct row *a, const struct row *b)
{
    if (a->hub != b->hub)
        return a->hub < b->hub ? -1 : 1;
    return a->f.id < b->f.id ? -1 : a->f.id > b->f.id;
}

static int in_order(enum rows_order order, const struct row *a,
                    const struct row *b)
{
    int r = order == BY_CPU     ? compare(a->cpu, b->cpu)
            : order == BY_READY ? compare(a->ready, b->ready)
            : order == BY_WAIT  ? by_wait(a, b)
                                : 0;
    if (r == 0 && order != BY_NUMBER)
        r = rank(a) - rank(b);
    if (r == 0 && order != BY_NUMBER)
        r = by_wait(a, b);
    return r ? r : by_number(a, b);
}

/* ---- one row ------------------------------------------------------------------------- */

/* How much of the thread's time was the fiber's: as often as it was seen to
 * run. */
static double share(const struct rows *rows, size_t hub,
                    const struct sampled_fiber *seen)
{
    unsigned busy = rows->sampler->hubs[hub].busy;
    return busy ? rows->cpu[hub] * seen->ran / busy : 0;
}

static void measure(const struct rows *rows, struct row *row)
{
    const struct sampled_fiber *seen =
        sampler_seen(rows->sampler, row->f.at, row->f.id);
    row->cpu = seen ? share(rows, row->hub, seen) : 0;
    row->ready = seen && seen->looks ? (double)seen->ready / seen->looks : 0;
}

static void label(struct rows *rows, struct row *row)
{
    label_name(rows->t, rows->symbols, &row->f, row->name);
    label_where(rows->t, &row->f, row->where);
}

static bool is_wanted(struct rows *rows, struct row *row)
{
    if (!*rows->filter)
        return true;
    label(rows, row);
    return strstr(row->name, rows->filter) ||
           strstr(row->where, rows->filter) ||
           strstr(row->what, rows->filter) ||
           strstr(look_state_names[row->f.state], rows->filter);
}

/* Puts it where it belongs, if that is in the list. */
static void insert(struct rows *rows, const struct row *row)
{
    size_t n = rows->count;
    if (n == ROWS_MOST && in_order(rows->order, row, &rows->list[n - 1]) >= 0)
        return;
    if (n < ROWS_MOST)
        rows->count = ++n;
    size_t i = n - 1;
    while (i > 0 && in_order(rows->order, row, &rows->list[i - 1]) < 0)
        i--;
    memmove(&rows->list[i + 1], &rows->list[i],
            (n - 1 - i) * sizeof(rows->list[0]));
    rows->list[i] = *row;
}

/* ---- all of them ------------------------------------------------------------------------ */

struct walk {
    struct rows *rows;
    size_t hub;
};

static bool visit(const struct look_fiber *f, void *arg)
{
    struct walk *w = arg;
    struct rows *rows = w->rows;
    struct row row = {.f = *f, .hub = w->hub};
    row.hub_at = rows->sampler->hubs[w->hub].before.at;
    row.what = tally_count(&rows->tally, rows->t, f);
    if (w->hub < sizeof(rows->ready) / sizeof(rows->ready[0]))
        rows->ready[w->hub] += f->state == LOOK_READY || f->state == LOOK_NEW;
    measure(rows, &row);
    if (is_wanted(rows, &row))
        insert(rows, &row);
    return true;
}

static void label_all(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        label(rows, &rows->list[i]);
}

int rows_walk(struct rows *rows)
{
    const struct sampler *s = rows->sampler;
    struct walk w = {.rows = rows};
    int r = 0;
    rows->count = 0;
    tally_reset(&rows->tally);
    memset(rows->ready, 0, sizeof(rows->ready));
    for (w.hub = 0; w.hub < s->hub_count && r == 0; w.hub++)
        r = fibers_each(rows->t, &s->hubs[w.hub].before, visit, &w);
    label_all(rows);
    return r;
}

/* Reads a fiber anew and puts it into the list, if it is still the one. */
static void renew(struct rows *rows, size_t hub, uint64_t at, uint64_t id)
{
    const struct look_hub *h = &rows->sampler->hubs[hub].before;
    struct row row = {.hub = hub, .hub_at = h->at};
    if (!fibers_at(rows->t, h, at, &row.f) || row.f.id != id)
        return;
    row.what = tally_text(&rows->tally, rows->t, &row.f);
    measure(rows, &row);
    if (is_wanted(rows, &row))
        insert(rows, &row);
}

static bool is_listed(const struct rows *rows, uint64_t at, uint64_t id)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->list[i].f.at == at && rows->list[i].f.id == id)
            return true;
    }
    return false;
}

/* The same for a row of an earlier time. */
static void renew_row(struct rows *rows, const struct row *row)
{
    const struct sampler *s = rows->sampler;
    for (size_t i = 0; i < s->hub_count; i++) {
        if (s->hubs[i].before.at == row->hub_at)
            renew(rows, i, row->f.at, row->f.id);
    }
}

void rows_renew(struct rows *rows)
{
    static struct row old[ROWS_MOST];
    const struct sampler *s = rows->sampler;
    size_t n = rows->count;
    memcpy(old, rows->list, n * sizeof(old[0]));
    rows->count = 0;
    for (size_t i = 0; i < n; i++)
        renew_row(rows, &old[i]);
    for (size_t i = 0; i < SAMPLED_FIBERS; i++) {
        const struct sampled_fiber *f = &s->fibers[i];
        if (f->at && f->ran && !is_listed(rows, f->at, f->id))
            renew(rows, f->hub, f->at, f->id);
    }
    label_all(rows);
}

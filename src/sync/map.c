/*
 * Mapping over an array: as many fibers as may run at once take one item after
 * another, so that fibers are spawned for the limit, not for the items.
 *
 * Where results are fetched as they come, a fiber that has one stands in the
 * ring of finished ones with it, on its stack, until it is fetched; then it
 * goes on to the next item. So nothing is allocated, and results that nobody
 * fetches hold up further calls.
 */
#include <assert.h>

#include "sync/turn.h"

/* A result to be fetched; its fiber waits for that. */
struct finished {
    struct turn turn; /* in the map's ring */
    size_t index;     /* of the item */
    int result;       /* what fn has returned for it */
};

/* The next item to begin with; false: there is none, or it is over. */
static bool next_item(grove_map *m, size_t *index)
{
    if (m->group.closed || m->next == m->n)
        return false;
    *index = m->next++;
    return true;
}

static int call(grove_map *m, size_t index)
{
    assert(index < m->next && m->next <= m->n);
    return m->fn(m->items + index * m->size, m->arg);
}

static int start(grove_map *m, size_t limit, int (*worker)(void *))
{
    if (!m->fn)
        return -EINVAL;
    size_t workers = limit && limit < m->n ? limit : m->n;
    grove_group_begin(&m->group, NULL);
    links_init(&m->finished);
    links_init(&m->fetchers);
    for (size_t i = 0; i < workers; i++) {
        int r = grove_group_spawn(&m->group, NULL, worker, m);
        if (r < 0) { /* none has run yet */
            grove_group_cancel(&m->group);
            return r;
        }
    }
    return 0;
}

/* ---- all at once --------------------------------------------------------------- */

static int run_items(void *arg)
{
    grove_map *m = arg;
    size_t i;
    while (next_item(m, &i)) {
        int r = call(m, i);
        if (m->results) {
            m->results[i] = r;
        } else if (r < 0 && !m->error) {
            m->error = r;
            grove_group_cancel(&m->group);
        }
    }
    return 0;
}

int grove_map_run_until(void *items, size_t n, size_t size, size_t limit,
                        int (*fn)(void *item, void *arg), void *arg,
                        int *results, int64_t deadline)
{
    grove_map m = {.items = items,
                   .n = n,
                   .size = size,
                   .fn = fn,
                   .arg = arg,
                   .results = results};
    for (size_t i = 0; results && i < n; i++)
        results[i] = -ECANCELED;
    int r = start(&m, limit, run_items);
    if (r < 0)
        return r;
    r = grove_group_end_until(&m.group, deadline);
    return r < 0 ? r : m.error;
}

int grove_map_run(void *items, size_t n, size_t size, size_t limit,
                  int (*fn)(void *item, void *arg), void *arg, int *results)
{
    return grove_map_run_until(items, n, size, limit, fn, arg, results,
                               GROVE_NEVER);
}

/* ---- as they come ---------------------------------------------------------------- */

static int offer_items(void *arg)
{
    grove_map *m = arg;
    struct hub *hub = hub_of_thread;
    struct finished f = {.turn.link.arg = hub->current};
    int r = 0;
    while (r == 0 && next_item(m, &f.index)) {
        f.result = call(m, f.index);
        links_append(&m->finished, &f.turn.link);
        turn_give(&m->fetchers, 0);
        r = turn_await(hub, &f.turn, GROVE_NEVER, "map (result)");
    }
    return 0;
}

int grove_map_begin(grove_map *m, void *items, size_t n, size_t size,
                    size_t limit, int (*fn)(void *item, void *arg), void *arg)
{
    *m =
        (grove_map){.items = items, .n = n, .size = size, .fn = fn, .arg = arg};
    return start(m, limit, offer_items);
}

/* Takes the first result out of the ring; its fiber goes on. */
static void fetch(grove_map *m, size_t *index, int *result)
{
    struct finished *f =
        container_of(turn_of(m->finished.next), struct finished, turn);
    struct grove_fiber *worker = f->turn.link.arg;
    assert(m->fetched < m->next && f->index < m->next);
    links_remove(&f->turn.link);
    m->fetched++;
    if (index)
        *index = f->index;
    if (result)
        *result = f->result;
    f->turn.result = 0;
    hub_wake(worker, 0);
}

static bool is_over(const grove_map *m)
{
    return m->fetched == m->n || m->group.closed;
}

int grove_map_next_until(grove_map *m, size_t *index, int *result,
                         int64_t deadline)
{
    if (m->finished.next != &m->finished || is_over(m))
        hub_turn_if_any();
    while (m->finished.next == &m->finished) {
        if (is_over(m))
            return 0;
        int r = turn_wait(hub_of_thread, &m->fetchers, deadline, "map");
        if (r < 0)
            return r;
    }
    fetch(m, index, result);
    /* Those who wait too have nothing to wait for after the last one. */
    if (m->fetched == m->n)
        while (turn_give(&m->fetchers, 0))
            ;
    return 1;
}

int grove_map_next(grove_map *m, size_t *index, int *result)
{
    return grove_map_next_until(m, index, result, GROVE_NEVER);
}

int grove_map_end(grove_map *m)
{
    int r = grove_group_kill(&m->group);
    grove_group_end(&m->group); /* kills on, if the first was ended early */
    while (turn_give(&m->fetchers, 0))
        ;
    return r;
}

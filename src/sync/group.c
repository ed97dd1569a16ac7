/*
 * Groups of fibers. A fiber of a group is in its list from the spawn to its
 * end, and takes a place; at its end the place goes to the first who waits for
 * one. Nothing is allocated: what belongs to the group stands in the fiber's
 * record. Only the thread that began a group may use it.
 *
 * Invariants:
 *   1. group->taken counts the fibers in the list and the places given to
 *      spawners that have not run since.
 *   2. Those who join are woken when it becomes 0.
 *   3. A closed group gets no new fibers, so killing it comes to an end.
 *   4. Whoever waits for the ends of a killed group's fibers kills those that
 *      are left, again and again; who waits already when it is killed is woken
 *      to do so. So one that swallows its first kill holds up nobody for good.
 */
#include <assert.h>
#include <string.h>

#include "hub/sized.h"
#include "sync/turn.h"

void grove_group_begin(grove_group *g, const grove_group_attr *attr)
{
    memset(g, 0, sizeof(*g));
    links_init(&g->spawners);
    links_init(&g->joiners);
    if (attr && sized_take(&g->attr, sizeof(g->attr),
                           SIZED_TO(grove_group_attr, fiber), attr) < 0) {
        g->closed = true;
        g->error = -EINVAL;
    }
}

size_t grove_group_count(const grove_group *g)
{
    return g->count;
}

int grove_group_error(const grove_group *g)
{
    return g->error;
}

/* ---- places ---------------------------------------------------------------- */

static void give_place(grove_group *g)
{
    assert(g->taken > 0 && g->taken > g->count);
    if (turn_give(&g->spawners, 0))
        return; /* it is theirs */
    if (--g->taken == 0) {
        while (turn_give(&g->joiners, 0))
            ;
    }
}

static bool has_place(const grove_group *g)
{
    return !g->attr.limit ||
           (g->taken < g->attr.limit && !turn_any(&g->spawners));
}

/* 0 when it was had, -EAGAIN, -ESHUTDOWN. */
static int try_place(grove_group *g)
{
    if (g->closed)
        return -ESHUTDOWN;
    if (!has_place(g))
        return -EAGAIN;
    g->taken++;
    return 0;
}

static int take_place(grove_group *g, int64_t deadline)
{
    if (g->attr.limit && has_place(g))
        hub_turn_if_any();
    int r = try_place(g);
    if (r != -EAGAIN)
        return r;
    struct hub *hub = hub_self();
    if (!hub)
        return -errno;
    r = turn_wait(hub, &g->spawners, deadline, "group (full)");
    if (r == 0 && g->closed) {
        give_place(g);
        r = -ESHUTDOWN;
    }
    return r;
}

static void close_group(grove_group *g)
{
    g->closed = true;
    while (turn_give(&g->spawners, -ESHUTDOWN))
        ;
}

/* ---- the list ---------------------------------------------------------------- */

static void list_add(grove_group *g, struct grove_fiber *f)
{
    assert(!f->group && g->count < g->taken);
    assert(!g->first == !g->last && !g->first == !g->count);
    f->group = g;
    f->member.next = NULL;
    f->member.prev = g->last;
    if (g->last)
        g->last->member.next = f;
    else
        g->first = f;
    g->last = f;
    g->count++;
}

static void list_remove(grove_group *g, struct grove_fiber *f)
{
    struct grove_fiber *next = f->member.next, *prev = f->member.prev;
    assert(f->group == g && g->count > 0);
    assert(prev ? prev->member.next == f : g->first == f);
    assert(next ? next->member.prev == f : g->last == f);
    if (g->victim == f)
        g->victim = next;
    if (prev)
        prev->member.next = next;
    else
        g->first = next;
    if (next)
        next->member.prev = prev;
    else
        g->last = prev;
    f->group = NULL;
    g->count--;
}

/* Those that have not run end here and now, which calls out (grove_attr.drop):
 * then others may end as well, or all be killed from within. */
static void kill_members(void *arg)
{
    grove_group *g = arg;
    struct grove_fiber *f;
    g->victim = g->first;
    while ((f = g->victim)) {
        g->victim = f->member.next;
        grove_kill(f);
    }
}

/* Takes no more fibers; those who join kill from here on. */
static void doom_group(grove_group *g)
{
    close_group(g);
    g->killed = true;
    while (turn_give(&g->joiners, 0))
        ;
}

void grove_group_cancel(grove_group *g)
{
    doom_group(g);
    kill_members(g);
}

/* What f failed with; 0: it did not. */
static int error_of(const struct grove_fiber *f)
{
    int r = f->result == 0 ? (int)(intptr_t)f->value : 0;
    return r < 0 && r != -ECANCELED ? r : 0;
}

static void on_end(struct grove_fiber *f, void *arg)
{
    grove_group *g = arg;
    list_remove(g, f);
    if (!g->error && (g->error = error_of(f)) && g->attr.kill_on_error)
        grove_group_cancel(g);
    give_place(g);
}

/* ---- spawn ------------------------------------------------------------------- */

static void *member_entry(void *arg)
{
    keep_frame();
    return (void *)(intptr_t)hub_of_thread->current->member.fn(arg);
}

/* In the place that was taken, which is given back if it fails. */
static int spawn(grove_group *g, grove_fiber **out, int (*fn)(void *),
                 void *arg)
{
    struct grove_fiber *f;
    int r =
        fn ? grove_spawn_with(&f, g->attr.fiber, member_entry, arg) : -EINVAL;
    if (r < 0) {
        give_place(g);
        return r;
    }
    f->member.fn = fn;
    f->member.end = (grove_link){.fn = on_end, .arg = g};
    links_append(&f->links, &f->member.end);
    list_add(g, f);
    if (out)
        *out = f;
    else
        hub_fiber_unref(f);
    return 0;
}

int grove_group_spawn_until(grove_group *g, grove_fiber **out,
                            int (*fn)(void *), void *arg, int64_t deadline)
{
    int r = take_place(g, deadline);
    return r < 0 ? r : spawn(g, out, fn, arg);
}

int grove_group_spawn(grove_group *g, grove_fiber **out, int (*fn)(void *),
                      void *arg)
{
    return grove_group_spawn_until(g, out, fn, arg, GROVE_NEVER);
}

int grove_group_tryspawn(grove_group *g, grove_fiber **out, int (*fn)(void *),
                         void *arg)
{
    int r = try_place(g);
    return r < 0 ? r : spawn(g, out, fn, arg);
}

/* ---- join, kill, end ---------------------------------------------------------- */

/* Until no place is taken. */
static int await_all(void *arg, int64_t deadline)
{
    grove_group *g = arg;
    int r = 0;
    while (g->taken && r == 0)
        r = turn_wait(hub_of_thread, &g->joiners, deadline, "group");
    return r;
}

/* The same for a group that may be killed before or meanwhile. With nobody to
 * wait for there may be no hub. */
static int await_ends(grove_group *g, int64_t deadline)
{
    int r = 0;
    if (!g->taken)
        hub_turn_if_any();
    while (g->taken && !g->killed && r == 0)
        r = turn_wait(hub_of_thread, &g->joiners, deadline, "group");
    if (g->taken && r == 0)
        r = hub_await_killed(hub_of_thread, deadline, kill_members, await_all,
                             g);
    return r;
}

static bool is_own_fiber(const grove_group *g)
{
    return g->taken && hub_of_thread->current->group == g;
}

int grove_group_join_until(grove_group *g, int64_t deadline)
{
    if (is_own_fiber(g))
        return -EDEADLK;
    int r = await_ends(g, deadline);
    return r < 0 ? r : g->error;
}

int grove_group_join(grove_group *g)
{
    return grove_group_join_until(g, GROVE_NEVER);
}

int grove_group_kill_until(grove_group *g, int64_t deadline)
{
    if (is_own_fiber(g))
        return -EDEADLK;
    grove_group_cancel(g);
    int r = await_ends(g, deadline);
    return r < 0 ? r : g->error;
}

int grove_group_kill(grove_group *g)
{
    return grove_group_kill_until(g, GROVE_NEVER);
}

/* Nothing from outside ends this. */
static void kill_for_good(grove_group *g)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    while (g->taken)
        grove_group_kill(g);
    grove_shield_end(&shield);
}

int grove_group_end_until(grove_group *g, int64_t deadline)
{
    if (is_own_fiber(g))
        return -EDEADLK;
    int r = await_ends(g, deadline);
    kill_for_good(g);
    close_group(g);
    return r < 0 ? r : g->error;
}

int grove_group_end(grove_group *g)
{
    return grove_group_end_until(g, GROVE_NEVER);
}

/*
 * The waiting and waking of linkable.h, and what a thread has to do with it.
 * With the GIL held; see there.
 *
 * A waiter of another thread's hub goes to that thread's ring `arrived`, and
 * the thread's one post, `arrival`, is sent, unless it is on its way already.
 * When it comes, the hub wakes everything in the ring. So a waiter that gives
 * up meanwhile can simply leave the ring: no post ever points to it.
 */
#include "linkable/threads.h"

Py_ssize_t linkable_count(const struct linkable_list *list)
{
    Py_ssize_t n = 0;
    for (const struct ring *node = list->ends.next; node != &list->ends;
         node = node->next)
        n++;
    return n;
}

/* ---- waking -------------------------------------------------------------- */

static void take_arrived(struct py_thread *t)
{
    assert(t->tstate == state_current_tstate() && !t->dead);
    while (t->waiters.arrived.next != &t->waiters.arrived) {
        struct linkable_waiter *w =
            container_of(t->waiters.arrived.next, struct linkable_waiter, all);
        assert(w->thread == t && w->woken);
        ring_remove(&w->all);
        if (w->fiber)
            hub_wake(w->fiber, 0);
        else if (!run_queued(w->run))
            hub_queue(t->hub, w->run);
    }
}

static void on_arrival(grove_post *post)
{
    take_arrived(container_of(post, struct py_thread, waiters.arrival));
}

void linkable_wake_foreign(struct linkable_waiter *w)
{
    struct py_thread *t = w->thread;
    assert(w->woken && t->tstate != state_current_tstate());
    if (ring_linked(&w->all))
        ring_remove(&w->all);
    if (t->dead) /* its waiters have been taken out */
        return;
    ring_insert(&t->waiters.arrived, &w->all);
    grove_hub_post((grove_hub *)t->hub, &t->waiters.arrival);
}

void linkable_wake_all(struct linkable_list *list)
{
    while (!linkable_empty(list))
        linkable_wake(linkable_first(list));
}

/* ---- waiting ------------------------------------------------------------- */

enum core_wait_result linkable_wait(struct linkable_waiter *w, int64_t deadline,
                                    const char *what)
{
    enum core_wait_result r;
    assert(w->fiber == w->thread->hub->current && !PyErr_Occurred());
    do
        r = wait_until(w->thread, GROVE_WAIT_SYNC, deadline, what);
    while (unlikely(r == CORE_WOKEN && !w->woken));
    linkable_cancel(w);
    assert((r == CORE_FAILED) == (PyErr_Occurred() != NULL));
    assert(w->fiber == w->thread->hub->current);
    return r == CORE_TIMED_OUT && w->woken ? CORE_WOKEN : r;
}

int linkable_wait_due(struct linkable_waiter *w)
{
    enum core_wait_result r;
    assert(w->woken && ring_linked(&w->at));
    do
        r = wait_until(w->thread, GROVE_WAIT_SYNC, GROVE_NEVER, "turn");
    while (r == CORE_WOKEN && ring_linked(&w->at));
    linkable_cancel(w);
    return r == CORE_FAILED ? -1 : 0;
}

/* ---- threads ------------------------------------------------------------- */

void linkable_thread_begin(struct py_thread *t)
{
    assert(!ring_linked(&t->waiters.waiting) && !t->waiters.held);
    ring_init(&t->waiters.waiting);
    ring_init(&t->waiters.arrived);
    t->waiters.arrival.fn = on_arrival;
}

/* Whoever is in ring, of t's: out of everything. abandoned() may wake others,
 * of other threads, but puts nobody in here again. */
static void forget(struct py_thread *t, struct ring *ring)
{
    assert(t->dead);
    while (ring->next != ring) {
        struct linkable_waiter *w =
            container_of(ring->next, struct linkable_waiter, all);
        assert(w->thread == t);
        if (!w->fiber) {
            linkable_drop_link(w);
            continue;
        }
        linkable_cancel(w);
        if (w->abandoned)
            w->abandoned(w);
    }
}

void linkable_thread_end(struct py_thread *t)
{
    forget(t, &t->waiters.waiting);
    forget(t, &t->waiters.arrived);
}

/* The post may have been on its way. */
void linkable_thread_forked(struct py_thread *t)
{
    take_arrived(t);
}

/*
 * Turns: those who wait in an object go on one after the other, from one place
 * in the run queue.
 *
 *   begun --> queued --> next() --> who goes on --> parks --+
 *                ^          |                               |
 *                |          +--> over                       |
 *                +------------------------------------------+  as the first
 *
 * When their turn comes, the object's next() says who goes on; when he parks,
 * who is next. So they run in a row, whatever else is due, and what they queue
 * comes behind all of them; and what happens to the object meanwhile is known
 * to happen while turns are under way. next() is called in whatever fiber parks
 * and must run no code: where it would, it asks to be called in the Hub.
 *
 * While turns are under way the object is referred to, and thread is whose hub
 * has them: they are for that thread's waiters only.
 */
#include "linkable/linkable.h"

static struct grove_fiber *birth(struct run *run);
static void in_hub(struct run *run);
static void let_go(struct run *run);

static void set_run(struct linkable_turns *turns, bool hub)
{
    turns->run.birth = hub ? NULL : birth;
    turns->run.call = hub ? in_hub : NULL;
}

static void begin(struct linkable_turns *turns, struct py_thread *t,
                  PyObject *owner)
{
    assert(!turns->thread && turns->next && !run_queued(&turns->run));
    assert(t->tstate == state_current_tstate() && !t->dead);
    turns->thread = t;
    turns->owner = Py_NewRef(owner);
    set_run(turns, false);
}

void linkable_turns_instead(struct linkable_turns *turns,
                            struct linkable_waiter *w, PyObject *owner)
{
    assert(w->woken && linkable_is_local(w));
    begin(turns, w->thread, owner);
    w->woken = false;
    hub_unwake(w->fiber, &turns->run);
}

void linkable_turns_only(struct linkable_turns *turns,
                         struct linkable_waiter *w)
{
    assert(!turns->thread && linkable_is_local(w) && !w->woken);
    ring_remove(&w->at);
    w->woken = true;
    if (unlikely(turns->last_at == hub_switches(w->thread->hub)))
        hub_wake_first(w->fiber, 0);
    else
        hub_wake(w->fiber, 0);
}

void linkable_turns_begin(struct linkable_turns *turns, struct py_thread *t,
                          PyObject *owner)
{
    begin(turns, t, owner);
    if (turns->last_at == hub_switches(t->hub))
        run_queue_push_first(&t->hub->queue, &turns->run);
    else
        hub_queue(t->hub, &turns->run);
}

/* Where code may run. */
static void over(struct linkable_turns *turns)
{
    PyObject *owner = turns->owner;
    turns->thread = NULL;
    turns->owner = NULL;
    Py_DECREF(owner);
}

static struct run_queue *queue_of(struct linkable_turns *turns)
{
    return &turns->thread->hub->queue;
}

static struct grove_fiber *birth(struct run *run)
{
    struct linkable_turns *turns =
        container_of(run, struct linkable_turns, run);
    struct grove_fiber *f = NULL;
    birth_begins(turns->thread);
    switch (turns->next(turns, false, &f)) {
    case LINKABLE_GOES_ON:
        run_queue_push_first(queue_of(turns), run);
        return f;
    case LINKABLE_LAST:
        if (unlikely(Py_REFCNT(turns->owner) == 1)) {
            run_queue_push_first(queue_of(turns), run);
        } else {
            turns->last_at = hub_switches(turns->thread->hub);
            over(turns);
        }
        return f;
    case LINKABLE_IN_HUB:
        set_run(turns, true);
        run_queue_push_first(queue_of(turns), run);
        return NULL;
    case LINKABLE_LATER:
        hub_queue(turns->thread->hub, run);
        return NULL;
    case LINKABLE_OVER:
        break;
    }
    if (unlikely(Py_REFCNT(turns->owner) == 1)) {
        run->birth = NULL;
        run->call = let_go;
        run_queue_push_first(queue_of(turns), run);
    } else {
        over(turns);
    }
    return NULL;
}

static void in_hub(struct run *run)
{
    struct linkable_turns *turns =
        container_of(run, struct linkable_turns, run);
    struct grove_fiber *f = NULL;
    enum linkable_next next = turns->next(turns, true, &f);
    assert(next != LINKABLE_IN_HUB && next != LINKABLE_LAST);
    assert(!PyErr_Occurred());
    if (next == LINKABLE_OVER) {
        over(turns);
        return;
    }
    set_run(turns, false);
    if (next == LINKABLE_LATER) {
        hub_queue(turns->thread->hub, run);
        return;
    }
    run_queue_push_first(queue_of(turns), run);
    if (f)
        hub_wake_first(f, 0);
}

static void let_go(struct run *run)
{
    over(container_of(run, struct linkable_turns, run));
}

void linkable_thread_ending(struct py_thread *t)
{
    struct run *run = t->hub->queue.ends.next;
    while (run != &t->hub->queue.ends) {
        struct run *next = run->next;
        if (run->birth == birth || run->call == in_hub || run->call == let_go) {
            run_queue_remove(run);
            over(container_of(run, struct linkable_turns, run));
            next = t->hub->queue.ends.next; /* that may have run code */
        }
        run = next;
    }
}

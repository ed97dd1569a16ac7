/*
 * Room `linkable`: what greenlets wait in: lists of waiters, and the objects
 * made of them. The queue room includes this header.
 *
 *   lists.c      waiting and waking
 *   turns.c      those who wait in an object go on one after the other
 *   loop_exit.c  LoopExit or not: whether another thread could wake somebody
 *   object.c     AbstractLinkable; event.c, async_result.c, semaphore.c,
 *                lock.c, those made of it; rlock.c
 *   init.c       the room's part of the module
 *
 * A waiter is a part of whatever waits: of the C frame of a function that parks
 * its greenlet, or of a link. Waiting, waking and handing something over
 * allocate nothing. Lists and waiters are touched with the GIL held and never
 * while it may be given up, so that any native thread may wake any waiter:
 *
 *            linkable_append            linkable_wake
 *   (idle) -----------------> in a list ------------> due --------> runs
 *      ^                          |      (out of it)   |    its hub
 *      +---- linkable_cancel -----+--------------------+
 *
 *   1. A waiter is in at most one list; waking takes it out.
 *   2. One whose hub is the calling thread's is put on the run queue at once;
 *      one of another thread's is passed to that hub through grove_hub_post:
 *      at most one system call, none when the hub does not sleep.
 *   3. Order is kept: waiters of one hub run in the order they are woken.
 *   4. A waiter must be out of everything (it ran, or linkable_cancel) before
 *      its memory goes. A thread that ends takes its waiters out, and calls
 *      their abandoned().
 *
 * A hub whose greenlets wait in lists only, with nothing else to come, asks
 * loop_exit.c whether another thread could still wake one: only if none can
 * it raises LoopExit.
 *
 * A wait for an item, in full (the other side pops a waiter, gives it an item
 * and wakes it):
 *
 *     struct getter { struct linkable_waiter waiter; PyObject *item; } g;
 *     linkable_waiter_init(&g.waiter, t);
 *     g.item = NULL;
 *     linkable_append(&queue->getters, &g.waiter);
 *     switch (linkable_wait(&g.waiter, deadline, "get")) {
 *     case CORE_WOKEN:     return g.item;
 *     case CORE_TIMED_OUT: raise Empty;         // nobody woke it
 *     case CORE_FAILED:    if (g.item) put it back; // killed after the wake
 *                          return NULL;
 *     }
 */
#ifndef GROVE_PYTHON_LINKABLE_H
#define GROVE_PYTHON_LINKABLE_H

#include "hub_object/hub_object.h"

/* ---- lists of waiters ---------------------------------------------------- */

struct linkable_waiter {
    struct ring at; /* in a list of waiters */
    /* In thread->waiters.waiting, or, woken by another thread and not told yet,
     * in thread->waiters.arrived. */
    struct ring all;
    struct py_thread *thread;  /* whose hub runs it; a link's may be NULL: see
                                  object.c */
    struct grove_fiber *fiber; /* the one that waits; NULL: a link */
    struct run *run; /* a link: what is queued in the hub; else NULL */
    /* If not NULL: w's thread has ended before w ran. w is out of everything;
     * what it was woken with is to be passed on. */
    void (*abandoned)(struct linkable_waiter *w);
    bool woken; /* linkable_wake has been called */
    bool turn;  /* it gets a turn of its object's, and is in no hub's queue */
    uint32_t round; /* for objects that give turns: see object.c */
};

struct linkable_list {
    struct ring ends; /* next: the first, prev: the last */
};

static inline void linkable_list_init(struct linkable_list *list)
{
    ring_init(&list->ends);
}

static inline bool linkable_empty(const struct linkable_list *list)
{
    return list->ends.next == &list->ends;
}

/* The first waiter; NULL when there is none. */
static inline struct linkable_waiter *
linkable_first(const struct linkable_list *list)
{
    return linkable_empty(list)
               ? NULL
               : container_of(list->ends.next, struct linkable_waiter, at);
}

/* The one behind w; NULL when it is the last. */
static inline struct linkable_waiter *
linkable_next(const struct linkable_list *list, struct linkable_waiter *w)
{
    return w->at.next == &list->ends
               ? NULL
               : container_of(w->at.next, struct linkable_waiter, at);
}

/* How many there are, by counting. */
Py_ssize_t linkable_count(const struct linkable_list *list);

/* w stands for the current greenlet of t, the calling thread. In no list. */
static inline void linkable_waiter_init(struct linkable_waiter *w,
                                        struct py_thread *t)
{
    assert(t->tstate == state_current_tstate() && !t->dead);
    assert(t->hub->current != NULL);
    w->at.next = NULL;
    w->all.next = NULL;
    w->thread = t;
    w->fiber = t->hub->current;
    w->run = NULL;
    w->abandoned = NULL;
    w->woken = false;
    w->turn = false;
    w->round = 0;
}

/* To the list's end. w is in no list. */
static inline void linkable_append(struct linkable_list *list,
                                   struct linkable_waiter *w)
{
    assert(w->fiber && !w->woken && !ring_linked(&w->at));
    ring_insert(&list->ends, &w->at);
    if (!ring_linked(&w->all))
        ring_insert(&w->thread->waiters.waiting, &w->all);
}

/* Take w out of its list and let it go on. From any thread; the calling one
 * need not have a hub. */
static inline void linkable_wake(struct linkable_waiter *w);

/* Wake all that are there now, in order. */
void linkable_wake_all(struct linkable_list *list);

/* Take w out of everything it is in. On w's own thread, or with that thread
 * dead. */
static inline void linkable_cancel(struct linkable_waiter *w)
{
    assert(w->fiber != NULL);
    assert(w->thread->dead || w->thread->tstate == state_current_tstate());
    if (ring_linked(&w->at))
        ring_remove(&w->at);
    if (ring_linked(&w->all))
        ring_remove(&w->all);
}

/* Park the current greenlet, which w stands for, until linkable_wake(w) or
 * deadline; one that has passed still gives those who are due their turn. w is
 * out of everything afterwards.
 *   CORE_WOKEN      it was woken
 *   CORE_TIMED_OUT  it was not, in time
 *   CORE_FAILED     with an exception; w->woken tells whether it was woken
 *                   nevertheless, so that what it got must be passed on
 * In the Hub: BlockingSwitchOutError. */
enum core_wait_result linkable_wait(struct linkable_waiter *w, int64_t deadline,
                                    const char *what);

/* The same for one that is woken already and waits for its turn (turns.c), in
 * an object's list of those that are due: until it is out of that. 0, or -1
 * with an exception. */
int linkable_wait_due(struct linkable_waiter *w);

/* ---- turns --------------------------------------------------------------- */

enum linkable_next {
    LINKABLE_GOES_ON, /* *f does, and hub_turn_of agreed; in the Hub: *f, which
                         is parked, or NULL: nobody yet */
    LINKABLE_IN_HUB,  /* to be called again in the Hub, where code may run */
    LINKABLE_LATER,   /* others first */
    LINKABLE_LAST,    /* *f goes on, and nobody after it */
    LINKABLE_OVER
};

/* In place in an object; all 0 but for next. turns.c tells the rest. */
struct linkable_turns {
    struct run run;           /* queued, or about to be: in its turn */
    struct py_thread *thread; /* whose hub has them; NULL: none are under way */
    PyObject *owner;          /* owned while they are under way: the object */
    uint64_t last_at; /* the number of the switch to who was LAST: turns that
                         begin before it parks are these, going on */
    /* Who goes on next. in_hub: in the Hub. */
    enum linkable_next (*next)(struct linkable_turns *turns, bool in_hub,
                               struct grove_fiber **f);
};

/* None are under way. t is the calling thread, and has a Hub. */
void linkable_turns_begin(struct linkable_turns *turns, struct py_thread *t,
                          PyObject *owner);

/* The same in the place of w, which was woken and is local: as if it had been
 * in turns all the time. The caller puts it back into its list. */
void linkable_turns_instead(struct linkable_turns *turns,
                            struct linkable_waiter *w, PyObject *owner);

/* w, which is local, is the last to have a turn: what linkable_turns_begin
 * would come to if nobody else were there. */
void linkable_turns_only(struct linkable_turns *turns,
                         struct linkable_waiter *w);

/* w, of those, runs. */
static inline void linkable_turns_had(struct linkable_turns *turns,
                                      struct linkable_waiter *w)
{
    turns->last_at = hub_switches(w->thread->hub);
}

/* t ends: so do the turns that its hub has. */
void linkable_thread_ending(struct py_thread *t);

/* ---- threads ------------------------------------------------------------- */

/* The calling thread's struct, if it has one already; never makes one. */
static inline struct py_thread *linkable_thread(void)
{
    PyThreadState *tstate = state_current_tstate();
    struct py_thread *t = thread_cached;
    return likely(t && t->tstate == tstate) ? t : thread_look_up(tstate);
}

/* Whether w is run by the calling thread's hub. */
static inline bool linkable_is_local(const struct linkable_waiter *w)
{
    return w->thread && w->thread->tstate == state_current_tstate();
}

/* w is of another thread. */
void linkable_wake_foreign(struct linkable_waiter *w);

/* w is a link: have it called where it belongs; free it without. w is out of
 * its list. object.c. */
void linkable_wake_link(struct linkable_waiter *w);

/* w is a link of the calling thread's, which is in its Hub: call it now. */
void linkable_call_link(struct linkable_waiter *w);
void linkable_drop_link(struct linkable_waiter *w);

static inline void linkable_wake(struct linkable_waiter *w)
{
    assert(!w->woken && !w->fiber == (w->run != NULL));
    if (ring_linked(&w->at))
        ring_remove(&w->at);
    w->woken = true;
    if (unlikely(!w->fiber))
        linkable_wake_link(w);
    else if (unlikely(w->thread->tstate != state_current_tstate()))
        linkable_wake_foreign(w);
    else
        hub_wake(w->fiber, 0);
}

/* In turns: w, which is next in a list, goes out of it. Whether it goes on; one
 * of another thread does so by itself. */
static inline bool linkable_has_turn(struct linkable_waiter *w)
{
    if (!linkable_is_local(w)) {
        linkable_wake(w);
        return false;
    }
    ring_remove(&w->at);
    w->woken = true;
    return hub_turn_of(w->fiber);
}

/* ---- the room's part of the module ----------------------------------------- */

int linkable_init(PyObject *module);

#endif

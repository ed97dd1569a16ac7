/*
 * The crossing from one greenlet to another: the hot part of a switch, in place
 * for those that switch (switch.c), throw (throw.c) or end (body.c).
 *
 *   origin, current                          target, active
 *     |  make_current: the thread's              .
 *     |  reference goes to the target            .
 *     |  state_save                              .
 *     +---------------- hub_transfer ----------->|
 *     .                                          | state_load
 *     .                                          | arrived: lets go of the one
 *     .                                          |   that was left, tells the
 *     .                                          |   tracer
 *
 * Between state_save and state_load no Python object is touched: whose frames
 * the interpreter stands on is not decided there.
 */
#ifndef GROVE_PYTHON_CROSSING_H
#define GROVE_PYTHON_CROSSING_H

#include "raw/private.h"

/* What a thread that is alert does before a switch to target: counts it, and
 * what waits for the current greenlet waits for it to come back. */
void crossing_alerted(struct py_thread *t, PyGreenlet *target);

/* The slow half of arrived: there is a tracer, or one that was left. */
PyObject *crossing_arrived(struct py_thread *t, PyObject *value);

/* What the resumed greenlet does about the one that was left. value is what it
 * was given, NULL with an exception, and so is what is returned. */
static inline PyObject *arrived(struct py_thread *t, PyObject *value)
{
    return likely(!t->left && !t->tracer) ? value : crossing_arrived(t, value);
}

/* Makes target, which is active, not current and of this thread, the current
 * greenlet; its reference is taken over from the hub if it was parked there. */
static inline void make_current(struct py_thread *t, PyGreenlet *target)
{
    struct green *g = target->green;
    assert(g->thread == t && g->phase == GREEN_ACTIVE);
    assert(g->fiber && g->fiber->host == g);
    assert(t->current && t->current != target);
    assert(!t->left); /* whoever was has been let go of */
    if (g->parked)
        g->parked = false;
    else
        Py_INCREF(target);
    PyGreenlet *origin = t->current;
    t->current = target;
    if (likely(Py_REFCNT(origin) > 1 && !t->tracer)) {
        Py_DECREF(origin);
    } else {
        t->left = origin;
        t->went_directly = true;
    }
}

/* From the current greenlet to target, whose value is set. Returns what the
 * current one is given when it is switched back to. */
__attribute__((always_inline)) static inline PyObject *
cross_to(struct py_thread *t, PyGreenlet *target)
{
    PyGreenlet *origin = t->current;
    struct green *o = origin->green;
    assert(t->hub == hub_of_thread && o->fiber == t->hub->current);
    if (unlikely(t->alert))
        crossing_alerted(t, target);
    make_current(t, target);
    state_save(t->tstate, &o->state);
    hub_transfer(t->hub, o->fiber, target->green->fiber);
    load_state(t->tstate, &o->state);
    PyObject *value = o->value;
    o->value = NULL;
    /* Not origin: another Hub may have taken its place, and its green. */
    if (unlikely(t->current != o->self)) { /* the Hub, come back to by a park */
        become_current(t, o);
        if (!value && !PyErr_Occurred())
            value = Py_NewRef(greenlet_no_args);
    }
    assert(t->current == o->self && o->phase == GREEN_ACTIVE);
    assert((value == NULL) == !!PyErr_Occurred());
    return arrived(t, value);
}

#endif

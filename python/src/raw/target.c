/*
 * Who a switch or a throw goes to in the end: a dead greenlet stands for its
 * first living ancestor, and none may be reached from another thread.
 *
 * A started greenlet is its thread's for good, where its stack is. An unstarted
 * one follows its parents: its thread is that of the main greenlet at their
 * end, looked for when it matters.
 */
#include "raw/private.h"

PyObject *greenlet_refuse_thread(struct py_thread *t, struct green *g)
{
    if (g->thread->dead)
        PyErr_SetString(PyExc_GreenletError,
                        "cannot switch to a different thread (which happens "
                        "to have exited)");
    else if (g->thread == t) /* its ancestors are gone */
        PyErr_SetString(PyExc_GreenletError,
                        "cannot switch to a garbage collected greenlet");
    else
        PyErr_Format(PyExc_GreenletError,
                     "Cannot switch to a different thread\n\tCurrent:  %R\n\t"
                     "Expected: %R",
                     (PyObject *)t->main, (PyObject *)g->thread->main);
    assert(PyErr_Occurred());
    return NULL;
}

/* An unstarted greenlet belongs to the thread of the main greenlet it descends
 * from: it may have been given another parent. False when there is none. */
static bool settle_thread(struct green *g)
{
    assert(g->phase == GREEN_UNSTARTED && !g->fiber && !g->is_main);
    PyGreenlet *root = g->self;
    while (root->green->parent)
        root = root->green->parent;
    if (!root->green->is_main)
        return false;
    struct py_thread *t = root->green->thread;
    if (t != g->thread) {
        t->references++;
        thread_unref(g->thread);
        g->thread = t;
    }
    return true;
}

/* Whether g may be switched to from thread t. */
bool greenlet_is_of_thread(struct py_thread *t, struct green *g)
{
    return (g->phase != GREEN_UNSTARTED || settle_thread(g)) && g->thread == t;
}

/* The same, and sets greenlet.error otherwise. */
bool greenlet_check_of_thread(struct py_thread *t, struct green *g)
{
    bool same = greenlet_is_of_thread(t, g);
    if (!same)
        greenlet_refuse_thread(t, g);
    return same;
}

/* g, or its first ancestor that is not dead; NULL when all are. */
PyGreenlet *greenlet_first_living(PyGreenlet *g)
{
    while (g && (g->green->phase == GREEN_DEAD || g->green->thread->dead))
        g = g->green->parent;
    return g;
}

/* An unstarted greenlet that is thrown into dies at once. */
bool greenlet_die_unstarted(struct py_thread *t, struct green *g)
{
    assert(g->phase == GREEN_UNSTARTED && PyErr_Occurred());
    if (!greenlet_check_of_thread(t, g))
        return false;
    g->phase = GREEN_DEAD;
    PyObject *type, *value, *tb; /* releasing may run code */
    PyErr_Fetch(&type, &value, &tb);
    Py_CLEAR(g->run);
    PyErr_Restore(type, value, tb);
    assert(g->phase == GREEN_DEAD && !g->fiber && PyErr_Occurred());
    return true;
}

/*
 * The raw greenlet as an object: its making, what happens when nobody refers to
 * it any more, its type.
 *
 * When the last reference to a suspended greenlet goes, GreenletExit is thrown
 * into it, while it lives on for as long as that takes; one of another thread
 * waits for its thread to do that; one whose thread has ended is dead.
 *
 * The collector is told what a suspended greenlet's frames refer to, not what
 * its C stack does. So a cycle through local variables is found, its greenlet
 * ended in the same way (tp_finalize) and the rest collected; one that leads
 * over a C stack is not found, and stays. An active greenlet is never cleared:
 * what its frames use must stay as it is.
 */
#include "raw/private.h"

Py_ssize_t greenlet_mains;

/* ---- the object ------------------------------------------------------------- */

PyGreenlet *greenlet_alloc(PyTypeObject *type, struct py_thread *t)
{
    PyGreenlet *self = (PyGreenlet *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct green *g = PyMem_Malloc(sizeof(*g));
    if (!g) {
        Py_DECREF(self);
        PyErr_NoMemory();
        return NULL;
    }
    memset(g, 0, sizeof(*g));
    self->green = g;
    g->self = self;
    g->thread = t;
    assert(g->phase == GREEN_UNSTARTED && t->references > 0);
    t->references++;
    return self;
}

/* Types derived in C do without. */
int greenlet_make_dict(PyGreenlet *self)
{
#if STATE_METHODS_WANT_DICT
    if (!self->dict && !(self->dict = PyDict_New()))
        return -1;
#else
    (void)self;
#endif
    return 0;
}

PyGreenlet *greenlet_new_main(struct py_thread *t)
{
    PyGreenlet *self = greenlet_alloc(&PyGreenlet_Type, t);
    if (!self)
        return NULL;
    if (greenlet_make_dict(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    struct green *g = self->green;
    assert(!t->main && t->hub);
    g->is_main = true;
    g->phase = GREEN_ACTIVE;
    g->fiber = &t->hub->root;
    greenlet_mains++;
    return self;
}

/* A suspended greenlet of this thread, which lives on one more reference, is
 * ended by GreenletExit; it comes back here. What else ends it is reported, or
 * in silence forgotten. */
static void kill_suspended(struct py_thread *t, PyGreenlet *self, bool silent)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    struct green *g = self->green;
    PyGreenlet *parent = g->parent;
    assert(g->phase == GREEN_ACTIVE && !g->is_main && g->thread == t);
    assert(t->current && t->current != self && Py_REFCNT(self) > 0);
    g->parent = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    PyErr_SetNone(PyExc_GreenletExit);
    PyObject *r = greenlet_throw_in(self);
    if (r)
        Py_DECREF(r);
    else if (silent)
        PyErr_Clear();
    else
        PyErr_WriteUnraisable((PyObject *)self);
    assert(!PyErr_Occurred());
    PyGreenlet *temporary = g->parent;
    g->parent = parent;
    Py_XDECREF((PyObject *)temporary);
    PyErr_Restore(type, value, tb);
}

/* Another thread's: its owner ends it when it next touches a greenlet. */
static void doom(struct py_thread *owner, PyGreenlet *self)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    assert(self->green->thread == owner && !owner->dead);
    if (!owner->doomed)
        owner->doomed = PyList_New(0);
    if (!owner->doomed || PyList_Append(owner->doomed, (PyObject *)self) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    PyErr_Restore(type, value, tb);
}

/* Letting go of them ends them, but for those in cycles. In the order in which
 * they came. */
void greenlet_end_doomed(struct py_thread *t)
{
    PyObject *list = t->doomed;
    assert(list && t->hub == hub_of_thread);
    t->doomed = NULL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyGreenlet *g = (PyGreenlet *)PyList_GET_ITEM(list, i);
        PyList_SET_ITEM(list, i, Py_NewRef(Py_None));
        if (g->green->condemned && g->green->phase == GREEN_ACTIVE) {
            g->green->condemned = false;
            kill_suspended(t, g, false);
        }
        Py_DECREF(g);
    }
    Py_DECREF(list);
}

/* Whether it is suspended, with somebody there to end it: then *t is the
 * calling thread. */
static bool can_be_killed(struct green *g, struct py_thread **t)
{
    if (!g || g->phase != GREEN_ACTIVE || g->is_main || g->thread->dead ||
        state_is_finalizing())
        return false;
    *t = thread_self();
    if (!*t)
        PyErr_Clear();
    return *t != NULL;
}

bool greenlet_revived(PyGreenlet *self)
{
    struct green *g = self->green;
    struct py_thread *t;
    assert(Py_REFCNT(self) == 0);
    if (!can_be_killed(g, &t))
        return false;
    Py_SET_REFCNT((PyObject *)self, 1);
    PyObject_GC_Track(self);
    if (g->thread != t) {
        doom(g->thread, self);
    } else {
        kill_suspended(t, self, false);
        if (Py_REFCNT(self) == 1 && g->phase == GREEN_ACTIVE) {
            PyObject *out = PySys_GetObject("stderr"); /* borrowed */
            if (out && out != Py_None) {
                PyFile_WriteString("GreenletExit did not kill ", out);
                PyFile_WriteObject((PyObject *)self, out, 0);
                PyFile_WriteString("\n", out);
            }
            PyErr_Clear();
            return true; /* and leaks: its frames still run */
        }
    }
    Py_ssize_t left = Py_REFCNT(self) - 1;
    Py_SET_REFCNT((PyObject *)self, left);
    if (left == 0) {
        PyObject_GC_UnTrack(self);
        return false;
    }
    /* Resurrected. subtype_dealloc is about to release the type. */
    if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE))
        Py_INCREF(Py_TYPE(self));
    return true;
}

/* The collector has found it unreachable. (A deallocation, which has its own
 * way, comes by here with the only reference.) */
void greenlet_finalize(PyObject *o)
{
    PyGreenlet *self = (PyGreenlet *)o;
    struct py_thread *t;
    if (Py_REFCNT(o) == 1 || !can_be_killed(self->green, &t))
        return;
    if (self->green->thread == t) {
        kill_suspended(t, self, false);
    } else {
        self->green->condemned = true;
        doom(self->green->thread, self);
    }
}

static void release_fields(PyGreenlet *self)
{
    struct green *g = self->green;
    Py_CLEAR(self->dict);
    if (g) {
        Py_CLEAR(g->parent);
        Py_CLEAR(g->run);
        Py_CLEAR(g->start_args);
        Py_CLEAR(g->start_kwargs);
        Py_CLEAR(g->value);
        Py_CLEAR(g->state.context);
        Py_CLEAR(g->state.exc_bottom.exc_value);
    }
}

int greenlet_clear(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    if (!g || g->phase != GREEN_ACTIVE || g->thread->dead)
        release_fields((PyGreenlet *)o);
    return 0;
}

void greenlet_dealloc(PyObject *o)
{
    PyGreenlet *self = (PyGreenlet *)o;
    PyObject_GC_UnTrack(o);
    if (greenlet_revived(self))
        return;
    assert(Py_REFCNT(o) == 0);
    assert(!self->green || self->green->thread->dead ||
           self->green->thread->current != self);
    if (self->weakreflist)
        PyObject_ClearWeakRefs(o);
    if (self->green)
        forget_locals(self->green);
    release_fields(self);
    if (self->green) {
        greenlet_mains -= self->green->is_main;
        assert(greenlet_mains >= 0);
        thread_unref(self->green->thread);
        PyMem_Free(self->green);
    }
    Py_TYPE(o)->tp_free(o);
}

int greenlet_traverse(PyObject *o, visitproc visit, void *arg)
{
    struct green *g = ((PyGreenlet *)o)->green;
    Py_VISIT(((PyGreenlet *)o)->dict);
    if (g) {
        Py_VISIT((PyObject *)g->parent);
        Py_VISIT(g->run);
        Py_VISIT(g->start_args);
        Py_VISIT(g->start_kwargs);
        Py_VISIT(g->value);
        Py_VISIT(g->state.context);
        Py_VISIT(g->state.exc_bottom.exc_value);
        if (g->phase == GREEN_ACTIVE && !g->is_main && !g->thread->dead &&
            !greenlet_is_current(g))
            return state_visit_frames(&g->state, visit, arg);
    }
    return 0;
}

/* ---- the end of a thread ------------------------------------------------- */

/* What is asked of each fiber of a thread that ends. */
struct suspended {
    PyObject *list; /* its greenlets that are suspended, each referred to */
    bool failed;    /* not all of them: there was no memory */
};

static void add_suspended(struct grove_fiber *f, void *arg)
{
    struct suspended *s = arg;
    struct green *g = f->host;
    if (!g || g->phase != GREEN_ACTIVE || g->is_main ||
        (PyObject *)g->self == g->thread->hub_object)
        return;
    if (PyList_Append(s->list, (PyObject *)g->self) < 0)
        s->failed = true;
}

/* greenlet runs nothing of a greenlet whose thread ends, and forgets what it
 * held. So its frames are unwound, but none of them gets to run a line. */
static void end_silently(struct py_thread *t, PyGreenlet *self)
{
    PyObject *kept = PyList_New(0);
    if (!kept) {
        PyErr_Clear();
        return;
    }
    if (!state_disarm(&self->green->state, kept))
        return; /* kept stays, as what it holds may be in use */
    PyThreadState_EnterTracing(t->tstate);
    kill_suspended(t, self, true);
    PyThreadState_LeaveTracing(t->tstate);
    if (self->green->phase == GREEN_DEAD)
        Py_DECREF(kept);
}

/* Letting go of what greenlets held may make others wait. */
#define END_ROUNDS 4

bool greenlet_end_all(struct py_thread *t)
{
    assert(t->current == t->main && !t->left);
    for (int i = 0; i < END_ROUNDS; i++) {
        struct suspended s = {.list = PyList_New(0)};
        if (!s.list)
            break;
        hub_each(t->hub, add_suspended, &s);
        Py_ssize_t n = PyList_GET_SIZE(s.list);
        for (Py_ssize_t at = 0; at < n; at++) {
            PyGreenlet *g = (PyGreenlet *)PyList_GET_ITEM(s.list, at);
            if (g->green->phase == GREEN_ACTIVE)
                end_silently(t, g);
        }
        Py_DECREF(s.list);
        if (n == 0 && !s.failed)
            return true;
    }
    PyErr_Clear();
    return false;
}

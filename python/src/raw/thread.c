/*
 * What a Python thread has: its hub, its main greenlet, its current one.
 *
 * A thread is known by its PyThreadState. It gets a struct py_thread, and with
 * it a hub, the first time it touches a greenlet, and loses it when its thread
 * state is cleared: a capsule in the thread state's dict notices that. Then the
 * suspended greenlets of the thread are ended, so that nothing is left that
 * points to their stacks; those that cannot be keep all stacks of the thread
 * mapped. Greenlets may outlive their thread; they hold a reference to its
 * struct, find it dead, and are dead themselves.
 */
#include "raw/private.h"

#include <unistd.h>

#define CAPSULE "grove.thread"

/* ---- what the rooms above do --------------------------------------------- */

struct raw_hooks *raw_hooks;
void (*raw_report)(struct py_thread *t, PyObject *context);
void (*raw_forget_locals)(struct green *g);
void (*raw_describe)(const struct grove_fiber *f, char *text, size_t size);

void raw_hooks_add(struct raw_hooks *hooks)
{
    assert(!thread_first());
    for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
        if (h == hooks) /* the import failed later on, and is tried again */
            return;
    }
    hooks->next = raw_hooks;
    raw_hooks = hooks;
}

static void tell_begin(struct py_thread *t)
{
    for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
        if (h->thread_begin)
            h->thread_begin(t);
    }
}

static void tell_ending(struct py_thread *t)
{
    for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
        if (h->thread_ending)
            h->thread_ending(t);
    }
}

static void tell_dead(struct py_thread *t)
{
    for (struct raw_hooks *h = raw_hooks; h; h = h->next) {
        if (h->thread_dead)
            h->thread_dead(t);
    }
}

/* ---- the life of a thread ------------------------------------------------ */

/* A callback that switches back and back again is left alone in the end. */
#define CALLBACK_ROUNDS 4

/* A callback of the hub that has switched to this greenlet, the main one, is
 * given the time to end: its fiber holds what it works with, and is never gone
 * back to otherwise. */
static void end_callback(struct py_thread *t)
{
    struct hub *hub = t->hub;
    assert(t->current == t->main && hub->current == &hub->root);
    for (int i = 0; i < CALLBACK_ROUNDS && hub->in_callback; i++) {
        hub->root.state = FIBER_READY;
        run_queue_push_first(&hub->queue, &hub->root.run);
        hub_switch(hub, &hub->root, hub->loop_fiber);
        assert(t->current == t->main && !PyErr_Occurred());
    }
}

void thread_take_due(struct hub *hub, bool (*take)(struct run *run))
{
    struct run *run = hub->queue.ends.next;
    while (run != &hub->queue.ends) {
        struct run *next = run->next;
        run = take(run) ? hub->queue.ends.next : next;
    }
}

/* The thread ends, in this very thread and in its main greenlet. */
static void end_greenlets(struct py_thread *t)
{
    greenlet_drop_left(t);
    end_callback(t);
    t->hub->keep_stacks = !greenlet_end_all(t);
    tell_ending(t);
}

/* With the reference that it holds to itself while it is parked. */
static void let_go_of_hub(struct py_thread *t)
{
    PyObject *hub = t->hub_object;
    t->hub_object = NULL;
    if (hub && green_of(hub)->parked) {
        green_of(hub)->parked = false;
        Py_DECREF(hub);
    }
    Py_XDECREF(hub);
}

static void thread_end(struct py_thread *t)
{
    assert(!t->dead && t->references > 0);
    bool here = t->hub && t->hub == hub_of_thread;
    greenlet_set_tracer(t, NULL);
    if (here && t->current == t->main && !state_is_finalizing())
        end_greenlets(t);
    else if (here)
        t->hub->keep_stacks = true;
    roster_remove(t);
    t->dead = true;
    tell_dead(t);
    PyMem_Free(t->clock);
    t->clock = NULL;
    if (here) {
        t->hub->host = NULL;
        t->hub->root.host = NULL;
        t->hub->loop_fiber->host = NULL;
    }
    t->hub = NULL;
    let_go_of_hub(t);
    Py_CLEAR(t->doomed);
    Py_CLEAR(t->left);
    Py_CLEAR(t->current);
    Py_CLEAR(t->main);
    assert(t->dead && !t->hub && !t->tracer);
    thread_unref(t);
}

static void on_state_cleared(PyObject *capsule)
{
    thread_end(PyCapsule_GetPointer(capsule, CAPSULE));
}

/* The thread state is being cleared, on its thread, or after a fork for the
 * threads that did not survive it, or at the interpreter's end. What its dict
 * holds (threading.local has its objects there) may be greenlets, which are to
 * find their thread alive: so the end comes after the dict's. */
static void on_dict_cleared(PyObject *capsule)
{
    struct py_thread *t = PyCapsule_GetPointer(capsule, CAPSULE);
    if (t->tstate == state_current_tstate()) {
        PyObject *type, *value, *tb;
        PyErr_Fetch(&type, &value, &tb);
        PyObject *later = PyCapsule_New(t, CAPSULE, on_state_cleared);
        bool waits = later && state_clear_later(t->tstate, later);
        if (later && !waits)
            PyCapsule_SetDestructor(later, NULL);
        Py_XDECREF(later);
        PyErr_Restore(type, value, tb);
        if (waits)
            return;
    }
    thread_end(t);
}

static int watch_end(struct py_thread *t)
{
    PyObject *dict = PyThreadState_GetDict(); /* borrowed */
    PyObject *capsule = PyCapsule_New(t, CAPSULE, on_dict_cleared);
    if (!capsule)
        return -1;
    if (!dict || PyDict_SetItemString(dict, CAPSULE, capsule) < 0) {
        PyCapsule_SetDestructor(capsule, NULL);
        Py_DECREF(capsule);
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return -1;
    }
    Py_DECREF(capsule);
    return 0;
}

static struct py_thread *thread_new(PyThreadState *tstate)
{
    struct hub *hub = hub_self();
    if (!hub) {
        PyErr_SetFromErrno(PyExc_OSError);
        return NULL;
    }
    struct py_thread *t = PyMem_Calloc(1, sizeof(*t));
    if (!t) {
        PyErr_NoMemory();
        return NULL;
    }
    t->tstate = tstate;
    t->hub = hub;
    t->references = 1;
    t->takes_signals = gettid() == getpid();
    tell_begin(t);
    t->main = greenlet_new_main(t);
    if (!t->main || watch_end(t) < 0) {
        Py_CLEAR(t->main);
        PyMem_Free(t);
        return NULL;
    }
    assert(!t->current && t->main->green->thread == t);
    t->current = (PyGreenlet *)Py_NewRef((PyObject *)t->main);
    hub->root.host = t->main->green;
    hub->host = &python_host;
    hub->stacks.spare = STATE_SPARE;
    roster_add(t);
    return t;
}

struct py_thread *thread_find(PyThreadState *tstate)
{
    if (!tstate) {
        PyErr_SetString(PyExc_RuntimeError, "no Python thread is running");
        return NULL;
    }
    struct py_thread *t = thread_look_up(tstate);
    if (!t) {
        if (state_is_finalizing()) {
            PyErr_SetString(PyExc_RuntimeError, "greenlet is being finalized");
            return NULL;
        }
        t = thread_new(tstate);
    }
    assert(t ? t->tstate == tstate && !t->dead : !!PyErr_Occurred());
    if (t)
        thread_cached = t;
    return t;
}

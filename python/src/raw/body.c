/*
 * What a greenlet's fiber runs, from its birth to its death.
 *
 *               first switch            run returns, or an exception ends it
 *   UNSTARTED ---------------> ACTIVE ---------------------------------> DEAD
 *       |                   (has a fiber)                                  ^
 *       +--------------------- throw ---------------------------------------+
 *
 * A greenlet that ends hands its result, or its exception, to its heir: the
 * first living one of its ancestors; or, when its parent is the Hub, to nobody,
 * and whoever is due runs next. Its fiber never comes back: what is to be let
 * go of is let go of by the one that runs next (thread->left), and between the
 * end of its state and the end of its fiber no Python object is touched.
 */
#include "raw/crossing.h"

unsigned greenlet_stack_shift = 20; /* 1 MiB */

static PyObject *str_run;

int greenlet_body_init(void)
{
    str_run = PyUnicode_InternFromString("run");
    return str_run ? 0 : -1;
}

/* ---- birth ------------------------------------------------------------------- */

static void green_entry(void *fiber);

/* Gives g, unstarted, its fiber. -1 with MemoryError. */
int greenlet_give_fiber(struct py_thread *t, PyGreenlet *self)
{
    struct green *g = self->green;
    assert(g->phase == GREEN_UNSTARTED && !g->fiber && g->thread == t);
    g->fiber =
        hub_fiber_new(t->hub, STACK_HOSTED, greenlet_stack_shift, green_entry);
    if (unlikely(!g->fiber)) {
        PyErr_Format(PyExc_MemoryError,
                     "no stack of %zu bytes left for a greenlet",
                     (size_t)1 << greenlet_stack_shift);
        return -1;
    }
    g->fiber->host = g;
    g->phase = GREEN_ACTIVE;
    if (unlikely(t->hub->watched))
        hub_tell_spawn(g->fiber);
    return 0;
}

struct grove_fiber *greenlet_start(PyGreenlet *self)
{
    struct green *g = self->green;
    if (greenlet_give_fiber(g->thread, self) < 0)
        return NULL;
    assert(!g->parked);
    g->parked = true;
    return g->fiber;
}

void greenlet_adopt(PyGreenlet *self, struct grove_fiber *f)
{
    struct green *g = self->green;
    assert(g->phase == GREEN_UNSTARTED && !g->fiber && !f->host);
    g->fiber = f;
    g->phase = GREEN_ACTIVE;
    f->host = g;
}

/* Fetches run, which may be a property or switch away itself. */
int greenlet_fetch_run(PyGreenlet *self)
{
    struct green *g = self->green;
    if (g->body)
        return 0;
    PyObject *run = PyObject_GetAttr((PyObject *)self, str_run);
    if (!run)
        return -1;
    if (g->phase == GREEN_UNSTARTED)
        Py_XSETREF(g->run, run);
    else
        Py_DECREF(run);
    return 0;
}

/* ---- what it runs, and the end ---------------------------------------------- */

/* GreenletExit is a way to return: its instance is the value. */
PyObject *greenlet_exit_value(void)
{
    assert(PyErr_Occurred());
    if (!PyErr_ExceptionMatches(PyExc_GreenletExit))
        return NULL;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    Py_XDECREF(type);
    Py_XDECREF(tb);
    return value;
}

/* What a plain greenlet does: run(*args, **kwargs). They stay where the
 * collector sees them. */
static PyObject *run_body(PyGreenlet *self)
{
    struct green *g = self->green;
    assert(g->run && g->start_args);
    keep_frame();
    PyObject *result = PyObject_Call(g->run, g->start_args, g->start_kwargs);
    Py_CLEAR(g->run);
    Py_CLEAR(g->start_args);
    Py_CLEAR(g->start_kwargs);
    return result;
}

/* Who gets the result of a greenlet that has ended: its first living ancestor,
 * started if it must be. When that fails, its error goes further up. */
static PyGreenlet *heir(struct py_thread *t, PyGreenlet *parent,
                        PyObject **result)
{
    for (;;) {
        parent = greenlet_first_living(parent);
        if (!parent)
            Py_FatalError("grove: a greenlet has ended and no ancestor lives");
        struct green *p = parent->green;
        assert((*result == NULL) == !!PyErr_Occurred());
        if (greenlet_is_of_thread(t, p)) {
            if (p->phase == GREEN_ACTIVE) {
                p->value = *result;
                return parent;
            }
            if (!*result) {
                greenlet_die_unstarted(t, p);
                continue;
            }
            if (greenlet_fetch_run(parent) == 0) {
                if (p->phase != GREEN_UNSTARTED)
                    continue; /* looking up run has started it, or killed it */
                PyObject *args = PyTuple_Pack(1, *result);
                if (args && greenlet_give_fiber(t, parent) == 0) {
                    Py_XSETREF(p->start_args, args);
                    Py_CLEAR(*result);
                    return parent;
                }
                Py_XDECREF(args);
            }
        } else {
            greenlet_refuse_thread(t, p); /* which its parent gets */
        }
        Py_CLEAR(*result);
        parent = p->parent;
    }
}

/* What the interpreter knows of g, whose body has ended, is given back. */
static void end_state(struct py_thread *t, struct green *g)
{
#if STATE_HAS_SPARE
    if (unlikely(g->fiber->fiber.stack.open))
        recursion_recovered(t->tstate, &g->state, &g->fiber->fiber.stack);
#endif
    state_end(t->tstate, &g->state);
}

/* g, of a thread that is alert, is about to be left for good. */
static void count_end(struct py_thread *t, const struct green *g, bool to_hub)
{
    if (t->clock)
        switch_clock_note(t->clock, to_hub);
    undelivered_forget(t, g);
}

/* self, whose body has ended with result (or an exception), goes for good. */
static void __attribute__((noreturn))
finish(struct py_thread *t, PyGreenlet *self, PyObject *result)
{
    struct green *g = self->green;
    struct grove_fiber *f = g->fiber;
    assert(g->phase == GREEN_ACTIVE && !g->is_main && f->host == g);
    assert(t->current == self && !g->parked);
    assert((result == NULL) == !!PyErr_Occurred());
    result = settled(t, result);
    if (!result)
        result = greenlet_exit_value();
    forget_locals(g);
    greenlet_drop_left(t);
    state_bury(t->tstate);
    PyGreenlet *parent = g->parent;
    /* A Hub that another has taken the place of stands for it. */
    bool to_hub = (PyObject *)parent == t->hub_object ||
                  (t->hub_object && parent && parent->green->is_hub);
    if (unlikely(!result && to_hub)) {
        /* The Hub may be anywhere, and could do nothing else about it. */
        raw_report(t, (PyObject *)self);
        assert(!PyErr_Occurred() && t->current == self);
        result = Py_NewRef(Py_None);
    }
    if (unlikely(t->alert))
        count_end(t, g, to_hub);
    struct grove_fiber *next = NULL;
    if (to_hub) {
        /* The Hub wants nothing of it, and may be waiting for something else:
         * whoever is due runs next. */
        Py_DECREF(result);
        end_state(t, g);
        assert(!t->left && !PyErr_Occurred());
        t->left = self;
        t->current = NULL;
    } else {
        parent = heir(t, parent, &result);
        end_state(t, g);
        next = parent->green->fiber;
        next->wake_result = HUB_TRANSFERRED;
        make_current(t, parent);
    }
    g->phase = GREEN_DEAD;
    g->fiber = NULL;
    hub_fiber_end(t->hub, f, next);
}

static void green_entry(void *arg)
{
    struct grove_fiber *f = arg;
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    PyGreenlet *self = g->self;
    keep_frame();
    fiber_started(&t->hub->thread, &f->fiber);
    state_begin(t->tstate, &g->state, &f->fiber.stack);
    become_current(t, g);
    assert(t->hub->current == f && t->current == self && !g->value);
    PyObject *value = arrived(t, greenlet_no_args);
    PyObject *result = NULL;
    if (likely(value != NULL))
        result = (g->body ? g->body : run_body)(self);
    finish(t, self, result);
}
/* ---- the methods ------------------------------------------------------------ */

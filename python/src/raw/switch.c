/*
 * Switching between greenlets, and their birth and death, with greenlet's
 * semantics (greenlet 3.5's documentation), on fibers of their own stacks.
 *
 *               first switch            run returns, or an exception ends it
 *   UNSTARTED ---------------> ACTIVE ---------------------------------> DEAD
 *       |                   (has a fiber)                                  ^
 *       +--------------------- throw ---------------------------------------+
 *
 * Who owns a running greenlet: its thread holds a reference to the current one.
 * At a switch the target gets one and the origin's is given up. When that is
 * the last, it is left in thread->left, for the target to let go of once it
 * runs: GreenletExit is then thrown into the origin, so no value or exception
 * of the switch may be lost by it. A value crosses in the target's green.value,
 * an exception in the thread state.
 *
 * A switch, in order: save the interpreter's state, switch stacks, load the
 * state. Nothing in between touches a Python object.
 */
#include "raw/private.h"

PyObject *greenlet_no_args;
unsigned greenlet_stack_shift = 20; /* 1 MiB */

static PyObject *str_run;

int greenlet_switch_init(void)
{
    greenlet_no_args = PyTuple_New(0);
    str_run = PyUnicode_InternFromString("run");
    return greenlet_no_args && str_run ? 0 : -1;
}

/* ---- switching ---------------------------------------------------------- */

/* Releasing may run code: what is in flight is kept. */
static void release_left(PyGreenlet *left)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    Py_DECREF(left);
    PyErr_Restore(type, value, tb);
}

void greenlet_drop_left(struct py_thread *t)
{
    PyGreenlet *left = t->left;
    if (left) {
        t->left = NULL;
        release_left(left);
    }
}

/* What the resumed greenlet does about the one that was left. */
static PyObject *arrived(struct py_thread *t, PyObject *value)
{
    if (likely(!t->left && !t->tracer))
        return value;
    if (t->tracer && greenlet_trace_arrival(t, !value) < 0)
        Py_CLEAR(value);
    greenlet_drop_left(t);
    return value;
}

/* Makes target, which is active, not current and of this thread, the current
 * greenlet; its reference is taken over from the hub if it was parked there. */
static inline void make_current(struct py_thread *t, PyGreenlet *target)
{
    struct green *g = target->green;
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
__attribute__((always_inline)) static inline PyObject *go(struct py_thread *t,
                                                          PyGreenlet *target)
{
    PyGreenlet *origin = t->current;
    struct green *o = origin->green;
    if (unlikely(t->clock != NULL))
        switch_clock_note(t->clock, (PyObject *)target == t->hub_object);
    make_current(t, target);
    state_save(t->tstate, &o->state);
    hub_transfer(t->hub, o->fiber, target->green->fiber);
    load_state(t->tstate, &o->state);
    PyObject *value = o->value;
    o->value = NULL;
    if (unlikely(t->current != origin)) { /* the Hub, come back to by a park */
        become_current(t, o);
        if (!value && !PyErr_Occurred())
            value = Py_NewRef(greenlet_no_args);
    }
    return arrived(t, value);
}

static PyObject *refuse_thread(struct py_thread *t, struct green *g)
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
    return NULL;
}

/* An unstarted greenlet belongs to the thread of the main greenlet it descends
 * from: it may have been given another parent. False when there is none. */
static bool settle_thread(struct green *g)
{
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
static bool is_of_thread(struct py_thread *t, struct green *g)
{
    return (g->phase != GREEN_UNSTARTED || settle_thread(g)) && g->thread == t;
}

/* The same, and sets greenlet.error otherwise. */
static bool of_thread(struct py_thread *t, struct green *g)
{
    bool same = is_of_thread(t, g);
    if (!same)
        refuse_thread(t, g);
    return same;
}

/* g, or its first ancestor that is not dead; NULL when all are. */
static PyGreenlet *first_living(PyGreenlet *g)
{
    while (g && (g->green->phase == GREEN_DEAD || g->green->thread->dead))
        g = g->green->parent;
    return g;
}

static void green_entry(void *fiber);

/* Gives g, unstarted, its fiber. -1 with MemoryError. */
static int start_fiber(struct py_thread *t, PyGreenlet *self)
{
    struct green *g = self->green;
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
    return 0;
}

struct grove_fiber *greenlet_start(PyGreenlet *self)
{
    struct green *g = self->green;
    if (start_fiber(g->thread, self) < 0)
        return NULL;
    g->parked = true;
    return g->fiber;
}

void greenlet_adopt(PyGreenlet *self, struct grove_fiber *f)
{
    struct green *g = self->green;
    g->fiber = f;
    g->phase = GREEN_ACTIVE;
    f->host = g;
}

/* The value that switch(*args, **kwargs) delivers to a suspended greenlet.
 * Steals both; kwargs may be NULL. */
static PyObject *packed(PyObject *args, PyObject *kwargs)
{
    if (!kwargs) {
        if (PyTuple_GET_SIZE(args) != 1)
            return args;
        PyObject *one = Py_NewRef(PyTuple_GET_ITEM(args, 0));
        Py_DECREF(args);
        return one;
    }
    if (PyTuple_GET_SIZE(args) == 0) {
        Py_DECREF(args);
        return kwargs;
    }
    PyObject *both = PyTuple_Pack(2, args, kwargs);
    Py_DECREF(args);
    Py_DECREF(kwargs);
    return both;
}

/* Fetches run, which may be a property or switch away itself. */
static int fetch_run(PyGreenlet *self)
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

PyObject *greenlet_switch_with(PyGreenlet *target, PyObject *args,
                               PyObject *kwargs)
{
    struct py_thread *t = thread_self();
    if (!t)
        goto fail;
    greenlet_drop_left(t);
    end_doomed(t);
    if (unlikely(t->tracer != NULL) && greenlet_trace_arrival(t, false) < 0)
        goto fail;
    for (;;) {
        PyGreenlet *living = first_living(target);
        if (!living) {
            refuse_thread(t, target->green);
            goto fail;
        }
        target = living;
        struct green *g = target->green;
        if (!of_thread(t, g))
            goto fail;
        if (g->phase == GREEN_ACTIVE)
            break;
        if (fetch_run(target) < 0)
            goto fail;
        if (g->phase != GREEN_UNSTARTED)
            continue; /* looking up run has started it */
        /* It may be the first to use a C++ extension that was imported since.
         */
        fiber_thread_refresh(&t->hub->thread);
        if (!of_thread(t, g) || start_fiber(t, target) < 0)
            goto fail;
        Py_XSETREF(g->start_args, args);
        Py_XSETREF(g->start_kwargs, kwargs);
        return go(t, target);
    }
    PyObject *value = packed(args, kwargs);
    if (!value || target == t->current)
        return value;
    target->green->value = value;
    return go(t, target);
fail:
    Py_DECREF(args);
    Py_XDECREF(kwargs);
    return NULL;
}

/* GreenletExit is a way to return: its instance is the value. */
static PyObject *exit_value(void)
{
    if (!PyErr_ExceptionMatches(PyExc_GreenletExit))
        return NULL;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    Py_XDECREF(type);
    Py_XDECREF(tb);
    return value;
}

/* An unstarted greenlet that is thrown into dies at once. */
static bool die_unstarted(struct py_thread *t, struct green *g)
{
    if (!of_thread(t, g))
        return false;
    g->phase = GREEN_DEAD;
    PyObject *type, *value, *tb; /* releasing may run code */
    PyErr_Fetch(&type, &value, &tb);
    Py_CLEAR(g->run);
    PyErr_Restore(type, value, tb);
    return true;
}

PyObject *greenlet_throw_in(PyGreenlet *target)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    greenlet_drop_left(t);
    end_doomed(t);
    if (unlikely(t->tracer != NULL) && greenlet_trace_arrival(t, false) < 0)
        return NULL;
    struct green *g = target->green;
    if (g->phase == GREEN_UNSTARTED && !die_unstarted(t, g))
        return NULL;
    PyGreenlet *living = first_living(target);
    if (!living)
        return refuse_thread(t, g);
    if (!of_thread(t, living->green))
        return NULL;
    if (living != target && PyErr_ExceptionMatches(PyExc_GreenletExit)) {
        PyObject *value = exit_value(); /* there is nothing to exit from */
        PyObject *args = value ? PyTuple_Pack(1, value) : NULL;
        Py_XDECREF(value);
        return args ? greenlet_switch_with(living, args, NULL) : NULL;
    }
    if (living->green->phase == GREEN_UNSTARTED)
        return greenlet_throw_in(living);
    if (living == t->current)
        return NULL;
    living->green->value = NULL;
    return go(t, living);
}

PyObject *greenlet_switch(PyGreenlet *target, PyObject *value, PyObject *kwargs)
{
    if (!value)
        return greenlet_throw_in(target);
    if (target->green->phase == GREEN_UNSTARTED)
        return greenlet_switch_with(target, value, kwargs);
    PyObject *args = PyTuple_Pack(1, value);
    Py_DECREF(value);
    return args ? greenlet_switch_with(target, args, kwargs) : NULL;
}

PyObject *greenlet_throw(PyGreenlet *target, PyObject *type, PyObject *val,
                         PyObject *tb)
{
    if (val == Py_None)
        val = NULL;
    if (tb == Py_None)
        tb = NULL;
    if (tb && !PyTraceBack_Check(tb)) {
        PyErr_SetString(PyExc_TypeError,
                        "throw() third argument must be a traceback object");
        return NULL;
    }
    Py_INCREF(type);
    Py_XINCREF(val);
    Py_XINCREF(tb);
    if (PyExceptionClass_Check(type)) {
        PyErr_NormalizeException(&type, &val, &tb);
    } else if (PyExceptionInstance_Check(type)) {
        if (val) {
            PyErr_SetString(PyExc_TypeError,
                            "instance exception may not have a separate value");
            goto fail;
        }
        val = type;
        type = Py_NewRef(PyExceptionInstance_Class(val));
        if (!tb)
            tb = PyException_GetTraceback(val);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes, or instances, not %s",
                     Py_TYPE(type)->tp_name);
        goto fail;
    }
    if (target->green->phase == GREEN_UNSTARTED && !target->green->is_main &&
        fetch_run(target) < 0)
        goto fail;
    PyErr_Restore(type, val, tb);
    return greenlet_throw_in(target);
fail:
    Py_DECREF(type);
    Py_XDECREF(val);
    Py_XDECREF(tb);
    return NULL;
}

/* ---- birth and death ------------------------------------------------------ */

/* What a plain greenlet does: run(*args, **kwargs). They stay where the
 * collector sees them. */
static PyObject *run_body(PyGreenlet *self)
{
    struct green *g = self->green;
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
        parent = first_living(parent);
        if (!parent)
            Py_FatalError("grove: a greenlet has ended and no ancestor lives");
        struct green *p = parent->green;
        if (is_of_thread(t, p)) {
            if (p->phase == GREEN_ACTIVE) {
                p->value = *result;
                return parent;
            }
            if (!*result) {
                die_unstarted(t, p);
                continue;
            }
            if (fetch_run(parent) == 0) {
                if (p->phase != GREEN_UNSTARTED)
                    continue; /* looking up run has started it, or killed it */
                PyObject *args = PyTuple_Pack(1, *result);
                if (args && start_fiber(t, parent) == 0) {
                    Py_XSETREF(p->start_args, args);
                    Py_CLEAR(*result);
                    return parent;
                }
                Py_XDECREF(args);
            }
        } else {
            refuse_thread(t, p); /* which its parent gets */
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

/* self, whose body has ended with result (or an exception), goes for good. */
static void __attribute__((noreturn))
finish(struct py_thread *t, PyGreenlet *self, PyObject *result)
{
    struct green *g = self->green;
    struct grove_fiber *f = g->fiber;
    if (!result)
        result = exit_value();
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
        result = Py_NewRef(Py_None);
    }
    struct grove_fiber *next = NULL;
    if (to_hub) {
        /* The Hub wants nothing of it, and may be waiting for something else:
         * whoever is due runs next. */
        Py_DECREF(result);
        end_state(t, g);
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
    fiber_started(&t->hub->thread, &f->fiber);
    state_begin(t->tstate, &g->state, &f->fiber.stack);
    become_current(t, g);
    PyObject *value = arrived(t, greenlet_no_args);
    PyObject *result = NULL;
    if (likely(value != NULL))
        result = (g->body ? g->body : run_body)(self);
    finish(t, self, result);
}
/* ---- the methods ------------------------------------------------------------ */

/* Anything but the usual case of greenlet_method_switch. */
static PyObject *__attribute__((noinline, cold))
switch_slow(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
            PyObject *names)
{
    PyObject *tuple = PyTuple_New(nargs), *kwargs = NULL;
    if (!tuple)
        return NULL;
    for (Py_ssize_t i = 0; i < nargs; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    Py_ssize_t n = names ? PyTuple_GET_SIZE(names) : 0;
    if (n && !(kwargs = PyDict_New()))
        goto fail;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i),
                           args[nargs + i]) < 0)
            goto fail;
    }
    return greenlet_switch_with((PyGreenlet *)self, tuple, kwargs);
fail:
    Py_DECREF(tuple);
    Py_XDECREF(kwargs);
    return NULL;
}

const char greenlet_switch_doc[] =
    "switch(*args, **kwargs)\n--\n\n"
    "Switch to this greenlet. An unstarted one runs run(*args, **kwargs); in "
    "a\n"
    "suspended one its own switch() returns: the empty tuple for no argument, "
    "the\n"
    "argument for one, a tuple for several, a dict for keywords only, a pair "
    "of\n"
    "both. A dead one stands for its first living ancestor. Returns what is "
    "passed\n"
    "when something switches back, and raises what is thrown in.\n"
    "Raises greenlet.error for a greenlet of another thread.";

PyObject *greenlet_method_switch(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *names)
{
    struct green *g = ((PyGreenlet *)self)->green;
    struct py_thread *t = g->thread;
    /* The thread that owns this hub runs this code: cheaper than to ask the
     * interpreter, and the same. */
    if (unlikely(t->hub != hub_of_thread || g->phase != GREEN_ACTIVE ||
                 t->current == (PyGreenlet *)self || t->left || t->doomed ||
                 names || nargs > 1))
        return switch_slow(self, args, nargs, names);
    g->value = Py_NewRef(nargs ? args[0] : greenlet_no_args);
    return go(t, (PyGreenlet *)self);
}

const char greenlet_throw_doc[] =
    "throw([type[, value[, traceback]]])\n--\n\n"
    "Switch to this greenlet and raise there; GreenletExit without arguments. "
    "An\n"
    "unstarted one dies at once, and the exception goes to its parent.";

PyObject *greenlet_method_throw(PyObject *self, PyObject *args)
{
    PyObject *type = PyExc_GreenletExit, *val = NULL, *tb = NULL;
    if (!PyArg_ParseTuple(args, "|OOO:throw", &type, &val, &tb))
        return NULL;
    return greenlet_throw((PyGreenlet *)self, type, val, tb);
}

/*
 * The raw greenlet type, with greenlet's semantics (greenlet 3.5's
 * documentation), on fibers of their own stacks.
 *
 *               first switch            run returns, or an exception ends it
 *   UNSTARTED ---------------> ACTIVE ---------------------------------> DEAD
 *       |                   (has a fiber)                                  ^
 *       +--------------------- throw ---------------------------------------+
 *
 * Who owns a running greenlet: its thread holds a reference to the current one.
 * At a switch the target gets one, and the origin's is parked in thread->left,
 * for the target to let go of once it runs: that may be the last, in which case
 * GreenletExit is thrown into the origin, so no value or exception of the
 * switch may be lost by it. A value crosses in the target's green.value, an
 * exception in the thread state.
 *
 * A switch, in order: save the interpreter's state, switch stacks, load the
 * state. Nothing in between touches a Python object.
 */
#include "core.h"

#include <structmember.h>

PyObject *PyExc_GreenletError;
PyObject *PyExc_GreenletExit;
unsigned greenlet_stack_shift = 20; /* 1 MiB */

static PyObject *no_args; /* () */
static PyObject *str_run, *str_switch, *str_throw;

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

/* Tells the tracer, in the target, of the switch that led here. Returns value,
 * or NULL when the tracer failed, or when value was NULL. */
static PyObject *trace(struct py_thread *t, PyGreenlet *origin, PyObject *value)
{
    PyObject *type, *exc, *tb;
    PyErr_Fetch(&type, &exc, &tb);
    PyObject *tracer = Py_NewRef(t->tracer);
    PyThreadState_EnterTracing(t->tstate);
    PyObject *r = PyObject_CallFunction(
        tracer, "O(OO)", value ? str_switch : str_throw, (PyObject *)origin,
        (PyObject *)t->current);
    PyThreadState_LeaveTracing(t->tstate);
    Py_DECREF(tracer);
    if (r) {
        Py_DECREF(r);
        PyErr_Restore(type, exc, tb);
        return value;
    }
    Py_CLEAR(t->tracer); /* its exception is raised instead */
    Py_XDECREF(type);
    Py_XDECREF(exc);
    Py_XDECREF(tb);
    Py_XDECREF(value);
    return NULL;
}

void greenlet_trace_hub(struct py_thread *t)
{
    if (t->tracer && t->hub_object && !PyErr_Occurred()) {
        PyObject *value =
            trace(t, (PyGreenlet *)t->hub_object, Py_NewRef(Py_None));
        Py_XDECREF(value);
    }
}

/* What the resumed greenlet does about the one that was left. */
static PyObject *arrived(struct py_thread *t, PyObject *value)
{
    PyGreenlet *left = t->left;
    if (unlikely(t->tracer && left))
        value = trace(t, left, value);
    t->left = NULL;
    if (likely(left && Py_REFCNT(left) > 1))
        Py_DECREF(left);
    else if (left)
        release_left(left);
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
    t->left = t->current;
    t->current = target;
}

/* From the current greenlet to target, whose value is set. Returns what the
 * current one is given when it is switched back to. */
__attribute__((always_inline)) static inline PyObject *
go(struct py_thread *t, PyGreenlet *target)
{
    PyGreenlet *origin = t->current;
    struct green *o = origin->green;
    make_current(t, target);
    state_save(t->tstate, &o->state);
    hub_transfer(t->hub, o->fiber, target->green->fiber);
    state_load(t->tstate, &o->state);
    PyObject *value = o->value;
    o->value = NULL;
    if (unlikely(t->current != origin)) { /* the Hub, come back to by a park */
        host_become_current(t, o);
        if (!value && !PyErr_Occurred())
            value = Py_NewRef(no_args);
    }
    return arrived(t, value);
}

static PyObject *refuse_thread(struct py_thread *t, struct green *g)
{
    if (g->thread->dead)
        PyErr_SetString(PyExc_GreenletError,
                        "cannot switch to a different thread (which happens "
                        "to have exited)");
    else
        PyErr_Format(PyExc_GreenletError,
                     "Cannot switch to a different thread\n\tCurrent:  %R\n\t"
                     "Expected: %R",
                     (PyObject *)t->main, (PyObject *)g->thread->main);
    return NULL;
}

/* An unstarted greenlet belongs to the thread of the main greenlet it descends
 * from: it may have been given another parent. */
static void settle_thread(struct green *g)
{
    PyGreenlet *root = g->self;
    while (root->green->parent)
        root = root->green->parent;
    struct py_thread *t = root->green->thread;
    if (t != g->thread) {
        t->references++;
        thread_unref(g->thread);
        g->thread = t;
    }
}

/* Whether g may be switched to from thread t; sets greenlet.error otherwise. */
static bool of_thread(struct py_thread *t, struct green *g)
{
    if (g->phase == GREEN_UNSTARTED)
        settle_thread(g);
    if (g->thread != t)
        refuse_thread(t, g);
    return g->thread == t;
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

/* The value that switch(*args, **kwargs) delivers to a suspended greenlet. Steals
 * both; kwargs may be NULL. */
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

/* Switch with unpacked arguments; steals args (a tuple) and kwargs (or NULL). */
static PyObject *switch_with(PyGreenlet *target, PyObject *args,
                             PyObject *kwargs)
{
    struct py_thread *t = thread_self();
    if (!t)
        goto fail;
    greenlet_drop_left(t);
    end_doomed(t);
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

/* Throw what is set. */
static PyObject *throw_in(PyGreenlet *target)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    greenlet_drop_left(t);
    struct green *g = target->green;
    if (g->phase == GREEN_UNSTARTED) {
        settle_thread(g);
        if (g->thread == t) { /* it dies at once */
            g->phase = GREEN_DEAD;
            Py_CLEAR(g->run);
        }
    }
    PyGreenlet *living = first_living(target);
    if (!living || living->green->thread != t)
        return refuse_thread(t, living ? living->green : g);
    if (living != target && PyErr_ExceptionMatches(PyExc_GreenletExit)) {
        PyObject *type, *value, *tb; /* a dead one has nothing to exit from */
        PyErr_Fetch(&type, &value, &tb);
        PyErr_NormalizeException(&type, &value, &tb);
        Py_XDECREF(type);
        Py_XDECREF(tb);
        PyObject *args = PyTuple_Pack(1, value);
        Py_DECREF(value);
        return args ? switch_with(living, args, NULL) : NULL;
    }
    if (living->green->phase == GREEN_UNSTARTED)
        return throw_in(living);
    if (living == t->current)
        return NULL;
    living->green->value = NULL;
    return go(t, living);
}

PyObject *greenlet_switch(PyGreenlet *target, PyObject *value,
                          PyObject *kwargs)
{
    if (!value)
        return throw_in(target);
    if (target->green->phase == GREEN_UNSTARTED)
        return switch_with(target, value, kwargs);
    PyObject *args = PyTuple_Pack(1, value);
    Py_DECREF(value);
    return args ? switch_with(target, args, kwargs) : NULL;
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
    return throw_in(target);
fail:
    Py_DECREF(type);
    Py_XDECREF(val);
    Py_XDECREF(tb);
    return NULL;
}

/* ---- birth and death ------------------------------------------------------ */

/* What a plain greenlet does: run(*args, **kwargs). */
static PyObject *run_body(PyGreenlet *self)
{
    struct green *g = self->green;
    PyObject *run = g->run, *args = g->start_args, *kwargs = g->start_kwargs;
    g->run = g->start_args = g->start_kwargs = NULL;
    PyObject *result = PyObject_Call(run, args, kwargs);
    Py_DECREF(run);
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    return result;
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

/* Who gets the result of a greenlet that has ended: its first living ancestor,
 * started if it must be. When that fails, its error goes further up. */
static PyGreenlet *heir(struct py_thread *t, PyGreenlet *parent,
                        PyObject **result)
{
    for (;;) {
        parent = first_living(parent);
        if (!parent || parent->green->thread != t)
            Py_FatalError("grove: a greenlet has ended and no ancestor lives");
        struct green *p = parent->green;
        if (p->phase == GREEN_ACTIVE) {
            p->value = *result;
            return parent;
        }
        PyObject *args = *result ? PyTuple_Pack(1, *result) : NULL;
        if (args && fetch_run(parent) == 0 && start_fiber(t, parent) == 0) {
            p->start_args = args;
            Py_CLEAR(*result);
            return parent;
        }
        Py_XDECREF(args);
        Py_CLEAR(*result);
        parent = p->parent;
    }
}

/* self, whose body has ended with result (or an exception), goes for good. */
static void __attribute__((noreturn))
finish(struct py_thread *t, PyGreenlet *self, PyObject *result)
{
    struct green *g = self->green;
    struct grove_fiber *f = g->fiber;
    if (!result)
        result = exit_value();
    greenlet_drop_left(t);
    PyGreenlet *parent = g->parent;
    if (unlikely(!result && (PyObject *)parent == t->hub_object)) {
        /* The Hub may be anywhere, and could do nothing else about it. */
        hub_object_report(t, (PyObject *)self);
        result = Py_NewRef(Py_None);
    }
    struct grove_fiber *next = NULL;
    if ((PyObject *)parent == t->hub_object && result && !t->tracer) {
        /* The Hub wants nothing of it: whoever is due runs next. */
        Py_DECREF(result);
        state_end(t->tstate, &g->state);
        t->left = self;
        t->current = NULL;
    } else {
        parent = heir(t, parent, &result);
        state_end(t->tstate, &g->state);
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
    state_begin(t->tstate, &g->state, stack_host_area(&f->fiber.stack),
                stack_size(&f->fiber.stack));
    host_become_current(t, g);
    PyObject *value = arrived(t, no_args);
    PyObject *result = NULL;
    if (likely(value != NULL))
        result = (g->body ? g->body : run_body)(self);
    finish(t, self, result);
}

/* ---- the object ------------------------------------------------------------- */

static PyGreenlet *greenlet_alloc(PyTypeObject *type, struct py_thread *t)
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
    t->references++;
    return self;
}

/* 3.11 caches a method's look-up (LOAD_METHOD) only on objects whose dict, if
 * their type has one, exists: without it g.switch() is looked up each time, at
 * a third of a switch's cost. Types derived in C do without. */
static int make_dict(PyGreenlet *self)
{
#if PY_VERSION_HEX < 0x030C0000
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
    if (make_dict(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    struct green *g = self->green;
    g->is_main = true;
    g->phase = GREEN_ACTIVE;
    g->fiber = &t->hub->root;
    return self;
}

static PyObject *greenlet_new(PyTypeObject *type, PyObject *args,
                              PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (unlikely(type->tp_flags & Py_TPFLAGS_IS_ABSTRACT))
        return PyBaseObject_Type.tp_new(type, no_args, NULL); /* TypeError */
    end_doomed(t);
    PyGreenlet *self = greenlet_alloc(type, t);
    if (self)
        self->green->parent = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    return (PyObject *)self;
}

static int set_run(PyObject *o, PyObject *run, void *closure);
static int set_parent(PyObject *o, PyObject *parent, void *closure);

static int greenlet_init_object(PyObject *self, PyObject *args,
                                PyObject *kwargs)
{
    static char *names[] = {(char *)"run", (char *)"parent", NULL};
    PyObject *run = NULL, *parent = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:greenlet", names, &run,
                                     &parent))
        return -1;
    if (make_dict((PyGreenlet *)self) < 0)
        return -1;
    if (run && set_run(self, run, NULL) < 0)
        return -1;
    if (parent && parent != Py_None && set_parent(self, parent, NULL) < 0)
        return -1;
    return 0;
}

/* The last reference to a suspended greenlet of this thread is gone: it is
 * ended by GreenletExit, while it lives on one more reference. */
static void kill_suspended(struct py_thread *t, PyGreenlet *self)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    struct green *g = self->green;
    PyGreenlet *parent = g->parent;
    g->parent = (PyGreenlet *)Py_NewRef((PyObject *)t->current);
    PyErr_SetNone(PyExc_GreenletExit);
    PyObject *r = throw_in(self);
    if (r)
        Py_DECREF(r);
    else
        PyErr_WriteUnraisable((PyObject *)self);
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
    if (!owner->doomed)
        owner->doomed = PyList_New(0);
    if (!owner->doomed || PyList_Append(owner->doomed, (PyObject *)self) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    PyErr_Restore(type, value, tb);
}

bool greenlet_revived(PyGreenlet *self)
{
    struct green *g = self->green;
    if (!g || g->phase != GREEN_ACTIVE || g->is_main || g->thread->dead ||
        state_is_finalizing())
        return false;
    struct py_thread *t = thread_self();
    if (!t) {
        PyErr_Clear();
        return false;
    }
    Py_SET_REFCNT((PyObject *)self, 1);
    PyObject_GC_Track(self);
    if (g->thread != t) {
        doom(g->thread, self);
    } else {
        kill_suspended(t, self);
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

static int greenlet_clear(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    Py_CLEAR(((PyGreenlet *)o)->dict);
    if (g) {
        Py_CLEAR(g->parent);
        Py_CLEAR(g->run);
        Py_CLEAR(g->start_args);
        Py_CLEAR(g->start_kwargs);
        Py_CLEAR(g->value);
        Py_CLEAR(g->state.context);
        Py_CLEAR(g->state.exc_bottom.exc_value);
    }
    return 0;
}

static void greenlet_dealloc(PyObject *o)
{
    PyGreenlet *self = (PyGreenlet *)o;
    PyObject_GC_UnTrack(o);
    if (greenlet_revived(self))
        return;
    if (self->weakreflist)
        PyObject_ClearWeakRefs(o);
    greenlet_clear(o);
    if (self->green) {
        thread_unref(self->green->thread);
        PyMem_Free(self->green);
    }
    Py_TYPE(o)->tp_free(o);
}

static int greenlet_traverse(PyObject *o, visitproc visit, void *arg)
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
    }
    return 0;
}

/* The collector does not see what a suspended stack refers to, so it must not
 * take an active greenlet for garbage. */
static int greenlet_is_gc(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    return !g || g->phase != GREEN_ACTIVE || g->thread->dead;
}

static bool is_current(struct green *g)
{
    return g->thread->current == g->self;
}

static bool is_dead(struct green *g)
{
    return g->phase == GREEN_DEAD || g->thread->dead;
}

static PyObject *greenlet_repr(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    const char *name = Py_TYPE(o)->tp_name;
    if (is_dead(g))
        return PyUnicode_FromFormat("<%s object at %p (otid=%p) %sdead>", name,
                                    o, g->thread,
                                    g->thread->dead ? "(thread exited) " : "");
    bool active = g->phase == GREEN_ACTIVE;
    bool here = g->thread->hub == hub_of_thread;
    return PyUnicode_FromFormat(
        "<%s object at %p (otid=%p)%s%s%s%s>", name, o, g->thread,
        here && is_current(g) ? " current"
        : active              ? " suspended"
                              : "",
        active ? " active" : " pending", active ? " started" : "",
        g->is_main ? " main" : "");
}

static int greenlet_bool(PyObject *o)
{
    struct green *g = ((PyGreenlet *)o)->green;
    return g->phase == GREEN_ACTIVE && !g->thread->dead;
}

/* ---- methods ------------------------------------------------------------------ */

/* Anything but the usual case of method_switch. */
static PyObject *__attribute__((noinline, cold))
switch_slow(PyObject *self, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *names)
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
    return switch_with((PyGreenlet *)self, tuple, kwargs);
fail:
    Py_DECREF(tuple);
    Py_XDECREF(kwargs);
    return NULL;
}

PyDoc_STRVAR(switch_doc,
"switch(*args, **kwargs)\n--\n\n"
"Switch to this greenlet. An unstarted one runs run(*args, **kwargs); in a\n"
"suspended one its own switch() returns: the empty tuple for no argument, the\n"
"argument for one, a tuple for several, a dict for keywords only, a pair of\n"
"both. A dead one stands for its first living ancestor. Returns what is passed\n"
"when something switches back, and raises what is thrown in.\n"
"Raises greenlet.error for a greenlet of another thread.");

static PyObject *method_switch(PyObject *self, PyObject *const *args,
                               Py_ssize_t nargs, PyObject *names)
{
    struct green *g = ((PyGreenlet *)self)->green;
    struct py_thread *t = g->thread;
    /* The thread that owns this hub runs this code: cheaper than to ask the
     * interpreter, and the same. */
    if (unlikely(t->hub != hub_of_thread || g->phase != GREEN_ACTIVE ||
                 t->current == (PyGreenlet *)self || t->left || names ||
                 nargs > 1))
        return switch_slow(self, args, nargs, names);
    g->value = Py_NewRef(nargs ? args[0] : no_args);
    return go(t, (PyGreenlet *)self);
}

PyDoc_STRVAR(throw_doc,
"throw([type[, value[, traceback]]])\n--\n\n"
"Switch to this greenlet and raise there; GreenletExit without arguments. An\n"
"unstarted one dies at once, and the exception goes to its parent.");

static PyObject *method_throw(PyObject *self, PyObject *args)
{
    PyObject *type = PyExc_GreenletExit, *val = NULL, *tb = NULL;
    if (!PyArg_ParseTuple(args, "|OOO:throw", &type, &val, &tb))
        return NULL;
    return greenlet_throw((PyGreenlet *)self, type, val, tb);
}

static PyObject *method_getstate(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return PyErr_Format(PyExc_TypeError, "cannot serialize '%s' object",
                        Py_TYPE(self)->tp_name);
}

static PyObject *module_getcurrent(PyObject *module, PyObject *ignored);

PyDoc_STRVAR(getcurrent_doc,
"getcurrent()\n--\n\nThe greenlet that runs.");

static PyMethodDef methods[] = {
    {"switch", (PyCFunction)(void (*)(void))method_switch,
     METH_FASTCALL | METH_KEYWORDS, switch_doc},
    {"throw", method_throw, METH_VARARGS, throw_doc},
    {"__getstate__", method_getstate, METH_NOARGS, NULL},
    {"getcurrent", module_getcurrent, METH_NOARGS | METH_STATIC,
     getcurrent_doc},
    {NULL}};

/* ---- attributes ----------------------------------------------------------------- */

static PyObject *get_dict(PyObject *o, void *closure)
{
    return PyObject_GenericGetDict(o, closure);
}

static int set_dict(PyObject *o, PyObject *dict, void *closure)
{
    return PyObject_GenericSetDict(o, dict, closure);
}

static PyObject *get_dead(PyObject *o, void *closure)
{
    (void)closure;
    return PyBool_FromLong(is_dead(((PyGreenlet *)o)->green));
}

static PyObject *get_run(PyObject *o, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    if (g->phase == GREEN_UNSTARTED && g->run)
        return Py_NewRef(g->run);
    PyErr_SetObject(PyExc_AttributeError, str_run);
    return NULL;
}

static int set_run(PyObject *o, PyObject *run, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    if (g->phase != GREEN_UNSTARTED) {
        PyErr_SetString(PyExc_AttributeError,
                        "run cannot be set after the start of the greenlet");
        return -1;
    }
    Py_XINCREF(run);
    Py_XSETREF(g->run, run);
    return 0;
}

static PyObject *get_parent(PyObject *o, void *closure)
{
    (void)closure;
    PyGreenlet *parent = ((PyGreenlet *)o)->green->parent;
    return Py_NewRef(parent ? (PyObject *)parent : Py_None);
}

static int set_parent(PyObject *o, PyObject *parent, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    if (!parent) {
        PyErr_SetString(PyExc_AttributeError, "can't delete attribute");
        return -1;
    }
    if (!greenlet_check(parent)) {
        PyErr_Format(PyExc_TypeError, "GreenletChecker: Expected any type of "
                     "greenlet, not %s", Py_TYPE(parent)->tp_name);
        return -1;
    }
    if (g->is_main) {
        PyErr_SetString(PyExc_AttributeError,
                        "cannot set the parent of a main greenlet");
        return -1;
    }
    PyGreenlet *root = (PyGreenlet *)parent;
    for (;;) {
        if (root == (PyGreenlet *)o) {
            PyErr_SetString(PyExc_ValueError, "cyclic parent chain");
            return -1;
        }
        if (!root->green->parent)
            break;
        root = root->green->parent;
    }
    if (!root->green->is_main) {
        PyErr_SetString(PyExc_ValueError,
                        "parent must not be garbage collected");
        return -1;
    }
    if (g->phase == GREEN_ACTIVE && root->green->thread != g->thread) {
        PyErr_SetString(PyExc_ValueError,
                        "parent cannot be on a different thread");
        return -1;
    }
    Py_INCREF(parent);
    Py_XSETREF(g->parent, (PyGreenlet *)parent);
    return 0;
}

static PyObject *get_gr_frame(PyObject *o, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    if (g->phase != GREEN_ACTIVE || is_current(g) ||
        (g->thread != t && !g->thread->dead))
        Py_RETURN_NONE;
    PyFrameObject *frame = state_frame(t->tstate, &g->state);
    if (!frame && PyErr_Occurred())
        return NULL;
    return frame ? (PyObject *)frame : Py_NewRef(Py_None);
}

/* Where the context of g is now; NULL with ValueError. */
static PyObject **context_of(struct green *g)
{
    PyThreadState *ts = state_current_tstate();
    if (g->phase != GREEN_ACTIVE || !is_current(g))
        return &g->state.context;
    if (g->thread->tstate == ts)
        return &ts->context;
    PyErr_SetString(PyExc_ValueError,
                    "cannot get or set the context of a greenlet that is "
                    "running in a different thread");
    return NULL;
}

static PyObject *get_gr_context(PyObject *o, void *closure)
{
    (void)closure;
    PyObject **context = context_of(((PyGreenlet *)o)->green);
    if (!context)
        return NULL;
    return Py_NewRef(*context ? *context : Py_None);
}

static int set_gr_context(PyObject *o, PyObject *value, void *closure)
{
    (void)closure;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "can't delete context attribute");
        return -1;
    }
    if (value == Py_None)
        value = NULL;
    else if (!PyContext_CheckExact(value)) {
        PyErr_Format(PyExc_TypeError,
                     "greenlet context must be a contextvars.Context or None, "
                     "not %s", Py_TYPE(value)->tp_name);
        return -1;
    }
    PyObject **context = context_of(((PyGreenlet *)o)->green);
    if (!context)
        return -1;
    PyThreadState *ts = state_current_tstate();
    if (context == &ts->context)
        ts->context_ver++;
    Py_XINCREF(value);
    Py_XSETREF(*context, value);
    return 0;
}

static PyObject *get_stack_saved(PyObject *o, void *closure)
{
    (void)closure;
    struct green *g = ((PyGreenlet *)o)->green;
    bool suspended = g->phase == GREEN_ACTIVE && !is_current(g);
    return PyLong_FromLong(suspended);
}

static PyGetSetDef attributes[] = {
    {"__dict__", get_dict, set_dict, NULL, NULL},
    {"run", get_run, set_run, "What it runs; gone once it has started.", NULL},
    {"parent", get_parent, set_parent,
     "Who gets its result, or the exception that ends it.", NULL},
    {"dead", get_dead, NULL, "Whether it has ended.", NULL},
    {"gr_frame", get_gr_frame, NULL,
     "Its innermost frame while it is suspended, otherwise None.", NULL},
    {"gr_context", get_gr_context, set_gr_context,
     "Its contextvars.Context, or None.", NULL},
    {"_stack_saved", get_stack_saved, NULL, NULL, NULL},
    {NULL}};

static PyNumberMethods as_number = {.nb_bool = greenlet_bool};

PyDoc_STRVAR(greenlet_doc,
"greenlet(run=None, parent=None)\n--\n\n"
"A coroutine with a stack of its own, run by switch(). parent, by default the\n"
"current greenlet, gets the result.");

PyTypeObject PyGreenlet_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "greenlet.greenlet",
    .tp_basicsize = sizeof(PyGreenlet),
    .tp_dealloc = greenlet_dealloc,
    .tp_repr = greenlet_repr,
    .tp_as_number = &as_number,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = greenlet_doc,
    .tp_traverse = greenlet_traverse,
    .tp_clear = greenlet_clear,
    .tp_weaklistoffset = offsetof(PyGreenlet, weakreflist),
    .tp_methods = methods,
    .tp_getset = attributes,
    .tp_dictoffset = offsetof(PyGreenlet, dict),
    .tp_init = greenlet_init_object,
    .tp_new = greenlet_new,
    .tp_is_gc = greenlet_is_gc,
};

_Static_assert(sizeof(PyGreenlet) == 40, "extensions rely on it");

/* ---- the module's functions -------------------------------------------------------- */

static PyObject *module_getcurrent(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    end_doomed(t);
    return Py_NewRef((PyObject *)t->current);
}

PyDoc_STRVAR(settrace_doc,
"settrace(callback)\n--\n\n"
"Have callback(event, (origin, target)) called in target after each switch of\n"
"this thread; event is 'switch' or 'throw'. None: nobody. Returns the previous\n"
"one, or None.");

static PyObject *module_settrace(PyObject *module, PyObject *tracer)
{
    (void)module;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    PyObject *previous = t->tracer ? t->tracer : Py_NewRef(Py_None);
    t->tracer = tracer == Py_None ? NULL : Py_NewRef(tracer);
    return previous;
}

PyDoc_STRVAR(gettrace_doc, "gettrace()\n--\n\nThe callback of settrace().");

static PyObject *module_gettrace(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    return Py_NewRef(t->tracer ? t->tracer : Py_None);
}

PyDoc_STRVAR(stack_size_doc,
"stack_size([size])\n--\n\n"
"The bytes of address space that a new greenlet's stack gets, as they were;\n"
"with size, they are set from now on, rounded up to a power of two. ValueError\n"
"when it is not within 65536 and 67108864. The environment's GROVE_STACK_SIZE\n"
"sets them at start.");

#define STACK_SIZE_MIN (1u << 16)

static PyObject *module_stack_size(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *wanted = NULL;
    if (!PyArg_ParseTuple(args, "|O:stack_size", &wanted))
        return NULL;
    size_t previous = (size_t)1 << greenlet_stack_shift;
    if (wanted && wanted != Py_None) {
        Py_ssize_t size = PyNumber_AsSsize_t(wanted, PyExc_ValueError);
        if (size == -1 && PyErr_Occurred())
            return NULL;
        if (size < (Py_ssize_t)STACK_SIZE_MIN ||
            size > (Py_ssize_t)GROVE_STACK_MAX)
            return PyErr_Format(PyExc_ValueError,
                                "a stack size of %zd bytes: expected %u to %zu",
                                size, STACK_SIZE_MIN, GROVE_STACK_MAX);
        greenlet_stack_shift = stack_shift((size_t)size);
    }
    return PyLong_FromSize_t(previous);
}

static PyMethodDef functions[] = {
    {"getcurrent", module_getcurrent, METH_NOARGS, getcurrent_doc},
    {"settrace", module_settrace, METH_O, settrace_doc},
    {"gettrace", module_gettrace, METH_NOARGS, gettrace_doc},
    {"stack_size", module_stack_size, METH_VARARGS, stack_size_doc},
    {NULL}};

static int add_to_class(const char *name, PyObject *value)
{
    return PyDict_SetItemString(PyGreenlet_Type.tp_dict, name, value);
}

int greenlet_init(PyObject *module)
{
    no_args = PyTuple_New(0);
    str_run = PyUnicode_InternFromString("run");
    str_switch = PyUnicode_InternFromString("switch");
    str_throw = PyUnicode_InternFromString("throw");
    PyExc_GreenletError =
        PyErr_NewException("greenlet.error", PyExc_Exception, NULL);
    PyExc_GreenletExit =
        PyErr_NewException("greenlet.GreenletExit", PyExc_BaseException, NULL);
    if (!no_args || !str_run || !str_switch || !str_throw ||
        !PyExc_GreenletError || !PyExc_GreenletExit)
        return -1;
    if (getenv("GROVE_STACK_SIZE") &&
        grove_stack_size_default() >= STACK_SIZE_MIN)
        greenlet_stack_shift = stack_shift(grove_stack_size_default());
    if (PyModule_AddType(module, &PyGreenlet_Type) < 0 ||
        PyModule_AddObjectRef(module, "error", PyExc_GreenletError) < 0 ||
        PyModule_AddObjectRef(module, "GreenletExit", PyExc_GreenletExit) < 0 ||
        add_to_class("error", PyExc_GreenletError) < 0 ||
        add_to_class("GreenletExit", PyExc_GreenletExit) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

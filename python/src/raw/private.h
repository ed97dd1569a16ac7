/*
 * What the files of the raw greenlet share; see raw.h for which there are.
 */
#ifndef GROVE_PYTHON_RAW_PRIVATE_H
#define GROVE_PYTHON_RAW_PRIVATE_H

#include "raw/raw.h"

/* ---- life.c ---------------------------------------------------------------- */

/* A new object of type, of thread t. NULL with MemoryError. */
PyGreenlet *greenlet_alloc(PyTypeObject *type, struct py_thread *t);

/* The dict that look-ups of methods want on some versions. -1 with MemoryError.
 */
int greenlet_make_dict(PyGreenlet *self);

/* Slots of the type. */
void greenlet_finalize(PyObject *o);
int greenlet_clear(PyObject *o);
void greenlet_dealloc(PyObject *o);
int greenlet_traverse(PyObject *o, visitproc visit, void *arg);

/* The calling thread is about to end and is still whole: end its suspended
 * greenlets without running their code. False when some did not, whose stacks
 * must stay. */
bool greenlet_end_all(struct py_thread *t);

/* How many main greenlets there are. */
extern Py_ssize_t greenlet_mains;

/* A main greenlet for t; NULL with an exception. */
PyGreenlet *greenlet_new_main(struct py_thread *t);

static inline void forget_locals(struct green *g)
{
    if (unlikely(g->locals != NULL))
        raw_forget_locals(g);
}

/* ---- thread.c, host.c ------------------------------------------------------ */

extern struct raw_hooks *raw_hooks; /* linked by next */

/* The same but for what a switch does: the latter looks for calls of C code and
 * for exceptions that wait. */
extern const struct grove_host python_host, python_host_watching;

/* ---- foreign.c --------------------------------------------------------------- */

/* The host's, which see. */
bool foreign_may_park(const struct grove_fiber *f);
void foreign_begin(struct grove_fiber *f);
void foreign_end(struct grove_fiber *f);

/* g, the current greenlet, has been resumed by the hub. */
void foreign_resumed(struct green *g);

/* Calls are under way, or exceptions wait, and did not before; or the reverse.
 * On t's own thread. */
static inline void foreign_watch(struct py_thread *t)
{
    bool watch = t->foreign_calls > 0 || t->undelivered;
    t->hub->host = watch ? &python_host_watching : &python_host;
}

void foreign_init(void);

/* ---- undelivered.c ----------------------------------------------------------- */

/* exception (stolen) waits for the current greenlet from now on. */
void undelivered_add(struct py_thread *t, PyObject *exception);

/* Whether one waits for g. Without the GIL. */
bool undelivered_has(const struct py_thread *t, const struct green *g);

/* The current greenlet goes on in Python: what waits is raised there; or is
 * left before that. Nothing if nothing waits. */
void undelivered_arm(struct py_thread *t);
void undelivered_leave(struct py_thread *t);

/* g has ended; the thread has. */
void undelivered_forget(struct py_thread *t, const struct green *g);
void undelivered_abandon(struct py_thread *t);

/* In the Hub: throw exception (borrowed) into target, which may have ended. Set
 * by foreign.c. */
extern void (*undelivered_throw)(PyGreenlet *target, PyObject *exception);

int undelivered_init(void);

/* ---- recursion.c ----------------------------------------------------------- */

/* f's stack has run into its spare part, which is open: have the interpreter
 * raise RecursionError. False if it cannot. In a signal handler. */
bool recursion_overflow(struct grove_fiber *f);

/* The stack that s, the running state, stands on was opened, and has come out
 * of its spare part. */
void recursion_recovered(PyThreadState *ts, struct py_state *s,
                         struct stack *stack);

/* A greenlet goes on whose stack is full. */
void recursion_resumed(PyThreadState *ts);

/* state_load, and that. */
static inline void load_state(PyThreadState *ts, struct py_state *s)
{
    state_load(ts, s);
#if STATE_HAS_SPARE
    if (unlikely(s->full))
        recursion_resumed(ts);
#endif
}

int recursion_init(void);

/* ---- faulthandler.c -------------------------------------------------------- */

int faulthandler_init(void);

/* ---- roster.c --------------------------------------------------------------- */

/* t, which has begun, is among the live ones; or is no longer, and not found by
 * its thread state any more. */
void roster_add(struct py_thread *t);
void roster_remove(struct py_thread *t);

/* ---- target.c --------------------------------------------------------------- */

/* g, or its first ancestor that is not dead; NULL when all are. */
PyGreenlet *greenlet_first_living(PyGreenlet *g);

/* Whether g may be switched to from thread t; the other sets greenlet.error
 * when it may not. */
bool greenlet_is_of_thread(struct py_thread *t, struct green *g);
bool greenlet_check_of_thread(struct py_thread *t, struct green *g);

/* Sets greenlet.error: why g cannot be switched to from thread t. NULL. */
PyObject *greenlet_refuse_thread(struct py_thread *t, struct green *g);

/* An unstarted greenlet that is thrown into dies at once; the exception stays.
 * False when it may not be switched to, with greenlet.error instead. */
bool greenlet_die_unstarted(struct py_thread *t, struct green *g);

/* ---- body.c ----------------------------------------------------------------- */

/* Gives self, unstarted, its fiber: it is active then. -1 with MemoryError. */
int greenlet_give_fiber(struct py_thread *t, PyGreenlet *self);

/* Fetches run for an unstarted greenlet, unless it has a body: that may be a
 * property, or switch, or start or kill the greenlet. -1 with an exception. */
int greenlet_fetch_run(PyGreenlet *self);

/* GreenletExit is a way to return: takes it, when that is set, and returns its
 * instance. NULL with whatever else is set. */
PyObject *greenlet_exit_value(void);

/* Names and values that these look up. 0 or -1. */
int greenlet_body_init(void);
int greenlet_crossing_init(void);

/* ---- switch.c, throw.c, attributes.c, functions.c, c_api.c ------------------- */

/* Throw the exception that is set into target. As greenlet_switch. */
PyObject *greenlet_throw_in(PyGreenlet *target);

/* target.switch(*args, **kwargs). Steals args (a tuple) and kwargs (a dict that
 * is not empty, or NULL). As greenlet_switch. */
PyObject *greenlet_switch_with(PyGreenlet *target, PyObject *args,
                               PyObject *kwargs);

/* getcurrent(): a new reference, or NULL with RuntimeError while the
 * interpreter is being finalized. */
PyObject *greenlet_get_current(void);

/* The methods switch and throw. */
PyObject *greenlet_method_switch(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *names);
PyObject *greenlet_method_throw(PyObject *self, PyObject *args);
extern const char greenlet_switch_doc[], greenlet_throw_doc[];

/* The parts of the module. 0 or -1. */
int greenlet_api_init(PyObject *module);
int greenlet_functions_init(PyObject *module);
int greenlet_trace_init(void);

/* getcurrent, settrace and gettrace, which are static methods, too. */
PyObject *greenlet_module_getcurrent(PyObject *module, PyObject *none);
PyObject *greenlet_module_settrace(PyObject *module, PyObject *tracer);
PyObject *greenlet_module_gettrace(PyObject *module, PyObject *none);
extern const char greenlet_getcurrent_doc[], greenlet_settrace_doc[],
    greenlet_gettrace_doc[];

/* The attributes run and parent, which the constructor sets, too; 0 or -1. */
int greenlet_set_run(PyObject *o, PyObject *run, void *closure);
int greenlet_set_parent(PyObject *o, PyObject *parent, void *closure);
extern PyGetSetDef greenlet_attributes[];

/* Whoever resumes is its thread's current greenlet; it takes a reference if
 * nobody left it one. */
static inline void become_current(struct py_thread *t, struct green *g)
{
    assert(g->thread == t && g->phase == GREEN_ACTIVE && g->fiber);
    if (t->current == g->self)
        return;
    assert(!t->current); /* or its reference would be lost */
    if (g->parked)
        g->parked = false;
    else
        Py_INCREF(g->self);
    t->current = g->self;
}

static inline bool greenlet_is_current(struct green *g)
{
    return g->thread->current == g->self;
}

static inline bool greenlet_is_dead(struct green *g)
{
    return g->phase == GREEN_DEAD || g->thread->dead;
}

#endif

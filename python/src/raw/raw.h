/*
 * Room `raw`: the raw greenlet, as greenlet has it, on the runtime's fibers.
 * Rooms above it (hub_object and all that stand on that) include this header.
 *
 *   type.c        the type greenlet.greenlet, and the room's part of the module
 *   life.c        the greenlet as an object: made, collected, ended
 *   attributes.c  its attributes
 *   switch.c throw.c   the methods switch and throw
 *   target.c      whom they reach: threads, dead greenlets
 *   crossing.h crossing.c   from one greenlet to another
 *   body.c        what a greenlet's fiber runs: its birth and death
 *   recursion.c   running out of stack in Python code
 *   trace.c       whom settrace has told of switches
 *   functions.c   the functions of greenlet's module
 *   c_api.c       what extensions compiled against greenlet.h call
 *   thread.c      what a Python thread has: its hub, its current greenlet
 *   roster.c      all threads that have that
 *   host.c        struct grove_host for CPython
 *   foreign.c     calls of C code that is not ours, in which greenlets wait
 *   undelivered.c exceptions that were thrown into those
 *   switch_clock.c   how long greenlets run
 *   rest.c        stacks of greenlets that wait for long
 *
 * The room knows none of those above it. What they have to do when a thread
 * begins, sleeps or ends they register in struct raw_hooks.
 *
 * Rules. Everything runs with the GIL held and on the thread that owns the
 * greenlets it touches. Between saving and loading the interpreter's state no
 * Python object is created, released or called.
 */
#ifndef GROVE_PYTHON_RAW_H
#define GROVE_PYTHON_RAW_H

#include "base/base.h"
#include "interp/interp.h"

/* ---- the raw greenlet ----------------------------------------------------- */

/* The layout extensions compiled against greenlet.h rely on: 40 bytes. */
typedef struct PyGreenlet {
    PyObject_HEAD
    PyObject *weakreflist; /* the interpreter's; NULL: none */
    PyObject *dict;        /* its __dict__; owned; NULL: none yet */
    struct green *green;   /* everything else */
} PyGreenlet;

struct py_thread;

enum green_phase {
    GREEN_UNSTARTED, /* has no fiber yet */
    GREEN_ACTIVE,    /* has a fiber: current or suspended */
    GREEN_DEAD       /* has none any more; never leaves this, but for a Hub */
};

/* Whether it is in a call of C code that is not ours; see foreign.c. */
enum green_foreign { FOREIGN_NONE, FOREIGN_BEGUN, FOREIGN_LEFT, FOREIGN_TAKEN };

/* Everything of a greenlet that is not in the object. */
struct green {
    struct grove_fiber *fiber; /* while active; fiber->host is this green */
    struct py_thread *thread;  /* whose it is */
    PyGreenlet *self;          /* borrowed */
    struct py_state state;     /* the interpreter's, while suspended */
    PyObject *value;           /* owned: what switch() returns on resumption;
                                  NULL with an exception in flight: throw */
    PyGreenlet *parent;        /* owned; NULL for a main greenlet */
    PyObject *run;             /* owned, until it has returned; may be NULL */
    PyObject *start_args;      /* owned tuple, from the first switch on: what */
    PyObject *start_kwargs;    /*   run is called with; a dict, or NULL */
    PyObject *(*body)(PyGreenlet *self); /* see greenlet_body; NULL: default */
    enum green_phase phase : 8;          /* see body.c */
    enum green_foreign foreign : 8;      /* see foreign.c */
    bool refused;   /* that call may not wait: its fiber is told of a kill */
    bool is_main;   /* its thread's own stack; active from the beginning */
    bool is_hub;    /* a Hub, of whatever thread, in use or set aside */
    bool condemned; /* the collector of another thread has found it to be
                       garbage: its own thread must end it */
    bool parked;    /* suspended by the hub, which then holds the
                       reference that the thread held */
    struct local_cell *locals; /* its attributes of local objects, which are
                                  raw_forget_locals's; NULL: none */
};

extern PyTypeObject PyGreenlet_Type;
extern PyObject *PyExc_GreenletError;
extern PyObject *PyExc_GreenletExit;

static inline bool greenlet_check(PyObject *o)
{
    return PyObject_TypeCheck(o, &PyGreenlet_Type);
}

static inline struct green *green_of(PyObject *greenlet)
{
    return ((PyGreenlet *)greenlet)->green;
}

/* ---- threads --------------------------------------------------------------- */

/* How long the greenlets of a thread run before they let others; while
 * somebody watches. switch_clock.c. */
struct switch_clock {
    size_t watchers;      /* who asked for it */
    uint64_t switches;    /* all, and those because a greenlet waits: */
    uint64_t waits;       /*   what gevent calls switches to the hub */
    int64_t last_switch;  /* when, on the hub's clock */
    int64_t last_wait;    /* when one of the latter was */
    int64_t longest;      /* between two switches, since it was reset */
    int64_t longest_wait; /* between two waits */
};

/* The linkable room's of a thread. Waiting and waking find it in place. */
struct thread_waiters {
    struct ring waiting; /* ends of the ring of its waiters, and of those */
    struct ring arrived; /*   that other threads have woken */
    grove_post arrival;  /* tells its hub of the latter */
    bool held;       /* its hub is kept from LoopExit for other threads' sake */
    size_t servants; /* threads that work at what its hub waits for */
};

/* The watchers room's of a thread. */
struct thread_watchers {
    size_t holds;          /* of its hub, by watchers that are active */
    struct ring active;    /* ends of the ring of these */
    struct phases *phases; /* watchers of the loop's passes; NULL: none */
};

struct flight;
struct undelivered;

struct py_thread {
    /* What a switch looks at stands together. */
    PyThreadState *tstate; /* by which it is found; not looked at once dead */
    struct hub *hub;       /* its OS thread's; NULL: dead */
    PyGreenlet *current;   /* owned; NULL while the hub's own fiber polls or
                              is between two greenlets */
    PyGreenlet *left;      /* owned; the one switched away from, when that
                              reference is its last, or for the tracer: the one
                              that runs lets go of it */
    PyObject *tracer;      /* owned; settrace's; NULL: none */
    PyObject *doomed;      /* owned list of greenlets that another thread wants
                              ended; NULL: none */
    PyObject *hub_object;  /* owned; the greenlet of the hub's own fiber, a Hub;
                              NULL: none yet. The hub_object room's */
    struct switch_clock *clock; /* NULL: its switches are not watched */
    PyGreenlet *main;           /* owned */
    PyGreenlet *traced;         /* owned; whom the tracer was told of last as
                                   the target; NULL without a tracer */
    bool alert;             /* a switch has more to do: there is a clock, or an
                               exception waits (thread_set_alert) */
    bool foreign_off;       /* C code that is not ours gets libc's own calls: in
                               a forked child, until the interpreter is whole */
    bool went_directly;     /* a switch since then did not lead over the hub */
    bool dead;              /* its Python thread has ended */
    bool takes_signals;     /* Python's signal handlers run in it */
    bool asleep;            /* its hub is in a poll, without the GIL */
    unsigned tells_polls;   /* who wants before_poll and after_poll called */
    size_t foreign_calls;   /* of its greenlets that are under way */
    struct flight *flights; /* owned: what C code had in flight; foreign.c */
    struct undelivered *undelivered; /* owned: undelivered.c; NULL: none */
    uint64_t references;           /* greens, and one while the thread lives */
    struct py_thread *next;        /* of all threads */
    struct thread_waiters waiters; /* see there */
    struct thread_watchers watchers; /* see there */
    sigset_t mask;                   /* its signal mask, while the hub sleeps */
};

extern struct py_thread *thread_cached;

/* The slow half: found by its thread state, or made. NULL with an exception. */
struct py_thread *thread_find(PyThreadState *tstate);

/* The calling thread's; NULL with an exception (MemoryError, OSError). */
static inline struct py_thread *thread_self(void)
{
    PyThreadState *tstate = state_current_tstate();
    struct py_thread *t = thread_cached;
    return likely(t && t->tstate == tstate) ? t : thread_find(tstate);
}

/* Its struct, or NULL if it has none; never makes one. */
struct py_thread *thread_look_up(PyThreadState *tstate);

/* The first of all live ones, linked by next. */
struct py_thread *thread_first(void);

void thread_unref(struct py_thread *t);

/* The calling thread ends: give take each run that is due on its hub, first
 * come first, until it has refused all that are left. Whether it has taken the
 * run out of the queue, and let go of whose it is, which may run code. */
void thread_take_due(struct hub *hub, bool (*take)(struct run *run));

/* ---- what the rooms above do ---------------------------------------------- */

/* Called with the GIL held; of several rooms, the one registered last comes
 * first. NULL: nothing to do. */
struct raw_hooks {
    struct raw_hooks *next; /* the one registered before; NULL: none was */
    /* A thread gets its struct: what is embedded in it is all zero. */
    void (*thread_begin)(struct py_thread *t);
    /* The calling thread ends; its greenlets have been ended, its hub is
     * whole. */
    void (*thread_ending)(struct py_thread *t);
    /* t is dead: nothing of it may be used. On whatever thread. */
    void (*thread_dead)(struct py_thread *t);
    /* t's hub is about to sleep, or has slept; called while t->tells_polls. */
    void (*before_poll)(struct py_thread *t);
    void (*after_poll)(struct py_thread *t);
    /* Nothing can wake anybody: true when it dealt with that, and nobody else
     * is asked. */
    bool (*deadlock)(struct py_thread *t);
    /* In a forked child, whose only thread t is; its hub was renewed. */
    void (*forked)(struct py_thread *t);
};

/* From now on. At the module's initialisation only: before any thread begins.
 */
void raw_hooks_add(struct raw_hooks *hooks);

/* Deal with the exception that is set, which nobody can be told of; context
 * (borrowed, NULL: none) is what it befell. Nothing is set afterwards. May
 * switch. Set by the hub_object room. */
extern void (*raw_report)(struct py_thread *t, PyObject *context);

/* g, whose locals is not NULL, ends: drop what they hold. May run code, and
 * keeps the exception that is set. Set by the room that has locals. */
extern void (*raw_forget_locals)(struct green *g);

/* Write what people are told of a fiber that is a greenlet's: its name, what it
 * runs. As snprintf does, in a signal handler: objects are only read. Set by
 * the room that knows all sorts of greenlets. */
extern void (*raw_describe)(const struct grove_fiber *f, char *text,
                            size_t size);

/* What a greenlet does first that comes back from a wait: core_after_wait. Set
 * by the hub_object room. */
extern int (*raw_after_wait)(struct py_thread *t);

/* The fiber that runs is about to be left, by the hub: if it is in such a call,
 * the GIL is taken. foreign.c. */
void foreign_leave(struct py_thread *t);

/* What every birth (struct run) does first: it may be called where the one that
 * runs has not been suspended yet, and is in a call of C code that has let go
 * of the GIL. */
static inline void birth_begins(struct py_thread *t)
{
    if (unlikely(t->foreign_calls > 0))
        foreign_leave(t);
    assert(t->tstate == state_current_tstate());
}

/* t's clock, or the list of what waits, has come or gone: switches are to know.
 */
static inline void thread_set_alert(struct py_thread *t)
{
    t->alert = t->clock || t->undelivered;
}

/* The exception that was thrown into the current greenlet while it waited in C
 * code, and that was not raised yet, which now is the caller's; NULL: there is
 * none. undelivered.c. */
PyObject *undelivered_take(struct py_thread *t);

/* What Python code has ended with, result (NULL: the exception that is set), is
 * about to be looked at by C code: where an exception waits for the current
 * greenlet, that takes its place. Steals result. */
PyObject *undelivered_settle(struct py_thread *t, PyObject *result);

static inline PyObject *settled(struct py_thread *t, PyObject *result)
{
    return likely(!t->alert) ? result : undelivered_settle(t, result);
}

/* End the greenlets whose last reference another thread dropped. life.c. */
void greenlet_end_doomed(struct py_thread *t);

static inline void end_doomed(struct py_thread *t)
{
    if (unlikely(t->doomed != NULL))
        greenlet_end_doomed(t);
}

/* ---- switching -------------------------------------------------------------- */

/* g.switch(): run the greenlet, delivering value (stolen; NULL: the exception
 * that is set is thrown there). For an unstarted one value is a tuple of
 * arguments with kwargs (stolen, or NULL). What comes back is returned: a new
 * reference, or NULL with an exception. */
PyObject *greenlet_switch(PyGreenlet *target, PyObject *value,
                          PyObject *kwargs);

/* g.throw(): normalised as greenlet does. Arguments borrowed; val and tb may be
 * NULL. New reference or NULL. */
PyObject *greenlet_throw(PyGreenlet *target, PyObject *type, PyObject *val,
                         PyObject *tb);

/* Make g, unstarted, active with a fiber of its own that will run its body;
 * does not switch to it. For hub births: the reference that the queue held
 * passes to the running greenlet. NULL with MemoryError. */
struct grove_fiber *greenlet_start(PyGreenlet *g);

/* Make g stand for fiber f, which is parked and was not begun: the hub's. */
void greenlet_adopt(PyGreenlet *g, struct grove_fiber *f);

/* What a greenlet's fiber runs, when its type wants something else than to
 * fetch run and call it: returns a new reference to the result, or NULL with
 * the exception that ended it. Set in struct green after creation; takes over
 * start_args and start_kwargs. */
typedef PyObject *(*greenlet_body)(PyGreenlet *self);

/* The default stack size of greenlets, as log2. */
extern unsigned greenlet_stack_shift;

/* Let go of the greenlet that was left last. Keeps the exception in flight. */
void greenlet_drop_left(struct py_thread *t);

/* For tp_dealloc of a type derived from greenlet, before anything else but
 * untracking: true when the object lives on (a suspended greenlet that would
 * not die, or another thread's) and must be left alone. */
bool greenlet_revived(PyGreenlet *self);

/* There is a tracer, and the current greenlet may have been switched to: tell
 * it, if so, of a switch or (thrown) a throw. What is in flight stays. -1 when
 * the tracer failed: its exception is set instead. */
int greenlet_trace_arrival(struct py_thread *t, bool thrown);

/* Have tracer (borrowed; NULL: none) told of switches from now on. */
void greenlet_set_tracer(struct py_thread *t, PyObject *tracer);

/* () */
extern PyObject *greenlet_no_args;

/* ---- how long greenlets run; switch_clock.c ------------------------------- */

/* A switch happens; waits: because the greenlet that runs waits or ends. */
void switch_clock_note(struct switch_clock *c, bool waits);

/* The hub itself runs: it is about to sleep, or to call somebody back. */
void switch_clock_reached(struct switch_clock *c);

/* The hub has slept: nobody ran meanwhile. */
void switch_clock_rested(struct switch_clock *c);

/* ---- stacks of greenlets that wait for long; rest.c ----------------------- */

/* Give back what the current greenlet's stack does not hold now. It costs two
 * system calls or more. */
void raw_rest_stack(void);

/* ---- the room's part of the module ----------------------------------------- */

int raw_init(PyObject *module);

#endif

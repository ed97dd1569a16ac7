/*
 * What the C files of the Python package share.
 *
 *   core.c        the module grove._core; what all parts wait with
 *   switch.c      switching between greenlets, their birth and death
 *   greenlet.c    the raw greenlet as an object; greenlet_attributes.c, the
 *                 functions of its module (greenlet_module.c), settrace
 *                 (greenlet_trace.c), the C API for other extensions
 *                 (greenlet_api.c)
 *   thread.c      what a Python thread has: its hub, its current greenlet
 *   state.h       the interpreter's state that is swapped, and all else that
 *                 differs between CPython versions; state.c
 *   host.c        struct grove_host for CPython
 *   hub.c         Hub, the loop seen from Python (loop_object.c, watchers.c),
 *                 Waiter (waiter.c)
 *   green.c       Greenlet; its methods (green_methods.c), links (links.c), and
 *                 what it shares with spawn_raw's (spawned.c)
 *   timeout.c     Timeout, sleep, with_timeout
 *   wait.c        wait, iwait, joinall, killall, on gather.c
 *   linkable.c    lists of those who wait, across threads; the objects made
 *                 of them: linkable_object.c, event.c, async_result.c,
 *                 semaphore.c, rlock.c; LoopExit or not: thread_watch.c
 *   sockets.c     the waiting part of sockets
 *   group.c       groups and pools of greenlets
 *   local.c       greenlet-local attributes
 *   queue.c       queues, with queue_types.c, queue_tasks.c, queue_items.c;
 *                 channel.c
 *   thread_result.c  what native threads hand to a hub
 *
 * Rules. Everything runs with the GIL held and on the thread that owns the
 * greenlets it touches. Between saving and loading the interpreter's state no
 * Python object is created, released or called.
 */
#ifndef GROVE_PYTHON_CORE_H
#define GROVE_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/base.h"
#include "hub/hub.h"
#include "interp/interp.h"

/* ---- the raw greenlet ----------------------------------------------------- */

/* The layout extensions compiled against greenlet.h rely on: 40 bytes. */
typedef struct PyGreenlet {
    PyObject_HEAD
    PyObject *weakreflist;
    PyObject *dict;
    struct green *green;
} PyGreenlet;

struct py_thread;

enum green_phase {
    GREEN_UNSTARTED,
    GREEN_ACTIVE, /* has a fiber: current or suspended */
    GREEN_DEAD
};

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
    enum green_phase phase;
    bool is_main;
    bool condemned; /* the collector of another thread has found it to be
                       garbage: its own thread must end it */
    bool parked;    /* suspended by the hub, which then holds the
                       reference that the thread held */
    struct local_cell *locals; /* its attributes of local objects; local.c */
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

/* Rings of waiters; see linkable.h. */
struct linkable_node {
    struct linkable_node *next; /* NULL: in no ring */
    struct linkable_node *prev;
};

struct py_thread {
    PyThreadState *tstate;
    struct hub *hub;
    PyGreenlet *current;    /* owned */
    PyGreenlet *main;       /* owned */
    PyObject *tracer;       /* owned; settrace's; NULL: none */
    PyGreenlet *traced;     /* owned; whom it was told of last as the target;
                               NULL without a tracer */
    bool went_directly;     /* a switch since then did not lead over the hub */
    PyGreenlet *left;       /* owned; the one switched away from, when that
                               reference is its last, or for the tracer: the
                               one that runs lets go of it */
    uint64_t references;    /* greens, and one while the thread lives */
    PyObject *hub_object;   /* owned; the Hub greenlet; NULL: none yet */
    struct py_thread *next; /* of all threads */
    bool dead;              /* its Python thread has ended */
    bool takes_signals;     /* Python's signal handlers run in it */
    sigset_t mask;          /* its signal mask, while the hub sleeps */
    PyObject *doomed;       /* owned list of greenlets that another thread
                               wants ended; NULL: none */
    struct linkable_node waiting; /* ends of the ring of its waiters, and of */
    struct linkable_node arrived; /*   those that other threads have woken */
    grove_post arrival;           /* tells its hub of the latter */
    size_t holds;                 /* of its hub, by watchers that are active */
    struct phases *phases;      /* watchers of the loop's passes; NULL: none */
    struct switch_watch *watch; /* NULL: its switches are not watched */
    bool held;   /* its hub is kept from LoopExit for other threads' sake */
    bool asleep; /* its hub is in a poll, without the GIL */
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

/* Its rings of waiters: ready, emptied for good, looked at again. linkable.c.
 */
void linkable_thread_begin(struct py_thread *t);
void linkable_thread_end(struct py_thread *t);
void linkable_thread_forked(struct py_thread *t);

/* LoopExit or not: thread_watch.c. t's hub has nothing left to wait for but, if
 * anything, other threads. True when it may sleep: then it is held. */
bool thread_watch_hold(struct py_thread *t);

/* t's hub is about to sleep: let go of it if nobody could wake it any more. */
void thread_watch_check(struct py_thread *t);

int thread_watch_init(PyObject *module);

/* The calling thread is about to end and is still whole: end its suspended
 * greenlets without running their code. False when some did not, whose stacks
 * must stay. greenlet.c. */
bool greenlet_end_all(struct py_thread *t);

/* How many main greenlets there are. */
extern Py_ssize_t greenlet_mains;

/* A main greenlet for t; NULL with an exception. greenlet.c. */
PyGreenlet *greenlet_new_main(struct py_thread *t);

/* g runs: it is its thread's current greenlet, with a reference. host.c. */
void host_become_current(struct py_thread *t, struct green *g);

/* recursion.c. f's stack has run into its spare part, which is open: have the
 * interpreter raise RecursionError. False if it cannot. In a signal handler. */
bool recursion_overflow(struct grove_fiber *f);

/* The stack that s, the running state, stands on was opened, and has come out
 * of its spare part. */
void recursion_recovered(PyThreadState *ts, struct py_state *s,
                         struct stack *stack);

/* End the greenlets whose last reference another thread dropped. greenlet.c. */
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

/* Creates the Hub of the calling thread, t->hub_object (hub.c). NULL with an
 * exception. Borrowed. */
PyObject *hub_object_make(struct py_thread *t);

/* Whether o is a Hub, of whatever thread, dead or alive. hub.c. */
bool hub_object_is_one(PyObject *o);

/* Hand the exception that is set to the Hub's handle_error; context (borrowed,
 * NULL: none) is what it befell. Nothing is set afterwards. May switch. hub.c.
 */
void hub_object_report(struct py_thread *t, PyObject *context);

/* Calls from the host, in the Hub greenlet (hub.c): nothing can wake anybody;
 * signal handlers may be due. */
bool hub_object_deadlock(struct py_thread *t);
void hub_object_signals(struct py_thread *t);
void hub_object_forked(struct py_thread *t);

/* The default stack size of greenlets, as log2. */
extern unsigned greenlet_stack_shift;

/* ---- waiting ------------------------------------------------------------------ */

enum core_wait_result {
    CORE_WOKEN = 0,
    CORE_TIMED_OUT = 1, /* the deadline passed */
    CORE_FAILED = -1    /* an exception is set: it was thrown here, LoopExit,
                           MemoryError */
};

/* Park the current greenlet until hub_wake(fiber, 0) or deadline. In the Hub
 * greenlet: BlockingSwitchOutError. When another greenlet switches to it
 * meanwhile, the switch's value is dropped and the wait fails with
 * InvalidSwitchError, unless *switched is wanted: then CORE_WOKEN, and the
 * value (new reference) is there. */
enum core_wait_result core_wait(struct py_thread *t, int64_t deadline,
                                const char *what, int fd, PyObject **switched);

/* The same until descriptor fd is ready for LOOP_READ or LOOP_WRITE. Closed
 * meanwhile: OSError EBADF. */
enum core_wait_result core_wait_fd(struct py_thread *t, int fd,
                                   unsigned direction, int64_t deadline,
                                   const char *what);

/* To be called after every call of C that may have parked (a net_* function):
 * -1 with the exception that was thrown there, or InvalidSwitchError; else 0.
 * Before the first wait of a thread core_before_wait must have returned 0. */
int core_before_wait(struct py_thread *t);
int core_after_wait(struct py_thread *t);

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

/* -1 with ImportError in a sub-interpreter. */
int core_refuse_interpreter(void);

/* An exception class of this module by name (LoopExit, ...). Borrowed. */
PyObject *core_error(const char *name);

/* ---- module parts: each adds its names to grove._core; 0 or -1 ------------------ */

extern const struct grove_host python_host; /* host.c */

int greenlet_init(PyObject *module);
int recursion_init(PyObject *module);
int hub_init(PyObject *module);
int green_init(PyObject *module);
int timeout_init(PyObject *module);
int wait_init(PyObject *module);
int linkable_init(PyObject *module);
int switch_watch_init(PyObject *module);
int sockets_init(PyObject *module);
int local_init(PyObject *module);
int queue_init(PyObject *module);
int group_init(PyObject *module);
int thread_result_init(PyObject *module);

#endif

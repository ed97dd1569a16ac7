/*
 * What the C files of the Python package share.
 *
 *   core.c       the module grove._core: puts the parts together
 *   greenlet.c   the raw greenlet type: switch, throw, birth, death
 *   thread.c     what a Python thread has: its hub, its current greenlet
 *   state.c      the interpreter's state that is swapped; all that differs
 *                between CPython versions is in state_*.h
 *   host.c       struct grove_host for CPython
 *   hub.c        Hub, the loop seen from Python, Waiter, LoopExit
 *   green.c      Greenlet: spawn, join, get, kill, links
 *   timeout.c    Timeout, sleep, with_timeout
 *   wait.c       wait, iwait, joinall, killall
 *   sockets.c    the waiting part of sockets
 *
 * Rules. Everything runs with the GIL held and on the thread that owns the
 * greenlets it touches. Between saving and loading the interpreter's state no
 * Python object is created, released or called.
 */
#ifndef GROVE_PYTHON_CORE_H
#define GROVE_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "hub/hub.h"
#include "state.h"

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
    PyObject *run;             /* owned, until started; may be NULL */
    PyObject *start_args;      /* owned tuple and dict (or NULL) between the */
    PyObject *start_kwargs;    /*   first switch and run's call */
    enum green_phase phase;
    bool is_main;
    bool parked;               /* suspended by the hub, which then holds the
                                  reference that the thread held */
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

struct py_thread {
    PyThreadState *tstate;
    struct hub *hub;
    PyGreenlet *current;    /* owned */
    PyGreenlet *main;       /* owned */
    PyObject *tracer;       /* owned; settrace's; NULL: none */
    PyObject *hub_object;   /* owned; the Hub greenlet; NULL: none yet */
    struct py_thread *next; /* of all threads */
    bool dead;              /* its Python thread has ended */
    /* Greenlets whose last reference another thread dropped. */
    PyObject *doomed;       /* a list; NULL: none */
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

/* Make g active with a fiber of its own, to run its start_args; does not switch
 * to it. For hub births. NULL with MemoryError. */
struct grove_fiber *greenlet_start(PyGreenlet *g);

/* Overridable part of a greenlet's life: what its fiber runs. The default
 * fetches run and calls it with the start arguments. green.c installs its own
 * for its type through this hook, which returns a new reference to the result
 * or NULL with the exception that ended it. */
typedef PyObject *(*greenlet_body)(PyGreenlet *self, PyObject *args,
                                   PyObject *kwargs);

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

/* Call fn(arg) from Python-level code that was parked by a net_* function of C
 * and came back with errno EINTR: whether an exception was thrown there. -1
 * with the exception set, or 0. */
int core_after_wait(struct py_thread *t);

/* Seconds (int, float, None: never) to a deadline. -1 with an exception. */
int core_deadline(PyObject *seconds, int64_t *deadline);

/* ---- module parts: each adds its names to grove._core; 0 or -1 ------------------ */

int greenlet_init(PyObject *module);
int hub_init(PyObject *module);
int green_init(PyObject *module);
int timeout_init(PyObject *module);
int wait_init(PyObject *module);
int sockets_init(PyObject *module);

#endif

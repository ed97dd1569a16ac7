/*
 * What the files of the Hub share; see hub_object.h for which there are.
 */
#ifndef GROVE_PYTHON_HUB_OBJECT_PRIVATE_H
#define GROVE_PYTHON_HUB_OBJECT_PRIVATE_H

#include "hub_object/hub_object.h"

typedef struct HubObject {
    PyGreenlet base;            /* its green: the loop's fiber, or dead */
    PyObject *loop;             /* the loop object; NULL: destroyed */
    unsigned long thread_ident; /* threading's of its thread */
    bool is_main;               /* of the main thread */
    bool stand_in;  /* see hub_object_retire: nobody was given it yet */
    bool destroyed; /* by destroy() */
} HubObject;

struct own_loop;

/* What hub.loop is. */
typedef struct Loop {
    PyObject_HEAD
    struct py_thread *thread; /* counted */
    PyObject *error_handler;  /* NULL: the Hub */
    struct own_loop *own; /* of loop(default=False); NULL: the Hub runs it */
    bool is_default;      /* the main thread's */
    bool destroyed;       /* by destroy(): loop_check fails */
} Loop;

/* ---- place.c ---------------------------------------------------------------- */

/* Whether t has a Hub that users know of: a stand-in is none. */
bool hub_object_is_given(struct py_thread *t);

/* hub takes the place of the thread's Hub: the fiber that runs the loop, and
 * what belongs to it, is its own from now on; the other is dead. Not in the
 * Hub. */
void hub_object_take_place(struct py_thread *t, PyObject *hub);

/* ---- exceptions.c ----------------------------------------------------------- */

/* Nothing can wake anybody: LoopExit for the main greenlet. In the Hub. */
bool hub_object_deadlock(struct py_thread *t);

/* ---- watcher_waits.c -------------------------------------------------------- */

/* Methods of Hub: wait, cancel_wait, cancel_waits_close_and_then, and what the
 * last two have called in the Hub. */
PyObject *hub_object_wait(PyObject *self, PyObject *watcher);
PyObject *hub_object_cancel_wait(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n, PyObject *names);
PyObject *hub_object_cancel_waits(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n);
PyObject *hub_object_cancel_wait_now(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n);
PyObject *hub_object_cancel_waits_then(PyObject *self, PyObject *const *args,
                                       Py_ssize_t n);

/* ---- hub.c ------------------------------------------------------------------ */

/* The loop of a Hub, borrowed; NULL: it was destroyed. */
static inline PyObject *hub_object_loop(PyObject *hub)
{
    return ((HubObject *)hub)->loop;
}

/* In a forked child. */
void hub_object_forked(struct py_thread *t);

/* ---- loop.c ----------------------------------------------------------------- */

/* The object that hub.loop is. NULL with an exception. */
PyObject *loop_object_new(struct py_thread *t, bool is_default);

/* The thread of hub ends: no break_() comes any more. */
void loop_breaks_abandon(struct hub *hub);

/* From now on loop_check fails. */
void loop_destroy_object(PyObject *loop);

/* ---- own_loop.c ------------------------------------------------------------- */

/* Of thread t. NULL with MemoryError. */
struct own_loop *own_loop_new(struct py_thread *t);

/* t ends: what is due on its loops is never called. */
void own_loops_abandon(struct py_thread *t);

/* loop, whose own it is, goes, or is destroyed: what was due is not called. */
void own_loop_free(struct own_loop *own);

/* For tp_traverse and tp_clear of the loop, which holds what it is to call. */
int own_loop_traverse(struct own_loop *own, visitproc visit, void *arg);
void own_loop_clear(struct own_loop *own);
void own_loop_destroy(PyObject *loop, struct own_loop *own);

/* run is due; whoever runs the loop goes on. On its thread. */
void own_loop_due(struct own_loop *own, struct run *run);

/* A callback is on its way, from whatever thread; and has come, to be due. */
void own_loop_expect(struct own_loop *own);
void own_loop_came(struct own_loop *own);

/* loop.run(nowait, once) and loop.break_(). -1 with an exception. */
int own_loop_run(PyObject *loop, struct own_loop *own, struct py_thread *t,
                 bool nowait, bool once);
void own_loop_break(struct own_loop *own);

/* Its descriptor: -1 with OSError. */
int own_loop_fd(struct own_loop *own, struct hub *hub);

/* What it has to tell: reasons to go on, runs that are due, passes, and how
 * many runs of it are on the stack. */
struct own_loop_figures {
    Py_ssize_t references;
    size_t due;
    uint64_t passes;
    unsigned depth;
};
struct own_loop_figures own_loop_figures(const struct own_loop *own);

/* n more reasons to go on. */
void own_loop_count(struct own_loop *own, int n);

/* ---- callback.c ------------------------------------------------------------- */

/* What a loop of its own does with a callback that has come: it takes over the
 * reference that goes with run. */
typedef void (*callback_due)(PyObject *loop, struct run *run);

/* loop_run_callback, from whatever thread; t is not dead. With loop (borrowed;
 * NULL: the Hub calls it), due is called with it instead. */
PyObject *loop_post_callback(struct py_thread *t, PyObject *fn, PyObject *args,
                             PyObject *loop, callback_due due);

/* One that is not queued yet: *run, with a reference, is to be, by loop, which
 * is one of its own. NULL with an exception. */
PyObject *callback_make(PyObject *loop, PyObject *fn, PyObject *args,
                        struct run **run);

/* run is a callback's that a loop of its own has queued: it is not called. */
void callback_drop(struct run *run);
bool callback_is(const struct run *run);

/* The object of such a run, borrowed. */
PyObject *callback_of(struct run *run);

/* The thread of hub ends: those that are queued or posted are never called. */
void callbacks_abandon(struct hub *hub);

/* ---- thread_result.c -------------------------------------------------------- */

/* The thread of hub ends: nobody is told of those that are on their way. */
void thread_results_abandon(struct hub *hub);

/* ---- errors.c --------------------------------------------------------------- */

/* Methods of Hub. */
PyObject *hub_object_handle_error(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n);
PyObject *hub_object_handle_system_error(PyObject *self, PyObject *const *args,
                                         Py_ssize_t n);
PyObject *hub_object_print_exception(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n);
PyObject *hub_object_format_context(PyObject *self, PyObject *context);

/* ---- parts of hub_object_init: each adds its names; 0 or -1 ------------------- */

int hub_exceptions_init(PyObject *module);
int place_init(PyObject *module);
int hub_init(PyObject *module);
int callback_init(PyObject *module);
int loop_object_init(PyObject *module);
int waiter_init(PyObject *module);
int thread_result_init(PyObject *module);
int switch_figures_init(PyObject *module);

/* The thread of a Hub. NULL with TypeError: it is none. */
struct py_thread *hub_object_thread(PyObject *hub);

/* ---- stalls.c ---------------------------------------------------------------- */

int stalls_init(PyObject *module);

/* What is on its way to a hub whose thread ends is not told of. */
void stalls_abandon(struct hub *hub);

/* ---- trace.c ----------------------------------------------------------------- */

int trace_init(PyObject *module);

#endif

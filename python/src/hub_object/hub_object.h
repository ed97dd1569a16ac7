/*
 * Room `hub_object`: the Hub, a thread's loop as Python sees it, and what all
 * rooms above wait with. watchers, timeout, greenlet, linkable, queue and
 * sockets include this header.
 *
 *   hub.c            the greenlet that stands for the hub's own fiber
 *   place.c          which Hub a thread has
 *   watcher_waits.c  waiting for a watcher, and calling that off
 *   loop.c           hub.loop
 *   own_loop.c       loop(default=False)
 *   callback.c       the callbacks it queues
 *   park.c           waiting
 *   errors.c         what the Hub does about errors that nobody else will see
 *   exceptions.c     LoopExit and the others
 *   waiter.c         Waiter
 *   thread_result.c  ThreadResult: what native threads hand to a hub
 *   stalls.c         who holds up the hub, for Python
 *   switch_figures.c how long greenlets run, for Python
 *   trace.c          the trace of the process, for Python
 *   init.c           the room's part of the module
 */
#ifndef GROVE_PYTHON_HUB_OBJECT_H
#define GROVE_PYTHON_HUB_OBJECT_H

#include "base/base.h"
#include "raw/raw.h"

extern PyTypeObject Hub_Type;
extern PyTypeObject Loop_Type;
extern PyTypeObject Waiter_Type;

extern PyObject *PyExc_LoopExit;
extern PyObject *PyExc_BlockingSwitchOut;
extern PyObject *PyExc_InvalidSwitch;
extern PyObject *PyExc_ConcurrentUse;
extern PyObject *PyExc_InvalidThreadUse;
extern PyObject *PyExc_HubDestroyed;
extern PyObject *PyExc_ClosedElsewhere; /* an OSError, EBADF; made of nothing */

/* Creates the Hub of the calling thread, t->hub_object. NULL with an
 * exception. Borrowed. */
PyObject *hub_object_make(struct py_thread *t);

/* The calling thread's Hub, made now if it has none. Borrowed; NULL with an
 * exception. */
static inline PyObject *hub_object(struct py_thread *t)
{
    return likely(t->hub_object != NULL) ? t->hub_object : hub_object_make(t);
}

/* 0 when t is the calling thread; else -1 with InvalidThreadUseError. */
int hub_object_check_thread(struct py_thread *t);

/* 0; or -1 with HubDestroyed when hub is its thread's no longer. */
int hub_object_check_alive(PyObject *hub);

/* Hand the exception that is set to the Hub's handle_error; context (borrowed,
 * NULL: none) is what it befell. Nothing is set afterwards. May switch. */
void hub_object_report(struct py_thread *t, PyObject *context);

/* The Hub is about to call somebody back: a tracer learns that it runs. */
static inline void hub_object_enter(struct py_thread *t)
{
    assert((PyObject *)t->current == t->hub_object && t->hub_object);
    if (unlikely(t->clock != NULL))
        switch_clock_reached(t->clock);
    if (unlikely(t->tracer != NULL) && greenlet_trace_arrival(t, false) < 0)
        hub_object_report(t, NULL);
}

/* Have fn(*args) called in t's Hub: a new reference to the callback object, or
 * NULL with an exception. On t's own thread only. */
PyObject *loop_run_callback(struct py_thread *t, PyObject *fn, PyObject *args);

/* Whether it is the main thread's. */
bool loop_is_default(PyObject *loop);

/* The thread that result is for; NULL if it is no ThreadResult. And whether its
 * hub waits for that. */
struct py_thread *thread_result_for(PyObject *result);
bool thread_result_holds(PyObject *result);

/* Whose loop it is. */
struct py_thread *loop_thread(PyObject *loop);

/* 0; or -1 with ValueError when the loop was destroyed. */
int loop_check(PyObject *loop);

/* Hand the exception that is set, which context (borrowed) has raised, to the
 * loop's error_handler or the Hub. As hub_object_report. */
void loop_report(PyObject *loop, PyObject *context);

/* Whether it is one of loop(default=False): its watchers do not keep the hub
 * going. */
bool loop_is_own(PyObject *loop);

/* run, of a watcher or a callback, is due where the loop's are called. */
void loop_due(PyObject *loop, struct run *run);

/* n more watchers that keep the loop going are active (or -n fewer). */
void loop_count(PyObject *loop, int n);

/* Of a loop of its own, set by the room of watchers: a pass of it begins; those
 * of passes are due. Whether some want another pass at once. */
extern bool (*loop_pass)(PyObject *loop);

/* The loop is destroyed: its watchers stop. Set by that room, too. */
extern void (*loop_stop)(PyObject *loop);

/* LoopExit about hub, for a wait that nothing can end. */
void hub_object_set_loop_exit(struct py_thread *t);

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
 * meanwhile: PyExc_ClosedElsewhere. */
enum core_wait_result core_wait_fd(struct py_thread *t, int fd,
                                   unsigned direction, int64_t deadline,
                                   const char *what);

/* To be called after every call of C that may have parked (a net_* function):
 * -1 with the exception that was thrown there, or InvalidSwitchError; else 0.
 * Before the first wait of a thread core_before_wait must have returned 0. */
int core_before_wait(struct py_thread *t);
int core_after_wait(struct py_thread *t);

/* Let those who are due run first. -1 with an exception. */
int wait_turn(struct py_thread *t);

/* A deadline as that of a timer: one that has passed, 0, comes behind those
 * that are due already. */
int64_t deadline_in_order(int64_t deadline);

/* core_wait, but a deadline that has passed still lets all run who are due, as
 * any timer does. */
enum core_wait_result wait_until(struct py_thread *t, enum grove_wait_kind kind,
                                 int64_t deadline, const char *what);

/* ---- the room's part of the module ----------------------------------------- */

int hub_object_init(PyObject *module);

#endif

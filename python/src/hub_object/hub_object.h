/*
 * The Hub greenlet and what goes with it, for the other files of the package:
 * its exceptions, its error reports, Waiter.
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

/* The Hub is about to call somebody back: a tracer learns that it runs. */
static inline void hub_object_enter(struct py_thread *t)
{
    if (unlikely(t->tracer != NULL) && greenlet_trace_arrival(t, false) < 0)
        hub_object_report(t, NULL);
}

/* LoopExit about hub, for a wait that nothing can end. */
void hub_object_set_loop_exit(struct py_thread *t);

/* Have fn(*args) called in t's Hub: a new reference to the callback object, or
 * NULL with an exception. On t's own thread only. */
PyObject *loop_run_callback(struct py_thread *t, PyObject *fn, PyObject *args);

/* The object that hub.loop is. NULL with an exception. */
PyObject *loop_object_new(struct py_thread *t, bool is_default);

/* Whether it is the main thread's. */
bool loop_is_default(PyObject *loop);

/* From now on loop_check fails. */
void loop_destroy_object(PyObject *loop);

/* Whose loop it is. */
struct py_thread *loop_thread(PyObject *loop);

/* Parts of hub_init, a file each. */
int hub_exceptions_init(PyObject *module);
int loop_object_init(PyObject *module);
int watchers_init(PyObject *module);
int waiter_init(PyObject *module);

/* 0; or -1 with ValueError when the loop was destroyed. */
int loop_check(PyObject *loop);

/* Methods of Hub, hub_errors.c. */
PyObject *hub_object_handle_error(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n);
PyObject *hub_object_handle_system_error(PyObject *self, PyObject *const *args,
                                         Py_ssize_t n);
PyObject *hub_object_print_exception(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n);
PyObject *hub_object_format_context(PyObject *self, PyObject *context);

#endif

/*
 * What the hooks of the raw greenlet have the room do for a thread; init.c.
 */
#ifndef GROVE_PYTHON_LINKABLE_THREADS_H
#define GROVE_PYTHON_LINKABLE_THREADS_H

#include "linkable/linkable.h"

/* The rings of t's waiters: ready, emptied for good, looked at again. lists.c.
 */
void linkable_thread_begin(struct py_thread *t);
void linkable_thread_end(struct py_thread *t);
void linkable_thread_forked(struct py_thread *t);

/* LoopExit or not: loop_exit.c. t's hub has nothing left to wait for but, if
 * anything, other threads. True when it may sleep: then it is held. */
bool loop_exit_hold(struct py_thread *t);

/* t's hub, which may be held, is about to sleep: let go of it if nobody could
 * wake it any more. */
void loop_exit_check(struct py_thread *t);

/* In a forked child, where the hold is gone. */
void loop_exit_forked(struct py_thread *t);

int loop_exit_init(PyObject *module);

#endif

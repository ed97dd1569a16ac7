/*
 * Timeout, as the files of this room see it.
 */
#ifndef GROVE_PYTHON_TIMEOUT_PRIVATE_H
#define GROVE_PYTHON_TIMEOUT_PRIVATE_H

#include "timeout/timeout.h"

/* It is idle, or pending: then target is set, and either the timer counts or,
 * once it has fired, run is in the queue of the target's hub. Never both. */
typedef struct Timeout {
    PyBaseExceptionObject base;
    PyObject *seconds;   /* owned: a number, or None: never */
    PyObject *exception; /* owned: what is raised; see throws in pending.c */
    PyGreenlet *target;  /* owned: who started it; NULL: it is not pending */
    struct timer timer;  /* of the target's hub, until the deadline */
    struct run run;      /* from then until its turn in the Hub */
    bool ref;            /* keeps the loop going */
} Timeout;

static inline bool timeout_pending(const Timeout *self)
{
    return self->target != NULL;
}

/* Count from now, for the current greenlet. It is not pending afterwards if it
 * has no seconds. -1 with an exception: pending already, or no number. */
int timeout_start(Timeout *self);

/* Raise self, or what it was given to raise. */
void timeout_raise_given(Timeout *self);

/* Do not raise it after all; nothing if it is not pending. */
void timeout_cancel(Timeout *self);

/* The thread ends: none of those that are pending there is raised. */
void timeouts_abandon(struct py_thread *t);

/* cls.start_new(timeout=None, exception=None, ref=True): a Timeout is started
 * if it is not, seconds are made into one. */
PyObject *timeout_start_new(PyObject *cls, PyObject *const *args, Py_ssize_t n,
                            PyObject *names);

/* timer.fn and run.call of every Timeout. */
void timeout_on_timer(struct timer *timer);
void timeout_on_turn(struct run *run);

/* ---- parts of timeout_init: each adds its names; 0 or -1 -------------------- */

int timeout_type_init(PyObject *module);
int sleep_init(PyObject *module);
int with_timeout_init(PyObject *module);

#endif

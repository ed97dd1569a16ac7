/*
 * Room `timeout`: Timeout, sleep, with_timeout, and the argument timeout of
 * whatever waits. greenlet, linkable and queue include this header.
 *
 *   timeout.c       Timeout, the object
 *   pending.c       how it counts, and is raised or cancelled
 *   sleep.c         sleep
 *   with_timeout.c  with_timeout
 *   init.c          the room's part of the module
 */
#ifndef GROVE_PYTHON_TIMEOUT_H
#define GROVE_PYTHON_TIMEOUT_H

#include "hub_object/hub_object.h"

/* The argument timeout (seconds, None, or a Timeout, which is started) to a
 * deadline. -1 with an exception. */
int timeout_deadline(PyObject *timeout, int64_t *deadline);

/* Raise Timeout(seconds); NULL: Timeout(). A Timeout is raised itself, or what
 * it was given to raise. */
void timeout_raise(PyObject *seconds);

extern PyTypeObject Timeout_Type;

static inline bool timeout_is_object(PyObject *timeout)
{
    return unlikely(timeout && PyObject_TypeCheck(timeout, &Timeout_Type));
}

/* timeout is a Timeout, which has had its use. */
enum core_wait_result timeout_settle_object(PyObject *timeout,
                                            enum core_wait_result r);

/* What a wait with the argument timeout has come to: r, but where a Timeout has
 * raised itself there it has timed out, and one that was given an exception to
 * raise fails with that. */
static inline enum core_wait_result timeout_settle(PyObject *timeout,
                                                   enum core_wait_result r)
{
    return likely(timeout == Py_None) || !timeout_is_object(timeout)
               ? r
               : timeout_settle_object(timeout, r);
}

int timeout_init(PyObject *module);

#endif

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

/* Raise Timeout(seconds); NULL: Timeout(). */
void timeout_raise(PyObject *seconds);

extern PyTypeObject Timeout_Type;

int timeout_init(PyObject *module);

#endif

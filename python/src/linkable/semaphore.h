/*
 * A counter to take from, as the semaphores and RLock use it. See semaphore.c.
 */
#ifndef GROVE_PYTHON_SEMAPHORE_H
#define GROVE_PYTHON_SEMAPHORE_H

#include "linkable/object.h"

typedef struct Semaphore {
    Linkable base;              /* its list: who waits and was not woken */
    struct linkable_list woken; /* takers whose turn is coming, in order */
    Py_ssize_t counter;         /* what there is to take */
    Py_ssize_t takers;          /* how many are in woken, or were and have not
                                   run yet */
    Py_ssize_t initial;         /* a BoundedSemaphore's most */
    uint64_t next_place;        /* of the taker that comes next */
    bool tried; /* a lock's: somebody has found it taken and did not wait, since
                   it was last released */
} Semaphore;

extern PyTypeObject Semaphore_Type;
extern PyTypeObject BoundedSemaphore_Type;

/* acquire(blocking, timeout): 1, 0 when there was none in time, or -1 with an
 * exception. */
int semaphore_acquire(Semaphore *self, bool blocking, PyObject *timeout);

/* Give one back. */
void semaphore_release(Semaphore *self);

/* For tp_new: a new object of a subclass, with one to take. NULL with
 * MemoryError. */
PyObject *semaphore_object_new(PyTypeObject *type);

/* In a forked child: as many to take as at first. Greenlets that wait live on
 * there, and get their turn. */
void semaphore_at_fork_reinit(Semaphore *self);

/* ---- what locks have in common; lock.c ------------------------------------- */

/* acquire(blocking=True, timeout=-1) of a lock of the module _thread, which is
 * or has self: 1, 0 when it was not free in time, or -1 with an exception. */
int lock_acquire(Semaphore *self, PyObject *const *args, Py_ssize_t n,
                 PyObject *names);

/* Check the argument timeout of such a lock: -1 with an exception; else
 * *timeout is as semaphore_acquire takes it. */
int lock_timeout(bool blocking, PyObject **timeout);

/* The current greenlet, as an owner of locks; borrowed. NULL with an
 * exception. */
PyObject *lock_asker(void);

#endif

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
} Semaphore;

extern PyTypeObject Semaphore_Type;
extern PyTypeObject BoundedSemaphore_Type;

/* acquire(blocking, timeout): 1, 0 when there was none in time, or -1 with an
 * exception. */
int semaphore_acquire(Semaphore *self, bool blocking, PyObject *timeout);

/* Give one back. */
void semaphore_release(Semaphore *self);

#endif

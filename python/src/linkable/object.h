/*
 * AbstractLinkable, for the types that are made of it; object.c.
 */
#ifndef GROVE_PYTHON_LINKABLE_OBJECT_H
#define GROVE_PYTHON_LINKABLE_OBJECT_H

#include "linkable/linkable.h"
#include "timeout/timeout.h"

/* AbstractLinkable: something that becomes ready, and tells those who wait and
 * links. What a C subclass adds goes behind it; one calls linkable_object_new
 * in tp_new, and linkable_object_clear, _dealloc and _traverse from its own. */
typedef struct Linkable {
    PyObject_HEAD
    struct linkable_list list; /* waiters and links, in the order they came */
    struct py_thread *home;    /* counted; of the first who waited here; NULL:
                                  nobody has. It may have died since */
    /* Woken, and not run or called yet: of those that turns are for in the
     * order of their rounds. */
    struct linkable_list due;
    struct linkable_turns turns; /* for those that are due */
    uint32_t round;     /* of those that are due when the next turns begin */
    bool turns_started; /* somebody has had one of the turns under way */
    bool second_round;  /* those of this round have had theirs */
    PyObject *weakrefs;
} Linkable;

extern PyTypeObject Linkable_Type;

/* For tp_new: a new object of a subclass. NULL with MemoryError. */
PyObject *linkable_object_new(PyTypeObject *type);
int linkable_object_traverse(PyObject *self, visitproc visit, void *arg);
int linkable_object_clear(PyObject *self);
void linkable_object_dealloc(PyObject *self);

/* The argument hub of a constructor (None: none yet). -1 with TypeError. */
int linkable_object_settle_hub(Linkable *self, PyObject *hub);

/* What rawlink does, without looking whether self is ready. -1 with an
 * exception. */
int linkable_object_link(Linkable *self, PyObject *callback);

/* Wait in object, as the current greenlet. Arguments and result as
 * linkable_wait's; timeout as gevent has it: seconds, None or a Timeout. */
enum core_wait_result linkable_object_wait(Linkable *self, PyObject *timeout,
                                           const char *what);

/* t waits here: it is the hub of self from now on, if that has none. */
static inline void linkable_object_settle(Linkable *self, struct py_thread *t)
{
    assert(t->references > 0);
    if (unlikely(!self->home)) {
        t->references++;
        self->home = t;
    }
}

/* In a forked child: it has no hub. */
void linkable_object_forget_hub(Linkable *self);

/* It has become ready: wake who waits and have the links called. */
void linkable_object_notify_all(Linkable *self);

static inline void linkable_object_notify(Linkable *self)
{
    if (!linkable_empty(&self->list))
        linkable_object_notify_all(self);
}

/* self is ready, but others have waited longer and are to go on first: wait for
 * the current greenlet's turn behind them. -1 with an exception. */
int linkable_object_wait_turn_slow(Linkable *self);

static inline int linkable_object_wait_turn(Linkable *self)
{
    return likely(!self->turns.thread) ? 0
                                       : linkable_object_wait_turn_slow(self);
}

/* ---- parts of linkable_init: each adds its names; 0 or -1 ------------------- */

int linkable_object_init(PyObject *module); /* object.c */
int event_init(PyObject *module);
int async_result_init(PyObject *module);
int semaphore_init(PyObject *module);
int lock_init(PyObject *module);
int rlock_init(PyObject *module);

#endif

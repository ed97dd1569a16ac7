/*
 * SimpleQueue, Queue and their kin, as the files that make them up see them:
 * queue.c (who waits for what), tasks.c (unfinished tasks, shutdown, the
 * standard library's locks), types.c (the objects).
 */
#ifndef GROVE_PYTHON_QUEUE_OBJECT_H
#define GROVE_PYTHON_QUEUE_OBJECT_H

#include "queue/items.h"
#include "queue/patience.h"

typedef struct Queue {
    PyObject_HEAD
    struct queue_items items;     /* what is in it */
    Py_ssize_t maxsize;           /* 0: no limit */
    struct linkable_list getters; /* who waits for an item */
    struct linkable_list putters; /* who waits for room */
    struct linkable_list joiners; /* who waits for unfinished to be 0 */
    Py_ssize_t unfinished;        /* tasks; a Queue counts them */
    struct linkable_turns turns;  /* of getters and putters */
    struct getter *handed; /* has its item, and its turn is coming; NULL: nobody
                            */
    Py_ssize_t size_seen;  /* if looked: by the Hub, for this turn */
    PyObject *locks; /* owned: what mutex and the conditions belong to; NULL:
                        nobody has asked for them */
    PyObject *weakrefs;
    bool counts;   /* is a Queue */
    bool looked;   /* size_seen is valid */
    bool put_last; /* the last turn was a putter's */
    bool is_shut;  /* shutdown() was called */
} Queue;

/* What the locks are told; see grove/_queue_locks.py. */
extern PyObject *queue_on_put, *queue_on_get, *queue_on_done, *queue_wait_free;
extern PyObject *queue_locks_class;

/* Call a method of self->locks. -1 with an exception. */
int queue_tell_locks(Queue *self, PyObject *method);

static inline int queue_tell(Queue *self, PyObject *method)
{
    return likely(!self->locks) ? 0 : queue_tell_locks(self, method);
}

/* The item that was handed to a getter that has not run yet is in the queue, as
 * far as others can see. */
void queue_take_back(Queue *self);

static inline void queue_settle(Queue *self)
{
    if (unlikely(self->handed != NULL))
        queue_take_back(self);
}

/* Wait while another greenlet holds the mutex. -1 with an exception. */
static inline int queue_pass_mutex(Queue *self)
{
    queue_settle(self);
    return queue_tell(self, queue_wait_free);
}

static inline Py_ssize_t queue_size(Queue *self)
{
    queue_settle(self);
    return queue_items_size(&self->items, (PyObject *)self);
}

static inline bool queue_has_room(const Queue *self, Py_ssize_t size)
{
    return self->maxsize <= 0 || size < self->maxsize;
}

static inline void queue_wake_first(struct linkable_list *list)
{
    if (!linkable_empty(list))
        linkable_wake(linkable_first(list));
}

/* Have those who wait go on who can. Keeps the exception that is set. */
void queue_begin_turns(Queue *self);

/* There may be an item, or room, for one that waits. */
static inline void queue_pass_on(Queue *self)
{
    if (!linkable_empty(&self->putters) || !linkable_empty(&self->getters))
        queue_begin_turns(self);
}

/* The argument unfinished_tasks; NULL or None: as many as there are items. -1
 * with an exception. */
int queue_settle_unfinished(Queue *self, PyObject *unfinished);

enum linkable_next queue_next_turn(struct linkable_turns *turns, bool in_hub,
                                   struct grove_fiber **f);

PyObject *queue_iternext(PyObject *self);

extern PyMethodDef queue_methods[];      /* queue.c */
extern PyMethodDef queue_task_methods[]; /* tasks.c */
extern PyGetSetDef queue_task_getset[];

#endif

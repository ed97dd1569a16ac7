/*
 * What is in a queue: its items, in the container that its class calls for.
 *
 * The container is an object that programs see and use (queue.queue), and that
 * subclasses may replace; and the steps _put, _get, _peek and _qsize are
 * methods that they may override. Where neither is so, the functions here go to
 * the container directly.
 */
#ifndef GROVE_PYTHON_QUEUE_ITEMS_H
#define GROVE_PYTHON_QUEUE_ITEMS_H

#include "linkable/linkable.h"

/* What the class of a queue makes of its container. */
enum queue_order {
    QUEUE_FIFO, /* a collections.deque */
    QUEUE_LIFO, /* a list, its end is next */
    QUEUE_HEAP  /* a list, a heap of heapq */
};

/* The steps that a class has overridden. */
enum queue_step {
    QUEUE_PUT = 1,
    QUEUE_GET = 2,
    QUEUE_PEEK = 4,
    QUEUE_SIZE = 8,
    QUEUE_CREATE = 16,
    QUEUE_INIT = 32
};

struct queue_items {
    PyObject *container; /* owned; NULL: not made yet */
    uint8_t order;       /* enum queue_order */
    uint8_t overridden;  /* enum queue_step: call the method */
};

/* Find out about the class of self, a queue. */
void queue_items_init(struct queue_items *items, PyTypeObject *type);

/* The steps, for a queue self. NULL or -1 with an exception. */
PyObject *queue_items_create(struct queue_items *items, PyObject *self,
                             PyObject *initial);
int queue_items_put(struct queue_items *items, PyObject *self, PyObject *item);
PyObject *queue_items_get(struct queue_items *items, PyObject *self);
PyObject *queue_items_peek(struct queue_items *items, PyObject *self);
Py_ssize_t queue_items_size_slow(struct queue_items *items, PyObject *self);

/* The same regardless of overriding: what the methods of the base classes do.
 */
PyObject *queue_items_create_base(struct queue_items *items, PyObject *initial);
int queue_items_put_base(struct queue_items *items, PyObject *item);
PyObject *queue_items_get_base(struct queue_items *items);
PyObject *queue_items_peek_base(struct queue_items *items);
Py_ssize_t queue_items_size_base(struct queue_items *items);

/* Whether an item that is put while there is none may go to who waits for it
 * without going through the container. */
static inline bool queue_items_direct(const struct queue_items *items)
{
    return !(items->overridden & (QUEUE_PUT | QUEUE_GET | QUEUE_SIZE));
}

extern PyTypeObject *queue_deque_type; /* collections.deque */

/* Whether the size is read without running code: a deque's, a list's. */
static inline bool queue_items_plain(const struct queue_items *items)
{
    PyObject *container = items->container;
    return likely(!(items->overridden & QUEUE_SIZE) && container) &&
           (likely(Py_TYPE(container) == queue_deque_type) ||
            PyList_CheckExact(container));
}

static inline Py_ssize_t queue_items_size(struct queue_items *items,
                                          PyObject *self)
{
    return likely(queue_items_plain(items))
               ? Py_SIZE(items->container)
               : queue_items_size_slow(items, self);
}

/* The base classes; items.c needs them to see what is overridden. */
extern PyTypeObject SimpleQueue_Type;
extern PyTypeObject Queue_Type;
extern PyTypeObject PriorityQueue_Type;
extern PyTypeObject LifoQueue_Type;
extern PyTypeObject UnboundQueue_Type;

/* After the types are ready. */
int queue_items_setup(void);

#endif

/*
 * How long a put or a get waits, and whether: the arguments that queues and
 * channels take alike.
 */
#ifndef GROVE_PYTHON_QUEUE_PATIENCE_H
#define GROVE_PYTHON_QUEUE_PATIENCE_H

#include "linkable/linkable.h"
#include "timeout/timeout.h"

/* queue.Empty, queue.Full, and ShutDown; set by grove.queue. */
extern PyObject *queue_Empty, *queue_Full, *queue_ShutDown;

/* The arguments block and timeout of put and get, borrowed. */
struct queue_patience {
    PyObject *block;   /* whether to wait at all; any object */
    PyObject *timeout; /* at most so many seconds; None: for ever */
};

enum queue_way {
    QUEUE_AT_ONCE = 0, /* it must not wait, or cannot: in the Hub */
    QUEUE_WAIT = 1,
    QUEUE_REFUSED = -1 /* with an exception */
};

/* Whether to wait, as *t until *deadline. */
enum queue_way queue_way_of(const struct queue_patience *p,
                            struct py_thread **t, int64_t *deadline);

/* A negative timeout is refused, whether it would matter or not. -1 with
 * ValueError. */
int queue_check_timeout(const struct queue_patience *p);

/* The time is up: exception, Empty or Full, unless timeout is a Timeout, which
 * is raised itself. */
void queue_raise_late(const struct queue_patience *p, PyObject *exception);

/* put(item, block=True, timeout=None) and get(block=True, timeout=None). -1
 * with TypeError. */
int queue_put_arguments(PyObject *const *args, Py_ssize_t n, PyObject *names,
                        PyObject **item, struct queue_patience *p);
int queue_get_arguments(const char *function, PyObject *const *args,
                        Py_ssize_t n, PyObject *names,
                        struct queue_patience *p);

/* The greenlets that wait in list: a new list. */
PyObject *queue_greenlets(const struct linkable_list *list);

/* What next() makes of an item that was got (stolen): the class StopIteration
 * ends an iteration. */
PyObject *queue_next_item(PyObject *item);

/* The calling thread's Hub, for tp_getset. */
PyObject *queue_get_hub(PyObject *self, void *closure);

/* " getters[2] putters[1]", or what of it there is; a new string. */
PyObject *queue_describe_waiters(const struct linkable_list *getters,
                                 const struct linkable_list *putters);

/* Parts of queue_init: each adds its names; 0 or -1. */
int queue_locks_init(PyObject *module); /* tasks.c */
int queue_types_init(PyObject *module);
int channel_init(PyObject *module);

#endif

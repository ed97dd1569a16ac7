/*
 * Room `queue`: queues and channels. It is Python's: no other room uses it, and
 * only the module's own file includes this header.
 *
 *   queue.c     who waits for what; tasks.c, unfinished tasks, shutdown, the
 *               standard library's locks; types.c, the types
 *   items.c     what is in a queue
 *   channel.c   Channel
 *   patience.c  how long a put or a get waits, and whether
 *   init.c      the room's part of the module
 */
#ifndef GROVE_PYTHON_QUEUE_H
#define GROVE_PYTHON_QUEUE_H

#include <Python.h>

int queue_init(PyObject *module);

#endif

/*
 * Where a Greenlet was made: see made_at.c.
 */
#ifndef GROVE_PYTHON_SPAWN_STACK_H
#define GROVE_PYTHON_SPAWN_STACK_H

#include <Python.h>

struct spawn_stack;

/* The innermost `limit` frames that run now; NULL without an exception when
 * there are none, or no memory for them: they are for people only. */
struct spawn_stack *spawn_stack_take(int limit);

void spawn_stack_free(struct spawn_stack *stack);

/* As a chain of objects like frames (grove.monitoring.frames), innermost first;
 * None for NULL. A new reference, or NULL with an exception. */
PyObject *spawn_stack_frames(const struct spawn_stack *stack);

#endif

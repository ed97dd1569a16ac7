/*
 * What the files of the raw greenlet share: switch.c (switching, birth and
 * death), greenlet.c (the object and the module's functions) and
 * greenlet_attributes.c.
 */
#ifndef GROVE_PYTHON_GREENLET_H
#define GROVE_PYTHON_GREENLET_H

#include "core.h"

extern PyObject *greenlet_no_args; /* () */

/* Throw the exception that is set into target. As greenlet_switch. */
PyObject *greenlet_throw_in(PyGreenlet *target);

/* The methods switch and throw. */
PyObject *greenlet_method_switch(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *names);
PyObject *greenlet_method_throw(PyObject *self, PyObject *args);
extern const char greenlet_switch_doc[], greenlet_throw_doc[];

/* Names that switch.c looks up and reports. 0 or -1. */
int greenlet_switch_init(void);

/* The attributes run and parent, which the constructor sets, too; 0 or -1. */
int greenlet_set_run(PyObject *o, PyObject *run, void *closure);
int greenlet_set_parent(PyObject *o, PyObject *parent, void *closure);
extern PyGetSetDef greenlet_attributes[];

static inline bool greenlet_is_current(struct green *g)
{
    return g->thread->current == g->self;
}

static inline bool greenlet_is_dead(struct green *g)
{
    return g->phase == GREEN_DEAD || g->thread->dead;
}

#endif

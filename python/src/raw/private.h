/*
 * What the files of the raw greenlet share: switch.c (switching, birth and
 * death), greenlet.c (the object), greenlet_attributes.c, greenlet_module.c
 * (the module's functions), greenlet_trace.c (settrace) and greenlet_api.c (the
 * capsule).
 */
#ifndef GROVE_PYTHON_GREENLET_H
#define GROVE_PYTHON_GREENLET_H

#include "raw/raw.h"

extern PyObject *greenlet_no_args; /* () */

/* Throw the exception that is set into target. As greenlet_switch. */
PyObject *greenlet_throw_in(PyGreenlet *target);

/* target.switch(*args, **kwargs). Steals args (a tuple) and kwargs (a dict that
 * is not empty, or NULL). As greenlet_switch. */
PyObject *greenlet_switch_with(PyGreenlet *target, PyObject *args,
                               PyObject *kwargs);

/* getcurrent(): a new reference, or NULL with RuntimeError while the
 * interpreter is being finalized. */
PyObject *greenlet_get_current(void);

/* The methods switch and throw. */
PyObject *greenlet_method_switch(PyObject *self, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *names);
PyObject *greenlet_method_throw(PyObject *self, PyObject *args);
extern const char greenlet_switch_doc[], greenlet_throw_doc[];

/* The parts of the module. 0 or -1. */
int greenlet_api_init(PyObject *module);
int greenlet_functions_init(PyObject *module);
int greenlet_trace_init(void);

/* getcurrent, settrace and gettrace, which are static methods, too. */
PyObject *greenlet_module_getcurrent(PyObject *module, PyObject *none);
PyObject *greenlet_module_settrace(PyObject *module, PyObject *tracer);
PyObject *greenlet_module_gettrace(PyObject *module, PyObject *none);
extern const char greenlet_getcurrent_doc[], greenlet_settrace_doc[],
    greenlet_gettrace_doc[];

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

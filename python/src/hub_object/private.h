/*
 * What the files of the Hub share; see hub_object.h for which there are.
 */
#ifndef GROVE_PYTHON_HUB_OBJECT_PRIVATE_H
#define GROVE_PYTHON_HUB_OBJECT_PRIVATE_H

#include "hub_object/hub_object.h"

/* ---- hub.c ------------------------------------------------------------------ */

/* Nothing can wake anybody: LoopExit for the main greenlet. In the Hub. */
bool hub_object_deadlock(struct py_thread *t);

/* In a forked child. */
void hub_object_forked(struct py_thread *t);

/* ---- loop.c ----------------------------------------------------------------- */

/* The object that hub.loop is. NULL with an exception. */
PyObject *loop_object_new(struct py_thread *t, bool is_default);

/* From now on loop_check fails. */
void loop_destroy_object(PyObject *loop);

/* ---- errors.c --------------------------------------------------------------- */

/* Methods of Hub. */
PyObject *hub_object_handle_error(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n);
PyObject *hub_object_handle_system_error(PyObject *self, PyObject *const *args,
                                         Py_ssize_t n);
PyObject *hub_object_print_exception(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n);
PyObject *hub_object_format_context(PyObject *self, PyObject *context);

/* ---- parts of hub_object_init: each adds its names; 0 or -1 ------------------- */

int hub_exceptions_init(PyObject *module);
int hub_init(PyObject *module);
int loop_object_init(PyObject *module);
int waiter_init(PyObject *module);
int thread_result_init(PyObject *module);
int switch_figures_init(PyObject *module);

#endif

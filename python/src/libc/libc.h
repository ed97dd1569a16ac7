/*
 * Room `libc`: libc's calls in C code that is not ours, for Python: patching,
 * and a way back. The waits themselves are raw's (foreign.c).
 */
#ifndef GROVE_PYTHON_LIBC_H
#define GROVE_PYTHON_LIBC_H

#include <Python.h>

/* ---- the room's part of the module ----------------------------------------- */

int libc_init(PyObject *module);

#endif

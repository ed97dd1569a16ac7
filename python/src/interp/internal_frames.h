/*
 * CPython's internal headers of frames, for this room alone, and what of a
 * frame differs between versions.
 */
#ifndef GROVE_PYTHON_INTERNAL_FRAMES_H
#define GROVE_PYTHON_INTERNAL_FRAMES_H

#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE
#endif
#include "interp/interp.h"

/* Internal headers are not written for our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wold-style-definition"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe.h"
#else
#include "internal/pycore_frame.h"
#endif
#pragma GCC diagnostic pop

/* What it runs: its code, or None. */
static inline PyObject *interp_executable_of(const _PyInterpreterFrame *f)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyStackRef_IsNull(f->f_executable)
               ? NULL
               : PyStackRef_AsPyObjectBorrow(f->f_executable);
#elif PY_VERSION_HEX >= 0x030D0000
    return f->f_executable;
#else
    return (PyObject *)f->f_code;
#endif
}

/* Its code, or NULL for one of those that have none. */
static inline PyCodeObject *interp_code_of(const _PyInterpreterFrame *f)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (f->owner >= FRAME_OWNED_BY_INTERPRETER)
        return NULL;
#elif PY_VERSION_HEX >= 0x030C0000
    if (f->owner == FRAME_OWNED_BY_CSTACK)
        return NULL;
#endif
    PyObject *code = interp_executable_of(f);
    return code && PyCode_Check(code) ? (PyCodeObject *)code : NULL;
}

#endif

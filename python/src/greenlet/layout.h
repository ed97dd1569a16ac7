/*
 * Where things are of greenlets, for one who reads the memory of a process from
 * outside (tool/look/); see interp/layout.h. Includes nothing of CPython's.
 */
#ifndef GROVE_PYTHON_GREENLET_LAYOUT_H
#define GROVE_PYTHON_GREENLET_LAYOUT_H

#include "hub/layout.h"

#define GREENLET_LAYOUT_VERSION 1

/* Numbers are offsets in bytes. */
struct greenlet_layout {
    struct layout_head head;
    const void *type; /* Greenlet; its subtypes begin as it does */
    /* Of struct green, which is a fiber's host. */
    uint32_t green_size; /* bytes that hold all of the following */
    uint32_t fiber, thread, self, run;
    uint32_t state;         /* struct py_state, in it */
    uint32_t thread_tstate; /* of struct py_thread: its thread state */
    uint32_t name, fn;      /* of a Greenlet: see describe.c */
    uint32_t ident;         /* the same: uint32_t, 0 or minimal_ident + 1 */
    uint32_t greenlet_size; /* bytes that hold these three */
};

#endif

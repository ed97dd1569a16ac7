/*
 * Room `base`: what the functions and types of every room are made with, and
 * nothing of greenlets. Any room may include it; it knows none of them.
 *
 *   arguments.c   arguments of functions called with METH_FASTCALL, and the
 *                 argument that all waits take, seconds
 *   types.c       types of the module, names of attributes
 */
#ifndef GROVE_PYTHON_BASE_H
#define GROVE_PYTHON_BASE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <assert.h>
#include <string.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/wait.h"

/* ---- arguments ----------------------------------------------------------- */

/* The arguments of a METH_FASTCALL function: positional ones, and with names
 * (NULL: none allowed) keyword ones, go to out (borrowed), in the order of
 * keywords, which ends in NULL; out keeps what it holds where none is given.
 * The first `required` must be given. -1 with TypeError. */
int arguments(const char *function, PyObject *const *args, Py_ssize_t n,
              PyObject *names, const char *const *keywords, int required,
              PyObject **out);

/* The only argument of a METH_FASTCALL | METH_KEYWORDS function, by position or
 * by name: borrowed. NULL with TypeError. */
PyObject *argument(const char *function, PyObject *const *args, Py_ssize_t n,
                   PyObject *names, const char *keyword);

/* The same for positional arguments: at least `least` and at most `most`. */
int arguments_count(const char *function, Py_ssize_t n, Py_ssize_t least,
                    Py_ssize_t most);

/* Seconds (int, float, None: never) to a deadline. -1 with an exception. */
int argument_deadline(PyObject *seconds, int64_t *deadline);

/* ---- rings ---------------------------------------------------------------- */

/* A node of a ring: a part of what is in it, or the ends of the ring, which
 * follow its last node and precede its first. */
struct ring {
    struct ring *next; /* NULL: in no ring */
    struct ring *prev; /* valid while it is in one */
};

static inline void ring_init(struct ring *ends)
{
    ends->next = ends->prev = ends;
}

static inline bool ring_empty(const struct ring *ends)
{
    return ends->next == ends;
}

static inline bool ring_linked(const struct ring *node)
{
    return node->next != NULL;
}

/* In front of `before`: at the ring's end, if that is its ends. node is in no
 * ring. */
static inline void ring_insert(struct ring *before, struct ring *node)
{
    assert(before->prev && before->prev->next == before && before != node);
    node->next = before;
    node->prev = before->prev;
    before->prev->next = node;
    before->prev = node;
}

/* Out of the ring it is in. */
static inline void ring_remove(struct ring *node)
{
    assert(ring_linked(node) && !ring_empty(node));
    assert(node->prev->next == node && node->next->prev == node);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
}

/* ---- types --------------------------------------------------------------- */

/* Adds a type, readied, to the module under the last part of its name. */
int module_add_type(PyObject *module, PyTypeObject *type);

/* Adds methods to a type that is ready: those that another file, or another
 * room, has for it. methods ends in {NULL}. */
int type_add_methods(PyTypeObject *type, PyMethodDef *methods);

/* tp_new of a type that classes in Python derive from, whose __init__ gets the
 * arguments. Made by object's, instances of those that have a __dict__ keep
 * their attributes where they are found fastest, which PyType_GenericNew does
 * not see to before CPython 3.13. */
PyObject *base_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* A name that attributes are looked up by: where it is kept, and its text. */
struct interned {
    PyObject **where;
    const char *text;
};

/* Makes the names, for good, up to {NULL}. 0, or -1 with an exception. */
int intern(const struct interned *names);

/* The name of a type without its module. */
static inline const char *type_name(PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');
    return dot ? dot + 1 : type->tp_name;
}

#endif

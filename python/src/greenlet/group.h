/*
 * Group, as the files that make it up see it: members.c (who is in it), group.c
 * (its room, its methods, its types).
 */
#ifndef GROVE_PYTHON_GROUP_H
#define GROVE_PYTHON_GROUP_H

#include "greenlet/private.h"

/* One of a group's that is told of its Greenlet's end in C; members.c. */
struct member;

typedef struct Group {
    PyObject_HEAD
    PyObject *greenlets; /* owned: a set; NULL until __init__. The next three,
                            too, are set with it */
    PyObject *dying;     /* owned: a set, of those that were killed */
    PyObject *empty;     /* owned: the Event that is set while there is no
                            member */
    PyObject *semaphore; /* owned: a Pool's; NULL: a Group */
    struct member *members; /* the first of those that are told of in C; NULL:
                               none */
    bool limited;           /* the semaphore must be asked; then there is one */
} Group;

/* object.name(). -1 with an exception. */
static inline int group_call(PyObject *object, PyObject *name)
{
    PyObject *result = PyObject_CallMethodNoArgs(object, name);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* -1 with RuntimeError when __init__ was not called. */
static inline int group_check_ready(Group *self)
{
    if (likely(self->greenlets != NULL))
        return 0;
    PyErr_Format(PyExc_RuntimeError, "%s.__init__() was not called",
                 type_name(Py_TYPE(self)));
    return -1;
}

/* Whether the class of self has base as its method name: it is not overridden,
 * but perhaps by pools, which is Pool's. */
static inline bool group_has_own(Group *self, PyObject *name, PyObject *base,
                                 PyObject *pools)
{
    PyObject *found = _PyType_Lookup(Py_TYPE(self), name);
    return likely(found == base || found == pools);
}

/* greenlet becomes a member until it ends. 1; 0: it was one already; -1 with an
 * exception. */
int group_enter(Group *self, PyObject *greenlet);

/* Out of the sets, if it is a member. -1 with an exception. */
int group_leave(Group *self, PyObject *greenlet);

/* self need not be told of greenlet's end any more. -1 with an exception. */
int group_unlink(Group *self, PyObject *greenlet);

/* Nor of anybody's: the sets stay as they are. */
void group_unlink_all(Group *self);

/* For tp_traverse: what refers to the members besides the sets. */
int group_visit_members(Group *self, visitproc visit, void *arg);

/* base is GroupBase, ready. 0 or -1. */
int group_members_init(PyTypeObject *base);

#endif

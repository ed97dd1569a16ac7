/*
 * Waiting for several objects at once, in the order they become ready: what
 * joinall, wait, iwait and killall have in common.
 */
#ifndef GROVE_PYTHON_GATHER_H
#define GROVE_PYTHON_GATHER_H

#include "greenlet/private.h"

struct gather;

/* One object of those waited for. */
struct gather_node {
    struct green_node node; /* linked to it when it is a Greenlet */
    struct gather *gather;  /* it is a node of */
    PyObject *object;       /* owned: what is waited for */
    PyObject *link;         /* owned: what any other object's rawlink got; NULL:
                               it is a Greenlet */
};

/* In place; its nodes are not. */
struct gather {
    struct py_thread *thread;  /* whose greenlets wait, and are waited for */
    struct grove_fiber *fiber; /* who waits; NULL: nobody */
    size_t n;                  /* nodes in use */
    size_t done;               /* of them, how many are ready */
    size_t wanted;             /* how many done wake the fiber */
    struct gather_node *nodes; /* owned; NULL: none, or it has ended */
    uint32_t *order; /* owned: indices of nodes, in the order they got ready;
                        the first `done` are valid */
};

/* Link to every object of the sequence. -1 with an exception: nothing is
 * linked. */
int gather_begin(struct gather *gather, struct py_thread *t, PyObject *objects);

/* Unlink and free. Keeps an exception that is set. */
void gather_end(struct gather *gather);

/* Wait until `wanted` are ready, which is at most n. 1, or 0 when deadline came
 * first, or -1 with an exception. */
int gather_wait(struct gather *gather, size_t wanted, int64_t deadline);

/* The i-th that got ready; borrowed. */
static inline PyObject *gather_get(const struct gather *gather, size_t i)
{
    assert(i < gather->done && gather->order[i] < gather->n);
    return gather->nodes[gather->order[i]].object;
}

/* The argument count (None: all) as a number of at most n. -1 with TypeError.
 */
int gather_count(PyObject *count, size_t n, size_t *wanted);

#endif

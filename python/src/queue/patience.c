/*
 * How long a put or a get waits, and whether. It keeps nothing; the calling
 * thread holds the GIL.
 */
#include "queue/patience.h"

PyObject *queue_Empty, *queue_Full, *queue_ShutDown;

int queue_check_timeout(const struct queue_patience *p)
{
    if (likely(p->timeout == Py_None) || timeout_is_object(p->timeout))
        return 0;
    double seconds = PyFloat_AsDouble(p->timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (seconds >= 0)
        return 0;
    PyErr_Format(PyExc_ValueError,
                 "'timeout' must be a non-negative number, not %R", p->timeout);
    return -1;
}

enum queue_way queue_way_of(const struct queue_patience *p,
                            struct py_thread **t, int64_t *deadline)
{
    assert(!PyErr_Occurred());
    int block = p->block == Py_True ? 1 : PyObject_IsTrue(p->block);
    if (block <= 0)
        return block < 0 ? QUEUE_REFUSED : QUEUE_AT_ONCE;
    *t = thread_self();
    if (!*t || timeout_deadline(p->timeout, deadline) < 0)
        return QUEUE_REFUSED;
    if ((PyObject *)(*t)->current == (*t)->hub_object)
        return QUEUE_AT_ONCE;
    return hub_object(*t) ? QUEUE_WAIT : QUEUE_REFUSED;
}

void queue_raise_late(const struct queue_patience *p, PyObject *exception)
{
    if (timeout_is_object(p->timeout))
        timeout_raise(p->timeout);
    else
        PyErr_SetNone(exception);
}

int queue_put_arguments(PyObject *const *args, Py_ssize_t n, PyObject *names,
                        PyObject **item, struct queue_patience *p)
{
    static const char *const keywords[] = {"item", "block", "timeout", NULL};
    PyObject *given[] = {NULL, Py_True, Py_None};
    if (likely(n == 1 && !names))
        given[0] = args[0];
    else if (arguments("put", args, n, names, keywords, 1, given) < 0)
        return -1;
    *item = given[0];
    *p = (struct queue_patience){given[1], given[2]};
    return queue_check_timeout(p);
}

int queue_get_arguments(const char *function, PyObject *const *args,
                        Py_ssize_t n, PyObject *names, struct queue_patience *p)
{
    static const char *const keywords[] = {"block", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if ((n || names) &&
        arguments(function, args, n, names, keywords, 0, given) < 0)
        return -1;
    *p = (struct queue_patience){given[0], given[1]};
    return queue_check_timeout(p);
}

PyObject *queue_greenlets(const struct linkable_list *list)
{
    PyObject *all = PyList_New(0);
    struct linkable_waiter *w = linkable_first(list);
    for (; all && w; w = linkable_next(list, w)) {
        assert(w->fiber != NULL && w->fiber->host != NULL); /* no link */
        struct green *g = w->fiber->host;
        if (PyList_Append(all, (PyObject *)g->self) < 0)
            Py_CLEAR(all);
    }
    return all;
}

PyObject *queue_next_item(PyObject *item)
{
    assert(item != NULL && !PyErr_Occurred());
    if (unlikely(item == PyExc_StopIteration)) {
        Py_DECREF(item);
        return NULL;
    }
    return item;
}

PyObject *queue_get_hub(PyObject *self, void *closure)
{
    struct py_thread *t = thread_self();
    return t ? Py_XNewRef(hub_object(t)) : NULL;
}

PyObject *queue_describe_waiters(const struct linkable_list *getters,
                                 const struct linkable_list *putters)
{
    Py_ssize_t n = linkable_count(getters), m = linkable_count(putters);
    if (n && m)
        return PyUnicode_FromFormat(" getters[%zd] putters[%zd]", n, m);
    if (n || m)
        return PyUnicode_FromFormat(" %s[%zd]", n ? "getters" : "putters",
                                    n + m);
    return PyUnicode_FromString("");
}

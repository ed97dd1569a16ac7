/*
 * See items.h. A deque's methods are called by their descriptors, so that
 * no attribute is looked up; lists are used by their C API, heaps by the
 * functions of _heapq.
 */
#include "queue/items.h"

PyTypeObject *queue_deque_type;
#define Deque queue_deque_type
static PyObject *deque_append, *deque_popleft;
static PyObject *heappush, *heappop, *heapify;

static struct step {
    const char *name;
    PyObject *str;
    uint8_t bit;
} steps[] = {
    {"_put", NULL, QUEUE_PUT},   {"_get", NULL, QUEUE_GET},
    {"_peek", NULL, QUEUE_PEEK}, {"_qsize", NULL, QUEUE_SIZE},
    {"_init", NULL, QUEUE_INIT}, {"_create_queue", NULL, QUEUE_CREATE},
};
enum { PUT, GET, PEEK, SIZE, INIT, CREATE };

/* ---- classes ------------------------------------------------------------- */

/* The class here that type is derived from. */
static PyTypeObject *base_of(PyTypeObject *type)
{
    assert(PyType_IsSubtype(type, &SimpleQueue_Type) ||
           PyType_IsSubtype(type, &Queue_Type));
    while (type != &SimpleQueue_Type && type != &Queue_Type &&
           type != &PriorityQueue_Type && type != &LifoQueue_Type &&
           type != &UnboundQueue_Type)
        type = type->tp_base;
    return type;
}

void queue_items_init(struct queue_items *items, PyTypeObject *type)
{
    PyTypeObject *base = base_of(type);
    items->order = base == &PriorityQueue_Type ? QUEUE_HEAP
                   : base == &LifoQueue_Type   ? QUEUE_LIFO
                                               : QUEUE_FIFO;
    items->overridden = 0;
    if (type == base)
        return;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (_PyType_Lookup(type, steps[i].str) !=
            _PyType_Lookup(base, steps[i].str))
            items->overridden |= steps[i].bit;
    }
}

/* ---- the container ------------------------------------------------------- */

static int check_made(struct queue_items *items)
{
    if (likely(items->container != NULL))
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "the queue's __init__ was not called");
    return -1;
}

static PyObject *empty_error(void)
{
    PyErr_SetString(PyExc_IndexError, "the queue is empty");
    return NULL;
}

PyObject *queue_items_create_base(struct queue_items *items, PyObject *initial)
{
    if (items->order == QUEUE_FIFO)
        return initial ? PyObject_CallOneArg((PyObject *)Deque, initial)
                       : PyObject_CallNoArgs((PyObject *)Deque);
    PyObject *list = initial ? PySequence_List(initial) : PyList_New(0);
    if (list && items->order == QUEUE_HEAP) {
        PyObject *result = PyObject_CallOneArg(heapify, list);
        Py_XDECREF(result);
        if (!result)
            Py_CLEAR(list);
    }
    return list;
}

Py_ssize_t queue_items_size_base(struct queue_items *items)
{
    return check_made(items) < 0 ? -1 : PyObject_Size(items->container);
}

static int done(PyObject *result)
{
    assert(!result == (PyErr_Occurred() != NULL));
    Py_XDECREF(result);
    return result ? 0 : -1;
}

int queue_items_put_base(struct queue_items *items, PyObject *item)
{
    if (check_made(items) < 0)
        return -1;
    assert(item != NULL && !PyErr_Occurred());
    PyObject *args[] = {items->container, item};
    if (items->order == QUEUE_HEAP)
        return done(PyObject_Vectorcall(heappush, args, 2, NULL));
    if (likely(Py_TYPE(items->container) == Deque))
        return done(PyObject_Vectorcall(deque_append, args, 2, NULL));
    if (PyList_CheckExact(items->container))
        return PyList_Append(items->container, item);
    return done(PyObject_CallMethod(items->container, "append", "(O)", item));
}

/* A list's last, taken out of it. */
static PyObject *pop_last(PyObject *list)
{
    Py_ssize_t n = PyList_GET_SIZE(list);
    if (n == 0)
        return empty_error();
    PyObject *item = Py_NewRef(PyList_GET_ITEM(list, n - 1));
    if (PyList_SetSlice(list, n - 1, n, NULL) < 0)
        Py_CLEAR(item);
    return item;
}

PyObject *queue_items_get_base(struct queue_items *items)
{
    if (check_made(items) < 0)
        return NULL;
    assert(!PyErr_Occurred());
    PyObject *container = items->container;
    if (items->order == QUEUE_HEAP)
        return PyObject_CallOneArg(heappop, container);
    if (items->order == QUEUE_LIFO)
        return PyList_CheckExact(container)
                   ? pop_last(container)
                   : PyObject_CallMethod(container, "pop", NULL);
    if (likely(Py_TYPE(container) == Deque))
        return PyObject_Vectorcall(deque_popleft, &container, 1, NULL);
    return PyObject_CallMethod(container, "popleft", NULL);
}

PyObject *queue_items_peek_base(struct queue_items *items)
{
    if (check_made(items) < 0)
        return NULL;
    Py_ssize_t n = PyObject_Size(items->container);
    if (n <= 0)
        return n < 0 ? NULL : empty_error();
    return PySequence_GetItem(items->container,
                              items->order == QUEUE_LIFO ? n - 1 : 0);
}

/* ---- the steps ----------------------------------------------------------- */

PyObject *queue_items_create(struct queue_items *items, PyObject *self,
                             PyObject *initial)
{
    if (likely(!(items->overridden & QUEUE_CREATE)))
        return queue_items_create_base(items, initial);
    return initial ? PyObject_CallMethodOneArg(self, steps[CREATE].str, initial)
                   : PyObject_CallMethodNoArgs(self, steps[CREATE].str);
}

int queue_items_put(struct queue_items *items, PyObject *self, PyObject *item)
{
    if (likely(!(items->overridden & QUEUE_PUT)))
        return queue_items_put_base(items, item);
    return done(PyObject_CallMethodOneArg(self, steps[PUT].str, item));
}

PyObject *queue_items_get(struct queue_items *items, PyObject *self)
{
    if (likely(!(items->overridden & QUEUE_GET)))
        return queue_items_get_base(items);
    return PyObject_CallMethodNoArgs(self, steps[GET].str);
}

PyObject *queue_items_peek(struct queue_items *items, PyObject *self)
{
    if (likely(!(items->overridden & QUEUE_PEEK)))
        return queue_items_peek_base(items);
    return PyObject_CallMethodNoArgs(self, steps[PEEK].str);
}

Py_ssize_t queue_items_size_slow(struct queue_items *items, PyObject *self)
{
    if (likely(!(items->overridden & QUEUE_SIZE)))
        return queue_items_size_base(items);
    PyObject *result = PyObject_CallMethodNoArgs(self, steps[SIZE].str);
    if (!result)
        return -1;
    Py_ssize_t n = PyNumber_AsSsize_t(result, PyExc_OverflowError);
    Py_DECREF(result);
    return n;
}

/* ---- setting up ---------------------------------------------------------- */

static PyObject *from_module(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *object = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return object;
}

int queue_items_setup(void)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (!(steps[i].str = PyUnicode_InternFromString(steps[i].name)))
            return -1;
    }
    PyObject *deque = from_module("_collections", "deque");
    if (!deque)
        return -1;
    Deque = (PyTypeObject *)deque;
    deque_append = PyObject_GetAttrString(deque, "append");
    deque_popleft = PyObject_GetAttrString(deque, "popleft");
    heappush = from_module("_heapq", "heappush");
    heappop = from_module("_heapq", "heappop");
    heapify = from_module("_heapq", "heapify");
    return deque_append && deque_popleft && heappush && heappop && heapify ? 0
                                                                           : -1;
}

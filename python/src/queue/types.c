/*
 * Queues as objects: their making, the steps that subclasses override, what can
 * be seen of one, their types.
 */
#include "queue/object.h"

#include <stddef.h>
#include <structmember.h>

/* ---- the steps, for classes that override and extend them ---------------- */

static PyObject *step_put(PyObject *o, PyObject *item)
{
    queue_settle((Queue *)o);
    if (queue_items_put_base(&((Queue *)o)->items, item) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *step_get(PyObject *o, PyObject *none)
{
    queue_settle((Queue *)o);
    return queue_items_get_base(&((Queue *)o)->items);
}

static PyObject *step_peek(PyObject *o, PyObject *none)
{
    queue_settle((Queue *)o);
    return queue_items_peek_base(&((Queue *)o)->items);
}

static PyObject *step_qsize(PyObject *o, PyObject *none)
{
    queue_settle((Queue *)o);
    Py_ssize_t size = queue_items_size_base(&((Queue *)o)->items);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *step_create(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    if (arguments_count("_create_queue", n, 0, 1) < 0)
        return NULL;
    return queue_items_create_base(&((Queue *)o)->items, n ? args[0] : NULL);
}

static int make_container(Queue *self, PyObject *initial)
{
    PyObject *container =
        queue_items_create(&self->items, (PyObject *)self, initial);
    if (!container)
        return -1;
    Py_XSETREF(self->items.container, container);
    return 0;
}

static PyObject *step_init(PyObject *o, PyObject *maxsize)
{
    if (make_container((Queue *)o, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- making one ---------------------------------------------------------- */

static PyObject *queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Queue *self = (Queue *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    queue_items_init(&self->items, type);
    self->counts = PyType_IsSubtype(type, &Queue_Type);
    linkable_list_init(&self->getters);
    self->turns.next = queue_next_turn;
    linkable_list_init(&self->putters);
    linkable_list_init(&self->joiners);
    return (PyObject *)self;
}

/* None: no limit. -1 with an exception. */
static int settle_maxsize(Queue *self, PyObject *maxsize)
{
    Py_ssize_t n = 0;
    if (maxsize != Py_None) {
        if (!PyIndex_Check(maxsize)) {
            PyErr_Format(PyExc_TypeError,
                         "maxsize must be an integer or None, not %R", maxsize);
            return -1;
        }
        n = PyNumber_AsSsize_t(maxsize, NULL);
        if (n == -1 && PyErr_Occurred())
            return -1;
    }
    self->maxsize = n > 0 ? n : 0;
    return 0;
}

static int warn_of_zero(PyObject *maxsize)
{
    if (!PyLong_Check(maxsize) || PyObject_IsTrue(maxsize))
        return 0;
    return PyErr_WarnEx(PyExc_DeprecationWarning,
                        "Queue(0) now equivalent to Queue(None); if you want a "
                        "channel, use Channel",
                        1);
}

/* A class that has an _init of its own, as the standard library's have it: that
 * makes the container, and _put fills it. */
static int init_by_method(Queue *self, PyObject *initial)
{
    PyObject *o = (PyObject *)self;
    PyObject *result = PyObject_CallMethod(o, "_init", "(n)", self->maxsize);
    if (!result)
        return -1;
    Py_DECREF(result);
    PyObject *iterator = initial ? PyObject_GetIter(initial) : NULL;
    if (!iterator)
        return initial ? -1 : 0;
    PyObject *item;
    while ((item = PyIter_Next(iterator))) {
        int r = queue_items_put(&self->items, o, item);
        Py_DECREF(item);
        if (r < 0)
            break;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

static int begin(Queue *self, PyObject *maxsize, PyObject *initial)
{
    if (settle_maxsize(self, maxsize) < 0 || warn_of_zero(maxsize) < 0)
        return -1;
    if (self->items.overridden & QUEUE_INIT)
        return init_by_method(self, initial);
    return make_container(self, initial);
}

static int simple_queue_init(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"maxsize", (char *)"items", NULL};
    PyObject *maxsize = Py_None, *initial = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:SimpleQueue", names,
                                     &maxsize, &initial))
        return -1;
    return begin((Queue *)o, maxsize, initial);
}

static int queue_init_object(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"maxsize", (char *)"items",
                            (char *)"unfinished_tasks", NULL};
    PyObject *maxsize = Py_None, *initial = NULL, *unfinished = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:Queue", names,
                                     &maxsize, &initial, &unfinished) ||
        begin((Queue *)o, maxsize, initial) < 0)
        return -1;
    return queue_settle_unfinished((Queue *)o, unfinished);
}

static int unbound_queue_init(PyObject *o, PyObject *args, PyObject *kwargs)
{
    if (queue_init_object(o, args, kwargs) < 0)
        return -1;
    Queue *self = (Queue *)o;
    if (self->maxsize <= 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "UnboundQueue has no maxsize: %zd",
                 self->maxsize);
    return -1;
}

static int queue_traverse(PyObject *o, visitproc visit, void *arg)
{
    Queue *self = (Queue *)o;
    Py_VISIT(self->items.container);
    Py_VISIT(self->locks);
    return 0;
}

static int queue_clear(PyObject *o)
{
    Queue *self = (Queue *)o;
    Py_CLEAR(self->items.container);
    Py_CLEAR(self->locks);
    return 0;
}

static void queue_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    if (((Queue *)o)->weakrefs)
        PyObject_ClearWeakRefs(o);
    queue_clear(o);
    Py_TYPE(o)->tp_free(o);
}

/* ---- what can be seen ---------------------------------------------------- */

static PyObject *format_limit(Queue *self)
{
    return self->maxsize > 0
               ? PyUnicode_FromFormat(" maxsize=%zd", self->maxsize)
               : PyUnicode_FromString("");
}

static PyObject *format_tasks(Queue *self)
{
    return self->counts && self->unfinished
               ? PyUnicode_FromFormat(" tasks=%zd", self->unfinished)
               : PyUnicode_FromString("");
}

/* " maxsize=2 queue=deque([1]) tasks=1 putters[1]" */
static PyObject *queue_format(PyObject *o, PyObject *none)
{
    Queue *self = (Queue *)o;
    queue_settle(self);
    PyObject *limit = format_limit(self), *tasks = format_tasks(self);
    PyObject *waiters = queue_describe_waiters(&self->getters, &self->putters);
    PyObject *container = self->items.container;
    PyObject *text = NULL;
    Py_ssize_t n = container && PyObject_HasAttrString(container, "__len__")
                       ? PyObject_Size(container)
                       : 0;
    if (limit && tasks && waiters && n >= 0)
        text = n ? PyUnicode_FromFormat("%U queue=%R%U%U", limit, container,
                                        tasks, waiters)
                 : PyUnicode_FromFormat("%U%U%U", limit, tasks, waiters);
    Py_XDECREF(limit);
    Py_XDECREF(tasks);
    Py_XDECREF(waiters);
    return text;
}

static PyObject *describe(PyObject *o, bool with_address)
{
    int r = Py_ReprEnter(o);
    if (r != 0)
        return r < 0 ? NULL : PyUnicode_FromString("...");
    PyObject *content = PyObject_CallMethod(o, "_format", NULL);
    const char *name = type_name(Py_TYPE(o));
    PyObject *text = NULL;
    if (content)
        text = with_address
                   ? PyUnicode_FromFormat("<%s at %p%S>", name, o, content)
                   : PyUnicode_FromFormat("<%s%S>", name, content);
    Py_XDECREF(content);
    Py_ReprLeave(o);
    return text;
}

static PyObject *queue_repr(PyObject *o)
{
    return describe(o, true);
}

static PyObject *queue_str(PyObject *o)
{
    return describe(o, false);
}

/* More room is for those who wait for it. */
static int set_maxsize(PyObject *o, PyObject *maxsize, void *closure)
{
    Queue *self = (Queue *)o;
    if (!maxsize) {
        PyErr_SetString(PyExc_AttributeError, "maxsize cannot be deleted");
        return -1;
    }
    if (settle_maxsize(self, maxsize) < 0)
        return -1;
    queue_pass_on(self);
    return 0;
}

static PyObject *get_getters(PyObject *o, void *closure)
{
    queue_settle((Queue *)o);
    return queue_greenlets(&((Queue *)o)->getters);
}

static PyObject *get_putters(PyObject *o, void *closure)
{
    return queue_greenlets(&((Queue *)o)->putters);
}
static PyObject *get_maxsize(PyObject *o, void *closure)
{
    Queue *self = (Queue *)o;
    if (self->maxsize <= 0)
        Py_RETURN_NONE;
    return PyLong_FromSsize_t(self->maxsize);
}

static PyObject *queue_copy(PyObject *o, PyObject *none)
{
    Queue *self = (Queue *)o;
    PyObject *maxsize = get_maxsize(o, NULL);
    queue_settle(self);
    PyObject *container =
        self->items.container ? self->items.container : Py_None;
    PyObject *copy = NULL;
    if (maxsize && self->counts)
        copy = PyObject_CallFunction((PyObject *)Py_TYPE(o), "OOn", maxsize,
                                     container, self->unfinished);
    else if (maxsize)
        copy = PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(o), maxsize,
                                            container, NULL);
    Py_XDECREF(maxsize);
    return copy;
}
static Py_ssize_t queue_length(PyObject *o)
{
    return queue_size((Queue *)o);
}

static int queue_bool(PyObject *o)
{
    return 1;
}

/* ---- the types ----------------------------------------------------------- */

#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef object_methods[] = {
    {"copy", queue_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nAnother queue with the same items.\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> queue = SimpleQueue(items=[1, 2])\n"
     "    >>> queue.copy().get(), queue.get()\n"
     "    (1, 1)"},
    {"_put", step_put, METH_O,
     "_put($self, item, /)\n--\n\nPut it into self.queue."},
    {"_get", step_get, METH_NOARGS,
     "_get($self, /)\n--\n\nTake the next out of self.queue."},
    {"_peek", step_peek, METH_NOARGS,
     "_peek($self, /)\n--\n\nThe next of self.queue."},
    {"_qsize", step_qsize, METH_NOARGS,
     "_qsize($self, /)\n--\n\nHow many self.queue has."},
    {"_create_queue", FUNCTION(step_create), METH_FASTCALL,
     "_create_queue($self, items=(), /)\n--\n\nWhat self.queue is at first."},
    {"_init", step_init, METH_O,
     "_init($self, maxsize, /)\n--\n\nMake self.queue."},
    {"_format", queue_format, METH_NOARGS,
     "_format($self, /)\n--\n\nWhat repr() shows behind the class."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL}};

static PyObject *get_container(PyObject *o, void *closure)
{
    Queue *self = (Queue *)o;
    queue_settle(self);
    return Py_NewRef(self->items.container ? self->items.container : Py_None);
}

static int set_container(PyObject *o, PyObject *value, void *closure)
{
    Queue *self = (Queue *)o;
    queue_settle(self);
    Py_XSETREF(self->items.container, Py_XNewRef(value));
    return 0;
}

static PyGetSetDef queue_getset[] = {
    {"queue", get_container, set_container, "The container of the items.",
     NULL},
    {"maxsize", get_maxsize, set_maxsize,
     "How many items there can be; None is no limit. May be set.", NULL},
    {"getters", get_getters, NULL, "A list of the greenlets in get().", NULL},
    {"putters", get_putters, NULL, "A list of the greenlets in put().", NULL},
    {"hub", queue_get_hub, NULL, "The calling thread's Hub.", NULL},
    {NULL}};

static PyNumberMethods queue_number = {.nb_bool = queue_bool};
static PySequenceMethods queue_sequence = {.sq_length = queue_length};

PyDoc_STRVAR(simple_queue_doc,
             "SimpleQueue(maxsize=None, items=())\n--\n\n"
             "Items go out in the order they came in. Greenlets and native "
             "threads may use it\n"
             "together. Iterating takes items out, until one is the class "
             "StopIteration.\n\n"
             "    >>> from grove.queue import SimpleQueue\n"
             "    >>> list(SimpleQueue(items=[\"a\", \"b\", StopIteration]))\n"
             "    ['a', 'b']");

PyTypeObject SimpleQueue_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.SimpleQueue",
    .tp_doc = simple_queue_doc,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = queue_new,
    .tp_init = simple_queue_init,
    .tp_traverse = queue_traverse,
    .tp_clear = queue_clear,
    .tp_dealloc = queue_dealloc,
    .tp_repr = queue_repr,
    .tp_str = queue_str,
    .tp_as_number = &queue_number,
    .tp_as_sequence = &queue_sequence,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = queue_iternext,
    .tp_weaklistoffset = offsetof(Queue, weakrefs),
    .tp_methods = object_methods,
    .tp_getset = queue_getset,
};

static PyMemberDef task_members[] = {{"is_shutdown", T_BOOL,
                                      offsetof(Queue, is_shut), READONLY,
                                      "Whether shutdown() was called."},
                                     {NULL}};

PyDoc_STRVAR(queue_doc,
             "Queue(maxsize=None, items=(), unfinished_tasks=None)\n--\n\n"
             "A SimpleQueue that counts the items that were put and not dealt "
             "with.\n\n"
             "    >>> import grove\n"
             "    >>> from grove.queue import Queue\n"
             "    >>> queue = Queue()\n"
             "    >>> def work():\n"
             "    ...     for item in queue:\n"
             "    ...         print(\"done:\", item)\n"
             "    ...         queue.task_done()\n"
             "    >>> worker = grove.spawn(work)\n"
             "    >>> for item in \"a\", \"b\":\n"
             "    ...     queue.put(item)\n"
             "    >>> queue.join()\n"
             "    done: a\n"
             "    done: b\n"
             "    True");

PyTypeObject Queue_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.Queue",
    .tp_doc = queue_doc,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &SimpleQueue_Type,
    .tp_init = queue_init_object,
    .tp_traverse = queue_traverse,
    .tp_clear = queue_clear,
    .tp_methods = queue_task_methods,
    .tp_members = task_members,
    .tp_getset = queue_task_getset,
};

PyDoc_STRVAR(priority_queue_doc,
             "PriorityQueue(maxsize=None, items=(), unfinished_tasks=None)"
             "\n--\n\n"
             "A Queue whose least item is next.\n\n"
             "    >>> from grove.queue import PriorityQueue\n"
             "    >>> PriorityQueue(items=[3, 1, 2]).get()\n"
             "    1");

PyTypeObject PriorityQueue_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.PriorityQueue",
    .tp_doc = priority_queue_doc,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Queue_Type,
    .tp_traverse = queue_traverse,
    .tp_clear = queue_clear,
};

PyDoc_STRVAR(lifo_queue_doc,
             "LifoQueue(maxsize=None, items=(), unfinished_tasks=None)\n--\n\n"
             "A Queue whose last item is next.\n\n"
             "    >>> from grove.queue import LifoQueue\n"
             "    >>> LifoQueue(items=[1, 2, 3]).get()\n"
             "    3");

PyTypeObject LifoQueue_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.LifoQueue",
    .tp_doc = lifo_queue_doc,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Queue_Type,
    .tp_traverse = queue_traverse,
    .tp_clear = queue_clear,
};

PyDoc_STRVAR(
    unbound_queue_doc,
    "UnboundQueue(maxsize=None, items=(), unfinished_tasks=None)\n--\n\n"
    "A Queue that never has a limit.");

PyTypeObject UnboundQueue_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.UnboundQueue",
    .tp_doc = unbound_queue_doc,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Queue_Type,
    .tp_init = unbound_queue_init,
    .tp_traverse = queue_traverse,
    .tp_clear = queue_clear,
};

/* ---- the module ---------------------------------------------------------- */

int queue_types_init(PyObject *module)
{
    if (module_add_type(module, &SimpleQueue_Type) < 0 ||
        type_add_methods(&SimpleQueue_Type, queue_methods) < 0 ||
        module_add_type(module, &Queue_Type) < 0 ||
        module_add_type(module, &PriorityQueue_Type) < 0 ||
        module_add_type(module, &LifoQueue_Type) < 0 ||
        module_add_type(module, &UnboundQueue_Type) < 0)
        return -1;
    return queue_items_setup();
}

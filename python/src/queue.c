/*
 * SimpleQueue, Queue and their kin. What is in one is in queue_items.c; here is
 * who waits for what.
 *
 *   getters  wait for an item. One that is put while there is none goes
 * straight to the first of them. Otherwise (a peek, a class with steps of its
 *            own) the first is woken and looks again; if it finds nothing, it
 *            waits on as the first.
 *   putters  wait for room: the first is woken for each item that is taken, and
 *            looks again.
 *   joiners  wait until there is no unfinished task: all are woken.
 *
 * Who was woken and cannot use it (killed, timed out, only peeked) wakes the
 * next, so that as long as there are items and getters, or room and putters,
 * one is on its way. An item that was handed to a getter that is killed is put
 * back as the next.
 *
 * Any thread may use a queue; the GIL is what keeps its state in order. Code
 * that takes the queue's mutex (queue_locks) keeps the others out as well.
 */
#include "queue.h"
#include "queue_items.h"

#include <stddef.h>
#include <structmember.h>

typedef struct Queue {
    PyObject_HEAD
    struct queue_items items;
    Py_ssize_t maxsize; /* 0: no limit */
    struct linkable_list getters;
    struct linkable_list putters;
    struct linkable_list joiners;
    Py_ssize_t unfinished; /* tasks; a Queue counts them */
    PyObject *locks; /* what mutex and the conditions belong to; NULL: nobody
                        has asked for them */
    PyObject *weakrefs;
    bool counts;  /* is a Queue */
    bool is_shut; /* shutdown() was called */
} Queue;

struct getter {
    struct linkable_waiter waiter;
    PyObject *item; /* owned; NULL: none was handed to it */
    bool peeks;
};

static PyObject *str_wait_free, *str_on_put, *str_on_get, *str_on_done;
static PyObject *locks_class; /* grove.queue's; makes Queue.locks */

/* ---- the mutex, if somebody uses it -------------------------------------- */

static int tell(Queue *self, PyObject *method)
{
    PyObject *result = PyObject_CallMethodNoArgs(self->locks, method);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Wait while another greenlet holds the mutex. -1 with an exception. */
static inline int pass_mutex(Queue *self)
{
    return likely(!self->locks) ? 0 : tell(self, str_wait_free);
}

static inline int told(Queue *self, PyObject *method)
{
    return likely(!self->locks) ? 0 : tell(self, method);
}

/* ---- waking -------------------------------------------------------------- */

static inline void wake_first(struct linkable_list *list)
{
    if (!linkable_empty(list))
        linkable_wake(linkable_first(list));
}

static Py_ssize_t size_of(Queue *self)
{
    return queue_items_size(&self->items, (PyObject *)self);
}

static inline bool has_room(const Queue *self, Py_ssize_t size)
{
    return self->maxsize <= 0 || size < self->maxsize;
}

/* A getter that was woken leaves without an item. Keeps the exception. */
static void pass_on_item(Queue *self)
{
    if (linkable_empty(&self->getters))
        return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (size_of(self) > 0)
        wake_first(&self->getters);
    PyErr_Clear();
    PyErr_Restore(type, value, tb);
}

/* The same of a putter. */
static void pass_on_room(Queue *self)
{
    if (linkable_empty(&self->putters))
        return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    Py_ssize_t size = size_of(self);
    if (size >= 0 && has_room(self, size))
        wake_first(&self->putters);
    PyErr_Clear();
    PyErr_Restore(type, value, tb);
}

/* ---- getting ------------------------------------------------------------- */

/* There is an item. */
static PyObject *take(Queue *self, bool peeks)
{
    PyObject *o = (PyObject *)self;
    if (peeks) {
        PyObject *item = queue_items_peek(&self->items, o);
        pass_on_item(self);
        return item;
    }
    PyObject *item = queue_items_get(&self->items, o);
    if (unlikely(!item)) {
        pass_on_item(self);
        return NULL;
    }
    wake_first(&self->putters);
    if (unlikely(!linkable_empty(&self->getters)))
        pass_on_item(self);
    if (unlikely(told(self, str_on_get) < 0))
        Py_CLEAR(item);
    return item;
}

/* item (stolen) was handed to who cannot take it any more. */
static void give_back(Queue *self, PyObject *item)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (queue_items_put_back(&self->items, (PyObject *)self, item) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_DECREF(item);
    wake_first(&self->getters);
    PyErr_Restore(type, value, tb);
}

static void append(struct linkable_list *list, struct linkable_waiter *w,
                   bool again)
{
    linkable_append(list, w);
    if (again) { /* to the front */
        linkable_node_remove(&w->at);
        linkable_node_insert(list->ends.next, &w->at);
    }
}

static PyObject *raise_without_item(Queue *self)
{
    PyErr_SetNone(self->is_shut ? queue_ShutDown : queue_Empty);
    return NULL;
}

static PyObject *wait_for_item(Queue *self, bool peeks,
                               const struct queue_patience *p)
{
    struct py_thread *t;
    int64_t deadline;
    enum queue_way way = queue_way_of(p, &t, &deadline);
    if (way != QUEUE_WAIT)
        return way == QUEUE_AT_ONCE ? raise_without_item(self) : NULL;
    struct getter me = {.peeks = peeks};
    for (bool again = false;; again = true) {
        linkable_waiter_init(&me.waiter, t);
        append(&self->getters, &me.waiter, again);
        enum core_wait_result r =
            linkable_wait(&me.waiter, deadline, "Queue.get");
        if (me.item) {
            if (likely(r != CORE_FAILED))
                return me.item;
            give_back(self, me.item);
            return NULL;
        }
        if (r == CORE_FAILED) {
            if (me.waiter.woken)
                pass_on_item(self);
            return NULL;
        }
        if (pass_mutex(self) < 0)
            return NULL;
        Py_ssize_t size = size_of(self);
        if (size < 0)
            return NULL;
        if (size > 0)
            return take(self, peeks);
        if (r == CORE_TIMED_OUT || self->is_shut)
            return raise_without_item(self);
    }
}

static PyObject *get(Queue *self, bool peeks, const struct queue_patience *p)
{
    if (pass_mutex(self) < 0)
        return NULL;
    Py_ssize_t size = size_of(self);
    if (likely(size > 0))
        return take(self, peeks);
    if (size < 0)
        return NULL;
    return self->is_shut ? raise_without_item(self)
                         : wait_for_item(self, peeks, p);
}

/* ---- putting ------------------------------------------------------------- */

/* Straight to the first getter, if that is the same as by way of the
 * container. */
static bool hand_over(Queue *self, PyObject *item)
{
    struct getter *getter =
        container_of(linkable_first(&self->getters), struct getter, waiter);
    if (getter->peeks || !queue_items_direct(&self->items) ||
        queue_items_size_base(&self->items) != 0)
        return false;
    getter->item = Py_NewRef(item);
    linkable_wake(&getter->waiter);
    return true;
}

static int put_in(Queue *self, PyObject *item)
{
    if (linkable_empty(&self->getters)) {
        if (queue_items_put(&self->items, (PyObject *)self, item) < 0)
            return -1;
    } else if (!hand_over(self, item)) {
        if (queue_items_put(&self->items, (PyObject *)self, item) < 0)
            return -1;
        wake_first(&self->getters);
    }
    self->unfinished++;
    return told(self, str_on_put);
}

static int wait_for_room(Queue *self, const struct queue_patience *p)
{
    struct py_thread *t;
    int64_t deadline;
    enum queue_way way = queue_way_of(p, &t, &deadline);
    if (way != QUEUE_WAIT) {
        if (way == QUEUE_AT_ONCE)
            PyErr_SetNone(queue_Full);
        return -1;
    }
    for (bool again = false;; again = true) {
        struct linkable_waiter me;
        linkable_waiter_init(&me, t);
        append(&self->putters, &me, again);
        enum core_wait_result r = linkable_wait(&me, deadline, "Queue.put");
        if (r == CORE_FAILED) {
            if (me.woken)
                pass_on_room(self);
            return -1;
        }
        if (pass_mutex(self) < 0)
            return -1;
        if (self->is_shut) {
            PyErr_SetNone(queue_ShutDown);
            return -1;
        }
        Py_ssize_t size = size_of(self);
        if (size < 0)
            return -1;
        if (has_room(self, size))
            return 0;
        if (r == CORE_TIMED_OUT) {
            PyErr_SetNone(queue_Full);
            return -1;
        }
    }
}

static int put(Queue *self, PyObject *item, const struct queue_patience *p)
{
    if (pass_mutex(self) < 0)
        return -1;
    if (unlikely(self->is_shut)) {
        PyErr_SetNone(queue_ShutDown);
        return -1;
    }
    if (self->maxsize > 0) {
        Py_ssize_t size = size_of(self);
        if (size < 0)
            return -1;
        if (!has_room(self, size)) {
            if (wait_for_room(self, p) < 0)
                return -1;
            int r = put_in(self, item);
            pass_on_room(self); /* there may be more, or it failed */
            return r;
        }
    }
    return put_in(self, item);
}

/* ---- methods of all queues ----------------------------------------------- */

static PyObject *queue_put(PyObject *o, PyObject *const *args, Py_ssize_t n,
                           PyObject *names)
{
    PyObject *item;
    struct queue_patience p;
    if (queue_put_arguments(args, n, names, &item, &p) < 0 ||
        put((Queue *)o, item, &p) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static const struct queue_patience at_once = {Py_False, Py_None};

/* Classes that override put are asked by it. */
static PyObject *queue_put_nowait(PyObject *o, PyObject *item)
{
    if (put((Queue *)o, item, &at_once) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_get(PyObject *o, PyObject *const *args, Py_ssize_t n,
                           PyObject *names)
{
    struct queue_patience p;
    if (queue_get_arguments("get", args, n, names, &p) < 0)
        return NULL;
    return get((Queue *)o, false, &p);
}

static PyObject *queue_get_nowait(PyObject *o, PyObject *none)
{
    return get((Queue *)o, false, &at_once);
}

static PyObject *queue_peek(PyObject *o, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    struct queue_patience p;
    if (queue_get_arguments("peek", args, n, names, &p) < 0)
        return NULL;
    return get((Queue *)o, true, &p);
}

static PyObject *queue_peek_nowait(PyObject *o, PyObject *none)
{
    return get((Queue *)o, true, &at_once);
}

static PyObject *queue_iternext(PyObject *o)
{
    struct queue_patience p = {Py_True, Py_None};
    PyObject *item = get((Queue *)o, false, &p);
    return item ? queue_next_item(item) : NULL;
}

static PyObject *queue_next(PyObject *o, PyObject *none)
{
    PyObject *item = queue_iternext(o);
    if (!item && !PyErr_Occurred())
        PyErr_SetNone(PyExc_StopIteration);
    return item;
}

static PyObject *queue_qsize(PyObject *o, PyObject *none)
{
    Py_ssize_t size = size_of((Queue *)o);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *queue_empty(PyObject *o, PyObject *none)
{
    Py_ssize_t size = size_of((Queue *)o);
    return size < 0 ? NULL : PyBool_FromLong(size == 0);
}

static PyObject *queue_full(PyObject *o, PyObject *none)
{
    Py_ssize_t size = size_of((Queue *)o);
    return size < 0 ? NULL : PyBool_FromLong(!has_room((Queue *)o, size));
}

static Py_ssize_t queue_length(PyObject *o)
{
    return size_of((Queue *)o);
}

static int queue_bool(PyObject *o)
{
    return 1;
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

/* ---- the steps, for classes that override and extend them ---------------- */

static PyObject *step_put(PyObject *o, PyObject *item)
{
    if (queue_items_put_base(&((Queue *)o)->items, item) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *step_get(PyObject *o, PyObject *none)
{
    return queue_items_get_base(&((Queue *)o)->items);
}

static PyObject *step_peek(PyObject *o, PyObject *none)
{
    return queue_items_peek_base(&((Queue *)o)->items);
}

static PyObject *step_qsize(PyObject *o, PyObject *none)
{
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

static int settle_unfinished(Queue *self, PyObject *unfinished)
{
    if (unfinished && unfinished != Py_None) {
        Py_ssize_t n = PyNumber_AsSsize_t(unfinished, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred())
            return -1;
        if (n < 0) {
            PyErr_Format(PyExc_ValueError,
                         "unfinished_tasks must not be negative: %zd", n);
            return -1;
        }
        self->unfinished = n;
        return 0;
    }
    Py_ssize_t n = size_of(self);
    if (n < 0)
        return -1;
    self->unfinished = n;
    return 0;
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
    return settle_unfinished((Queue *)o, unfinished);
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
    pass_on_room(self);
    return 0;
}

static PyObject *get_getters(PyObject *o, void *closure)
{
    return queue_greenlets(&((Queue *)o)->getters);
}

static PyObject *get_putters(PyObject *o, void *closure)
{
    return queue_greenlets(&((Queue *)o)->putters);
}

/* ---- tasks --------------------------------------------------------------- */

static int tasks_are_done(Queue *self)
{
    linkable_wake_all(&self->joiners);
    return told(self, str_on_done);
}

static PyObject *queue_task_done(PyObject *o, PyObject *none)
{
    Queue *self = (Queue *)o;
    if (pass_mutex(self) < 0)
        return NULL;
    if (self->unfinished <= 0) {
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
        return NULL;
    }
    if (--self->unfinished == 0 && tasks_are_done(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_join(PyObject *o, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("join", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    Queue *self = (Queue *)o;
    struct py_thread *t = thread_self();
    int64_t deadline;
    if (!t || timeout_deadline(timeout, &deadline) < 0 || !hub_object(t))
        return NULL;
    while (self->unfinished) {
        struct linkable_waiter me;
        linkable_waiter_init(&me, t);
        linkable_append(&self->joiners, &me);
        enum core_wait_result r = linkable_wait(&me, deadline, "Queue.join");
        if (r == CORE_FAILED)
            return NULL;
        if (r == CORE_TIMED_OUT)
            break;
    }
    return PyBool_FromLong(self->unfinished == 0);
}

static int drop_items(Queue *self)
{
    Py_ssize_t size;
    while ((size = size_of(self)) > 0) {
        PyObject *item = queue_items_get(&self->items, (PyObject *)self);
        if (!item)
            return -1;
        Py_DECREF(item);
        if (self->unfinished > 0)
            self->unfinished--;
    }
    return (int)size;
}

static PyObject *queue_shutdown(PyObject *o, PyObject *const *args,
                                Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"immediate", NULL};
    PyObject *immediate = Py_False;
    if (arguments("shutdown", args, n, names, keywords, 0, &immediate) < 0)
        return NULL;
    Queue *self = (Queue *)o;
    int now = PyObject_IsTrue(immediate);
    if (now < 0 || pass_mutex(self) < 0)
        return NULL;
    self->is_shut = true;
    if (now && drop_items(self) < 0)
        return NULL;
    if (!self->unfinished && tasks_are_done(self) < 0)
        return NULL;
    linkable_wake_all(&self->getters);
    linkable_wake_all(&self->putters);
    if (told(self, str_on_put) < 0 || told(self, str_on_get) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_unfinished(PyObject *o, void *closure)
{
    return PyLong_FromSsize_t(((Queue *)o)->unfinished);
}

static int set_unfinished(PyObject *o, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_AttributeError,
                        "unfinished_tasks cannot be deleted");
        return -1;
    }
    return value == Py_None ? 0 : settle_unfinished((Queue *)o, value);
}

/* ---- the standard library's locks ---------------------------------------- */

/* An attribute of self->locks, which is made now if it must be. */
static PyObject *get_lock(PyObject *o, void *name)
{
    Queue *self = (Queue *)o;
    if (!self->locks) {
        self->locks = PyObject_CallOneArg(locks_class, o);
        if (!self->locks)
            return NULL;
    }
    return PyObject_GetAttrString(self->locks, name);
}

/* What notify() of a condition does for those who wait here. */
static PyObject *queue_wake(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    if (arguments_count("_wake", n, 2, 2) < 0)
        return NULL;
    Queue *self = (Queue *)o;
    struct linkable_list *lists[] = {&self->getters, &self->putters,
                                     &self->joiners};
    Py_ssize_t which = PyNumber_AsSsize_t(args[0], PyExc_IndexError);
    Py_ssize_t count = PyNumber_AsSsize_t(args[1], NULL);
    if (PyErr_Occurred())
        return NULL;
    if (which < 0 || which > 2) {
        PyErr_Format(PyExc_ValueError, "no list of waiters %zd", which);
        return NULL;
    }
    for (; count > 0 && !linkable_empty(lists[which]); count--)
        wake_first(lists[which]);
    Py_RETURN_NONE;
}

/* ---- the types ----------------------------------------------------------- */

#define FAST (METH_FASTCALL | METH_KEYWORDS)
#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef queue_methods[] = {
    {"put", FUNCTION(queue_put), FAST,
     "put(item, block=True, timeout=None)\n--\n\n"
     "Put item in, waiting for room, timeout seconds at most.\n"
     "Raises Full when there is none in time, or at once unless block (or in "
     "the Hub);\nShutDown after shutdown()."},
    {"put_nowait", queue_put_nowait, METH_O,
     "put_nowait(item)\n--\n\nput(item, block=False)"},
    {"get", FUNCTION(queue_get), FAST,
     "get(block=True, timeout=None)\n--\n\n"
     "Take the next item out, waiting for one, timeout seconds at most.\n"
     "Raises Empty when there is none in time, or at once unless block (or in "
     "the Hub);\nShutDown after shutdown() when there is none."},
    {"get_nowait", queue_get_nowait, METH_NOARGS,
     "get_nowait()\n--\n\nget(block=False)"},
    {"peek", FUNCTION(queue_peek), FAST,
     "peek(block=True, timeout=None)\n--\n\n"
     "The next item, as get() has it, without taking it out."},
    {"peek_nowait", queue_peek_nowait, METH_NOARGS,
     "peek_nowait()\n--\n\npeek(block=False)"},
    {"next", queue_next, METH_NOARGS,
     "next()\n--\n\nget(); the item StopIteration is raised."},
    {"qsize", queue_qsize, METH_NOARGS,
     "qsize()\n--\n\nHow many items there are."},
    {"empty", queue_empty, METH_NOARGS,
     "empty()\n--\n\nWhether there is no item."},
    {"full", queue_full, METH_NOARGS,
     "full()\n--\n\nWhether there is no room."},
    {"copy", queue_copy, METH_NOARGS,
     "copy()\n--\n\nAnother queue with the same items."},
    {"_put", step_put, METH_O, "_put(item)\n--\n\nPut it into self.queue."},
    {"_get", step_get, METH_NOARGS,
     "_get()\n--\n\nTake the next out of self.queue."},
    {"_peek", step_peek, METH_NOARGS, "_peek()\n--\n\nThe next of self.queue."},
    {"_qsize", step_qsize, METH_NOARGS,
     "_qsize()\n--\n\nHow many self.queue has."},
    {"_create_queue", FUNCTION(step_create), METH_FASTCALL,
     "_create_queue(items=(), /)\n--\n\nWhat self.queue is at first."},
    {"_init", step_init, METH_O, "_init(maxsize)\n--\n\nMake self.queue."},
    {"_format", queue_format, METH_NOARGS,
     "_format()\n--\n\nWhat repr() shows behind the class."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL}};

static PyGetSetDef queue_getset[] = {
    {"maxsize", get_maxsize, set_maxsize,
     "How many items there can be; None is no limit. May be set.", NULL},
    {"getters", get_getters, NULL, "A list of the greenlets in get().", NULL},
    {"putters", get_putters, NULL, "A list of the greenlets in put().", NULL},
    {"hub", queue_get_hub, NULL, "The calling thread's Hub.", NULL},
    {NULL}};

static PyMemberDef queue_members[] = {{"queue", T_OBJECT,
                                       offsetof(Queue, items.container), 0,
                                       "The container of the items."},
                                      {NULL}};

static PyNumberMethods queue_number = {.nb_bool = queue_bool};
static PySequenceMethods queue_sequence = {.sq_length = queue_length};

PyDoc_STRVAR(simple_queue_doc,
             "SimpleQueue(maxsize=None, items=())\n--\n\n"
             "Items go out in the order they came in. Greenlets and native "
             "threads may use it\n"
             "together. Iterating takes items out, until one is the class "
             "StopIteration.");

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
    .tp_methods = queue_methods,
    .tp_members = queue_members,
    .tp_getset = queue_getset,
};

static PyMethodDef task_methods[] = {
    {"task_done", queue_task_done, METH_NOARGS,
     "task_done()\n--\n\n"
     "An item that was got is dealt with. ValueError when all were."},
    {"join", FUNCTION(queue_join), FAST,
     "join(timeout=None)\n--\n\n"
     "Wait until all items that were put are dealt with; False when timeout\n"
     "seconds pass first."},
    {"shutdown", FUNCTION(queue_shutdown), FAST,
     "shutdown(immediate=False)\n--\n\n"
     "Have put() raise ShutDown, and get() once there are no items: at once "
     "with\nimmediate, which drops them."},
    {"_wake", FUNCTION(queue_wake), METH_FASTCALL,
     "_wake(which, count, /)\n--\n\n"
     "Let so many look again: 0 of the getters, 1 putters, 2 joiners."},
    {NULL}};

static PyGetSetDef task_getset[] = {
    {"unfinished_tasks", get_unfinished, set_unfinished,
     "How many items that were put are not dealt with. May be set.", NULL},
    {"mutex", get_lock, NULL,
     "While a greenlet holds it, others cannot use the queue.",
     (void *)"mutex"},
    {"not_empty", get_lock, NULL, "A condition: an item was put.",
     (void *)"not_empty"},
    {"not_full", get_lock, NULL, "A condition: an item was taken.",
     (void *)"not_full"},
    {"all_tasks_done", get_lock, NULL, "A condition: no task is unfinished.",
     (void *)"all_tasks_done"},
    {NULL}};

static PyMemberDef task_members[] = {{"is_shutdown", T_BOOL,
                                      offsetof(Queue, is_shut), READONLY,
                                      "Whether shutdown() was called."},
                                     {NULL}};

PyDoc_STRVAR(queue_doc,
             "Queue(maxsize=None, items=(), unfinished_tasks=None)\n--\n\n"
             "A SimpleQueue that counts the items that were put and not dealt "
             "with.");

PyTypeObject Queue_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.Queue",
    .tp_doc = queue_doc,
    .tp_basicsize = sizeof(Queue),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &SimpleQueue_Type,
    .tp_init = queue_init_object,
    .tp_traverse = queue_traverse,
    .tp_clear = queue_clear,
    .tp_methods = task_methods,
    .tp_members = task_members,
    .tp_getset = task_getset,
};

PyDoc_STRVAR(priority_queue_doc,
             "PriorityQueue(maxsize=None, items=(), unfinished_tasks=None)"
             "\n--\n\n"
             "A Queue whose least item is next.");

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
             "A Queue whose last item is next.");

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

static PyObject *set_queue_parts(PyObject *module, PyObject *const *args,
                                 Py_ssize_t n)
{
    PyObject **const where[] = {&queue_Empty, &queue_Full, &queue_ShutDown,
                                &locks_class};
    if (arguments_count("_set_queue_parts", n, 4, 4) < 0)
        return NULL;
    for (int i = 0; i < 4; i++)
        Py_XSETREF(*where[i], Py_NewRef(args[i]));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_queue_parts", FUNCTION(set_queue_parts), METH_FASTCALL,
     "_set_queue_parts(Empty, Full, ShutDown, locks, /)\n--\n\n"
     "What grove.queue has in Python."},
    {NULL}};

int queue_init(PyObject *module)
{
    str_wait_free = PyUnicode_InternFromString("wait_free");
    str_on_put = PyUnicode_InternFromString("on_put");
    str_on_get = PyUnicode_InternFromString("on_get");
    str_on_done = PyUnicode_InternFromString("on_done");
    if (!str_wait_free || !str_on_put || !str_on_get || !str_on_done ||
        module_add_type(module, &SimpleQueue_Type) < 0 ||
        module_add_type(module, &Queue_Type) < 0 ||
        module_add_type(module, &PriorityQueue_Type) < 0 ||
        module_add_type(module, &LifoQueue_Type) < 0 ||
        module_add_type(module, &UnboundQueue_Type) < 0 ||
        queue_items_setup() < 0 || channel_init(module) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

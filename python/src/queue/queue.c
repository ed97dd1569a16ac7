/*
 * SimpleQueue, Queue and their kin. What is in one is in items.c; here is
 * who waits for what.
 *
 *   getters  wait for an item. One that is put while there is none goes
 *            straight to the first of them. Otherwise (a peek, a class with
 *            steps of its own) the first is woken and looks again; if it finds
 *            nothing, it waits on as the first.
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
#include "queue/object.h"

/* Who waits in get() or peek(), on its stack. */
struct getter {
    struct linkable_waiter waiter; /* in queue->getters */
    PyObject *item;                /* owned; NULL: none was handed to it */
    bool peeks; /* it leaves the item there, so it is handed none */
};

/* ---- waking -------------------------------------------------------------- */

/* A getter that was woken leaves without an item. Keeps the exception. */
static void pass_on_item(Queue *self)
{
    if (linkable_empty(&self->getters))
        return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (queue_size(self) > 0)
        queue_wake_first(&self->getters);
    PyErr_Clear();
    PyErr_Restore(type, value, tb);
}

void queue_pass_on_room(Queue *self)
{
    if (linkable_empty(&self->putters))
        return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    Py_ssize_t size = queue_size(self);
    if (size >= 0 && queue_has_room(self, size))
        queue_wake_first(&self->putters);
    PyErr_Clear();
    PyErr_Restore(type, value, tb);
}

/* ---- getting ------------------------------------------------------------- */

/* There is an item. */
static PyObject *take(Queue *self, bool peeks)
{
    PyObject *o = (PyObject *)self;
    assert(!PyErr_Occurred());
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
    queue_wake_first(&self->putters);
    if (unlikely(!linkable_empty(&self->getters)))
        pass_on_item(self);
    if (unlikely(queue_tell(self, queue_on_get) < 0))
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
    queue_wake_first(&self->getters);
    PyErr_Restore(type, value, tb);
}

static void append(struct linkable_list *list, struct linkable_waiter *w,
                   bool again)
{
    linkable_append(list, w);
    if (again) { /* to the front */
        assert(!linkable_empty(list));
        ring_remove(&w->at);
        ring_insert(list->ends.next, &w->at);
    }
}

static PyObject *raise_without_item(Queue *self)
{
    assert(queue_ShutDown && queue_Empty && !PyErr_Occurred());
    PyErr_SetNone(self->is_shut ? queue_ShutDown : queue_Empty);
    return NULL;
}

/* Between a look at the items and the place in the list no code may run, nor
 * another thread: so it looks again after queue_way_of, which may make a Hub.
 */
static PyObject *wait_for_item(Queue *self, bool peeks,
                               const struct queue_patience *p)
{
    struct py_thread *t;
    int64_t deadline;
    enum queue_way way = queue_way_of(p, &t, &deadline);
    if (way != QUEUE_WAIT)
        return way == QUEUE_AT_ONCE ? raise_without_item(self) : NULL;
    struct getter me = {.peeks = peeks};
    bool timed_out = false;
    for (bool again = false;; again = true) {
        if (queue_pass_mutex(self) < 0)
            return NULL;
        Py_ssize_t size = queue_size(self);
        if (size < 0)
            return NULL;
        if (size > 0)
            return take(self, peeks);
        if (timed_out || self->is_shut)
            return raise_without_item(self);
        assert(!me.item);
        linkable_waiter_init(&me.waiter, t);
        append(&self->getters, &me.waiter, again);
        enum core_wait_result r =
            linkable_wait(&me.waiter, deadline, "Queue.get");
        if (me.item) {
            assert(me.waiter.woken && !peeks);
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
        timed_out = r == CORE_TIMED_OUT;
    }
}

static PyObject *get(Queue *self, bool peeks, const struct queue_patience *p)
{
    assert(!PyErr_Occurred());
    if (queue_pass_mutex(self) < 0)
        return NULL;
    Py_ssize_t size = queue_size(self);
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
    assert(!linkable_empty(&self->getters));
    struct getter *getter =
        container_of(linkable_first(&self->getters), struct getter, waiter);
    if (getter->peeks || !queue_items_direct(&self->items) ||
        queue_items_size_base(&self->items) != 0)
        return false;
    assert(!getter->item && !getter->waiter.woken);
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
        queue_wake_first(&self->getters);
    }
    assert(self->unfinished >= 0);
    self->unfinished++;
    return queue_tell(self, queue_on_put);
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
    bool timed_out = false;
    for (bool again = false;; again = true) {
        if (queue_pass_mutex(self) < 0)
            return -1;
        if (self->is_shut) {
            PyErr_SetNone(queue_ShutDown);
            return -1;
        }
        Py_ssize_t size = queue_size(self);
        if (size < 0)
            return -1;
        if (queue_has_room(self, size))
            return 0;
        if (timed_out) {
            PyErr_SetNone(queue_Full);
            return -1;
        }
        struct linkable_waiter me;
        linkable_waiter_init(&me, t);
        append(&self->putters, &me, again);
        enum core_wait_result r = linkable_wait(&me, deadline, "Queue.put");
        if (r == CORE_FAILED) {
            if (me.woken)
                queue_pass_on_room(self);
            return -1;
        }
        timed_out = r == CORE_TIMED_OUT;
    }
}

static int put(Queue *self, PyObject *item, const struct queue_patience *p)
{
    assert(!PyErr_Occurred());
    if (queue_pass_mutex(self) < 0)
        return -1;
    if (unlikely(self->is_shut)) {
        PyErr_SetNone(queue_ShutDown);
        return -1;
    }
    if (self->maxsize > 0) {
        Py_ssize_t size = queue_size(self);
        if (size < 0)
            return -1;
        if (!queue_has_room(self, size)) {
            if (wait_for_room(self, p) < 0)
                return -1;
            int r = put_in(self, item);
            queue_pass_on_room(self); /* there may be more, or it failed */
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

static PyObject *queue_put_nowait(PyObject *o, PyObject *const *args,
                                  Py_ssize_t n, PyObject *names)
{
    PyObject *item = argument("put_nowait", args, n, names, "item");
    if (!item)
        return NULL;
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

PyObject *queue_iternext(PyObject *o)
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
    Py_ssize_t size = queue_size((Queue *)o);
    return size < 0 ? NULL : PyLong_FromSsize_t(size);
}

static PyObject *queue_empty(PyObject *o, PyObject *none)
{
    Py_ssize_t size = queue_size((Queue *)o);
    return size < 0 ? NULL : PyBool_FromLong(size == 0);
}

static PyObject *queue_full(PyObject *o, PyObject *none)
{
    Py_ssize_t size = queue_size((Queue *)o);
    return size < 0 ? NULL : PyBool_FromLong(!queue_has_room((Queue *)o, size));
}

#define FAST (METH_FASTCALL | METH_KEYWORDS)
#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

PyMethodDef queue_methods[] = {
    {"put", FUNCTION(queue_put), FAST,
     "put($self, /, item, block=True, timeout=None)\n--\n\n"
     "Put item in, waiting for room, timeout seconds at most.\n"
     "Raises Full when there is none in time, or at once unless block (or in "
     "the Hub);\nShutDown after shutdown()."},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait,
     METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, /, item)\n--\n\nput(item, block=False)"},
    {"get", FUNCTION(queue_get), FAST,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "Take the next item out, waiting for one, timeout seconds at most.\n"
     "Raises Empty when there is none in time, or at once unless block (or in "
     "the Hub);\nShutDown after shutdown() when there is none."},
    {"get_nowait", queue_get_nowait, METH_NOARGS,
     "get_nowait($self, /)\n--\n\nget(block=False)"},
    {"peek", FUNCTION(queue_peek), FAST,
     "peek($self, /, block=True, timeout=None)\n--\n\n"
     "The next item, as get() has it, without taking it out."},
    {"peek_nowait", queue_peek_nowait, METH_NOARGS,
     "peek_nowait($self, /)\n--\n\npeek(block=False)"},
    {"next", queue_next, METH_NOARGS,
     "next($self, /)\n--\n\nget(); the item StopIteration is raised."},
    {"qsize", queue_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\nHow many items there are."},
    {"empty", queue_empty, METH_NOARGS,
     "empty($self, /)\n--\n\nWhether there is no item."},
    {"full", queue_full, METH_NOARGS,
     "full($self, /)\n--\n\nWhether there is no room."},
    {NULL}};

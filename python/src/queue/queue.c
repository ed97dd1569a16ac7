/*
 * SimpleQueue, Queue and their kin. What is in one is in items.c; here is
 * who waits for what.
 *
 *   getters  wait for an item.
 *   putters  wait for room.
 *   joiners  wait until there is no unfinished task: all are woken.
 *
 * An item that is put, or taken, begins turns (linkable/turns.c): a putter goes
 * on while there is room, then a getter while there are items, and so on. Until
 * then anybody may take the item or the room. Who is of another thread is woken
 * and looks again; if it finds nothing, it waits on as the first. If it cannot
 * use it (killed, timed out, only peeked), it passes it on, so that as long as
 * there are items and getters, or room and putters, turns are under way or one
 * is on its way.
 *
 * A getter that waits when the first item is put is handed it and woken, which
 * comes to the same if nobody looks at the queue before it runs: `handed`. Who
 * does look takes that back first (queue_settle): the item is in the queue, the
 * getter waits, and turns have its place in the run queue.
 *
 * Any thread may use a queue; the GIL is what keeps its state in order. Code
 * that takes the queue's mutex (queue_locks) keeps the others out as well.
 */
#include "queue/object.h"

/* ---- waking -------------------------------------------------------------- */

static bool putter_may(Queue *self, Py_ssize_t size)
{
    return !linkable_empty(&self->putters) && queue_has_room(self, size);
}

static bool getter_may(Queue *self, Py_ssize_t size)
{
    return !linkable_empty(&self->getters) && size > 0;
}

enum linkable_next queue_next_turn(struct linkable_turns *turns, bool in_hub,
                                   struct grove_fiber **f)
{
    Queue *self = container_of(turns, Queue, turns);
    Py_ssize_t size = self->size_seen;
    if (likely(!self->looked)) {
        if (unlikely(!in_hub && !queue_items_plain(&self->items)))
            return LINKABLE_IN_HUB;
        size = queue_size(self);
    }
    self->looked = false;
    if (unlikely(size < 0)) {
        PyErr_WriteUnraisable((PyObject *)self);
        return LINKABLE_OVER;
    }
    bool putter = putter_may(self, size), getter = getter_may(self, size);
    if (!putter && !getter)
        return LINKABLE_OVER;
    if (in_hub) { /* it goes on from outside, in the next step */
        self->looked = true;
        self->size_seen = size;
        return LINKABLE_GOES_ON;
    }
    bool puts = putter && (!getter || !self->put_last);
    self->put_last = puts;
    struct linkable_waiter *w =
        linkable_first(puts ? &self->putters : &self->getters);
    *f = w->fiber;
    if (!linkable_has_turn(w))
        return LINKABLE_OVER; /* (another thread's may begin more turns) */
    return linkable_empty(&self->putters) && linkable_empty(&self->getters)
               ? LINKABLE_LAST
               : LINKABLE_GOES_ON;
}

static void wake_directly(Queue *self)
{
    Py_ssize_t size = queue_size(self);
    if (putter_may(self, size))
        queue_wake_first(&self->putters);
    if (getter_may(self, size))
        queue_wake_first(&self->getters);
    PyErr_Clear();
}

/* One of another thread is not made to wait until this one parks. */
static bool first_is_local(Queue *self)
{
    const struct linkable_waiter *putter = linkable_first(&self->putters);
    const struct linkable_waiter *getter = linkable_first(&self->getters);
    return (!putter || linkable_is_local(putter)) &&
           (!getter || linkable_is_local(getter));
}

void queue_begin_turns(Queue *self)
{
    struct py_thread *t = linkable_thread();
    if (self->turns.thread && self->turns.thread == t)
        return;
    if (t && t->hub_object && !self->turns.thread && first_is_local(self)) {
        self->put_last = false;
        linkable_turns_begin(&self->turns, t, (PyObject *)self);
        return;
    }
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    wake_directly(self);
    PyErr_Restore(type, value, tb);
}

/* ---- handing over -------------------------------------------------------- */

/* Who waits in get() or peek(), on its stack. */
struct getter {
    struct linkable_waiter waiter; /* in queue->getters */
    PyObject *item;                /* owned; NULL: none was handed to it */
    bool peeks; /* it leaves the item there, so it is handed none */
};

static struct getter *first_getter(Queue *self)
{
    struct linkable_waiter *w = linkable_first(&self->getters);
    return w ? container_of(w, struct getter, waiter) : NULL;
}

/* Whether a getter has got item. */
static bool hand_over(Queue *self, PyObject *item)
{
    struct getter *getter = first_getter(self);
    assert(!self->handed);
    if (!getter || getter->peeks || self->turns.thread || self->locks ||
        !queue_items_direct(&self->items) || !queue_items_plain(&self->items) ||
        Py_SIZE(self->items.container) || !linkable_empty(&self->putters) ||
        !linkable_is_local(&getter->waiter) ||
        getter->waiter.fiber->state != FIBER_PARKED)
        return false;
    getter->item = Py_NewRef(item);
    self->handed = getter;
    linkable_turns_only(&self->turns, &getter->waiter);
    return true;
}

static void to_front(struct linkable_list *list, struct linkable_waiter *w)
{
    linkable_append(list, w);
    ring_remove(&w->at);
    ring_insert(list->ends.next, &w->at);
}

/* One of another thread has it for good, and one that runs. */
void queue_take_back(Queue *self)
{
    struct getter *getter = self->handed;
    struct linkable_waiter *w = &getter->waiter;
    assert(getter->item && w->woken);
    if (!linkable_is_local(w) || w->fiber->state != FIBER_READY ||
        self->turns.thread)
        return;
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (queue_items_put_base(&self->items, getter->item) == 0) {
        self->handed = NULL;
        Py_CLEAR(getter->item);
        linkable_turns_instead(&self->turns, w, (PyObject *)self);
        to_front(&self->getters, w);
    }
    PyErr_Restore(type, value, tb);
}

/* getter leaves without its item. Keeps the exception. */
static void give_back(Queue *self, struct getter *getter)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (queue_items_put(&self->items, (PyObject *)self, getter->item) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_CLEAR(getter->item);
    queue_pass_on(self);
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
        queue_pass_on(self);
        return item;
    }
    PyObject *item = queue_items_get(&self->items, o);
    queue_pass_on(self);
    if (unlikely(item && queue_tell(self, queue_on_get) < 0))
        Py_CLEAR(item);
    return item;
}

static void append(struct linkable_list *list, struct linkable_waiter *w,
                   bool again)
{
    if (again)
        to_front(list, w);
    else
        linkable_append(list, w);
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
    bool timed_out = false;
    for (bool again = false;; again = true) {
        if (queue_pass_mutex(self) < 0)
            return NULL;
        Py_ssize_t size = queue_size(self);
        if (size < 0)
            return NULL;
        if (size > 0)
            return take(self, peeks);
        if (timed_out && !self->is_shut) {
            queue_raise_late(p, queue_Empty);
            return NULL;
        }
        if (self->is_shut)
            return raise_without_item(self);
        struct getter me = {.peeks = peeks};
        linkable_waiter_init(&me.waiter, t);
        append(&self->getters, &me.waiter, again);
        enum core_wait_result r = timeout_settle(
            p->timeout, linkable_wait(&me.waiter, deadline, "Queue.get"));
        if (self->handed == &me) {
            self->handed = NULL;
            linkable_turns_had(&self->turns, &me.waiter);
        }
        if (likely(me.item != NULL && r != CORE_FAILED))
            return me.item;
        if (r == CORE_FAILED) {
            if (me.item)
                give_back(self, &me);
            else if (me.waiter.woken)
                queue_pass_on(self);
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

static int put_in(Queue *self, PyObject *item)
{
    if (linkable_empty(&self->getters) || !hand_over(self, item)) {
        if (queue_items_put(&self->items, (PyObject *)self, item) < 0)
            return -1;
        if (!linkable_empty(&self->getters))
            queue_begin_turns(self);
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
            queue_raise_late(p, queue_Full);
            return -1;
        }
        struct linkable_waiter me;
        linkable_waiter_init(&me, t);
        append(&self->putters, &me, again);
        enum core_wait_result r = timeout_settle(
            p->timeout, linkable_wait(&me, deadline, "Queue.put"));
        if (r == CORE_FAILED) {
            if (me.woken)
                queue_pass_on(self);
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
            queue_pass_on(self); /* there may be more, or it failed */
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
     "the Hub);\nShutDown after shutdown().\n\n"
     "    >>> from grove.queue import Queue\n"
     "    >>> Queue(1, items=[\"first\"]).put(\"second\", timeout=0.01)\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    queue.Full"},
    {"put_nowait", (PyCFunction)(void (*)(void))queue_put_nowait,
     METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, /, item)\n--\n\nput(item, block=False)\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> queue = SimpleQueue()\n"
     "    >>> queue.put_nowait(1)\n"
     "    >>> queue.qsize()\n"
     "    1"},
    {"get", FUNCTION(queue_get), FAST,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "Take the next item out, waiting for one, timeout seconds at most.\n"
     "Raises Empty when there is none in time, or at once unless block (or in "
     "the Hub);\nShutDown after shutdown() when there is none.\n\n"
     "    >>> from grove.queue import Queue\n"
     "    >>> Queue(items=[\"first\"]).get()\n"
     "    'first'"},
    {"get_nowait", queue_get_nowait, METH_NOARGS,
     "get_nowait($self, /)\n--\n\nget(block=False)\n\n"
     "    >>> from grove.queue import Empty, SimpleQueue\n"
     "    >>> try:\n"
     "    ...     SimpleQueue().get_nowait()\n"
     "    ... except Empty:\n"
     "    ...     print(\"there is none\")\n"
     "    there is none"},
    {"peek", FUNCTION(queue_peek), FAST,
     "peek($self, /, block=True, timeout=None)\n--\n\n"
     "The next item, as get() has it, without taking it out.\n\n"
     "    >>> from grove.queue import Queue\n"
     "    >>> queue = Queue(items=[\"first\"])\n"
     "    >>> queue.peek(), queue.get()\n"
     "    ('first', 'first')"},
    {"peek_nowait", queue_peek_nowait, METH_NOARGS,
     "peek_nowait($self, /)\n--\n\npeek(block=False)\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> SimpleQueue(items=[1, 2]).peek_nowait()\n"
     "    1"},
    {"next", queue_next, METH_NOARGS,
     "next($self, /)\n--\n\nget(); the item StopIteration is raised.\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> list(SimpleQueue(items=[1, 2, StopIteration]))\n"
     "    [1, 2]"},
    {"qsize", queue_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\nHow many items there are.\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> SimpleQueue(items=[1, 2]).qsize()\n"
     "    2"},
    {"empty", queue_empty, METH_NOARGS,
     "empty($self, /)\n--\n\nWhether there is no item.\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> SimpleQueue().empty()\n"
     "    True"},
    {"full", queue_full, METH_NOARGS,
     "full($self, /)\n--\n\nWhether there is no room.\n\n"
     "    >>> from grove.queue import SimpleQueue\n"
     "    >>> SimpleQueue(1, items=[1]).full()\n"
     "    True"},
    {NULL}};

/*
 * Channel: a queue without room. Who puts waits until somebody gets, and the
 * other way round.
 *
 *   put --> putters --+
 *                     +--> turns: the getter goes on with the item, then the
 *   get --> getters --+           putter, then the next two
 *
 * Both wait even where the other is there already: they get turns
 * (linkable/turns.c) on the thread that came second. What is of another thread
 * is woken instead. An item that was handed to a getter that is killed before
 * it runs, which only one of another thread can be, goes to the next getter, or
 * is kept for the next get().
 */
#include "queue/patience.h"

#include <stddef.h>

typedef struct Channel {
    PyObject_HEAD
    struct linkable_list getters; /* struct party: who waits for an item */
    struct linkable_list putters; /* struct party: who waits with one */
    struct linkable_list due;     /* the putter whose item was taken */
    struct linkable_turns turns;
    PyObject *returned; /* owned: a list of items whose getter was killed; NULL:
                           none yet */
    PyObject *weakrefs;
} Channel;

/* Who waits: for an item, or with one. On its stack. */
struct party {
    struct linkable_waiter waiter; /* in one of the channel's lists */
    PyObject *item; /* a putter's: borrowed; a getter's: owned, once handed */
};

static struct party *first_party(const struct linkable_list *list)
{
    struct linkable_waiter *w = linkable_first(list);
    return w ? container_of(w, struct party, waiter) : NULL;
}

/* ---- handing over -------------------------------------------------------- */

/* Who has been got from goes on after who has got; one of another thread at
 * once, for this one need not park soon. */
static void make_due(Channel *self, struct party *putter)
{
    struct linkable_waiter *w = &putter->waiter;
    if (!linkable_is_local(w)) {
        linkable_wake(w);
        return;
    }
    ring_remove(&w->at);
    ring_insert(&self->due.ends, &w->at);
    w->woken = true;
}

static struct party *hand_over(Channel *self, struct party *putter)
{
    struct party *getter = first_party(&self->getters);
    assert(getter && putter && !getter->item && putter->item);
    getter->item = Py_NewRef(putter->item);
    return getter;
}

static bool both_there(Channel *self)
{
    return !linkable_empty(&self->getters) && !linkable_empty(&self->putters);
}

static enum linkable_next next_turn(struct linkable_turns *turns, bool in_hub,
                                    struct grove_fiber **f)
{
    Channel *self = container_of(turns, Channel, turns);
    for (;;) {
        struct party *next = first_party(&self->due);
        if (!next && !both_there(self))
            return LINKABLE_OVER;
        if (!next) {
            struct party *putter = first_party(&self->putters);
            next = hand_over(self, putter);
            make_due(self, putter);
        }
        if (linkable_has_turn(&next->waiter)) {
            *f = next->waiter.fiber;
            return linkable_empty(&self->due) && !both_there(self)
                       ? LINKABLE_LAST
                       : LINKABLE_GOES_ON;
        }
    }
}

/* t has just come; another thread's turns are not waited for. */
static void meet(Channel *self, struct py_thread *t)
{
    if (!both_there(self) || self->turns.thread == t)
        return;
    if (!self->turns.thread) {
        linkable_turns_begin(&self->turns, t, (PyObject *)self);
        return;
    }
    while (both_there(self)) {
        struct party *putter = first_party(&self->putters);
        linkable_wake(&hand_over(self, putter)->waiter);
        linkable_wake(&putter->waiter);
    }
}

/* To a getter that waits, from who cannot wait itself. */
static bool give(Channel *self, PyObject *item)
{
    struct party *getter = first_party(&self->getters);
    if (!getter)
        return false;
    assert(!getter->item);
    getter->item = Py_NewRef(item);
    linkable_wake(&getter->waiter);
    return true;
}

/* For who cannot wait, or need not; NULL without an exception: nothing. */
static PyObject *take_returned(Channel *self)
{
    if (likely(!self->returned || !PyList_GET_SIZE(self->returned)))
        return NULL;
    PyObject *item = Py_NewRef(PyList_GET_ITEM(self->returned, 0));
    if (PyList_SetSlice(self->returned, 0, 1, NULL) < 0)
        Py_CLEAR(item);
    return item;
}

static PyObject *take(Channel *self)
{
    struct party *putter = first_party(&self->putters);
    if (!putter)
        return NULL;
    PyObject *item = Py_NewRef(putter->item);
    linkable_wake(&putter->waiter);
    return item;
}

/* item (stolen) was handed to who cannot take it any more. */
static void give_back(Channel *self, PyObject *item)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    if (!give(self, item)) {
        if (!self->returned)
            self->returned = PyList_New(0);
        if (!self->returned || PyList_Append(self->returned, item) < 0)
            PyErr_WriteUnraisable((PyObject *)self);
    }
    Py_DECREF(item);
    PyErr_Restore(type, value, tb);
}

/* ---- putting, getting ---------------------------------------------------- */

/* Who must not wait lets others run, and sees whether one comes. */
static enum queue_way way_of(const struct queue_patience *p,
                             struct py_thread **t, int64_t *deadline)
{
    struct queue_patience waits = {Py_True, p->timeout};
    int block = PyObject_IsTrue(p->block);
    if (block < 0)
        return QUEUE_REFUSED;
    enum queue_way way = queue_way_of(&waits, t, deadline);
    if (!block)
        *deadline = 0;
    return way;
}

static int channel_put_item(Channel *self, PyObject *item,
                            const struct queue_patience *p)
{
    struct py_thread *t;
    int64_t deadline;
    enum queue_way way = way_of(p, &t, &deadline);
    if (way != QUEUE_WAIT) {
        if (way == QUEUE_REFUSED || give(self, item))
            return way == QUEUE_REFUSED ? -1 : 0;
        PyErr_SetNone(queue_Full);
        return -1;
    }
    struct party me = {.item = item};
    linkable_waiter_init(&me.waiter, t);
    linkable_append(&self->putters, &me.waiter);
    meet(self, t);
    switch (timeout_settle(
        p->timeout, linkable_wait(&me.waiter, deadline, "Channel.put"))) {
    case CORE_WOKEN:
        return 0;
    case CORE_TIMED_OUT:
        queue_raise_late(p, queue_Full);
        return -1;
    default:
        return -1;
    }
}

static PyObject *channel_get_item(Channel *self, const struct queue_patience *p)
{
    struct py_thread *t;
    int64_t deadline;
    PyObject *item = take_returned(self);
    if (item || PyErr_Occurred())
        return item;
    enum queue_way way = way_of(p, &t, &deadline);
    if (way != QUEUE_WAIT) {
        item = way == QUEUE_REFUSED ? NULL : take(self);
        if (!item && way != QUEUE_REFUSED)
            PyErr_SetNone(queue_Empty);
        return item;
    }
    struct party me = {.item = NULL};
    linkable_waiter_init(&me.waiter, t);
    linkable_append(&self->getters, &me.waiter);
    meet(self, t);
    switch (timeout_settle(
        p->timeout, linkable_wait(&me.waiter, deadline, "Channel.get"))) {
    case CORE_WOKEN:
        assert(me.item != NULL);
        return me.item;
    case CORE_TIMED_OUT:
        assert(!me.item);
        queue_raise_late(p, queue_Empty);
        return NULL;
    default:
        if (me.item)
            give_back(self, me.item);
        return NULL;
    }
}

/* ---- methods ------------------------------------------------------------- */

static PyObject *channel_put(PyObject *o, PyObject *const *args, Py_ssize_t n,
                             PyObject *names)
{
    PyObject *item;
    struct queue_patience p;
    if (queue_put_arguments(args, n, names, &item, &p) < 0 ||
        channel_put_item((Channel *)o, item, &p) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *channel_put_nowait(PyObject *o, PyObject *const *args,
                                    Py_ssize_t n, PyObject *names)
{
    PyObject *item = argument("put_nowait", args, n, names, "item");
    if (!item)
        return NULL;
    struct queue_patience p = {Py_False, Py_None};
    if (channel_put_item((Channel *)o, item, &p) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *channel_get(PyObject *o, PyObject *const *args, Py_ssize_t n,
                             PyObject *names)
{
    struct queue_patience p;
    if (queue_get_arguments("get", args, n, names, &p) < 0)
        return NULL;
    return channel_get_item((Channel *)o, &p);
}

static PyObject *channel_get_nowait(PyObject *o, PyObject *none)
{
    struct queue_patience p = {Py_False, Py_None};
    return channel_get_item((Channel *)o, &p);
}

static PyObject *channel_iternext(PyObject *o)
{
    struct queue_patience p = {Py_True, Py_None};
    PyObject *item = channel_get_item((Channel *)o, &p);
    return item ? queue_next_item(item) : NULL;
}

static PyObject *channel_next(PyObject *o, PyObject *none)
{
    PyObject *item = channel_iternext(o);
    if (!item && !PyErr_Occurred())
        PyErr_SetNone(PyExc_StopIteration);
    return item;
}

static PyObject *channel_true(PyObject *o, PyObject *none)
{
    Py_RETURN_TRUE;
}

static PyObject *channel_qsize(PyObject *o, PyObject *none)
{
    return PyLong_FromLong(0);
}

/* ---- the object ---------------------------------------------------------- */

static PyObject *channel_new(PyTypeObject *type, PyObject *args,
                             PyObject *kwargs)
{
    Channel *self = (Channel *)type->tp_alloc(type, 0);
    if (self) {
        linkable_list_init(&self->getters);
        linkable_list_init(&self->putters);
        linkable_list_init(&self->due);
        self->turns.next = next_turn;
    }
    return (PyObject *)self;
}

static int channel_init_object(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"maxsize", NULL};
    PyObject *maxsize = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Channel", names,
                                     &maxsize))
        return -1;
    if (!maxsize)
        return 0;
    long n = PyLong_Check(maxsize) ? PyLong_AsLong(maxsize) : 0;
    if (n == -1 && PyErr_Occurred())
        PyErr_Clear();
    if (n == 1)
        return 0;
    PyErr_Format(PyExc_ValueError, "Channels have a maxsize of 1, not %R",
                 maxsize);
    return -1;
}

static int channel_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((Channel *)o)->returned);
    return 0;
}

static int channel_clear(PyObject *o)
{
    Py_CLEAR(((Channel *)o)->returned);
    return 0;
}

static void channel_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    if (((Channel *)o)->weakrefs)
        PyObject_ClearWeakRefs(o);
    channel_clear(o);
    Py_TYPE(o)->tp_free(o);
}

static PyObject *describe(PyObject *o, bool with_address)
{
    Channel *self = (Channel *)o;
    PyObject *waiters = queue_describe_waiters(&self->getters, &self->putters);
    if (!waiters)
        return NULL;
    const char *name = type_name(Py_TYPE(o));
    PyObject *text =
        with_address ? PyUnicode_FromFormat("<%s at %p%U>", name, o, waiters)
                     : PyUnicode_FromFormat("<%s%U>", name, waiters);
    Py_DECREF(waiters);
    return text;
}

static PyObject *channel_repr(PyObject *o)
{
    return describe(o, true);
}

static PyObject *channel_str(PyObject *o)
{
    return describe(o, false);
}

static PyObject *get_balance(PyObject *o, void *closure)
{
    Channel *self = (Channel *)o;
    return PyLong_FromSsize_t(linkable_count(&self->putters) -
                              linkable_count(&self->getters));
}

static PyObject *get_maxsize(PyObject *o, void *closure)
{
    return PyLong_FromLong(1);
}

static PyObject *get_getters(PyObject *o, void *closure)
{
    return queue_greenlets(&((Channel *)o)->getters);
}

static PyObject *get_putters(PyObject *o, void *closure)
{
    return queue_greenlets(&((Channel *)o)->putters);
}

static PyMethodDef methods[] = {
    {"put", (PyCFunction)(void (*)(void))channel_put,
     METH_FASTCALL | METH_KEYWORDS,
     "put($self, /, item, block=True, timeout=None)\n--\n\n"
     "Hand item to who gets, waiting for that, timeout seconds at most.\n"
     "Raises Full when nobody comes in time, or at once unless block.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> channel = Channel()\n"
     "    >>> getter = grove.spawn(channel.get)\n"
     "    >>> channel.put(\"here\")\n"
     "    >>> getter.get()\n"
     "    'here'"},
    {"put_nowait", (PyCFunction)(void (*)(void))channel_put_nowait,
     METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, /, item)\n--\n\nput(item, block=False)\n\n"
     "    >>> import grove\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> channel = Channel()\n"
     "    >>> getting = grove.spawn(channel.get)\n"
     "    >>> grove.sleep()\n"
     "    >>> channel.put_nowait(\"hello\")\n"
     "    >>> getting.get()\n"
     "    'hello'"},
    {"get", (PyCFunction)(void (*)(void))channel_get,
     METH_FASTCALL | METH_KEYWORDS,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "An item of who puts, waiting for that, timeout seconds at most.\n"
     "Raises Empty when nobody comes in time, or at once unless block.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> channel = Channel()\n"
     "    >>> putting = grove.spawn(channel.put, \"hello\")\n"
     "    >>> channel.get(timeout=1)\n"
     "    'hello'"},
    {"get_nowait", channel_get_nowait, METH_NOARGS,
     "get_nowait($self, /)\n--\n\nget(block=False)\n\n"
     "    >>> from grove.queue import Channel, Empty\n"
     "    >>> try:\n"
     "    ...     Channel().get_nowait()\n"
     "    ... except Empty:\n"
     "    ...     print(\"nobody puts\")\n"
     "    nobody puts"},
    {"next", channel_next, METH_NOARGS,
     "next($self, /)\n--\n\nget(); the item StopIteration is raised.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> channel = Channel()\n"
     "    >>> putting = grove.spawn(lambda: [channel.put(1), "
     "channel.put(StopIteration)])\n"
     "    >>> list(channel)\n"
     "    [1]"},
    {"qsize", channel_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\n0\n\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> Channel().qsize()\n"
     "    0"},
    {"empty", channel_true, METH_NOARGS,
     "empty($self, /)\n--\n\nTrue\n\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> Channel().empty()\n"
     "    True"},
    {"full", channel_true, METH_NOARGS,
     "full($self, /)\n--\n\nTrue\n\n"
     "    >>> from grove.queue import Channel\n"
     "    >>> Channel().full()\n"
     "    True"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL}};

static PyGetSetDef getset[] = {
    {"balance", get_balance, NULL,
     "How many wait in put() less those that wait in get().", NULL},
    {"maxsize", get_maxsize, NULL, "1", NULL},
    {"getters", get_getters, NULL, "A list of the greenlets in get().", NULL},
    {"putters", get_putters, NULL, "A list of the greenlets in put().", NULL},
    {"hub", queue_get_hub, NULL, "The calling thread's Hub.", NULL},
    {NULL}};

PyDoc_STRVAR(channel_doc,
             "Channel(maxsize=1)\n--\n\n"
             "A queue without room: put() waits for a get() and get() for a "
             "put(). Any thread\n"
             "may use it. Iterating gets items, until one is the class "
             "StopIteration.\n\n"
             "    >>> import grove\n"
             "    >>> from grove.queue import Channel\n"
             "    >>> channel = Channel()\n"
             "    >>> putter = grove.spawn(channel.put, \"handed over\")\n"
             "    >>> channel.get()\n"
             "    'handed over'");

static PyTypeObject Channel_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.queue.Channel",
    .tp_doc = channel_doc,
    .tp_basicsize = sizeof(Channel),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = channel_new,
    .tp_init = channel_init_object,
    .tp_traverse = channel_traverse,
    .tp_clear = channel_clear,
    .tp_dealloc = channel_dealloc,
    .tp_repr = channel_repr,
    .tp_str = channel_str,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = channel_iternext,
    .tp_weaklistoffset = offsetof(Channel, weakrefs),
    .tp_methods = methods,
    .tp_getset = getset,
};

int channel_init(PyObject *module)
{
    return module_add_type(module, &Channel_Type);
}

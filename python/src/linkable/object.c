/*
 * AbstractLinkable: what Event, AsyncResult and the semaphores have in common.
 * Links and waiting greenlets are in one list, in the order they came, and go
 * in that order once the object is ready.
 *
 * A link is called in the hub of the thread that made it; if that has none, in
 * the object's (the hub of who waited first), else in the hub of the thread
 * that makes the object ready; if there is no hub at all, there and then. What
 * it raises goes to that hub's handle_error, and the others are called all the
 * same.
 *
 *   rawlink            ready               its turn
 *  ---------> in list -------> run queue -----------> called, freed
 *                |                 |
 *                +---- unlink -----+----------------> freed
 *
 * Waiters and links of the thread that makes it ready get turns (turns.c), so
 * that they go in that order; others are woken where they belong. Turns are
 * given in rounds:
 *
 *   round      those that are due when the turns begin
 *   round + 1  greenlets that found it ready before those had had theirs
 *   round + 2  all that became due meanwhile: later
 *
 * so that one that waits over and over keeps nobody out.
 */
#include "linkable/object.h"

#include <structmember.h>

struct link {
    struct linkable_waiter waiter; /* first; fiber: NULL; thread: counted, NULL
                                      while it is not settled whose hub */
    struct run run;                /* in that hub's queue, once it is woken */
    PyObject *callback;            /* owned */
    Linkable *object; /* borrowed in its list, owned once it is woken: then it
                         is in object->due, where unlink finds it */
};

/* ---- links --------------------------------------------------------------- */

static void link_free(struct link *link)
{
    assert(!link->waiter.fiber && link->callback);
    if (ring_linked(&link->waiter.at))
        ring_remove(&link->waiter.at);
    if (ring_linked(&link->waiter.all))
        ring_remove(&link->waiter.all);
    if (run_queued(&link->run))
        run_queue_remove(&link->run);
    if (link->waiter.thread)
        thread_unref(link->waiter.thread);
    Py_XDECREF(link->callback);
    PyMem_Free(link);
}

static void report(struct py_thread *t, PyObject *callback, PyObject *object)
{
    assert(PyErr_Occurred() != NULL);
    if (!t || t->dead || !t->hub_object) {
        PyErr_WriteUnraisable(callback);
        return;
    }
    PyObject *exception = exception_take();
    PyObject *context = PyTuple_Pack(2, callback, object);
    if (!context)
        PyErr_Clear();
    exception_set(exception);
    hub_object_report(t, context);
    Py_XDECREF(context);
}

static void call_link(struct py_thread *t, PyObject *callback, PyObject *object)
{
    PyObject *result = PyObject_CallOneArg(callback, object);
    if (!result)
        report(t, callback, object);
    Py_XDECREF(result);
}

static bool has_hub(struct py_thread *t)
{
    return t && !t->dead && t->hub_object;
}

/* Consumes the link and its reference. */
static void link_call(struct link *link)
{
    Linkable *self = link->object;
    assert(link->waiter.woken && ring_linked(&link->waiter.at));
    PyObject *callback = Py_NewRef(link->callback);
    struct py_thread *t = link->waiter.thread;
    if (t)
        t->references++;
    link_free(link);
    if (has_hub(t))
        hub_object_enter(t);
    call_link(t, callback, (PyObject *)self);
    if (t)
        thread_unref(t);
    Py_DECREF(callback);
    Py_DECREF(self);
}

static void on_turn(struct run *run)
{
    assert(!run_queued(run) && !PyErr_Occurred());
    link_call(container_of(run, struct link, run));
}

static void link_settle(struct link *link, struct py_thread *t)
{
    assert(!ring_linked(&link->waiter.all)); /* the ring of a thread */
    if (t)
        t->references++;
    if (link->waiter.thread)
        thread_unref(link->waiter.thread);
    link->waiter.thread = t;
}

void linkable_wake_link(struct linkable_waiter *w)
{
    struct link *link = container_of(w, struct link, waiter);
    assert(w->woken && !ring_linked(&w->at) && !run_queued(&link->run));
    Linkable *self = (Linkable *)Py_NewRef((PyObject *)link->object);
    ring_insert(&self->due.ends, &w->at);
    if (!has_hub(w->thread)) {
        struct py_thread *mine = linkable_thread();
        link_settle(link, has_hub(self->home) ? self->home
                          : has_hub(mine)     ? mine
                                              : NULL);
    }
    if (!w->thread)
        link_call(link);
    else if (w->thread->tstate == state_current_tstate())
        hub_queue(w->thread->hub, &link->run);
    else
        linkable_wake_foreign(w);
}

void linkable_call_link(struct linkable_waiter *w)
{
    struct link *link = container_of(w, struct link, waiter);
    if (!w->woken) {
        Py_INCREF(link->object);
        w->woken = true;
        if (ring_linked(&w->at))
            ring_remove(&w->at);
        ring_insert(&link->object->due.ends, &w->at);
    }
    link_call(link);
}

/* ---- turns --------------------------------------------------------------- */

static bool is_after(struct ring *at, uint32_t round)
{
    struct linkable_waiter *w = container_of(at, struct linkable_waiter, at);
    return !w->turn || (int32_t)(w->round - round) > 0;
}

/* Into due, behind those of its round. */
static void make_due(Linkable *self, struct linkable_waiter *w, uint32_t round)
{
    struct ring *behind = self->due.ends.prev;
    while (behind != &self->due.ends && is_after(behind, round))
        behind = behind->prev;
    w->round = round;
    w->turn = true;
    w->woken = true;
    ring_insert(behind->next, &w->at);
}

/* Whose turn it is; NULL: nobody's, in these turns. */
static struct linkable_waiter *first_due(Linkable *self)
{
    struct linkable_waiter *w = linkable_first(&self->due);
    while (w && !w->turn)
        w = linkable_next(&self->due, w);
    return w && (int32_t)(w->round - self->round) <= 1 ? w : NULL;
}

static enum linkable_next next_due(struct linkable_turns *turns, bool in_hub,
                                   struct grove_fiber **f)
{
    Linkable *self = container_of(turns, Linkable, turns);
    struct linkable_waiter *w;
    self->turns_started = true;
    while ((w = first_due(self))) {
        assert(w->woken && linkable_is_local(w));
        if (w->round != self->round)
            self->second_round = true;
        if (!w->fiber) {
            if (!in_hub)
                return LINKABLE_IN_HUB;
            linkable_call_link(w);
            continue;
        }
        if (in_hub)
            return LINKABLE_GOES_ON; /* not in the Hub: the next step */
        ring_remove(&w->at);
        if (hub_turn_of(w->fiber)) {
            *f = w->fiber;
            return LINKABLE_GOES_ON;
        }
    }
    self->round += 2;
    self->turns_started = self->second_round = false;
    return first_due(self) ? LINKABLE_LATER : LINKABLE_OVER;
}

static uint32_t round_of_new(Linkable *self)
{
    return self->turns_started ? self->round + 2 : self->round;
}

void linkable_object_notify_all(Linkable *self)
{
    struct linkable_waiter *w;
    struct py_thread *t = linkable_thread();
    bool turns = has_hub(t) && (!self->turns.thread || self->turns.thread == t);
    while ((w = linkable_first(&self->list))) {
        if (!turns || !linkable_is_local(w)) {
            linkable_wake(w);
            continue;
        }
        ring_remove(&w->at);
        if (!w->fiber)
            Py_INCREF(self);
        make_due(self, w, round_of_new(self));
    }
    if (turns && !self->turns.thread && first_due(self))
        linkable_turns_begin(&self->turns, t, (PyObject *)self);
}

int linkable_object_wait_turn_slow(Linkable *self)
{
    struct py_thread *t = thread_self();
    if (!t)
        return -1;
    if (t != self->turns.thread || (PyObject *)t->current == t->hub_object)
        return 0;
    struct linkable_waiter w;
    linkable_waiter_init(&w, t);
    ring_insert(&t->waiters.waiting, &w.all);
    make_due(self, &w, self->round + (self->second_round ? 2 : 1));
    return linkable_wait_due(&w);
}

void linkable_drop_link(struct linkable_waiter *w)
{
    struct link *link = container_of(w, struct link, waiter);
    Linkable *self = link->object;
    assert(w->woken); /* so it owns self */
    link_free(link);
    Py_DECREF(self);
}

/* ---- making and removing links ------------------------------------------- */

static PyObject *str_ready;

/* self.ready() as a subclass has it. */
static int is_ready(PyObject *self)
{
    PyObject *answer = PyObject_CallMethodNoArgs(self, str_ready);
    int ready = answer ? PyObject_IsTrue(answer) : -1;
    Py_XDECREF(answer);
    return ready;
}

static int check_and_notify(Linkable *self)
{
    if (linkable_empty(&self->list))
        return 0;
    int ready = is_ready((PyObject *)self);
    if (ready > 0)
        linkable_object_notify(self);
    return ready < 0 ? -1 : 0;
}

int linkable_object_link(Linkable *self, PyObject *callback)
{
    if (!PyCallable_Check(callback)) {
        PyErr_Format(PyExc_TypeError, "Expected callable: %R", callback);
        return -1;
    }
    struct link *link = PyMem_Calloc(1, sizeof(*link));
    if (!link) {
        PyErr_NoMemory();
        return -1;
    }
    link->waiter.run = &link->run;
    link->run.call = on_turn;
    link->callback = Py_NewRef(callback);
    link->object = self;
    link->waiter.round = self->round;
    struct py_thread *t = linkable_thread();
    if (has_hub(t))
        link_settle(link, t);
    ring_insert(&self->list.ends, &link->waiter.at);
    return 0;
}

static PyObject *rawlink(PyObject *o, PyObject *callback)
{
    if (linkable_object_link((Linkable *)o, callback) < 0 ||
        check_and_notify((Linkable *)o) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static struct link *first_link(struct linkable_list *list,
                               struct linkable_waiter *w)
{
    while (w && w->fiber)
        w = linkable_next(list, w);
    return w ? container_of(w, struct link, waiter) : NULL;
}

/* All links, those that are due first. NULL: the first; the end. */
static struct link *after(Linkable *self, struct link *link)
{
    struct link *next = NULL;
    if (!link)
        next = first_link(&self->due, linkable_first(&self->due));
    else if (link->waiter.woken)
        next = first_link(&self->due, linkable_next(&self->due, &link->waiter));
    else
        return first_link(&self->list,
                          linkable_next(&self->list, &link->waiter));
    return next ? next : first_link(&self->list, linkable_first(&self->list));
}

/* The first link that calls callback, woken or not. 1: *found; 0: there is
 * none; -1 with what comparing raised. Comparing runs code: the link was there
 * when it began. */
static int find(Linkable *self, PyObject *callback, struct link **found)
{
    PyObject *seen = PyList_New(0);
    struct link *link = NULL;
    int r = seen ? 0 : -1;
    while (r == 0 && (link = after(self, link)))
        r = PyList_Append(seen, link->callback);
    PyObject *equal = NULL; /* kept alive by seen */
    for (Py_ssize_t i = 0; r == 0 && !equal && i < PyList_GET_SIZE(seen); i++) {
        r = PyObject_RichCompareBool(PyList_GET_ITEM(seen, i), callback, Py_EQ);
        if (r > 0) {
            equal = PyList_GET_ITEM(seen, i);
            r = 0;
        }
    }
    for (link = NULL; r == 0 && equal && (link = after(self, link));) {
        r = link->callback == equal;
        *found = link;
    }
    Py_XDECREF(seen);
    return r;
}

static PyObject *unlink_method(PyObject *o, PyObject *callback)
{
    Linkable *self = (Linkable *)o;
    struct link *link = NULL;
    int r = find(self, callback, &link);
    if (r < 0)
        return NULL;
    if (r > 0) {
        if (link->waiter.woken)
            linkable_drop_link(&link->waiter);
        else
            link_free(link);
    }
    Py_RETURN_NONE;
}

/* Everything in the list goes: links are freed, waiters are left to whatever
 * else ends their wait. */
static void drop_all(Linkable *self)
{
    struct linkable_waiter *w;
    while ((w = linkable_first(&self->list))) {
        if (w->fiber)
            ring_remove(&w->at);
        else
            link_free(container_of(w, struct link, waiter));
    }
}

void linkable_object_forget_hub(Linkable *self)
{
    if (self->home) {
        thread_unref(self->home);
        self->home = NULL;
    }
}

/* Those that wait stay: greenlets live on in a forked child. */
static PyObject *at_fork_reinit(PyObject *self, PyObject *none)
{
    linkable_object_forget_hub((Linkable *)self);
    Py_RETURN_NONE;
}

static PyObject *check_and_notify_method(PyObject *self, PyObject *none)
{
    if (check_and_notify((Linkable *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* gevent passes those that came while it notified. */
static PyObject *notify_links(PyObject *self, PyObject *const *args,
                              Py_ssize_t n)
{
    if (arguments_count("_notify_links", n, 0, 1) < 0)
        return NULL;
    linkable_object_notify((Linkable *)self);
    Py_RETURN_NONE;
}

static PyObject *ready_method(PyObject *self, PyObject *none)
{
    PyErr_Format(PyExc_NotImplementedError, "%s must define ready()",
                 type_name(Py_TYPE(self)));
    return NULL;
}

static PyObject *linkcount(PyObject *o, PyObject *none)
{
    Linkable *self = (Linkable *)o;
    return PyLong_FromSsize_t(linkable_count(&self->list) +
                              linkable_count(&self->due));
}

/* ---- waiting ------------------------------------------------------------- */

enum core_wait_result linkable_object_wait(Linkable *self, PyObject *timeout,
                                           const char *what)
{
    struct py_thread *t = thread_self();
    int64_t deadline;
    if (!t || timeout_deadline(timeout, &deadline) < 0)
        return CORE_FAILED;
    bool has_hub = t->hub_object != NULL;
    if (core_before_wait(t) < 0)
        return CORE_FAILED;
    linkable_object_settle(self, t);
    /* While a Hub was made, others ran: it may be ready now. */
    int ready = likely(has_hub) ? 0 : is_ready((PyObject *)self);
    if (ready != 0)
        return ready < 0 ? CORE_FAILED : CORE_WOKEN;
    struct linkable_waiter w;
    linkable_waiter_init(&w, t);
    w.round = self->round;
    linkable_append(&self->list, &w);
    return timeout_settle(timeout, linkable_wait(&w, deadline, what));
}

static PyObject *wait_method(PyObject *self, PyObject *const *args,
                             Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("_wait", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    enum core_wait_result r =
        linkable_object_wait((Linkable *)self, timeout, "wait");
    return r == CORE_FAILED ? NULL : PyBool_FromLong(r == CORE_WOKEN);
}

/* ---- the object ---------------------------------------------------------- */

PyObject *linkable_object_new(PyTypeObject *type)
{
    Linkable *self = (Linkable *)type->tp_alloc(type, 0);
    if (self) {
        linkable_list_init(&self->list);
        linkable_list_init(&self->due);
        self->turns.next = next_due;
    }
    return (PyObject *)self;
}

static PyObject *linkable_new(PyTypeObject *type, PyObject *args,
                              PyObject *kwargs)
{
    return linkable_object_new(type);
}

int linkable_object_settle_hub(Linkable *self, PyObject *hub)
{
    if (hub == Py_None)
        return 0;
    if (!PyObject_TypeCheck(hub, &Hub_Type)) {
        PyErr_Format(PyExc_TypeError, "hub must be a Hub or None, not %R", hub);
        return -1;
    }
    linkable_object_settle(self, green_of(hub)->thread);
    return 0;
}

static int linkable_init_object(PyObject *self, PyObject *args,
                                PyObject *kwargs)
{
    static char *names[] = {(char *)"hub", NULL};
    PyObject *hub = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:AbstractLinkable", names,
                                     &hub))
        return -1;
    return linkable_object_settle_hub((Linkable *)self, hub);
}

/* Links that are due refer to it by the run queue: those are no cycles. */
int linkable_object_traverse(PyObject *o, visitproc visit, void *arg)
{
    Linkable *self = (Linkable *)o;
    for (struct linkable_waiter *w = linkable_first(&self->list); w;
         w = linkable_next(&self->list, w)) {
        if (!w->fiber)
            Py_VISIT(container_of(w, struct link, waiter)->callback);
    }
    return 0;
}

int linkable_object_clear(PyObject *o)
{
    drop_all((Linkable *)o);
    return 0;
}

void linkable_object_dealloc(PyObject *o)
{
    Linkable *self = (Linkable *)o;
    PyObject_GC_UnTrack(o);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(o);
    assert(linkable_empty(&self->due)); /* those own it */
    drop_all(self);
    if (self->home)
        thread_unref(self->home);
    Py_TYPE(o)->tp_free(o);
}

static PyObject *get_hub(PyObject *o, void *closure)
{
    struct py_thread *home = ((Linkable *)o)->home;
    return Py_NewRef(has_hub(home) ? home->hub_object : Py_None);
}

static PyMethodDef linkable_methods[] = {
    {"rawlink", rawlink, METH_O,
     "rawlink($self, callback, /)\n--\n\n"
     "Call callback(self) in the hub, once, when this is ready. It must not\n"
     "wait."},
    {"unlink", unlink_method, METH_O,
     "unlink($self, callback, /)\n--\n\n"
     "Undo a rawlink; nothing when there is none.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> event = Event()\n"
     "    >>> event.rawlink(print)\n"
     "    >>> event.unlink(print)\n"
     "    >>> event.linkcount()\n"
     "    0"},
    {"ready", ready_method, METH_NOARGS,
     "ready($self, /)\n--\n\n"
     "Whether links are due."},
    {"linkcount", linkcount, METH_NOARGS,
     "linkcount($self, /)\n--\n\n"
     "How many links and waiting greenlets there are.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.event import Event\n"
     "    >>> event = Event()\n"
     "    >>> waiting = grove.spawn(event.wait)\n"
     "    >>> grove.sleep()\n"
     "    >>> event.linkcount()\n"
     "    1"},
    {"_wait", (PyCFunction)(void (*)(void))wait_method,
     METH_FASTCALL | METH_KEYWORDS,
     "Wait to be notified; False when timeout seconds pass first."},
    {"_check_and_notify", check_and_notify_method, METH_NOARGS,
     "If this is ready, wake all that wait and have the links called."},
    {"_notify_links", (PyCFunction)(void (*)(void))notify_links, METH_FASTCALL,
     "Wake all that wait and have the links called."},
    {"_at_fork_reinit", at_fork_reinit, METH_NOARGS, "Forget the hub."},
    {NULL}};

static PyGetSetDef linkable_getset[] = {
    {"hub", get_hub, NULL,
     "The Hub of the thread that first waited for it, or None.", NULL},
    {NULL}};

PyTypeObject Linkable_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name =
        "grove.sync.linkable.AbstractLinkable",
    .tp_doc = "AbstractLinkable(hub=None)\n--\n\n"
              "What becomes ready, and can be waited for. Subclasses define "
              "ready() and call\n_check_and_notify() when it may have become "
              "true.",
    .tp_basicsize = sizeof(Linkable),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = linkable_new,
    .tp_init = linkable_init_object,
    .tp_traverse = linkable_object_traverse,
    .tp_clear = linkable_object_clear,
    .tp_dealloc = linkable_object_dealloc,
    .tp_weaklistoffset = offsetof(Linkable, weakrefs),
    .tp_methods = linkable_methods,
    .tp_getset = linkable_getset,
};

int linkable_object_init(PyObject *module)
{
    str_ready = PyUnicode_InternFromString("ready");
    return str_ready ? module_add_type(module, &Linkable_Type) : -1;
}

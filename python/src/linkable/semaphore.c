/*
 * Semaphore, BoundedSemaphore, DummySemaphore, for greenlets of any thread.
 *
 * release() adds to the counter and begins turns (turns.c): those who wait get
 * one each while there is one. Until then anybody may take it, so that a
 * greenlet that releases and acquires again need not wait for the others' turns
 * (nor cause two switches each time). One whose turn came when there was
 * nothing left keeps its place, and is handed the next release directly: nobody
 * is overtaken twice.
 *
 *             release            its turn
 *   waiting ----------> turns -----------------------------> has it
 *     ^  |                |    nothing left                     ^
 *     |  |                +----------------> waiting, missed ---+
 *     |  +-- timeout, kill --> gone                   release
 *
 * Takers of other threads are woken, and whoever runs first takes it; in woken
 * until then.
 *
 * Invariants, whenever the GIL may be given up:
 *   1. Turns are under way, or as many are woken as the counter allows, if that
 *      many wait: a taker that gives up passes its turn on.
 *   2. base.list and woken hold takers in the order of their places.
 * Links and wait() take nothing: they get turns, too, and look again.
 */
#include "linkable/semaphore.h"

#include <structmember.h>

/* Who waits in acquire(), on its stack. */
struct taker {
    struct linkable_waiter waiter; /* first; abandoned: taker_abandoned */
    Semaphore *semaphore;          /* borrowed: its acquire() is running */
    uint64_t place;                /* in the order they came; kept when it waits
                                      again */
    bool missed;                   /* it was woken for nothing */
    bool granted;                  /* release() gave it one */
};

static void taker_abandoned(struct linkable_waiter *w);

static struct taker *taker_of(struct linkable_waiter *w)
{
    return w->abandoned == taker_abandoned
               ? container_of(w, struct taker, waiter)
               : NULL;
}

/* ---- passing turns on ---------------------------------------------------- */

static void wake_taker(Semaphore *self, struct taker *taker)
{
    assert(taker->semaphore == self && !taker->granted);
    assert(self->takers >= 0 && self->takers < self->counter);
    linkable_wake(&taker->waiter);
    ring_insert(&self->woken.ends, &taker->waiter.at);
    self->takers++;
}

static bool gives_turn(Semaphore *self, struct linkable_waiter *w)
{
    struct py_thread *t = self->base.turns.thread;
    return linkable_is_local(w) && !w->thread->dead && w->thread->hub_object &&
           (!t || t == w->thread);
}

/* Invariant 1. */
static void pass_on(Semaphore *self)
{
    struct linkable_waiter *w;
    while (self->counter > self->takers &&
           (w = linkable_first(&self->base.list))) {
        struct taker *taker = taker_of(w);
        if (gives_turn(self, w)) {
            if (!self->base.turns.thread)
                linkable_turns_begin(&self->base.turns, w->thread,
                                     (PyObject *)self);
            return;
        }
        if (taker)
            wake_taker(self, taker);
        else
            linkable_wake(w);
    }
}

/* Who has come since the turns began gets none of them. */
static bool had_theirs(Semaphore *self, struct linkable_waiter *w)
{
    return !w || w->round == self->base.round ||
           self->counter <= self->takers || !gives_turn(self, w);
}

static enum linkable_next turns_over(Semaphore *self)
{
    struct linkable_waiter *w = linkable_first(&self->base.list);
    struct taker *taker = w ? taker_of(w) : NULL;
    if (taker && self->counter <= 0 && w->round != self->base.round)
        taker->missed = true;
    self->base.turns_started = false;
    if (w && self->counter > self->takers && gives_turn(self, w))
        return LINKABLE_LATER;
    return LINKABLE_OVER;
}

/* It gets what there is, if it takes. Whether it goes on. */
static bool have_turn(Semaphore *self, struct linkable_waiter *w)
{
    struct taker *taker = taker_of(w);
    ring_remove(&w->at);
    if (!hub_turn_of(w->fiber))
        return false; /* it gives up: it was thrown into, or its time is up */
    w->woken = true;
    if (taker) {
        taker->granted = true;
        self->counter--;
    }
    return true;
}

static enum linkable_next next_turn(struct linkable_turns *turns, bool in_hub,
                                    struct grove_fiber **f)
{
    Semaphore *self = container_of(turns, Semaphore, base.turns);
    struct linkable_waiter *w;
    if (!self->base.turns_started) {
        self->base.turns_started = true;
        self->base.round++;
    }
    while (!had_theirs(self, w = linkable_first(&self->base.list))) {
        if (!w->fiber) {
            if (!in_hub)
                return LINKABLE_IN_HUB;
            linkable_call_link(w);
        } else if (in_hub) {
            return LINKABLE_GOES_ON; /* not in the Hub: the next step */
        } else if (have_turn(self, w)) {
            *f = w->fiber;
            if (!linkable_empty(&self->base.list) ||
                self->counter > self->takers)
                return LINKABLE_GOES_ON;
            self->base.turns_started = false;
            return LINKABLE_LAST;
        }
    }
    return turns_over(self);
}

void semaphore_release(Semaphore *self)
{
    struct linkable_waiter *first = linkable_first(&self->base.list);
    struct taker *taker = first ? taker_of(first) : NULL;
    assert(self->counter >= 0 && self->takers >= 0);
    self->tried = false;
    if (taker && taker->missed && self->counter <= 0) {
        assert(!taker->granted);
        taker->granted = true;
        linkable_wake(first);
        return;
    }
    self->counter++;
    if (first)
        pass_on(self);
}

/* ---- taking -------------------------------------------------------------- */

/* Back among those who wait, at its old place. */
static void wait_again(Semaphore *self, struct taker *taker)
{
    struct linkable_waiter *w = linkable_first(&self->base.list);
    while (w && (!taker_of(w) || taker_of(w)->place < taker->place))
        w = linkable_next(&self->base.list, w);
    assert(taker->waiter.woken && !ring_linked(&taker->waiter.at));
    assert(!w || taker_of(w)->place > taker->place);
    taker->waiter.woken = false;
    linkable_append(&self->base.list, &taker->waiter);
    if (w) {
        ring_remove(&taker->waiter.at);
        ring_insert(&w->at, &taker->waiter.at);
    }
}

/* After its wait: it has one, or waits again. */
static bool take(Semaphore *self, struct taker *taker)
{
    assert(taker->waiter.woken);
    if (taker->granted)
        return true;
    assert(self->takers > 0);
    self->takers--;
    if (self->counter > 0) {
        self->counter--;
        return true;
    }
    taker->missed = true;
    wait_again(self, taker);
    return false;
}

/* It was woken but gives up. */
static void decline(Semaphore *self, struct taker *taker)
{
    assert(taker->waiter.woken);
    if (taker->granted) {
        semaphore_release(self);
        return;
    }
    assert(self->takers > 0);
    self->takers--;
    pass_on(self);
}

static void taker_abandoned(struct linkable_waiter *w)
{
    struct taker *taker = container_of(w, struct taker, waiter);
    if (w->woken)
        decline(taker->semaphore, taker);
}

static int acquire_waiting(Semaphore *self, PyObject *timeout)
{
    struct py_thread *t = thread_self();
    int64_t deadline;
    if (!t || timeout_deadline(timeout, &deadline) < 0 ||
        core_before_wait(t) < 0)
        return -1;
    linkable_object_settle(&self->base, t);
    if (unlikely(self->counter > 0)) { /* others ran while a Hub was made */
        self->counter--;
        return 1;
    }
    struct taker taker = {.semaphore = self, .place = self->next_place++};
    linkable_waiter_init(&taker.waiter, t);
    taker.waiter.abandoned = taker_abandoned;
    taker.waiter.round = self->base.round;
    assert(self->counter == 0);
    linkable_append(&self->base.list, &taker.waiter);
    for (;;) {
        enum core_wait_result r =
            linkable_wait(&taker.waiter, deadline, "acquire");
        if (r == CORE_FAILED && taker.waiter.woken)
            decline(self, &taker);
        if (r != CORE_WOKEN)
            return timeout_settle(timeout, r) == CORE_FAILED ? -1 : 0;
        if (take(self, &taker)) {
            timeout_settle(timeout, r);
            return 1;
        }
    }
}

int semaphore_acquire(Semaphore *self, bool blocking, PyObject *timeout)
{
    assert(self->counter >= 0 && !PyErr_Occurred());
    if (self->counter > 0) {
        self->counter--;
        return 1;
    }
    return blocking ? acquire_waiting(self, timeout) : 0;
}

/* ---- the object ---------------------------------------------------------- */

PyObject *semaphore_object_new(PyTypeObject *type)
{
    Semaphore *self = (Semaphore *)linkable_object_new(type);
    if (self) {
        linkable_list_init(&self->woken);
        self->counter = self->initial = 1;
        self->base.turns.next = next_turn;
    }
    return (PyObject *)self;
}

static PyObject *semaphore_new(PyTypeObject *type, PyObject *args,
                               PyObject *kwargs)
{
    return semaphore_object_new(type);
}

static int semaphore_init_object(PyObject *o, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"value", (char *)"hub", NULL};
    Py_ssize_t value = 1;
    PyObject *hub = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|nO:Semaphore", names,
                                     &value, &hub))
        return -1;
    if (value < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "semaphore initial value must be >= 0");
        return -1;
    }
    Semaphore *self = (Semaphore *)o;
    self->counter = self->initial = value;
    return linkable_object_settle_hub(&self->base, hub);
}

static PyObject *semaphore_acquire_method(PyObject *self, PyObject *const *args,
                                          Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"blocking", "timeout", NULL};
    PyObject *given[] = {Py_True, Py_None};
    if (arguments("acquire", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int blocking = PyObject_IsTrue(given[0]);
    int r = blocking < 0
                ? -1
                : semaphore_acquire((Semaphore *)self, blocking, given[1]);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *counter_of(Semaphore *self)
{
    return PyLong_FromSsize_t(self->counter);
}

static PyObject *semaphore_release_method(PyObject *self, PyObject *none)
{
    semaphore_release((Semaphore *)self);
    return counter_of((Semaphore *)self);
}

static PyObject *bounded_release(PyObject *o, PyObject *none)
{
    Semaphore *self = (Semaphore *)o;
    if (self->counter >= self->initial) {
        PyErr_SetString(PyExc_ValueError, "Semaphore released too many times");
        return NULL;
    }
    semaphore_release(self);
    return counter_of(self);
}

static PyObject *semaphore_wait(PyObject *o, PyObject *const *args,
                                Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("wait", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    Semaphore *self = (Semaphore *)o;
    if (self->counter <= 0 &&
        linkable_object_wait(&self->base, timeout, "Semaphore.wait") ==
            CORE_FAILED)
        return NULL;
    return counter_of(self);
}

static PyObject *semaphore_locked(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(((Semaphore *)self)->counter <= 0);
}

static PyObject *semaphore_ready(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(((Semaphore *)self)->counter > 0);
}

static PyObject *semaphore_rawlink(PyObject *o, PyObject *callback)
{
    Semaphore *self = (Semaphore *)o;
    if (linkable_object_link(&self->base, callback) < 0)
        return NULL;
    pass_on(self);
    Py_RETURN_NONE;
}

static PyObject *semaphore_enter(PyObject *self, PyObject *none)
{
    if (semaphore_acquire((Semaphore *)self, true, Py_None) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* release may be overridden. */
static PyObject *semaphore_exit(PyObject *self, PyObject *const *args,
                                Py_ssize_t n)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *result = type == &Semaphore_Type
                           ? semaphore_release_method(self, NULL)
                       : type == &BoundedSemaphore_Type
                           ? bounded_release(self, NULL)
                           : PyObject_CallMethod(self, "release", NULL);
    if (!result)
        return NULL;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

static PyObject *semaphore_py3k_acquire(PyObject *self, PyObject *const *args,
                                        Py_ssize_t n, PyObject *names)
{
    return semaphore_acquire_method(self, args, n, names);
}

static Py_ssize_t waiting(Semaphore *self)
{
    return linkable_count(&self->base.list) + linkable_count(&self->woken);
}

static PyObject *semaphore_linkcount(PyObject *o, PyObject *none)
{
    Semaphore *self = (Semaphore *)o;
    return PyLong_FromSsize_t(waiting(self) + linkable_count(&self->base.due));
}

static PyObject *semaphore_start_notify(PyObject *self, PyObject *none)
{
    pass_on((Semaphore *)self);
    Py_RETURN_NONE;
}

static PyObject *semaphore_notify_links(PyObject *self, PyObject *const *args,
                                        Py_ssize_t n)
{
    pass_on((Semaphore *)self);
    Py_RETURN_NONE;
}

void semaphore_at_fork_reinit(Semaphore *self)
{
    linkable_object_forget_hub(&self->base);
    if (self->counter < self->initial)
        self->counter = self->initial;
    pass_on(self);
}

static PyObject *at_fork_reinit(PyObject *self, PyObject *none)
{
    semaphore_at_fork_reinit((Semaphore *)self);
    Py_RETURN_NONE;
}

static PyObject *semaphore_repr(PyObject *o)
{
    Semaphore *self = (Semaphore *)o;
    return PyUnicode_FromFormat("<%s at %p counter=%zd _links[%zd]>",
                                type_name(Py_TYPE(o)), o, self->counter,
                                waiting(self));
}

static int set_counter(PyObject *o, PyObject *value, void *closure)
{
    Semaphore *self = (Semaphore *)o;
    Py_ssize_t n = value ? PyLong_AsSsize_t(value) : -1;
    if (n < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "counter must be >= 0");
        return -1;
    }
    self->counter = n;
    pass_on(self);
    return 0;
}

static PyObject *get_counter(PyObject *self, void *closure)
{
    return counter_of((Semaphore *)self);
}

static PyMethodDef semaphore_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))semaphore_acquire_method,
     METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, blocking=True, timeout=None)\n--\n\n"
     "Take one, True; False when there is none in time.\n\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> Semaphore(0).acquire(timeout=0.01)\n"
     "    False"},
    {"_py3k_acquire", (PyCFunction)(void (*)(void))semaphore_py3k_acquire,
     METH_FASTCALL | METH_KEYWORDS, "The same as acquire()."},
    {"release", semaphore_release_method, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Give one back; the counter.\n\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> semaphore = Semaphore(0)\n"
     "    >>> semaphore.release()\n"
     "    1"},
    {"wait", (PyCFunction)(void (*)(void))semaphore_wait,
     METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\n"
     "Wait until there is one, without taking it; the counter.\n\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> semaphore = Semaphore(2)\n"
     "    >>> semaphore.wait(), semaphore.counter\n"
     "    (2, 2)"},
    {"locked", semaphore_locked, METH_NOARGS,
     "locked($self, /)\n--\n\n"
     "Whether acquire() would wait.\n\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> Semaphore(0).locked(), Semaphore(1).locked()\n"
     "    (True, False)"},
    {"ready", semaphore_ready, METH_NOARGS,
     "ready($self, /)\n--\n\n"
     "Whether acquire() would not wait.\n\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> Semaphore(1).ready(), Semaphore(0).ready()\n"
     "    (True, False)"},
    {"rawlink", semaphore_rawlink, METH_O,
     "rawlink($self, callback, /)\n--\n\n"
     "Call callback(self) in the hub, once, when there is one to take. It\n"
     "must not wait.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> semaphore = Semaphore(0)\n"
     "    >>> semaphore.rawlink(lambda semaphore: print(\"one is free\"))\n"
     "    >>> grove.spawn(semaphore.release).join()\n"
     "    one is free"},
    {"linkcount", semaphore_linkcount, METH_NOARGS,
     "linkcount($self, /)\n--\n\n"
     "How many links and waiting greenlets there are.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.lock import Semaphore\n"
     "    >>> semaphore = Semaphore(0)\n"
     "    >>> semaphore.rawlink(print)\n"
     "    >>> semaphore.linkcount()\n"
     "    1"},
    {"_start_notify", semaphore_start_notify, METH_NOARGS,
     "Wake as many as the counter allows."},
    {"_notify_links", (PyCFunction)(void (*)(void))semaphore_notify_links,
     METH_FASTCALL, "Wake as many as the counter allows."},
    {"_at_fork_reinit", at_fork_reinit, METH_NOARGS,
     "As many to take as at first, in a forked child."},
    {"__enter__", semaphore_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL,
     NULL},
    {NULL}};

static PyGetSetDef semaphore_getset[] = {
    {"counter", get_counter, set_counter, "How many there are to take.", NULL},
    {NULL}};

PyTypeObject Semaphore_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.lock.Semaphore",
    .tp_doc =
        "Semaphore(value=1, hub=None)\n--\n\n"
        "A counter that acquire() takes from, waiting while it is 0, for "
        "greenlets of any\nthread. Those who wait are woken in the order "
        "they came.\n\n"
        "    >>> import grove\n"
        "    >>> from grove.lock import Semaphore\n"
        "    >>> two = Semaphore(2)\n"
        "    >>> def use():\n"
        "    ...     with two:\n"
        "    ...         grove.sleep(0.01)\n"
        "    >>> tasks = grove.joinall([grove.spawn(use) for _ in range(5)])\n"
        "    >>> two.counter\n"
        "    2",
    .tp_basicsize = sizeof(Semaphore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Linkable_Type,
    .tp_new = semaphore_new,
    .tp_init = semaphore_init_object,
    .tp_traverse = linkable_object_traverse,
    .tp_clear = linkable_object_clear,
    .tp_dealloc = linkable_object_dealloc,
    .tp_repr = semaphore_repr,
    .tp_methods = semaphore_methods,
    .tp_getset = semaphore_getset,
};

static PyMethodDef bounded_methods[] = {
    {"release", bounded_release, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Give one back, the counter; ValueError when none was taken.\n\n"
     "    >>> from grove.lock import BoundedSemaphore\n"
     "    >>> BoundedSemaphore(1).release()\n"
     "    Traceback (most recent call last):\n"
     "        ...\n"
     "    ValueError: Semaphore released too many times"},
    {NULL}};

static PyMemberDef bounded_members[] = {{"_initial_value", T_PYSSIZET,
                                         offsetof(Semaphore, initial), 0,
                                         "How many there are at most."},
                                        {NULL}};

PyTypeObject BoundedSemaphore_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.lock.BoundedSemaphore",
    .tp_doc = "BoundedSemaphore(value=1, hub=None)\n--\n\n"
              "A Semaphore that is never released more often than acquired.\n\n"
              "    >>> from grove.lock import BoundedSemaphore\n"
              "    >>> BoundedSemaphore(1).release()\n"
              "    Traceback (most recent call last):\n"
              "        ...\n"
              "    ValueError: Semaphore released too many times",
    .tp_basicsize = sizeof(Semaphore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Semaphore_Type,
    .tp_new = semaphore_new,
    .tp_init = semaphore_init_object,
    .tp_traverse = linkable_object_traverse,
    .tp_clear = linkable_object_clear,
    .tp_dealloc = linkable_object_dealloc,
    .tp_methods = bounded_methods,
    .tp_members = bounded_members,
};

int semaphore_init(PyObject *module)
{
    if (module_add_type(module, &Semaphore_Type) < 0)
        return -1;
    return module_add_type(module, &BoundedSemaphore_Type);
}

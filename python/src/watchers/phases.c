/*
 * loop.idle(), prepare(), check() and fork(): watchers of the loop's passes.
 *
 *   idle     whenever nothing else is due after a look at timers and
 *            descriptors: a timer that is always due makes the loop look
 *   prepare  before the loop sleeps; check: after it has
 *   fork     in a forked child, in the first pass of its loop
 *
 * A loop that is busy does not sleep: there prepare and check are called once a
 * round of the run queue, by a node of their own that goes round in it.
 *
 * struct phases is made when the first of these is started and lives as long as
 * its thread.
 */
#include "watchers/phases.h"

struct phases {
    struct py_thread *thread; /* whose watchers.phases it is */
    struct ring idle;         /* ends of the rings of those that are */
    struct ring prepare;      /*   active, in the order they started */
    struct ring check;
    struct ring fork;
    struct timer look; /* armed while there are idle watchers */
    struct run turn;   /* queued: prepare and check, if the loop is busy */
    bool prepared;     /* they were called: the loop may sleep */
};

typedef struct PhaseWatcher {
    Watcher base;
    struct ring at; /* in one of the rings while it is active */
} PhaseWatcher;

static void all_due(struct ring *ring)
{
    for (struct ring *n = ring->next; n != ring; n = n->next)
        watcher_due(&container_of(n, PhaseWatcher, at)->base);
}

/* ---- idle ---------------------------------------------------------------- */

/* It is no reason for the loop to go on: the watchers are. */
static void look_arm(struct phases *p)
{
    if (timer_pending(&p->look) || ring_empty(&p->idle))
        return;
    timer_add(&p->thread->hub->timers, &p->look, hub_clock());
    p->thread->hub->unref++;
}

static void on_look(struct timer *timer)
{
    struct phases *p = container_of(timer, struct phases, look);
    struct hub *hub = p->thread->hub;
    assert(hub == hub_of_thread && !timer_pending(timer));
    hub->unref--;
    if (run_queue_empty(&hub->queue))
        all_due(&p->idle);
    look_arm(p);
}

/* ---- prepare, check ------------------------------------------------------ */

static void turn_queue(struct phases *p)
{
    if (!run_queued(&p->turn) &&
        !(ring_empty(&p->prepare) && ring_empty(&p->check)))
        hub_queue(p->thread->hub, &p->turn);
}

static void on_turn(struct run *run)
{
    struct phases *p = container_of(run, struct phases, turn);
    assert(p->thread->hub == hub_of_thread && !run_queued(run));
    bool busy = !run_queue_empty(&p->thread->hub->queue);
    all_due(&p->prepare);
    p->prepared = !busy;
    if (busy) {
        all_due(&p->check);
        turn_queue(p);
    }
}

void phases_before_sleep(struct phases *p)
{
    if (!p->prepared)
        turn_queue(p);
}

void phases_after_sleep(struct phases *p)
{
    if (!p->prepared)
        return;
    assert(!p->thread->asleep);
    p->prepared = false;
    all_due(&p->check);
    turn_queue(p);
}

void phases_abandon(struct py_thread *t)
{
    struct phases *p = t->watchers.phases;
    if (!p)
        return;
    if (timer_pending(&p->look)) {
        timer_remove(&t->hub->timers, &p->look);
        t->hub->unref--;
    }
    timer_unclaim(&t->hub->timers);
    if (run_queued(&p->turn))
        run_queue_remove(&p->turn);
    phases_end(t);
}

void phases_end(struct py_thread *t)
{
    if (!t->watchers.phases)
        return;
    assert(t->tells_polls > 0);
    PyMem_Free(t->watchers.phases);
    t->watchers.phases = NULL;
    t->tells_polls--;
}

void phases_forked(struct phases *p)
{
    all_due(&p->fork);
}

/* ---- the watchers -------------------------------------------------------- */

static struct phases *phases_of(Watcher *w)
{
    struct py_thread *t = watcher_thread(w);
    if (t->watchers.phases)
        return t->watchers.phases;
    struct phases *p = PyMem_Calloc(1, sizeof(*p));
    if (!p || timer_claim(&t->hub->timers) < 0) {
        PyMem_Free(p);
        PyErr_NoMemory();
        return NULL;
    }
    assert(!t->dead && t->hub == hub_of_thread);
    p->thread = t;
    struct ring *rings[] = {&p->idle, &p->prepare, &p->check, &p->fork};
    for (size_t i = 0; i < 4; i++)
        ring_init(rings[i]);
    p->look.fn = on_look;
    p->turn.call = on_turn;
    t->watchers.phases = p;
    t->tells_polls++;
    return p;
}

static int start(Watcher *w, size_t ring)
{
    if (loop_is_own(w->loop) && ring != offsetof(struct phases, fork))
        return 0; /* see phases_own_pass */
    struct phases *p = phases_of(w);
    if (!p)
        return -1;
    assert(w->active && p->thread == watcher_thread(w));
    struct ring *at = &((PhaseWatcher *)w)->at;
    if (!ring_linked(at))
        ring_insert((struct ring *)((char *)p + ring), at);
    look_arm(p);
    turn_queue(p);
    return 0;
}

static void stop(Watcher *w)
{
    struct ring *at = &((PhaseWatcher *)w)->at;
    if (ring_linked(at))
        ring_remove(at);
}

static int idle_arm(Watcher *w)
{
    return start(w, offsetof(struct phases, idle));
}

static int prepare_arm(Watcher *w)
{
    return start(w, offsetof(struct phases, prepare));
}

static int check_arm(Watcher *w)
{
    return start(w, offsetof(struct phases, check));
}

static int fork_arm(Watcher *w)
{
    return start(w, offsetof(struct phases, fork));
}

static const struct watcher_kind idle_kind = {.arm = idle_arm, .disarm = stop};
static const struct watcher_kind prepare_kind = {.arm = prepare_arm,
                                                 .disarm = stop};
static const struct watcher_kind check_kind = {.arm = check_arm,
                                               .disarm = stop};
static const struct watcher_kind fork_kind = {.arm = fork_arm, .disarm = stop};

bool phases_own_pass(PyObject *loop)
{
    bool idle = false;
    struct ring *ends = &loop_thread(loop)->watchers.active;
    for (struct ring *at = ends->next; at != ends; at = at->next) {
        Watcher *w = container_of(at, Watcher, at);
        if (w->loop != loop)
            continue;
        if (w->kind == &idle_kind)
            idle = true;
        if (w->kind == &idle_kind || w->kind == &prepare_kind ||
            w->kind == &check_kind)
            watcher_due(w);
    }
    return idle;
}

static PyObject *idle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return (PyObject *)watcher_new_plain(type, args, kwargs, &idle_kind);
}

static PyObject *prepare_new(PyTypeObject *type, PyObject *args,
                             PyObject *kwargs)
{
    return (PyObject *)watcher_new_plain(type, args, kwargs, &prepare_kind);
}

static PyObject *check_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return (PyObject *)watcher_new_plain(type, args, kwargs, &check_kind);
}

static PyObject *fork_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return (PyObject *)watcher_new_plain(type, args, kwargs, &fork_kind);
}

#define PHASE_TYPE(object, name, make, doc) \
    PyTypeObject object = { \
        PyVarObject_HEAD_INIT(NULL, 0).tp_name = name, \
        .tp_doc = doc, \
        .tp_basicsize = sizeof(PhaseWatcher), \
        .tp_flags = \
            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, \
        .tp_new = make, \
        .tp_traverse = watcher_traverse, \
        .tp_clear = watcher_clear, \
        .tp_dealloc = watcher_dealloc, \
    }

PHASE_TYPE(IdleWatcher_Type, "grove.core.idle", idle_new,
           "Calls back whenever the loop has nothing else to do.");
PHASE_TYPE(PrepareWatcher_Type, "grove.core.prepare", prepare_new,
           "Calls back before the loop sleeps.");
PHASE_TYPE(CheckWatcher_Type, "grove.core.check", check_new,
           "Calls back after the loop has slept.");
PHASE_TYPE(ForkWatcher_Type, "grove.core.fork", fork_new,
           "Calls back in a forked child.");

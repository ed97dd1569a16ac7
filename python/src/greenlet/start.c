/*
 * How a Greenlet comes to run: start, start_later. It is started once;
 * until its turn comes it is a node of the run queue (spawn.c) or, before that,
 * a timer, and can be taken out of either again.
 *
 *            start                                     its turn
 *   made -----------------------------> in the queue ------------> running
 *     |  start_later          deadline   ^     |
 *     +-------------> delayed -----------+     | green_cancel_start
 *                        +---------------------+-----------------> never
 */
#include "greenlet/private.h"

static PyObject *spawn_callbacks; /* a set; NULL: none */

/* ---- who is told of starts ----------------------------------------------- */

static int call_spawn_callbacks(Greenlet *g)
{
    assert(g->begun && !PyErr_Occurred());
    PyObject *all = PySequence_List(spawn_callbacks);
    if (!all)
        return -1;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all); i++) {
        PyObject *result =
            PyObject_CallOneArg(PyList_GET_ITEM(all, i), (PyObject *)g);
        if (!result) {
            Py_DECREF(all);
            return -1;
        }
        Py_DECREF(result);
    }
    Py_DECREF(all);
    return 0;
}

PyObject *green_add_spawn_callback(PyObject *none, PyObject *callback)
{
    if (!spawn_callbacks && !(spawn_callbacks = PySet_New(NULL)))
        return NULL;
    if (PySet_Add(spawn_callbacks, callback) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *green_remove_spawn_callback(PyObject *none, PyObject *callback)
{
    if (spawn_callbacks) {
        if (PySet_Discard(spawn_callbacks, callback) < 0)
            return NULL;
        if (PySet_GET_SIZE(spawn_callbacks) == 0)
            Py_CLEAR(spawn_callbacks);
    }
    Py_RETURN_NONE;
}

/* ---- the start ----------------------------------------------------------- */

struct green_delay {
    struct timer timer; /* of its thread's hub, armed as long as this lives */
    Greenlet *greenlet; /* owned */
};

static void on_delay(struct timer *timer)
{
    struct green_delay *delay = container_of(timer, struct green_delay, timer);
    Greenlet *g = delay->greenlet;
    assert(g->delay == delay && g->begun && !timer_pending(timer));
    g->delay = NULL;
    timer_unclaim(&green_state(g)->thread->hub->timers);
    PyMem_Free(delay);
    spawned_queue(&g->base);
    Py_DECREF(g); /* the queue has one */
}

void green_delays_abandon(struct hub *hub)
{
    struct timer *timer;
    while ((timer = timer_find(&hub->timers, on_delay)))
        green_cancel_start(
            container_of(timer, struct green_delay, timer)->greenlet);
}

void green_cancel_start(Greenlet *g)
{
    if (run_queued(&g->base.run) && g->base.run.birth)
        spawned_unqueue(&g->base);
    struct green_delay *delay = g->delay;
    if (delay) {
        g->delay = NULL;
        struct hub *hub = green_state(g)->thread->hub;
        assert(delay->greenlet == g && (hub || green_state(g)->thread->dead));
        if (hub) { /* NULL: its thread has ended, and the timers with it */
            timer_remove(&hub->timers, &delay->timer);
            timer_unclaim(&hub->timers);
        }
        PyMem_Free(delay);
        Py_DECREF(g);
    }
}

int green_start(Greenlet *g)
{
    if (g->begun || green_state(g)->phase != GREEN_UNSTARTED)
        return 0;
    if (hub_object_check_thread(green_state(g)->thread) < 0)
        return -1;
    assert(!g->delay && !g->finished);
    g->begun = true;
    spawned_queue(&g->base);
    assert(run_queued(&g->base.run));
    return spawn_callbacks ? call_spawn_callbacks(g) : 0;
}

static PyObject *green_start_method(PyObject *self, PyObject *none)
{
    if (green_start((Greenlet *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int start_later(Greenlet *g, PyObject *seconds)
{
    if (g->begun || green_state(g)->phase != GREEN_UNSTARTED)
        return 0;
    struct py_thread *t = green_state(g)->thread;
    int64_t deadline;
    if (hub_object_check_thread(t) < 0 ||
        argument_deadline(seconds, &deadline) < 0)
        return -1;
    struct green_delay *delay = PyMem_Malloc(sizeof(*delay));
    if (!delay || timer_claim(&t->hub->timers) < 0) {
        PyMem_Free(delay);
        PyErr_NoMemory();
        return -1;
    }
    *delay = (struct green_delay){.timer = {.fn = on_delay}, .greenlet = g};
    assert(!g->delay && !run_queued(&g->base.run));
    Py_INCREF(g);
    g->delay = delay;
    g->begun = true;
    timer_add(&t->hub->timers, &delay->timer, deadline_in_order(deadline));
    return spawn_callbacks ? call_spawn_callbacks(g) : 0;
}

static PyObject *green_start_later(PyObject *self, PyObject *seconds)
{
    if (start_later((Greenlet *)self, seconds) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- the module ---------------------------------------------------------- */

PyMethodDef green_start_methods[] = {
    {"start", green_start_method, METH_NOARGS,
     "start($self, /)\n--\n\n"
     "Have it run when its turn comes. Only the first call counts.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.Greenlet(pow, 2, 3)\n"
     "    >>> task.start()\n"
     "    >>> task.get()\n"
     "    8"},
    {"start_later", green_start_later, METH_O,
     "start_later($self, seconds, /)\n--\n\n"
     "Have it run after that many seconds.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.Greenlet(pow, 2, 3)\n"
     "    >>> task.start_later(0.01)\n"
     "    >>> task.get()\n"
     "    8"},
    {NULL}};

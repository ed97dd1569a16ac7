/*
 * Telling of a Greenlet's end: those who wait for it in C, by a node, and the
 * links, in the order they came.
 *
 * One place in the run queue stands for all of them: the Greenlet's own. When
 * its turn comes, the first is told; if that is somebody who goes on, the
 * Greenlet is queued again, as the first, so that the next is told when he
 * parks. So a link has been called before somebody goes on who came later, and
 * what they queue comes behind all of them. Who was the last and links again
 * before it parks is told then, as if it had come in time (told_at).
 *
 *     finished --> queued --> next_waiter <-----> call_links --> let go of
 *                     ^        in whoever parks    in the Hub
 *                     +-- who goes on --+
 *
 * The queue holds a reference. One link that fails is reported, and the others
 * are called all the same.
 */
#include "greenlet/private.h"

/* ---- who waits ----------------------------------------------------------- */

void green_node_add(Greenlet *g, struct green_node *node)
{
    assert(!green_node_linked(node) && node->fired);
    assert(!g->first == !g->last && !(g->last && g->last->next != g->last));
    node->behind = g->links ? PyList_GET_SIZE(g->links) : 0;
    node->prev = g->last;
    node->next = node;
    if (g->last)
        g->last->next = node;
    else
        g->first = node;
    g->last = node;
}

void green_node_remove(Greenlet *g, struct green_node *node)
{
    if (!green_node_linked(node))
        return;
    struct green_node *next = node->next == node ? NULL : node->next;
    assert(node->prev ? node->prev->next == node : g->first == node);
    assert(next ? next->prev == node : g->last == node);
    if (node->prev)
        node->prev->next = next ? next : node->prev;
    else
        g->first = next;
    if (next)
        next->prev = node->prev;
    else
        g->last = node->prev;
    node->next = NULL;
}

void green_link_gone(Greenlet *g, Py_ssize_t at)
{
    struct green_node *node = g->first;
    while (node) {
        if (at < 0)
            node->behind = 0;
        else
            node->behind -= node->behind > at;
        assert(node->behind >= 0);
        node = node->next == node ? NULL : node->next;
    }
}

/* ---- telling them -------------------------------------------------------- */

static struct grove_fiber *next_waiter(struct run *run);
static void call_links(struct run *run);

static bool has_links(Greenlet *g)
{
    return g->links && PyList_GET_SIZE(g->links);
}

/* The node whose turn it is; NULL: it is a link's, or nobody's. */
static struct green_node *whose_turn(const Greenlet *g)
{
    return g->first && g->first->behind == 0 ? g->first : NULL;
}

/* node, the first, leaves the list. */
static void take_first(Greenlet *g, struct green_node *node)
{
    assert(node == g->first && !node->prev);
    g->first = node->next == node ? NULL : node->next;
    if (g->first)
        g->first->prev = NULL;
    else
        g->last = NULL;
    node->next = NULL;
}

static struct hub *hub_of(Greenlet *g)
{
    return green_state(g)->thread->hub;
}

static void queue_first(Greenlet *g, bool in_hub)
{
    struct run *run = &g->base.run;
    run->birth = in_hub ? NULL : next_waiter;
    run->call = in_hub ? call_links : NULL;
    run_queue_push_first(&hub_of(g)->queue, run);
}

/* Where code may run unless it is not the last reference. */
static void told_all(Greenlet *g)
{
    assert(!g->first && !has_links(g));
    g->notifying = false;
    Py_DECREF(g);
}

static struct grove_fiber *next_waiter(struct run *run)
{
    Greenlet *g = (Greenlet *)container_of(run, Spawned, run);
    assert(!run_queued(run) && g->notifying && green_ready(g));
    birth_begins(green_state(g)->thread);
    struct green_node *node;
    while ((node = whose_turn(g)) && !node->in_hub) {
        take_first(g, node);
        struct grove_fiber *f = node->fired(node);
        if (f && hub_turn_of(f)) {
            if (g->first || has_links(g) || Py_REFCNT(g) == 1) {
                queue_first(g, false);
            } else {
                g->told_at = hub_switches(hub_of(g));
                told_all(g);
            }
            return f;
        }
    }
    if (g->first || has_links(g) || Py_REFCNT(g) == 1)
        queue_first(g, true);
    else
        told_all(g);
    return NULL;
}

static void call_link(Greenlet *g, PyObject *link)
{
    assert(!PyErr_Occurred());
    hub_object_enter(green_state(g)->thread);
    PyObject *result = PyObject_CallOneArg(link, (PyObject *)g);
    if (!result) {
        PyObject *exception = exception_take();
        PyObject *context = PyTuple_Pack(2, link, (PyObject *)g);
        if (!context)
            PyErr_Clear();
        exception_set(exception);
        hub_object_report(green_state(g)->thread, context);
        Py_XDECREF(context);
    }
    Py_XDECREF(result);
}

static void call_first_link(Greenlet *g)
{
    PyObject *link = Py_NewRef(PyList_GET_ITEM(g->links, 0));
    if (PySequence_DelItem(g->links, 0) < 0)
        hub_object_report(green_state(g)->thread, (PyObject *)g);
    green_link_gone(g, 0);
    call_link(g, link);
    Py_DECREF(link);
}

/* A link may add and remove others. */
static void call_links(struct run *run)
{
    Greenlet *g = (Greenlet *)container_of(run, Spawned, run);
    assert(!run_queued(run) && g->notifying && green_ready(g));
    for (;;) {
        struct green_node *node = whose_turn(g);
        if (node) {
            if (!node->in_hub) {
                queue_first(g, false);
                return;
            }
            take_first(g, node);
            node->fired(node);
        } else if (has_links(g)) {
            call_first_link(g);
        } else {
            break;
        }
    }
    told_all(g);
}

void green_notify(Greenlet *g)
{
    assert(green_ready(g));
    if (g->notifying || (!g->first && !has_links(g)))
        return;
    g->notifying = true;
    Py_INCREF(g);
    assert(!run_queued(&g->base.run));
    const struct green_node *node = whose_turn(g);
    bool in_hub = !node || node->in_hub;
    g->base.run.birth = in_hub ? NULL : next_waiter;
    g->base.run.call = in_hub ? call_links : NULL;
    struct hub *hub = hub_of(g);
    if (unlikely(g->told_at == hub_switches(hub)))
        run_queue_push_first(&hub->queue, &g->base.run);
    else
        hub_queue(hub, &g->base.run);
}

bool green_notifies(const struct run *run)
{
    return run->birth == next_waiter || run->call == call_links;
}

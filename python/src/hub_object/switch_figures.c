/*
 * How long greenlets run before they let others: for who looks for code that
 * blocks the hub. On by request, a clock read a switch then; else one test of a
 * pointer.
 *
 * A hub is watched as long as somebody does. Its thread writes, any thread
 * reads, both with the GIL held.
 */
#include "hub_object/switch_watch.h"

#include "hub_object/hub_object.h"

struct switch_watch {
    size_t watchers;     /* who asked for it */
    uint64_t switches;   /* all, and those because a greenlet waits: */
    uint64_t waits;      /*   what gevent calls switches to the hub */
    int64_t last_switch; /* when */
    int64_t last_wait;
    int64_t longest;      /* between two switches, since it was reset */
    int64_t longest_wait; /* between two waits */
};

void switch_watch_note(struct switch_watch *w, bool waits)
{
    int64_t now = hub_clock();
    w->switches++;
    if (now - w->last_switch > w->longest)
        w->longest = now - w->last_switch;
    w->last_switch = now;
    if (!waits)
        return;
    w->waits++;
    if (now - w->last_wait > w->longest_wait)
        w->longest_wait = now - w->last_wait;
    w->last_wait = now;
}

void switch_watch_rested(struct switch_watch *w)
{
    w->last_switch = w->last_wait = hub_clock();
}

static struct py_thread *watched_thread(PyObject *hub)
{
    if (hub_object_is_one(hub))
        return green_of(hub)->thread;
    PyErr_Format(PyExc_TypeError, "expected a Hub, not %R", hub);
    return NULL;
}

static PyObject *watch_switches(PyObject *module, PyObject *const *args,
                                Py_ssize_t n)
{
    if (arguments_count("watch_switches", n, 2, 2) < 0)
        return NULL;
    struct py_thread *t = watched_thread(args[0]);
    int on = t ? PyObject_IsTrue(args[1]) : -1;
    if (on < 0)
        return NULL;
    if (on && !t->watch) {
        t->watch = PyMem_Calloc(1, sizeof(*t->watch));
        if (!t->watch)
            return PyErr_NoMemory();
        switch_watch_rested(t->watch);
    }
    if (t->watch) {
        t->watch->watchers += on ? 1 : (size_t)-1;
        if (t->watch->watchers == 0) {
            PyMem_Free(t->watch);
            t->watch = NULL;
        }
    }
    Py_RETURN_NONE;
}

static double seconds(int64_t ns)
{
    return (double)ns * 1e-9;
}

static PyObject *switch_figures(PyObject *module, PyObject *hub)
{
    struct py_thread *t = watched_thread(hub);
    if (!t)
        return NULL;
    if (t->dead || !t->watch)
        Py_RETURN_NONE;
    struct switch_watch *w = t->watch;
    int64_t now = hub_clock();
    PyObject *current = t->current ? (PyObject *)t->current : Py_None;
    return Py_BuildValue(
        "KKddddOO", (unsigned long long)w->switches,
        (unsigned long long)w->waits, seconds(now - w->last_switch),
        seconds(now - w->last_wait), seconds(w->longest),
        seconds(w->longest_wait), current, t->asleep ? Py_True : Py_False);
}

static PyObject *switch_figures_reset(PyObject *module, PyObject *hub)
{
    struct py_thread *t = watched_thread(hub);
    if (!t)
        return NULL;
    if (t->watch) {
        switch_watch_rested(t->watch);
        t->watch->longest = t->watch->longest_wait = 0;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"watch_switches", (PyCFunction)(void (*)(void))watch_switches,
     METH_FASTCALL,
     "watch_switches(hub, on): count the switches of hub's thread and note "
     "their time, as long as as many have said True as False."},
    {"switch_figures", switch_figures, METH_O,
     "switch_figures(hub): None if it is not watched; else switches, of them "
     "those because a greenlet waits, seconds since the last of either, the "
     "longest between two of either since the last reset, who runs, and "
     "whether the hub sleeps."},
    {"switch_figures_reset", switch_figures_reset, METH_O,
     "switch_figures_reset(hub): measure the longest from now."},
    {NULL}};

int switch_watch_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

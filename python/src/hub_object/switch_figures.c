/*
 * What the switches of a hub's thread took, for Python. A hub is watched as
 * long as somebody does: its thread has a struct switch_clock then.
 *
 * With the GIL held, on any thread.
 */
#include "hub_object/private.h"

struct py_thread *hub_object_thread(PyObject *hub)
{
    if (PyObject_TypeCheck(hub, &Hub_Type))
        return green_of(hub)->thread;
    PyErr_Format(PyExc_TypeError, "expected a Hub, not %R", hub);
    return NULL;
}

static PyObject *watch_switches(PyObject *module, PyObject *const *args,
                                Py_ssize_t n)
{
    if (arguments_count("watch_switches", n, 2, 2) < 0)
        return NULL;
    struct py_thread *t = hub_object_thread(args[0]);
    int on = t ? PyObject_IsTrue(args[1]) : -1;
    if (on < 0)
        return NULL;
    if (on && !t->clock) {
        t->clock = PyMem_Calloc(1, sizeof(*t->clock));
        if (!t->clock)
            return PyErr_NoMemory();
        switch_clock_rested(t->clock);
    }
    if (t->clock) {
        assert(on || t->clock->watchers > 0); /* it goes with the last */
        t->clock->watchers += on ? 1 : (size_t)-1;
        if (t->clock->watchers == 0) {
            PyMem_Free(t->clock);
            t->clock = NULL;
        }
    }
    thread_set_alert(t);
    Py_RETURN_NONE;
}

static double seconds(int64_t ns)
{
    return (double)ns * 1e-9;
}

static PyObject *switch_figures(PyObject *module, PyObject *hub)
{
    struct py_thread *t = hub_object_thread(hub);
    if (!t)
        return NULL;
    if (t->dead || !t->clock)
        Py_RETURN_NONE;
    struct switch_clock *w = t->clock;
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
    struct py_thread *t = hub_object_thread(hub);
    if (!t)
        return NULL;
    if (t->clock) {
        switch_clock_rested(t->clock);
        t->clock->longest = t->clock->longest_wait = 0;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"watch_switches", (PyCFunction)(void (*)(void))watch_switches,
     METH_FASTCALL,
     "watch_switches(hub, on, /)\n--\n\n"
     "Count the switches of hub's thread and note their time, as long as as\n"
     "many have said True as False."},
    {"switch_figures", switch_figures, METH_O,
     "switch_figures(hub, /)\n--\n\n"
     "None if it is not watched; else switches, of them those because a\n"
     "greenlet waits, seconds since the last of either, the longest between\n"
     "two of either since the last reset, who runs, and whether the hub\n"
     "sleeps."},
    {"switch_figures_reset", switch_figures_reset, METH_O,
     "switch_figures_reset(hub, /)\n--\n\n"
     "Measure the longest from now."},
    {NULL}};

int switch_figures_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

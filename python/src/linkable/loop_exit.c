/*
 * LoopExit or not. A hub has run out of things to wait for, but for greenlets
 * that wait in lists (linkable.h), where another native thread could wake them.
 *
 * Could one? Every other thread of the interpreter that lives could, since
 * what it can reach cannot be known, except
 *
 *   - a thread that said it wakes nobody (an idle worker, a watchdog), by
 *     grove._core.thread_background(True);
 *   - a thread whose hub sleeps for the same reason, with no post under way:
 *     somebody must wake it first. So of hubs that wait for each other the last
 *     gets LoopExit.
 *
 * While one could, the hub is held (grove_hub_hold) and sleeps until a post. It
 * is not polled for: a capsule in the dict of each of these threads' states
 * notices their end, and lets the hubs that are held look again.
 */
#include "hub/mailbox.h"
#include "linkable/threads.h"

#define WATCH "grove.watch"
#define BACKGROUND "grove.background"

/* ---- the other threads --------------------------------------------------- */

static bool in_background(PyThreadState *tstate)
{
    PyObject *flag =
        tstate->dict ? PyDict_GetItemString(tstate->dict, BACKGROUND) : NULL;
    return flag == Py_True;
}

/* It sleeps until a post, and none is on its way. */
static bool waits_itself(struct py_thread *t)
{
    return t->waiters.held && t->asleep && !hub_has_mail(t->hub);
}

/* Those that are held look again whether they still have a reason to be. */
static void look_again(void)
{
    for (struct py_thread *t = thread_first(); t; t = t->next) {
        if (t->waiters.held && t->asleep)
            grove_hub_post((grove_hub *)t->hub, &t->waiters.arrival);
    }
}

static void on_end(PyObject *capsule)
{
    look_again();
}

/* Have look_again called when tstate ends. 0, or -1 without memory. */
static int watch(PyThreadState *tstate)
{
    if (!tstate->dict && !(tstate->dict = PyDict_New()))
        return -1;
    if (PyDict_GetItemString(tstate->dict, WATCH))
        return 0;
    /* Any pointer but NULL will do. */
    PyObject *capsule = PyCapsule_New(&Hub_Type, WATCH, on_end);
    if (!capsule)
        return -1;
    int r = PyDict_SetItemString(tstate->dict, WATCH, capsule);
    Py_DECREF(capsule);
    return r;
}

/* Whether a thread other than t's could wake one of t's greenlets. All that
 * could are watched. */
static bool others_may_wake(struct py_thread *t)
{
    bool any = false;
    PyThreadState *tstate = PyInterpreterState_ThreadHead(t->tstate->interp);
    for (; tstate; tstate = PyThreadState_Next(tstate)) {
        if (tstate == t->tstate || in_background(tstate))
            continue;
        struct py_thread *other = thread_look_up(tstate);
        if (other && waits_itself(other))
            continue;
        if (watch(tstate) == 0)
            any = true;
        PyErr_Clear();
    }
    return any;
}

/* ---- the hub ------------------------------------------------------------- */

static bool has_reason(struct py_thread *t)
{
    return t->waiters.waiting.next != &t->waiters.waiting &&
           !state_is_finalizing() && others_may_wake(t);
}

bool loop_exit_hold(struct py_thread *t)
{
    assert(t->tstate == state_current_tstate() && !t->dead);
    if (t->waiters.held || !has_reason(t))
        return false;
    t->waiters.held = true;
    t->tells_polls++;
    grove_hub_hold((grove_hub *)t->hub);
    return true;
}

static void not_held(struct py_thread *t)
{
    assert(t->waiters.held && t->tells_polls > 0);
    t->waiters.held = false;
    t->tells_polls--;
}

void loop_exit_check(struct py_thread *t)
{
    assert(t->tstate == state_current_tstate());
    if (!t->waiters.held || has_reason(t))
        return;
    not_held(t);
    grove_hub_unhold((grove_hub *)t->hub);
}

void loop_exit_forked(struct py_thread *t)
{
    if (t->waiters.held)
        not_held(t);
}

/* ---- for Python ---------------------------------------------------------- */

static PyObject *thread_background(PyObject *module, PyObject *flag)
{
    int on = PyObject_IsTrue(flag);
    PyObject *dict = on < 0 ? NULL : PyThreadState_GetDict();
    if (!dict) {
        if (!PyErr_Occurred())
            PyErr_NoMemory();
        return NULL;
    }
    if (PyDict_SetItemString(dict, BACKGROUND, on ? Py_True : Py_False) < 0)
        return NULL;
    if (on)
        look_again();
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"thread_background", thread_background, METH_O,
     "thread_background(flag): whether the calling native thread, as long as "
     "it lives or until told otherwise, wakes no greenlet: then a hub that "
     "waits for other threads only does not wait for this one."},
    {NULL}};

int loop_exit_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

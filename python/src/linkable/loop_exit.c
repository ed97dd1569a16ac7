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
 *     gets LoopExit;
 *   - a thread whose hub sleeps until it is handed results (ThreadResult), all
 *     of which threads work at that cannot go on themselves. A thread of a pool
 *     says at whose it works, by grove._core.thread_serves(result).
 *
 * A thread that waits in the system for another, as one in a native join does,
 * cannot be told from one that computes: it could wake somebody as long as it
 * lives.
 *
 * While one could, the hub is held (grove_hub_hold) and sleeps until a post. It
 * is not polled for: a capsule in the dict of each of these threads' states
 * notices their end, and lets the hubs that are held look again.
 */
#include "hub/mailbox.h"
#include "linkable/threads.h"

#define WATCH "grove.watch"
#define BACKGROUND "grove.background"
#define SERVES "grove.serves"

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

/* What tstate works at, borrowed; NULL: nothing was said. */
static PyObject *work_of(PyThreadState *tstate)
{
    return tstate->dict ? PyDict_GetItemString(tstate->dict, SERVES) : NULL;
}

/* Whether other's hub is kept waiting by what tstate works at. */
static bool serves(PyThreadState *tstate, const struct py_thread *other)
{
    PyObject *result = work_of(tstate);
    return result && thread_result_for(result) == other &&
           thread_result_holds(result);
}

/* How many threads work at results for other and cannot go on: t, which asks,
 * and those that wait themselves. */
static size_t stuck_servants(const struct py_thread *other,
                             const struct py_thread *t)
{
    size_t n = 0;
    PyThreadState *tstate = PyInterpreterState_ThreadHead(t->tstate->interp);
    for (; tstate; tstate = PyThreadState_Next(tstate)) {
        if (!serves(tstate, other))
            continue;
        struct py_thread *servant = thread_look_up(tstate);
        n += servant && (servant == t || waits_itself(servant));
    }
    return n;
}

/* Its hub has no reason to go on but results, of which n are on their way. */
static bool wants_results_only(const struct py_thread *t, size_t n)
{
    const struct hub *hub = t->hub;
    return !hub->shared_waits &&
           hub->timers.count + hub->loop.waits + hub->holds <= hub->unref + n;
}

/* It sleeps until threads have finished that t, which asks, keeps from it. */
static bool waits_for_stuck(const struct py_thread *other,
                            const struct py_thread *t)
{
    return other->waiters.servants && other->asleep &&
           !hub_has_mail(other->hub) &&
           wants_results_only(other, stuck_servants(other, t));
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
        if (other && (waits_itself(other) || waits_for_stuck(other, t)))
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
    /* Those that work for it may be able to go on no more. */
    if (t->waiters.servants && wants_results_only(t, t->waiters.servants))
        look_again();
    if (!t->waiters.held || has_reason(t))
        return;
    not_held(t);
    grove_hub_unhold((grove_hub *)t->hub);
}

void loop_exit_forked(struct py_thread *t)
{
    if (t->waiters.held)
        not_held(t);
    if (t->waiters.servants) /* the child has none of them */
        t->tells_polls--;
    t->waiters.servants = 0;
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

/* n more threads work for t (or -n fewer). */
static void count_servants(struct py_thread *t, int n)
{
    if (!t || t->dead)
        return;
    t->tells_polls -= t->waiters.servants > 0;
    t->waiters.servants += (size_t)n;
    t->tells_polls += t->waiters.servants > 0;
}

static PyObject *thread_serves(PyObject *module, PyObject *result)
{
    PyObject *dict = PyThreadState_GetDict();
    if (!dict)
        return PyErr_NoMemory();
    PyObject *before = Py_XNewRef(work_of(PyThreadState_Get()));
    int r = PyDict_SetItemString(dict, SERVES, result);
    if (r == 0) {
        count_servants(before ? thread_result_for(before) : NULL, -1);
        count_servants(thread_result_for(result), 1);
    }
    Py_XDECREF(before);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"thread_serves", thread_serves, METH_O,
     "thread_serves(result, /)\n--\n\n"
     "The calling native thread works at what result, a ThreadResult, is to\n"
     "be given, and at nothing else; None: at none. Who waits for it then\n"
     "waits for what this thread waits for."},
    {"thread_background", thread_background, METH_O,
     "thread_background(flag, /)\n--\n\n"
     "Whether the calling native thread, as long as it lives or until told\n"
     "otherwise, wakes no greenlet: then a hub that waits for other threads\n"
     "only does not wait for this one."},
    {NULL}};

int loop_exit_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

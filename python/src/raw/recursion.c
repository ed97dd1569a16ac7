/*
 * Running out of stack in Python code, on interpreters that count calls but do
 * not look at the stack (3.11): it ends in RecursionError as well.
 *
 * A greenlet's stack has a spare part below its guard. Who runs into the guard
 * is on the way down, and the next call that the interpreter counts, in Python
 * or in C, is to be refused: so the SIGSEGV handler opens the spare part and
 * withholds what is left of the recursion limit. The interpreter raises
 * RecursionError by itself.
 *
 *                    it runs into the guard:
 *                    levels are withheld
 *          closed ---------------------------> open
 *             ^                                  |
 *             +----------------------------------+
 *               somebody looks, and it has come out:
 *               the levels are given back
 *
 * Whoever looks: while any stack is open, and only then, the interpreter calls
 * us for each call of a Python function (PEP 523) and for each RecursionError
 * that is caught. So nothing is paid for by those who do not overflow. Who is
 * still in the spare part when a function is called gets the next
 * RecursionError.
 *
 * What is withheld counts as depth (py_state.depth), so a greenlet may be
 * switched away from meanwhile. C code that does not count runs on through the
 * spare part into the guard, which kills the process with a message.
 */
#include "raw/private.h"

#if STATE_HAS_SPARE

static _Atomic unsigned open_stacks;
static _PyFrameEvalFunction evaluate_before; /* whom our probes call on */
static newfunc new_before;
static bool buried; /* another has wrapped our evaluate: it must stay */

static PyTypeObject *error_type(void)
{
    return (PyTypeObject *)PyExc_RecursionError;
}

static void withhold(PyThreadState *ts, struct py_state *s)
{
    int left = STATE_REMAINING(ts);
    if (left <= 0)
        return;
    s->withheld += left;
    STATE_REMAINING(ts) = 0;
}

static void give_back(PyThreadState *ts, struct py_state *s)
{
    STATE_REMAINING(ts) += s->withheld;
    s->withheld = 0;
    assert(STATE_REMAINING(ts) <= STATE_LIMIT(ts));
}

static void look(PyThreadState *ts);

static PyObject *evaluate(PyThreadState *ts, struct _PyInterpreterFrame *frame,
                          int throwing)
{
    look(ts);
    return evaluate_before(ts, frame, throwing);
}

static PyObject *new_error(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    look(PyThreadState_Get());
    return new_before(type, args, kwargs);
}

static void probe(PyThreadState *ts)
{
    if (atomic_fetch_add(&open_stacks, 1) > 0)
        return;
    new_before = error_type()->tp_new;
    error_type()->tp_new = new_error;
    if (buried)
        return;
    evaluate_before = _PyInterpreterState_GetEvalFrameFunc(ts->interp);
    _PyInterpreterState_SetEvalFrameFunc(ts->interp, evaluate);
}

static void stop_probing(PyThreadState *ts)
{
    assert(atomic_load(&open_stacks) > 0);
    if (atomic_fetch_sub(&open_stacks, 1) > 1)
        return;
    error_type()->tp_new = new_before;
    if (buried)
        return;
    buried = _PyInterpreterState_GetEvalFrameFunc(ts->interp) != evaluate;
    if (!buried)
        _PyInterpreterState_SetEvalFrameFunc(ts->interp, evaluate_before);
}

bool recursion_overflow(struct grove_fiber *f)
{
    struct green *g = f->host;
    PyThreadState *ts = g->thread->tstate;
    /* In the middle of a switch the levels are another's, and nothing recurses:
     * it is looked at when it comes back. */
    if (g->thread->hub->current == f)
        withhold(ts, &g->state);
    probe(ts);
    return true;
}

void recursion_recovered(PyThreadState *ts, struct py_state *s,
                         struct stack *stack)
{
    if (!stack_close_spare(stack))
        return; /* tried again when somebody looks */
    give_back(ts, s);
    stop_probing(ts);
}

/* How far a stack must have come out of its spare part: what we call from there
 * must not run into the guard again. */
#define OUT 1024

static void look(PyThreadState *ts)
{
    struct py_thread *t = thread_cached;
    if (!t || t->tstate != ts)
        t = thread_look_up(ts);
    if (!t || !t->hub)
        return;
    struct grove_fiber *f = t->hub->current;
    struct stack *stack = &f->fiber.stack;
    if (!stack->open || !f->host)
        return;
    struct py_state *s = &((struct green *)f->host)->state;
    char *sp = __builtin_frame_address(0);
    char *end = stack_spare_end(stack);
    if (sp < end)
        withhold(ts, s);
    else if (sp >= end + OUT)
        recursion_recovered(ts, s, stack);
}

/* The signal handler is not to be the first to call these: the loader would
 * look them up there. */
int recursion_init(void)
{
    PyInterpreterState *interp = PyInterpreterState_Get();
    _PyInterpreterState_SetEvalFrameFunc(
        interp, _PyInterpreterState_GetEvalFrameFunc(interp));
    return 0;
}

#else

bool recursion_overflow(struct grove_fiber *f)
{
    (void)f;
    return false;
}

int recursion_init(void)
{
    return 0;
}

#endif

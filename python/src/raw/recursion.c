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

#include <assert.h>

#if STATE_HAS_SPARE

static _Atomic unsigned full_stacks;
static bool looking;                         /* evaluate is installed */
static bool buried;                          /* and wrapped by another's: it
                                                must stay */
static _PyFrameEvalFunction evaluate_before; /* whom our probes call on */
static newfunc new_before;

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

static void look_at_calls(PyThreadState *ts)
{
    if (looking || buried)
        return;
    evaluate_before = _PyInterpreterState_GetEvalFrameFunc(ts->interp);
    _PyInterpreterState_SetEvalFrameFunc(ts->interp, evaluate);
    looking = true;
}

static void leave_calls_alone(PyThreadState *ts)
{
    if (!looking || buried)
        return;
    buried = _PyInterpreterState_GetEvalFrameFunc(ts->interp) != evaluate;
    if (!buried)
        _PyInterpreterState_SetEvalFrameFunc(ts->interp, evaluate_before);
    looking = buried;
}

static PyTypeObject *error_type(void)
{
    return (PyTypeObject *)PyExc_RecursionError;
}

static void one_more(PyThreadState *ts)
{
    look_at_calls(ts);
    if (atomic_fetch_add(&full_stacks, 1) == 0) {
        new_before = error_type()->tp_new;
        error_type()->tp_new = new_error;
    }
}

static void one_less(PyThreadState *ts)
{
    assert(atomic_load(&full_stacks) > 0);
    if (atomic_fetch_sub(&full_stacks, 1) == 1) {
        error_type()->tp_new = new_before;
        leave_calls_alone(ts);
    }
}

/* While it runs, its levels are counted by the thread. */
static void withhold(PyThreadState *ts, struct py_state *s)
{
    int left = STATE_REMAINING(ts);
    if (left <= 0)
        return;
    s->withheld += left;
    STATE_REMAINING(ts) = 0;
}

/* While it does not, by its state. */
static void withhold_suspended(PyThreadState *ts, struct py_state *s)
{
    int left = STATE_LIMIT(ts) - s->depth;
    if (left <= 0)
        return;
    s->withheld += left;
    s->depth += left;
}

bool recursion_overflow(struct grove_fiber *f)
{
    struct green *g = f->host;
    struct py_thread *t = g->thread;
    assert(!g->state.full);
    if (t->hub->current == f)
        withhold(t->tstate, &g->state);
    else /* in the middle of a switch: what it may use has been saved */
        withhold_suspended(t->tstate, &g->state);
    g->state.full = true;
    one_more(t->tstate);
    return true;
}

void recursion_resumed(PyThreadState *ts)
{
    look_at_calls(ts);
}

void recursion_recovered(PyThreadState *ts, struct py_state *s,
                         struct stack *stack)
{
    assert(s->full && stack->open);
    if (!stack_close_spare(stack))
        return; /* tried again when somebody looks */
    STATE_REMAINING(ts) += s->withheld;
    s->withheld = 0;
    s->full = false;
    one_less(ts);
}

/* Of another thread this is a guess, but no more than a look too many. */
static bool a_full_stack_runs(void)
{
    for (struct py_thread *t = thread_first(); t; t = t->next) {
        if (t->hub && t->hub->current->fiber.stack.open)
            return true;
    }
    return false;
}

/* How far a stack must have come out of its spare part: what we call from there
 * must not run into the guard again. */
#define OUT 1024

static void look(PyThreadState *ts)
{
    struct py_thread *t = thread_cached;
    if (!t || t->tstate != ts)
        t = thread_look_up(ts);
    struct grove_fiber *f = t && t->hub ? t->hub->current : NULL;
    if (!f || !f->host || !f->fiber.stack.open) {
        if (!a_full_stack_runs())
            leave_calls_alone(ts);
        return;
    }
    struct py_state *s = &((struct green *)f->host)->state;
    struct stack *stack = &f->fiber.stack;
    char *sp = __builtin_frame_address(0);
    if (sp < stack_spare_end(stack))
        withhold(ts, s);
    else if (sp >= stack_spare_end(stack) + OUT)
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

/*
 * Room `interp`: the interpreter's per-greenlet state, and how it is swapped:
 * everything that differs between CPython versions is here, what is hot; and in
 * frames.c, what looks into frames. All rooms above include this header; it
 * knows none of them, and no other file of theirs asks for the version of
 * CPython.
 *
 * PyThreadState describes the running stack of Python frames as well as the
 * thread. The former goes with the greenlet:
 *
 *   frames       cframe (3.11, 3.12), current_frame (since 3.13)
 *   data stack   datastack_chunk, _top, _limit: where frames are allocated
 *   recursion    as a depth, so that sys.setrecursionlimit applies to parked
 *                greenlets, too; on 3.12 and 3.13 also the C counter, since
 *                3.14 the bounds of the C stack
 *   exc_info     the chain of exceptions being handled. Its bottom item lives
 *                in struct py_state, so that only the pointer is swapped
 *   context      contextvars
 *   trashcan     nesting (3.11, 3.12)
 *   JIT          current_executor (since 3.14)
 *
 * The exception in flight is not: it is clear at a switch, but for a throw,
 * where it crosses on purpose. Tracing, profiling, async generator hooks and
 * the rest stay the thread's. So does the chain of objects that died where the
 * stack left no room to take them apart (delete_later): they own themselves,
 * and whoever next has room lets go of them, since 3.13 by what is left of the
 * stack. A small one never has; see state_bury.
 *
 * The first chunk of a greenlet's data stack is in its own stack slot, above
 * the record (STACK_HOST_AREA), where the interpreter takes it for a root
 * chunk: it neither pops nor frees those. It is left unaligned to a page, so
 * that even a thread that dies in a greenlet does not unmap it (munmap
 * refuses).
 *
 * Since 3.14 the interpreter looks at the stack pointer: it raises
 * RecursionError two margins above the end of the stack that it was told, and
 * gives up one margin above it. What it calls then without looking has been
 * seen to need more than that, so it is told an end that leaves more room, or
 * less where a stack is small (state_stack_spare).
 */
#ifndef GROVE_PYTHON_STATE_H
#define GROVE_PYTHON_STATE_H

#include <Python.h>
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "fiber/stack.h"

#if PY_VERSION_HEX < 0x030B0000 || PY_VERSION_HEX >= 0x03100000
#error "grove knows CPython 3.11 to 3.15"
#endif
#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030E0100
#error "grove needs 3.14.1: 3.14.0 allows no stacks but the threads' own"
#endif
#ifdef Py_GIL_DISABLED
#error "grove needs a CPython with the GIL"
#endif

#define STATE_HAS_CFRAME (PY_VERSION_HEX < 0x030D0000)
#define STATE_HAS_C_RECURSION \
    (PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030E0000)
/* The interpreter knows nothing of the C stack, and counts what takes it in one
 * number with the rest: see recursion.c. */
#define STATE_HAS_SPARE (PY_VERSION_HEX < 0x030C0000)
#define STATE_HAS_STACK_BOUNDS (PY_VERSION_HEX >= 0x030E0000)
#define STATE_HAS_TRASH_NESTING (PY_VERSION_HEX < 0x030D0000)

/* 3.11 caches a method's look-up (LOAD_METHOD) only on objects whose dict, if
 * their type has one, exists: without it g.switch() is looked up each time, at
 * a third of a switch's cost. */
#define STATE_METHODS_WANT_DICT (PY_VERSION_HEX < 0x030C0000)

/* Tracing is put into code, and what runs it relies on that; it is done to the
 * frames of running greenlets alone. */
#define STATE_HAS_INSTRUMENTATION (PY_VERSION_HEX >= 0x030F0000)

/* While the greenlet is suspended these are what the thread state is to be
 * given back. While it runs they are stale, but for what says something else.
 */
struct py_state {
#if STATE_HAS_CFRAME
    _PyCFrame *cframe; /* of its innermost evaluation; NULL: not begun */
    _PyCFrame bottom;  /* what cframe is when no frame runs; linked to always */
#else
    struct _PyInterpreterFrame *current_frame; /* the innermost; NULL: none */
#endif
    /* The data stack: its last chunk, and there the next free place and the
     * end. NULL: the thread's own, before its first frame. */
    _PyStackChunk *chunk;
    PyObject **chunk_top;
    PyObject **chunk_limit;
    _PyErr_StackItem *exc_info;  /* the innermost exception being handled */
    PyObject *context;           /* owned while suspended or dead; NULL while it
                                    runs: the thread state owns it then */
    _PyErr_StackItem exc_bottom; /* the end of the chain; in use always */
    int depth;                   /* of Python recursion */
#if STATE_HAS_SPARE
    int withheld; /* of the recursion limit, as if it were depth; recursion.c */
    bool full;    /* its stack's spare part is open */
#endif
#if STATE_HAS_C_RECURSION
    int c_remaining; /* levels of C that its stack has room for yet */
#endif
#if STATE_HAS_CFRAME
    int trash_nesting; /* deallocations that nest, on its stack */
#endif
#if STATE_HAS_STACK_BOUNDS
    void *stack_end; /* what the interpreter takes for it; NULL: the thread's */
    size_t stack_size;  /* from there to where the stack begins */
    PyObject *executor; /* the JIT's, as it was left */
#endif
#if STATE_HAS_INSTRUMENTATION
    uintptr_t instrumented; /* its frames' code, for this version */
#endif
};

static inline PyThreadState *state_current_tstate(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/* Whether this OS thread is in Python by another thread state than ts, its own:
 * that of a sub-interpreter. Without the GIL. Up to 3.11 the state that is
 * asked for is that of whichever thread has the GIL, and may be gone a moment
 * later: it is looked at only where there is a sub-interpreter. */
static inline bool state_is_anothers(const PyThreadState *ts)
{
    const PyThreadState *current = state_current_tstate();
    if (!current || current == ts)
        return false;
#if PY_VERSION_HEX < 0x030C0000
    return PyInterpreterState_Head() != PyInterpreterState_Main() &&
           current->thread_id == ts->thread_id;
#else
    return true;
#endif
}

/* Whether the interpreter was asked to raise the exception class e in ts. */
static inline bool state_async_is(const PyThreadState *ts, const PyObject *e)
{
    return ts->async_exc == e;
}

/* What 3.13 has given public names to. */
static inline int state_is_finalizing(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing();
#else
    return _Py_IsFinalizing();
#endif
}

/* A Python int as a C int: -1 with an exception when it is none or too large.
 */
static inline int state_as_int(PyObject *o)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_AsInt(o);
#else
    return _PyLong_AsInt(o);
#endif
}

/* The exception that is set, normalised and with its traceback: a new
 * reference. Nothing is set afterwards. */
static inline PyObject *exception_take(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    if (tb)
        PyException_SetTraceback(value, tb);
    Py_XDECREF(type);
    Py_XDECREF(tb);
    return value;
#endif
}

/* Sets it again, with the traceback it carries. Steals exception. */
static inline void exception_set(PyObject *exception)
{
    assert(exception && PyExceptionInstance_Check(exception));
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception,
                  PyException_GetTraceback(exception));
#endif
}

/* PyObject_GenericGetAttr and SetAttr on a given dict. 3.13 exports them, but
 * declares them no more. */
#if PY_VERSION_HEX >= 0x030D0000
extern PyObject *_PyObject_GenericGetAttrWithDict(PyObject *, PyObject *,
                                                  PyObject *, int);
extern int _PyObject_GenericSetAttrWithDict(PyObject *, PyObject *, PyObject *,
                                            PyObject *);
#endif

static inline PyObject *state_generic_getattr(PyObject *o, PyObject *name,
                                              PyObject *dict)
{
    return _PyObject_GenericGetAttrWithDict(o, name, dict, 0);
}

static inline int state_generic_setattr(PyObject *o, PyObject *name,
                                        PyObject *value, PyObject *dict)
{
    return _PyObject_GenericSetAttrWithDict(o, name, value, dict);
}

#if PY_VERSION_HEX < 0x030C0000
#define STATE_LIMIT(ts) ((ts)->recursion_limit)
#define STATE_REMAINING(ts) ((ts)->recursion_remaining)
#define STATE_TRASH_NESTING(ts) ((ts)->trash_delete_nesting)
#else
#define STATE_LIMIT(ts) ((ts)->py_recursion_limit)
#define STATE_REMAINING(ts) ((ts)->py_recursion_remaining)
#define STATE_TRASH_NESTING(ts) ((ts)->trash.delete_nesting)
#endif

/* What a greenlet's stack keeps for unwinding: what the interpreter and
 * libraries in C need at most between two calls that are counted. */
#if STATE_HAS_SPARE
#define STATE_SPARE ((size_t)64 << 10)
#else
#define STATE_SPARE ((size_t)0)
#endif

/* The margin of CPython's pycore_pythonrun.h. */
#ifdef Py_DEBUG
#define STATE_STACK_MARGIN ((size_t)32 << 10)
#else
#define STATE_STACK_MARGIN ((size_t)16 << 10)
#endif

#if STATE_HAS_STACK_BOUNDS && defined(Py_DEBUG)
#define STATE_STACK_MIN ((size_t)128 << 10) /* holds three margins */
#else
#define STATE_STACK_MIN ((size_t)64 << 10)
#endif

#if STATE_HAS_INSTRUMENTATION

/* What is to be traced now, by number: above the requests in the low byte. */
static inline uintptr_t state_instrumentation(const PyThreadState *ts)
{
    return ts->eval_breaker >> 8;
}

/* sys.settrace, sys.setprofile or sys.monitoring wants something else than when
 * the greenlet that has just become current was left: its code is told. */
void state_instrument(PyThreadState *ts);

#endif

/* The running greenlet's state goes to s. */
static inline void state_save(PyThreadState *ts, struct py_state *s)
{
    assert(ts == state_current_tstate());
    assert(!s->context && ts->exc_info);
#if STATE_HAS_CFRAME
    s->cframe = ts->cframe;
    s->trash_nesting = STATE_TRASH_NESTING(ts);
#else
    s->current_frame = ts->current_frame;
#endif
    s->chunk = ts->datastack_chunk;
    s->chunk_top = ts->datastack_top;
    s->chunk_limit = ts->datastack_limit;
    s->exc_info = ts->exc_info;
    s->context = ts->context;
    s->depth = STATE_LIMIT(ts) - STATE_REMAINING(ts);
    assert(s->depth >= 0 && s->chunk_top <= s->chunk_limit);
#if STATE_HAS_C_RECURSION
    s->c_remaining = ts->c_recursion_remaining;
#endif
#if STATE_HAS_STACK_BOUNDS
    s->executor = ts->current_executor;
#endif
#if STATE_HAS_INSTRUMENTATION
    s->instrumented = state_instrumentation(ts);
#endif
}

/* And from s to the thread. */
static inline void state_load(PyThreadState *ts, struct py_state *s)
{
    assert(ts == state_current_tstate());
    assert(s->exc_info && s->depth >= 0 && s->chunk_top <= s->chunk_limit);
#if STATE_HAS_CFRAME
#if PY_VERSION_HEX < 0x030C0000
    s->cframe->use_tracing = ts->cframe->use_tracing; /* the thread's */
#endif
    ts->cframe = s->cframe;
    STATE_TRASH_NESTING(ts) = s->trash_nesting;
#else
    ts->current_frame = s->current_frame;
#endif
    ts->datastack_chunk = s->chunk;
    ts->datastack_top = s->chunk_top;
    ts->datastack_limit = s->chunk_limit;
    ts->exc_info = s->exc_info;
    if (ts->context != s->context) {
        ts->context = s->context;
        ts->context_ver++; /* ContextVar.get caches by it */
    }
    s->context = NULL;
    STATE_REMAINING(ts) = STATE_LIMIT(ts) - s->depth;
#if STATE_HAS_C_RECURSION
    ts->c_recursion_remaining = s->c_remaining;
#endif
#if STATE_HAS_STACK_BOUNDS
    /* Its only error, a stack too small, is ruled out by STATE_STACK_MIN. */
    if (s->stack_end)
        PyUnstable_ThreadState_SetStackProtection(ts, s->stack_end,
                                                  s->stack_size);
    else
        PyUnstable_ThreadState_ResetStackProtection(ts);
    ts->current_executor = s->executor;
#endif
#if STATE_HAS_INSTRUMENTATION
    if (unlikely(s->instrumented != state_instrumentation(ts)))
        state_instrument(ts);
#endif
}

#if STATE_HAS_C_RECURSION

/* C recursion that a stack has room for: 1.75 KiB a unit of the interpreter's
 * count, which is what recursion through sorted(key=...) takes, the hungriest
 * there is (2 to 3 units a level); and what the last level calls, which does
 * not count. */
static inline int state_c_levels(const struct stack *stack)
{
    size_t size = (size_t)((const char *)stack - stack_spare_end(stack));
    size_t uncounted = 10 << 10;
    assert(size > uncounted);
#if PY_VERSION_HEX >= 0x030D0000
    int most = Py_C_RECURSION_LIMIT;
#else
    int most = C_RECURSION_LIMIT;
#endif
    size_t room = (size - uncounted) / 1792;
    return room < (size_t)most ? (int)room : most;
}

#endif

#if STATE_HAS_STACK_BOUNDS

/* How much of a stack of room bytes is left when RecursionError is raised. */
static inline size_t state_stack_spare(size_t room)
{
    size_t enough = (size_t)96 << 10;
    return room / 3 < enough ? room / 3 : enough;
}

/* What the interpreter is told of a stack: it raises RecursionError at two
 * margins above this end, which may so lie below the true one. */
static inline void state_set_stack(struct py_state *s,
                                   const struct stack *stack)
{
    char *low = stack_spare_end(stack);
    size_t room = (size_t)((char *)stack - low);
    s->stack_end = low + state_stack_spare(room) - 2 * STATE_STACK_MARGIN;
    s->stack_size = (size_t)((char *)stack - (char *)s->stack_end);
    assert(s->stack_size >= 3 * STATE_STACK_MARGIN);
}

#endif

/* A new greenlet's state, loaded into the thread: no frames, depth 0, the data
 * stack's first chunk in the host's area of its stack, s->context (owned, may
 * be NULL) as context. */
static inline void state_begin(PyThreadState *ts, struct py_state *s,
                               const struct stack *stack)
{
    void *area = stack_host_area(stack);
    _PyStackChunk *chunk = area;
    assert(((uintptr_t)chunk & 4095) != 0); /* munmap refuses it */
    chunk->previous = NULL;
    chunk->size = STACK_HOST_AREA;
    chunk->top = 0;
    s->chunk = chunk;
    /* Not &data[0]: the interpreter knows a chunk's first frame by that address
     * and would free the chunk when it is popped. */
    s->chunk_top = &chunk->data[1];
    s->chunk_limit = (PyObject **)((char *)chunk + STACK_HOST_AREA);
    assert(s->chunk_top < s->chunk_limit);
#if STATE_HAS_CFRAME
    memset(&s->bottom, 0, sizeof(s->bottom));
    s->bottom.previous = &ts->root_cframe;
    s->cframe = &s->bottom;
    s->trash_nesting = 0;
#elif PY_VERSION_HEX >= 0x030F0000
    /* The sentinel below all of a thread's frames: profilers look for it. */
    s->current_frame = ts->base_frame;
#else
    s->current_frame = NULL;
#endif
    memset(&s->exc_bottom, 0, sizeof(s->exc_bottom));
    s->exc_info = &s->exc_bottom;
    s->depth = 0;
#if STATE_HAS_SPARE
    s->withheld = 0;
    s->full = stack->open; /* as its last user left it, if it would not close */
#endif
#if STATE_HAS_C_RECURSION
    s->c_remaining = state_c_levels(stack);
#endif
#if STATE_HAS_STACK_BOUNDS
    state_set_stack(s, stack);
    s->executor = NULL;
#endif
#if STATE_HAS_INSTRUMENTATION
    s->instrumented = state_instrumentation(ts);
#endif
    state_load(ts, s);
}

/* The greenlet is about to end: gives back what its state owns. Frames are
 * gone; only the chunks above the first may be left, when the interpreter kept
 * one. */
static inline void state_end(PyThreadState *ts, struct py_state *s)
{
#if STATE_HAS_CFRAME
    assert(ts->cframe == &s->bottom && !s->bottom.current_frame);
#endif
    assert(ts->exc_info == &s->exc_bottom && !s->context);
    PyObjectArenaAllocator arena;
    _PyStackChunk *chunk = ts->datastack_chunk;
    if (chunk && chunk->previous) {
        PyObject_GetArenaAllocator(&arena);
        while (chunk->previous) {
            _PyStackChunk *previous = chunk->previous;
            arena.free(arena.ctx, chunk, chunk->size);
            chunk = previous;
        }
        ts->datastack_chunk = chunk;
    }
    s->context = ts->context; /* still to be had of a dead greenlet */
    ts->context = NULL;
    ts->context_ver++;
    Py_CLEAR(s->exc_bottom.exc_value);
}

void state_bury_slow(PyThreadState *ts);

/* Let go of the objects that died where the stack had no room for it. Not to be
 * called deep in a stack. What is in flight stays. */
static inline void state_bury(PyThreadState *ts)
{
#if PY_VERSION_HEX >= 0x030D0000
    if (unlikely(ts->delete_later != NULL))
        state_bury_slow(ts);
#else
    (void)ts; /* the outermost of the deallocations that nest does it */
#endif
}

/* ---- looking into frames; frames.c --------------------------------------- */

/* The top frame of a suspended greenlet: a new reference, or NULL (no frame, or
 * MemoryError set). */
PyFrameObject *state_frame(PyThreadState *ts, struct py_state *s);

/* For tp_traverse: what the frames of a suspended greenlet refer to, as far as
 * they tell. What is on its C stack is not visited. */
int state_visit_frames(struct py_state *s, visitproc visit, void *arg);

/* Make the frames of a suspended greenlet end without running another line of
 * theirs, `finally` blocks included, when an exception is thrown in. kept, a
 * list, is given what must live until that is over. False (with no exception)
 * when that cannot be had: a coroutine is among them, whose driver in C would
 * go on to the next, or there is no memory. */
bool state_disarm(struct py_state *s, PyObject *kept);

/* Write what ts runs in Python, innermost first, on descriptor fd. Safe in a
 * signal handler. traceback.c */
void state_write_traceback(PyThreadState *ts, int fd);

/* The thread state is being cleared, its dict already is: have a reference to o
 * (a new one is taken) dropped after what else the dict held. False when the
 * place for it is taken. */
bool state_clear_later(PyThreadState *ts, PyObject *o);

#if STATE_HAS_TRASH_NESTING
int state_trash_nesting(void);
#endif

#endif

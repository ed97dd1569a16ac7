/*
 * What looks into the interpreter's frames: they differ between CPython
 * versions, and their layout is not public. Nothing here is on the way of a
 * switch. Called with the GIL held; the greenlets are suspended.
 *
 * A suspended greenlet's frames hang together by their `previous`, from its
 * cframe or current_frame down to its first. Those of plain calls stand on its
 * data stack and own what is in their locals; generators own theirs. Between
 * them are those that 3.12 and later keep in the C frame of each evaluation
 * loop; they have no code.
 */
#include "interp/internal_frames.h"

PyFrameObject *state_frame(PyThreadState *ts, struct py_state *s)
{
#if STATE_HAS_CFRAME
    if (!s->cframe) /* the Hub's, which has not run yet */
        return NULL;
#endif
    /* Making the frame object must not run the collector meanwhile: it would
     * walk the frames of a greenlet that is not running. */
    int collecting = PyGC_Disable();
#if STATE_HAS_CFRAME
    if (!s->cframe) { /* the Hub's, which has not run yet */
        if (collecting)
            PyGC_Enable();
        return NULL;
    }
    _PyCFrame *running = ts->cframe;
    ts->cframe = s->cframe;
    PyFrameObject *frame = PyThreadState_GetFrame(ts);
    ts->cframe = running;
#else
    struct _PyInterpreterFrame *running = ts->current_frame;
    ts->current_frame = s->current_frame;
    PyFrameObject *frame = PyThreadState_GetFrame(ts);
    ts->current_frame = running;
#endif
    if (collecting)
        PyGC_Enable();
    return frame;
}

static _PyInterpreterFrame *top_frame(const struct py_state *s)
{
#if STATE_HAS_CFRAME
    return s->cframe ? s->cframe->current_frame : NULL; /* NULL: not begun */
#else
    return s->current_frame;
#endif
}

/* ---- what a frame refers to ----------------------------------------------
 *
 * Its locals, and what is on its evaluation stack unless it called C. What it
 * called in C may use what is there, such as the greenlet whose switch() it is;
 * and up to 3.13 the loop that calls C keeps its stack pointer to itself. */

#if PY_VERSION_HEX >= 0x030E0000

/* A reference in a frame may be borrowed from another that lives as long: that
 * one is visited, this is not counted. Tagged integers, NULL and what is
 * immortal bear the same mark. */
static PyObject *counted(_PyStackRef ref)
{
    return PyStackRef_RefcountOnObject(ref) ? PyStackRef_AsPyObjectBorrow(ref)
                                            : NULL;
}

static int visit_frame(_PyInterpreterFrame *f, bool called_c, visitproc visit,
                       void *arg)
{
    Py_VISIT(f->frame_obj);
    Py_VISIT(f->f_locals);
    Py_VISIT(counted(f->f_funcobj));
    Py_VISIT(counted(f->f_executable));
    _PyStackRef *end = f->stackpointer;
    if (called_c)
        end = f->localsplus +
              ((PyCodeObject *)interp_executable_of(f))->co_nlocalsplus;
    for (_PyStackRef *at = f->localsplus; at < end; at++)
        Py_VISIT(counted(*at));
    return 0;
}

#else

static int visit_frame(_PyInterpreterFrame *f, bool called_c, visitproc visit,
                       void *arg)
{
    Py_VISIT(f->frame_obj);
    Py_VISIT(f->f_locals);
#if PY_VERSION_HEX >= 0x030C0000
    Py_VISIT(f->f_funcobj);
#else
    Py_VISIT(f->f_func);
#endif
    Py_VISIT(interp_executable_of(f));
    int end = ((PyCodeObject *)interp_executable_of(f))->co_nlocalsplus;
    if (f->stacktop > end) /* the loop has called no C */
        end = f->stacktop;
    for (int i = 0; i < end; i++)
        Py_VISIT(f->localsplus[i]);
    return 0;
}

#endif

int state_visit_frames(struct py_state *s, visitproc visit, void *arg)
{
    bool called_c = true; /* a switch, or a wait */
    for (_PyInterpreterFrame *f = top_frame(s); f; f = f->previous) {
        bool has_code = interp_code_of(f);
        if (has_code && f->owner == FRAME_OWNED_BY_THREAD) {
            int r = visit_frame(f, called_c, visit, arg);
            if (r)
                return r;
        }
        called_c = !has_code;
    }
    return 0;
}

/* ---- frames without handlers --------------------------------------------- */

/* A copy of code without handlers. */
static PyCodeObject *without_handlers(PyCodeObject *code)
{
    PyObject *replace = PyObject_GetAttrString((PyObject *)code, "replace");
    PyObject *none = PyTuple_New(0);
    PyObject *change = Py_BuildValue("{s:y}", "co_exceptiontable", "");
    PyObject *copy =
        replace && none && change ? PyObject_Call(replace, none, change) : NULL;
    Py_XDECREF(replace);
    Py_XDECREF(none);
    Py_XDECREF(change);
    return (PyCodeObject *)copy;
}

/* Puts copy (stolen), of code, in code's place, at the same instruction. */
static void set_code(_PyInterpreterFrame *f, PyCodeObject *code,
                     PyCodeObject *copy)
{
    assert(copy != code && Py_SIZE(copy) == Py_SIZE(code));
#if PY_VERSION_HEX >= 0x030D0000
    f->instr_ptr = _PyCode_CODE(copy) + (f->instr_ptr - _PyCode_CODE(code));
#else
    f->prev_instr = _PyCode_CODE(copy) + (f->prev_instr - _PyCode_CODE(code));
#endif
#if PY_VERSION_HEX >= 0x030E0000
    _PyStackRef old = f->f_executable;
    f->f_executable = PyStackRef_FromPyObjectSteal((PyObject *)copy);
    PyStackRef_CLOSE(old);
#elif PY_VERSION_HEX >= 0x030D0000
    Py_SETREF(f->f_executable, (PyObject *)copy);
#else
    Py_SETREF(f->f_code, copy);
#endif
    assert(interp_code_of(f) == copy);
}

/* The interpreter looks for a handler in the code of the frame, and finds none.
 * Evaluation loops keep pointers into the old code. */
static bool disarm_frame(_PyInterpreterFrame *f, PyObject *kept)
{
    PyCodeObject *code = interp_code_of(f);
    if (!code || PyBytes_GET_SIZE(code->co_exceptiontable) == 0)
        return true;
    PyCodeObject *copy = without_handlers(code);
    if (!copy || PyList_Append(kept, (PyObject *)code) < 0) {
        Py_XDECREF((PyObject *)copy);
        return false;
    }
    set_code(f, code, copy);
    return true;
}

bool state_disarm(struct py_state *s, PyObject *kept)
{
    assert(PyList_CheckExact(kept));
    for (_PyInterpreterFrame *f = top_frame(s); f; f = f->previous) {
        PyCodeObject *code = interp_code_of(f);
        if (code && code->co_flags & (CO_COROUTINE | CO_ASYNC_GENERATOR))
            return false;
    }
    for (_PyInterpreterFrame *f = top_frame(s); f; f = f->previous) {
        if (!disarm_frame(f, kept)) {
            PyErr_Clear();
            return false;
        }
    }
    return true;
}

#if STATE_HAS_INSTRUMENTATION

void state_instrument(PyThreadState *ts)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    for (_PyInterpreterFrame *f = ts->current_frame; f; f = f->previous) {
        PyCodeObject *code = interp_code_of(f);
        if (code && _Py_Instrument(code, ts->interp) < 0)
            PyErr_Clear(); /* no memory: it is traced less */
    }
    PyErr_Restore(type, value, tb);
}

#endif

#if PY_VERSION_HEX >= 0x030D0000

/* What 3.13 takes objects apart with: it puts off those that it comes to with
 * no more than 50 C levels left, which these are more than. */
#define BURIAL_LEVELS 64

void state_bury_slow(PyThreadState *ts)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
#if STATE_HAS_C_RECURSION
    int levels = ts->c_recursion_remaining;
    if (levels < BURIAL_LEVELS)
        ts->c_recursion_remaining = BURIAL_LEVELS;
    _PyTrash_thread_destroy_chain(ts);
    ts->c_recursion_remaining = levels;
#else
    _PyTrash_thread_destroy_chain(ts);
#endif
    PyErr_Restore(type, value, tb);
}

#endif

bool state_clear_later(PyThreadState *ts, PyObject *o)
{
    assert(ts == state_current_tstate());
    /* Of what is cleared after the dict, this is what nothing can need now: it
     * is called for asynchronous generators only, in a running loop. */
    if (ts->async_gen_finalizer)
        return false;
    ts->async_gen_finalizer = Py_NewRef(o);
    return true;
}

#if STATE_HAS_TRASH_NESTING
int state_trash_nesting(void)
{
    return STATE_TRASH_NESTING(state_current_tstate());
}
#endif

/*
 * Where a Greenlet was made: the code and position of each frame that ran then.
 * Frames themselves would keep alive what their variables refer to. Lines are
 * looked up only when somebody asks.
 */
#include "greenlet/made_at.h"

#define MOST 64 /* frames */

struct spawn_stack {
    int n; /* frames, the innermost first; 1 to MOST */
    struct {
        PyCodeObject *code; /* owned */
        int at;             /* the instruction, as PyFrame_GetLasti has it */
    } frames[];
};

struct spawn_stack *spawn_stack_take(int limit)
{
    PyCodeObject *code[MOST];
    int at[MOST], n = 0;
    if (limit > MOST)
        limit = MOST;
    PyFrameObject *frame =
        limit > 0 ? PyThreadState_GetFrame(PyThreadState_Get()) : NULL;
    while (frame && n < limit) {
        code[n] = PyFrame_GetCode(frame);
        at[n++] = PyFrame_GetLasti(frame);
        PyFrameObject *back = PyFrame_GetBack(frame);
        Py_DECREF(frame);
        frame = back;
    }
    Py_XDECREF(frame);
    struct spawn_stack *stack =
        n ? PyMem_Malloc(sizeof(*stack) + (size_t)n * sizeof(*stack->frames))
          : NULL;
    for (int i = 0; i < n; i++) {
        if (!stack) {
            Py_DECREF(code[i]);
            continue;
        }
        stack->frames[i].code = code[i];
        stack->frames[i].at = at[i];
    }
    if (stack)
        stack->n = n;
    return stack;
}

void spawn_stack_free(struct spawn_stack *stack)
{
    for (int i = 0; stack && i < stack->n; i++)
        Py_DECREF(stack->frames[i].code);
    PyMem_Free(stack);
}

PyObject *spawn_stack_frames(const struct spawn_stack *stack)
{
    if (!stack)
        Py_RETURN_NONE;
    PyObject *list = PyList_New(stack->n);
    for (int i = 0; list && i < stack->n; i++) {
        PyCodeObject *code = stack->frames[i].code;
        PyObject *pair =
            Py_BuildValue("Oii", code, stack->frames[i].at,
                          PyCode_Addr2Line(code, stack->frames[i].at));
        if (!pair)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, pair);
    }
    PyObject *module =
        list ? PyImport_ImportModule("grove.monitoring.frames") : NULL;
    PyObject *frames =
        module ? PyObject_CallMethod(module, "chain", "(O)", list) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(list);
    return frames;
}

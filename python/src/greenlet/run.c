/*
 * What a Greenlet runs, and its end.
 *
 *          start                 its turn            run returns or raises
 *   made ---------> begun, queued ---------> running ----------+
 *    |                    |                                    v
 *    +--- kill, throw ----+-------------------------------> finished
 *
 * When a Greenlet finishes, those who wait for it are told when their turn
 * comes (notify.c), and its fiber goes on to whoever is due: the Hub does not
 * run in between. It finishes once.
 */
#include "greenlet/private.h"

static PyObject *str_run, *str__run;
static PyObject *base_run; /* Greenlet.run, to see whether it is overridden */

/* ---- the end ------------------------------------------------------------- */

/* value or exception is set. What it ran is let go of by forget_call. */
static void finished(Greenlet *g)
{
    assert(g->value || g->exception);
    g->finished = true;
    green_notify(g);
}

static void forget_call(Greenlet *g)
{
    assert(g->finished && !PyErr_Occurred());
    green_call_forget(g);
    /* A _run of the instance: g._run is the class's again. */
    PyObject *dict = green_base(g)->dict;
    if (dict && PyDict_GET_SIZE(dict) && PyDict_Contains(dict, str__run) == 1)
        PyDict_DelItem(dict, str__run);
}

static void finish_value(Greenlet *g, PyObject *value)
{
    assert(value && !PyErr_Occurred());
    g->value = value;
    finished(g);
    forget_call(g);
}

/* By exception (stolen), which is reported unless it is a GreenletExit. */
static void finish_exception(Greenlet *g, PyObject *exception)
{
    assert(PyExceptionInstance_Check(exception) && !PyErr_Occurred());
    if (PyObject_TypeCheck(exception, (PyTypeObject *)PyExc_GreenletExit)) {
        finish_value(g, exception);
        return;
    }
    g->exception = exception;
    g->traceback = PyException_GetTraceback(exception);
    finished(g);
    exception_set(Py_NewRef(exception));
    hub_object_report(green_state(g)->thread, (PyObject *)g);
    forget_call(g);
}

void green_end_unrun(Greenlet *g, PyObject *exception)
{
    Py_INCREF(g);
    g->begun = true;
    green_state(g)->phase = GREEN_DEAD;
    finish_exception(g, exception);
    Py_DECREF(g);
}

/* ---- what it runs -------------------------------------------------------- */

static void run_to_the_end(Greenlet *g)
{
    keep_frame();
    PyObject *result = settled(green_state(g)->thread, green_call(g));
    assert(!result == (PyErr_Occurred() != NULL));
    if (likely(result != NULL))
        finish_value(g, result);
    else
        finish_exception(g, exception_take());
}

/* run(): the whole life, also called by subclasses that override it. */
static PyObject *green_run(PyObject *self, PyObject *none)
{
    Greenlet *g = (Greenlet *)self;
    if (!g->finished) {
        green_cancel_start(g);
        g->begun = true;
        run_to_the_end(g);
    }
    Py_RETURN_NONE;
}

static void run_overridden(Greenlet *g)
{
    keep_frame();
    PyObject *result = PyObject_CallMethodNoArgs((PyObject *)g, str_run);
    result = settled(green_state(g)->thread, result);
    assert(!result == (PyErr_Occurred() != NULL));
    if (g->finished) {
        if (!result)
            hub_object_report(green_state(g)->thread, (PyObject *)g);
        Py_XDECREF(result);
    } else if (result) {
        finish_value(g, result);
    } else {
        finish_exception(g, exception_take());
    }
}

PyObject *green_body(PyGreenlet *self)
{
    Greenlet *g = (Greenlet *)self;
    struct green *state = self->green;
    keep_frame();
    assert(state->phase == GREEN_ACTIVE && state->thread->current == self);
    if (unlikely(state->start_args != NULL)) { /* switch(...) began it */
        Py_CLEAR(state->start_args);
        Py_CLEAR(state->start_kwargs);
    }
    green_cancel_start(g);
    g->begun = true;
    if (likely(Py_TYPE(g) == &Greenlet_Type ||
               _PyType_Lookup(Py_TYPE(g), str_run) == base_run))
        run_to_the_end(g);
    else
        run_overridden(g);
    Py_RETURN_NONE;
}

/* ---- the module ---------------------------------------------------------- */

PyMethodDef green_run_methods[] = {
    {"run", green_run, METH_NOARGS,
     "run($self, /)\n--\n\n"
     "What its fiber runs: calls _run, keeps the result, tells who waits.\n\n"
     "    >>> import grove\n"
     "    >>> task = grove.Greenlet(print, \"run\")\n"
     "    >>> task.run()\n"
     "    run"},
    {NULL}};

int green_run_init(void)
{
    str_run = PyUnicode_InternFromString("run");
    str__run = PyUnicode_InternFromString("_run");
    if (!str_run || !str__run)
        return -1;
    base_run = PyDict_GetItemWithError(Greenlet_Type.tp_dict, str_run);
    return base_run ? 0 : -1;
}

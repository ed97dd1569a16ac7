/*
 * sleep: parked until a time, or for one turn of the others.
 */
#include "timeout/private.h"

static PyObject *sleep_for(struct py_thread *t, PyObject *seconds, bool ref)
{
    int64_t deadline;
    if (seconds == Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "sleep() needs a number of seconds, not None");
        return NULL;
    }
    if (argument_deadline(seconds, &deadline) < 0)
        return NULL;
    assert(!PyErr_Occurred());
    if (deadline == 0) {
        if (wait_turn(t) < 0)
            return NULL;
        Py_RETURN_NONE;
    }
    t->hub->unref += !ref;
    enum core_wait_result r;
    do
        r = wait_until(t, GROVE_WAIT_SLEEP, deadline, "sleep");
    while (r == CORE_WOKEN);
    assert(ref || t->hub->unref > 0);
    t->hub->unref -= !ref;
    assert((r == CORE_FAILED) == (PyErr_Occurred() != NULL));
    if (r == CORE_FAILED)
        return NULL;
    Py_RETURN_NONE;
}

static bool is_zero(PyObject *o)
{
    return PyLong_CheckExact(o) && PyObject_IsTrue(o) == 0;
}

static PyObject *sleep_function(PyObject *module, PyObject *const *args,
                                Py_ssize_t n, PyObject *names)
{
    struct py_thread *t = thread_self();
    if (unlikely(!t))
        return NULL;
    if (likely(!names && (n == 0 || (n == 1 && is_zero(args[0]))))) {
        if (unlikely(wait_turn(t) < 0))
            return NULL;
        Py_RETURN_NONE;
    }
    static const char *const keywords[] = {"seconds", "ref", NULL};
    PyObject *given[] = {Py_False, Py_True};
    if (arguments("sleep", args, n, names, keywords, 0, given) < 0)
        return NULL;
    int ref = PyObject_IsTrue(given[1]);
    return ref < 0 ? NULL : sleep_for(t, given[0], ref);
}

static PyMethodDef functions[] = {
    {"sleep", (PyCFunction)(void (*)(void))sleep_function,
     METH_FASTCALL | METH_KEYWORDS,
     "sleep(seconds=0, ref=True)\n--\n\n"
     "Let others run, at least for that many seconds; with 0 all that are\n"
     "due, once. Without ref it does not keep the loop running.\n\n"
     "    >>> import grove\n"
     "    >>> grove.sleep(0.01)"},
    {NULL}};

int sleep_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

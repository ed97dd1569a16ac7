/*
 * The module grove._core, and what all its parts wait with.
 */
#include "raw/raw.h"

/* ---- waiting ------------------------------------------------------------ */

int core_before_wait(struct py_thread *t)
{
    if (unlikely(!t->hub_object) && !hub_object_make(t))
        return -1;
    if (unlikely((PyObject *)t->current == t->hub_object)) {
        PyErr_SetString(core_error("BlockingSwitchOutError"),
                        "Impossible to call blocking function in the event "
                        "loop callback");
        return -1;
    }
    return 0;
}

/* What another greenlet switched in with: the value, or NULL with the exception
 * that it threw. */
static PyObject *take_value(struct green *g)
{
    PyObject *value = g->value;
    g->value = NULL;
    return value;
}

static int refuse_switch(struct py_thread *t, PyObject *value)
{
    PyErr_Format(core_error("InvalidSwitchError"),
                 "Invalid switch into %R: got %R", (PyObject *)t->current,
                 value);
    Py_DECREF(value);
    return -1;
}

/* What every greenlet does first that comes back from a wait. */
static void resumed(struct py_thread *t)
{
    if (unlikely(t->tracer != NULL))
        greenlet_trace_arrival(t, PyErr_Occurred() != NULL);
    if (unlikely(t->left != NULL))
        greenlet_drop_left(t);
    end_doomed(t);
}

int core_after_wait(struct py_thread *t)
{
    resumed(t);
    if (unlikely(PyErr_Occurred() != NULL))
        return -1;
    PyObject *value = take_value(t->current->green);
    return unlikely(value != NULL) ? refuse_switch(t, value) : 0;
}

static enum core_wait_result result_of(struct py_thread *t, int r,
                                       PyObject **switched)
{
    if (r == HUB_TRANSFERRED) {
        PyObject *value = take_value(t->current->green);
        if (!value)
            return CORE_FAILED; /* thrown in: the exception is set */
        if (!switched)
            return refuse_switch(t, value);
        *switched = value;
        return CORE_WOKEN;
    }
    if (unlikely(PyErr_Occurred() != NULL))
        return CORE_FAILED;
    if (r == 0)
        return CORE_WOKEN;
    if (r == -ETIMEDOUT)
        return CORE_TIMED_OUT;
    if (r == -ECANCELED)
        PyErr_SetNone(PyExc_GreenletExit);
    else if (r == -ENOMEM)
        PyErr_NoMemory();
    else {
        errno = -r;
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return CORE_FAILED;
}

enum core_wait_result core_wait(struct py_thread *t, int64_t deadline,
                                const char *what, int fd, PyObject **switched)
{
    if (core_before_wait(t) < 0)
        return CORE_FAILED;
    int r = hub_wait(t->hub, deadline, what, fd);
    resumed(t);
    return result_of(t, r, switched);
}

enum core_wait_result core_wait_fd(struct py_thread *t, int fd,
                                   unsigned direction, int64_t deadline,
                                   const char *what)
{
    if (core_before_wait(t) < 0)
        return CORE_FAILED;
    int r = hub_wait_fd(t->hub, fd, direction, deadline, what);
    resumed(t);
    return result_of(t, r, NULL);
}

/* ---- the module ------------------------------------------------------------ */

PyObject *core_error(const char *name)
{
    static PyObject *module;
    if (!module)
        module = PyImport_ImportModule("grove._core");
    PyObject *error = module ? PyObject_GetAttrString(module, name) : NULL;
    if (!error) {
        PyErr_Clear();
        return PyExc_AssertionError;
    }
    Py_DECREF(error); /* the module keeps it */
    return error;
}

int core_refuse_interpreter(void)
{
    if (PyInterpreterState_Get() == PyInterpreterState_Main())
        return 0;
    PyErr_SetString(PyExc_ImportError,
                    "grove cannot be used in a sub-interpreter, only in the "
                    "main interpreter of the process");
    return -1;
}

/* CPython 3.11 hands a module that the main interpreter has loaded to a
 * sub-interpreter without asking it: the package does. */
static PyObject *check_interpreter(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    if (core_refuse_interpreter() < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {{"_check_interpreter", check_interpreter,
                                   METH_NOARGS,
                                   "Raises ImportError in a sub-interpreter."},
                                  {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "grove._core",
    .m_doc = "The compiled part of grove: greenlets, the hub, waiting.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    if (core_refuse_interpreter() < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module)
        return NULL;
    static int (*const parts[])(PyObject *) = {
        greenlet_init, recursion_init, hub_init,           green_init,
        timeout_init,  wait_init,      linkable_init,      switch_watch_init,
        sockets_init,  local_init,     thread_result_init, group_init,
        queue_init};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i](module) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    }
    return module;
}

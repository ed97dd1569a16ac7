/*
 * The functions of the module greenlet, and of greenlet._greenlet, which only
 * programs that look at greenlet's insides know.
 *
 * greenlet looks for leaked references when a thread has ended, which can be
 * turned off and is timed. Here a thread's greenlets are ended while it ends,
 * and nothing is left to look for: the switch is kept, the time is 0.
 */
#include "hub/metrics.h"
#include "net/dns.h"
#include "raw/private.h"

#include <time.h>

PyObject *greenlet_get_current(void)
{
    if (unlikely(state_is_finalizing())) {
        PyErr_SetString(PyExc_RuntimeError, "greenlet is being finalized");
        return NULL;
    }
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    end_doomed(t);
    assert(t->current && t->current->green->thread == t);
    return Py_NewRef((PyObject *)t->current);
}

const char greenlet_getcurrent_doc[] =
    "getcurrent()\n--\n\nThe greenlet that runs.\n\n"
    "    >>> import grove\n"
    "    >>> task = grove.spawn(grove.getcurrent)\n"
    "    >>> task.get() is task\n"
    "    True";

PyObject *greenlet_module_getcurrent(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return greenlet_get_current();
}

const char greenlet_settrace_doc[] =
    "settrace(callback)\n--\n\n"
    "Have callback(event, (origin, target)) called in target after each switch "
    "of\n"
    "this thread; event is 'switch' or 'throw'. None: nobody. Returns the "
    "previous\n"
    "one, or None. When it raises, the exception is raised in target, and it "
    "is\n"
    "called no more.\n\n"
    "    >>> import greenlet\n"
    "    >>> def tell(event, ends):\n"
    "    ...     print(event, ends[1] is task)\n"
    "    >>> task = greenlet.greenlet(lambda: None)\n"
    "    >>> before = greenlet.settrace(tell)\n"
    "    >>> task.switch()\n"
    "    switch True\n"
    "    switch False\n"
    "    >>> greenlet.settrace(before) is tell\n"
    "    True";

PyObject *greenlet_module_settrace(PyObject *module, PyObject *tracer)
{
    (void)module;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    PyObject *previous = Py_NewRef(t->tracer ? t->tracer : Py_None);
    greenlet_set_tracer(t, tracer == Py_None ? NULL : tracer);
    return previous;
}

const char greenlet_gettrace_doc[] = "gettrace()\n--\n\n"
                                     "The callback of settrace(), or None.\n\n"
                                     "    >>> import greenlet\n"
                                     "    >>> print(greenlet.gettrace())\n"
                                     "    None";

PyObject *greenlet_module_gettrace(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    return Py_NewRef(t->tracer ? t->tracer : Py_None);
}

PyDoc_STRVAR(stack_size_doc, "stack_size(size=..., /)\n--\n\n"
                             "The bytes of address space that a new greenlet's "
                             "stack gets, as they were;\n"
                             "with size, they are set from now on, rounded up "
                             "to a power of two. ValueError\n"
                             "when it is not within 65536 and 67108864. The "
                             "environment's GROVE_STACK_SIZE\n"
                             "sets them at start. A Hub's has 1 MiB at "
                             "least.\n\n"
                             "    >>> import grove\n"
                             "    >>> before = grove.stack_size(256 * 1024)\n"
                             "    >>> grove.stack_size(before)\n"
                             "    262144");

static PyObject *module_stack_size(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *wanted = NULL;
    if (!PyArg_ParseTuple(args, "|O:stack_size", &wanted))
        return NULL;
    size_t previous = (size_t)1 << greenlet_stack_shift;
    if (wanted && wanted != Py_None) {
        Py_ssize_t size = PyNumber_AsSsize_t(wanted, PyExc_ValueError);
        if (size == -1 && PyErr_Occurred())
            return NULL;
        if (size < (Py_ssize_t)STATE_STACK_MIN ||
            size > (Py_ssize_t)GROVE_STACK_MAX)
            return PyErr_Format(PyExc_ValueError,
                                "a stack size of %zd bytes: expected %zu to "
                                "%zu",
                                size, STATE_STACK_MIN, GROVE_STACK_MAX);
        greenlet_stack_shift = stack_shift((size_t)size);
    }
    return PyLong_FromSize_t(previous);
}

/* ---- greenlet's insides -------------------------------------------------- */

static bool cleanup_wanted = true;

PyDoc_STRVAR(enable_cleanup_doc,
             "enable_optional_cleanup(flag)\n--\n\n"
             "Kept for programs that call it: nothing is left of an ended "
             "thread to clean up.\n\n"
             "    >>> import greenlet\n"
             "    >>> greenlet.enable_optional_cleanup(True)");

static PyObject *enable_optional_cleanup(PyObject *module, PyObject *flag)
{
    (void)module;
    int wanted = PyObject_IsTrue(flag);
    if (wanted < 0)
        return NULL;
    cleanup_wanted = wanted;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(clocks_doc,
             "get_clocks_used_doing_optional_cleanup()\n--\n\n"
             "0, or None when enable_optional_cleanup() has turned "
             "it off.\n\n"
             "    >>> import greenlet\n"
             "    >>> greenlet.get_clocks_used_doing_optional_cleanup()\n"
             "    0");

static PyObject *get_clocks(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    if (!cleanup_wanted)
        Py_RETURN_NONE;
    return PyLong_FromLong(0);
}

static PyObject *get_pending_cleanup_count(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return PyLong_FromLong(0);
}

static PyObject *get_total_main_greenlets(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return PyLong_FromSsize_t(greenlet_mains);
}

static PyObject *set_thread_local(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *key, *value;
    if (!PyArg_ParseTuple(args, "OO:set_thread_local", &key, &value))
        return NULL;
    PyObject *dict = PyThreadState_GetDict(); /* borrowed */
    if (!dict)
        return PyErr_NoMemory();
    if (PyDict_SetItem(dict, key, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(name_asked_doc,
             "name_asked()\n--\n\n"
             "A question about a name begins: count it. What name_told() is to "
             "be given.\nMemoryError.");

static PyObject *module_name_asked(PyObject *module, PyObject *none)
{
    struct hub *hub = hub_self();
    return hub ? PyLong_FromLongLong(dns_asked(hub)) : PyErr_NoMemory();
}

PyDoc_STRVAR(
    name_told_doc,
    "name_told(began, error, /)\n--\n\n"
    "It has ended: count it. error: 0, or of which errno it is that it "
    "failed.\nMemoryError.");

static PyObject *module_name_told(PyObject *module, PyObject *args)
{
    struct hub *hub = hub_self();
    long long began;
    int error;
    if (!PyArg_ParseTuple(args, "Li:name_told", &began, &error))
        return NULL;
    if (!hub)
        return PyErr_NoMemory();
    dns_told(hub, began, -error);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(metrics_doc, "metrics()\n--\n\n"
                          "The numbers of all threads' hubs, as text that "
                          "Prometheus reads: switches,\n"
                          "greenlets, timers, run-queue delays and the like. "
                          "MemoryError.\n\n"
                          "    >>> import grove\n"
                          "    >>> print(grove.metrics())\n"
                          "    # HELP grove_info The release of the library.\n"
                          "    ...");

static PyObject *module_metrics(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    size_t size;
    char *text = hub_metrics_text(&size);
    if (!text)
        return PyErr_NoMemory();
    PyObject *result = PyUnicode_FromStringAndSize(text, (Py_ssize_t)size);
    free(text);
    return result;
}

#if STATE_HAS_TRASH_NESTING
static PyObject *get_trash_nesting(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return PyLong_FromLong(state_trash_nesting());
}
#endif

static PyMethodDef functions[] = {
    {"getcurrent", greenlet_module_getcurrent, METH_NOARGS,
     greenlet_getcurrent_doc},
    {"settrace", greenlet_module_settrace, METH_O, greenlet_settrace_doc},
    {"gettrace", greenlet_module_gettrace, METH_NOARGS, greenlet_gettrace_doc},
    {"metrics", module_metrics, METH_NOARGS, metrics_doc},
    {"name_asked", module_name_asked, METH_NOARGS, name_asked_doc},
    {"name_told", module_name_told, METH_VARARGS, name_told_doc},
    {"stack_size", module_stack_size, METH_VARARGS, stack_size_doc},
    {"enable_optional_cleanup", enable_optional_cleanup, METH_O,
     enable_cleanup_doc},
    {"get_clocks_used_doing_optional_cleanup", get_clocks, METH_NOARGS,
     clocks_doc},
    {"get_pending_cleanup_count", get_pending_cleanup_count, METH_NOARGS,
     "get_pending_cleanup_count()\n--\n\n"
     "How many ended threads are not cleaned up yet: 0."},
    {"get_total_main_greenlets", get_total_main_greenlets, METH_NOARGS,
     "get_total_main_greenlets()\n--\n\n"
     "How many main greenlets there are, of ended threads, too."},
    {"set_thread_local", set_thread_local, METH_VARARGS,
     "set_thread_local(key, value, /)\n--\n\n"
     "Keep it in the thread state's dict."},
#if STATE_HAS_TRASH_NESTING
    {"get_tstate_trash_delete_nesting", get_trash_nesting, METH_NOARGS,
     "get_tstate_trash_delete_nesting()\n--\n\n"
     "How deep deallocations are nested."},
#endif
    {NULL}};

int greenlet_functions_init(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "CLOCKS_PER_SEC", CLOCKS_PER_SEC) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}

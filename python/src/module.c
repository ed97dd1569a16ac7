/*
 * The module grove._core: the only file that knows all rooms. README.md draws
 * them.
 */
#include "greenlet/greenlet.h"
#include "hub_object/hub_object.h"
#include "libc/libc.h"
#include "linkable/linkable.h"
#include "queue/queue.h"
#include "raw/raw.h"
#include "sockets/sockets.h"
#include "timeout/timeout.h"
#include "watchers/watchers.h"
#include "wsgi/wsgi.h"

/* -1 with ImportError in a sub-interpreter. */
static int refuse_interpreter(void)
{
    if (PyInterpreterState_Get() == PyInterpreterState_Main())
        return 0;
    PyErr_SetString(PyExc_ImportError,
                    "grove cannot be used in a sub-interpreter, only in the "
                    "main interpreter of the process");
    return -1;
}

/* -1 with ImportError where threads are fibers: each thread of Python that uses
 * greenlets has a hub, and those would all have the same. */
static int refuse_fibers(void)
{
    if (!hub_threads_are_fibers)
        return 0;
    PyErr_SetString(PyExc_ImportError,
                    "grove cannot be used where threads are fibers, as by "
                    "`grove run --threads`: run the program without that, by "
                    "`python3 -m grove`");
    return -1;
}

/* CPython 3.11 hands a module that the main interpreter has loaded to a
 * sub-interpreter without asking it: the package does. */
static PyObject *check_interpreter(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    if (refuse_interpreter() < 0)
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
    if (refuse_interpreter() < 0 || refuse_fibers() < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (!module)
        return NULL;
    static int (*const rooms[])(PyObject *) = {
        raw_init,     libc_init,     hub_object_init, watchers_init,
        timeout_init, greenlet_init, linkable_init,   queue_init,
        sockets_init, wsgi_init};
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        if (rooms[i](module) < 0) {
            Py_DECREF(module);
            return NULL;
        }
    }
    return module;
}

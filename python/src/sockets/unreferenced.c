/*
 * Sockets whose waits are no reason for a loop to go on: those with `ref`
 * False.
 *
 * Which they are is known by descriptor, so that a call on any other socket
 * looks at a count and no more. A descriptor is forgotten when its number
 * begins or ends to stand for a file of ours. Whoever begins to wait while it
 * is here is not counted, until that wait ends.
 *
 * The descriptors are the process's, as their numbers are. With the GIL.
 */
#include "sockets/private.h"

size_t unreferenced_count;

static bool *marks;        /* by descriptor */
static size_t marks_count; /* of descriptors there is a mark for */

bool unreferenced_slow(int fd)
{
    return fd >= 0 && (size_t)fd < marks_count && marks[fd];
}

/* There is a mark for fd, or MemoryError: -1. */
static int make_room(size_t fd)
{
    if (fd < marks_count)
        return 0;
    size_t count = fd < 64 ? 128 : fd * 2;
    bool *grown = PyMem_RawRealloc(marks, count * sizeof(*grown));
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    memset(grown + marks_count, 0, (count - marks_count) * sizeof(*grown));
    marks = grown;
    marks_count = count;
    return 0;
}

void unreferenced_forget_slow(int fd)
{
    if (!unreferenced_slow(fd))
        return;
    marks[fd] = false;
    assert(unreferenced_count > 0);
    unreferenced_count--;
}

/* 0, or -1 with MemoryError. */
static int set_ref(int fd, bool ref)
{
    if (ref || unreferenced(fd)) {
        if (ref)
            unreferenced_forget(fd);
        return 0;
    }
    if (make_room((size_t)fd) < 0)
        return -1;
    marks[fd] = true;
    unreferenced_count++;
    return 0;
}

PyDoc_STRVAR(set_ref_doc,
             "fd_set_ref(fd, ref)\n\n"
             "Whether waits for fd that begin from now on keep the loop\n"
             "running. OSError EBADF when fd is negative.");

static PyObject *fd_set_ref(PyObject *module, PyObject *args)
{
    int fd, ref;
    if (!PyArg_ParseTuple(args, "ip:fd_set_ref", &fd, &ref))
        return NULL;
    if (fd < 0) {
        errno = EBADF;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (set_ref(fd, ref) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *fd_ref(PyObject *module, PyObject *arg)
{
    int fd = state_as_int(arg);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    return PyBool_FromLong(!unreferenced(fd));
}

static PyMethodDef functions[] = {
    {"fd_set_ref", fd_set_ref, METH_VARARGS, set_ref_doc},
    {"fd_ref", fd_ref, METH_O,
     "fd_ref(fd, /)\n--\n\n"
     "Whether waits for fd keep the loop running."},
    {NULL, NULL, 0, NULL},
};

int unreferenced_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}

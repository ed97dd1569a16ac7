/* An extension that waits in libc, and knows nothing of greenlets. */
#include <Python.h>

#include <errno.h>
#include <sys/socket.h>

/* recv_with_error(fd): waits while it has an exception in flight, and holds the
 * GIL. Raises that, or RuntimeError if it is not there any more. */
static PyObject *recv_with_error(PyObject *module, PyObject *fd)
{
    char byte;
    int number = (int)PyLong_AsLong(fd);
    PyErr_SetString(PyExc_ValueError, "in flight");
    recv(number, &byte, 1, 0);
    if (PyErr_Occurred())
        return NULL;
    PyErr_SetString(PyExc_RuntimeError, "it has gone");
    return NULL;
}

/* recv_times(fd, errors): recv, without the GIL, as often as errors (a
 * bytearray) is long; it gets the errno of each, 0 for success. */
static PyObject *recv_times(PyObject *module, PyObject *args)
{
    int fd;
    Py_buffer errors;
    if (!PyArg_ParseTuple(args, "iw*", &fd, &errors))
        return NULL;
    Py_BEGIN_ALLOW_THREADS for (Py_ssize_t i = 0; i < errors.len; i++)
    {
        char byte;
        ((char *)errors.buf)[i] = recv(fd, &byte, 1, 0) < 0 ? (char)errno : 0;
    }
    Py_END_ALLOW_THREADS PyBuffer_Release(&errors);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"recv_with_error", recv_with_error, METH_O, NULL},
    {"recv_times", recv_times, METH_VARARGS, NULL},
    {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "waits_in_c", .m_methods = functions};

PyMODINIT_FUNC PyInit_waits_in_c(void)
{
    return PyModule_Create(&definition);
}

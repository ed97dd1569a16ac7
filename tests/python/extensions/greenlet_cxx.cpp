// C++ exceptions and switches, for test_greenlet_capi.py.
#define PY_SSIZE_T_CLEAN
#include <greenlet/greenlet.h>

#include <exception>
#include <stdexcept>
#include <string>

// function(), throwing std::runtime_error when it raises.
static PyObject *call(PyObject *function)
{
    PyObject *result = PyObject_CallNoArgs(function);
    if (!result)
        throw std::runtime_error("python");
    return result;
}

struct Counted {
    static int alive;
    Counted() { alive++; }
    ~Counted() { alive--; }
};
int Counted::alive;

// Throws and catches around a call that may switch.
static PyObject *around(PyObject *, PyObject *function)
{
    try {
        Counted counted;
        Py_DECREF(call(function));
        throw std::string("thrown after the switch");
    } catch (const std::string &text) {
        return PyUnicode_FromString(text.c_str());
    } catch (const std::runtime_error &) {
        return nullptr;
    }
}

static PyObject *alive(PyObject *, PyObject *)
{
    return PyLong_FromLong(Counted::alive);
}

// Calls function while handling value, then rethrows: what is caught must be
// value, whoever else handles something meanwhile. Says what it was.
static PyObject *rethrow(PyObject *, PyObject *args)
{
    long value;
    PyObject *function;
    if (!PyArg_ParseTuple(args, "lO", &value, &function))
        return nullptr;
    try {
        try {
            throw value;
        } catch (long) {
            Py_DECREF(call(function));
            throw;
        }
    } catch (long caught) {
        return PyLong_FromLong(caught);
    } catch (const std::runtime_error &) {
        return nullptr;
    }
}

// The same, switching by the C API in the catch block.
static PyObject *rethrow_switch(PyObject *, PyObject *args)
{
    long value;
    PyObject *target;
    if (!PyArg_ParseTuple(args, "lO", &value, &target))
        return nullptr;
    try {
        try {
            throw value;
        } catch (long) {
            PyObject *result = PyGreenlet_Switch((PyGreenlet *)target, nullptr,
                                                 nullptr);
            if (!result)
                return nullptr;
            Py_DECREF(result);
            throw;
        }
    } catch (long caught) {
        return PyLong_FromLong(caught);
    }
}

static PyObject *uncaught_exceptions(PyObject *, PyObject *)
{
    return Py_BuildValue("ii", std::uncaught_exceptions(),
                         std::current_exception() != nullptr);
}

// A destructor that switches while the stack is being unwound.
static PyObject *unwind(PyObject *, PyObject *function)
{
    struct Calls {
        PyObject *function;
        ~Calls() { Py_XDECREF(PyObject_CallNoArgs(function)); }
    };
    try {
        Calls calls{function};
        throw 1;
    } catch (int) {
        return PyLong_FromLong(std::uncaught_exceptions());
    }
}

// Nobody catches it.
static PyObject *escape(PyObject *, PyObject *)
{
    throw std::runtime_error("nobody catches this");
}

static PyMethodDef functions[] = {
    {"around", around, METH_O, nullptr},
    {"alive", alive, METH_NOARGS, nullptr},
    {"rethrow", rethrow, METH_VARARGS, nullptr},
    {"rethrow_switch", rethrow_switch, METH_VARARGS, nullptr},
    {"uncaught_exceptions", uncaught_exceptions, METH_NOARGS, nullptr},
    {"unwind", unwind, METH_O, nullptr},
    {"escape", escape, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "greenlet_cxx", nullptr, -1, functions,
    nullptr,               nullptr,        nullptr, nullptr};

PyMODINIT_FUNC PyInit_greenlet_cxx(void)
{
    PyGreenlet_Import();
    return _PyGreenlet_API ? PyModule_Create(&definition) : nullptr;
}
